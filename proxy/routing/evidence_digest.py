"""Digests of all that a route's comparisons follow from: evidence is about one of them.

Belongs here: what is in the digest, and what is not. What changes an answer, or how answers are
compared, is: evidence about the old must not speak for the new. What only says when, how often and
for whom a route is mirrored is not: evidence that was gathered at 1 % counts at 10 %.
"""

from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Any, Final, NamedTuple

import orjson
from google.protobuf.descriptor_pb2 import FileDescriptorProto

from proxy.config.compare import Compare, Rule
from proxy.config.resolved import ResolvedRoute
from proxy.config.schema import Settings
from proxy.cutover.mirror import MirrorOptions
from proxy.transcoding.binding import Binding, Body
from proxy.transcoding.descriptors import DescriptorFile

#: The version of the comparison itself: raise it when equal answers come to be called unequal, or
#: the other way round.
_VERSION: Final = 1
#: The options of a route that what clients get of gRPC depends on.
OPTIONS: Final = (
    *("unknown_fields", "names", "emit_defaults", "enums_as_numbers", "int64_as_numbers"),
    *("stream_format", "reveal_internal_errors", "request_headers", "response_metadata"),
    *("upstream", "validates"),
)
#: The parts of a rule that say nothing about values.
_WORDS_OF_RULES: Final = frozenset({"reason", "expires"})
_NO_COMPARE: Final = Compare()


class EvidenceSettings(NamedTuple):
    """What evidence about a route depends on beside its own options: servers and limits."""

    legacy: str
    target: str
    max_json_depth: int
    max_object_keys: int
    max_query_parameters: int

    @classmethod
    def of(cls, settings: Settings, upstream: str | None) -> "EvidenceSettings":
        """Those of a route with that gRPC *upstream*."""
        legacy, grpc = settings.upstreams.legacy, settings.upstreams.grpc.get(upstream or "")
        limits = settings.limits
        return cls(
            "" if legacy is None else legacy.url,
            "" if grpc is None else grpc.target,
            limits.max_json_depth,
            limits.max_object_keys,
            limits.max_query_parameters,
        )


class FileDigests:
    """Digests of descriptor files with all that they import, each made once."""

    def __init__(self, files: Mapping[str, DescriptorFile]) -> None:
        self._files = files
        self._digests: dict[str, str] = {}

    def __repr__(self) -> str:
        return f"<FileDigests {len(self._digests)} of {len(self._files)}>"

    def of(self, name: str) -> str:
        """The digest of the file *name*. Comments and positions do not count."""
        if not self._digests:
            # Dependencies come first, and nearly every file is asked for.
            for file in self._files.values():
                self._digests[file.name] = self._digest(file.proto)
        return self._digests.get(name, "")

    def _digest(self, proto: FileDescriptorProto) -> str:
        bare = FileDescriptorProto()
        bare.CopyFrom(proto)
        bare.ClearField("source_code_info")
        digest = sha256(bare.SerializeToString(deterministic=True))
        for dependency in sorted(proto.dependency):
            digest.update(self._digests.get(dependency, "").encode())
        return digest.hexdigest()


def evidence_digest(
    bindings: Iterable[Binding],
    options: ResolvedRoute,
    mirror: MirrorOptions,
    settings: EvidenceSettings,
    files: FileDigests,
) -> str:
    """The SHA-256, in hex, of what comparisons of a route with these *bindings* follow from."""
    targets = list(bindings)
    compare = options.compare or _NO_COMPARE
    document = {
        "version": _VERSION,
        "rpc": options.rpc,
        "files": sorted({files.of(each.method.containing_service.file.name) for each in targets}),
        "bindings": sorted(map(_binding, targets)),
        "options": [getattr(options, name) for name in OPTIONS],
        "dialect": [each.model_dump(mode="json") for each in (options.requests, options.answers)],
        "shape": None if options.shape is None else options.shape.model_dump(mode="json"),
        "settings": list(settings),
        "mirror": [mirror.depth, mirror.set_headers, sorted(mirror.remove_headers)],
        "compare": [compare.status, sorted(compare.headers), sorted(map(_rule, compare.rules))],
    }
    return sha256(orjson.dumps(document)).hexdigest()


def _binding(binding: Binding) -> list[Any]:
    body, answer = binding.body, binding.response_body
    return [
        binding.http_method,
        str(binding.template),
        body.value if isinstance(body, Body) else f"field {body.name}",
        "" if answer is None else answer.name,
        binding.fully_decode_reserved_expansion,
    ]


def _rule(rule: Rule) -> str:
    given = rule.model_dump(exclude_none=True, exclude=set(_WORDS_OF_RULES))
    return orjson.dumps(given, option=orjson.OPT_SORT_KEYS).decode()
