"""Trying a shape on pairs: gRPC's answers are printed under it, and held against the old ones.

Belongs here: settings to what they leave of the differences. Does not: which settings are tried
(`candidates`, `search`).
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message

from proxy.config.shape import Profile
from proxy.config.shape_options import shape_options
from proxy.errors import RequestError, StatusError
from proxy.shape.checks import check_shape
from proxy.shape.codecs import codecs_of
from proxy.shape.layout import Layouts
from proxy.shape.options import ShapeOptions
from proxy.shaping.pairs import Pair, Unequal, differences
from proxy.transcoding.binding import Binding
from proxy.transcoding.protojson import Codecs, JsonOptions
from proxy.transcoding.response import ResponseRenderer

#: Keys of a shape, as in a configuration.
Settings = Mapping[str, Any]

#: What `lossy` can name: a shape that loses something has to say so.
LOSSY: Final = ("timestamp", "enum", "separator", "unset")


class Unfit(ValueError):
    """Settings that are none, or do not fit the messages."""


class NoMessage(ValueError):
    """What stands for gRPC's answer is no ProtoJSON of the RPC's answer. The text says where."""


@dataclass(frozen=True, slots=True)
class Tried:
    """What is left under *settings*: the *differences* of each pair."""

    settings: Settings
    differences: tuple[tuple[Unequal, ...], ...]

    @property
    def count(self) -> int:
        """How many values differ still, in all pairs."""
        return sum(each.size for of_pair in self.differences for each in of_pair)


class Trial:
    """Tries shapes of the answers of *binding* on *pairs*; *bindings* are all of its RPC.

    Raises `NoMessage` for an answer of gRPC that is no such message.
    """

    def __init__(
        self,
        pool: DescriptorPool,
        bindings: Sequence[Binding],
        options: JsonOptions,
        pairs: Iterable[Pair],
    ) -> None:
        self._pool = pool
        self._bindings = bindings
        self.binding = bindings[0]
        self._options = options
        plain = Codecs(pool, JsonOptions()).message(self.binding.method.output_type)
        self.pairs = tuple(pairs)
        self._wires = tuple(
            _message(plain, pair.grpc, number).SerializeToString()
            for number, pair in enumerate(self.pairs, 1)
        )

    def __repr__(self) -> str:
        return f"<Trial of {self.binding.rpc} on {len(self.pairs)} pairs>"

    def over(self, count: int) -> "Trial":
        """The same on *count* of the pairs, taken evenly."""
        if count >= len(self.pairs):
            return self
        step = len(self.pairs) / count
        chosen = [self.pairs[int(index * step)] for index in range(count)]
        return Trial(self._pool, self._bindings, self._options, chosen)

    def options_of(self, settings: Settings) -> ShapeOptions:
        """The options that *settings* come to. Raises `Unfit`."""
        try:
            profile = Profile.model_validate(_frozen(settings))
            return shape_options(profile) or ShapeOptions()
        except ValueError as error:
            raise Unfit(str(error)) from error

    def run(self, settings: Settings) -> Tried:
        """What is left of the differences. Raises `Unfit`."""
        both = zip(self.pairs, self.printed(settings), strict=True)
        return Tried(settings, tuple(tuple(differences(p.legacy, got)) for p, got in both))

    def printed(self, settings: Settings) -> list[Any]:
        """The answers of gRPC as clients would get them. Raises `Unfit`."""
        shape = self.options_of(settings)
        try:
            codecs = codecs_of(self._pool, self._options, shape)
            renderer = ResponseRenderer.compile(self.binding, codecs)
            return [json.loads(renderer.render(wire).body) for wire in self._wires]
        except (ValueError, StatusError) as error:
            raise Unfit(str(error)) from error

    def whole(self, settings: Settings) -> Settings:
        """*settings* with `lossy` for all that they lose. Raises `Unfit` where that is not all."""
        faults, lossy = self._faults(settings), list[str]()
        for kind in LOSSY:
            if not faults:
                break
            fewer = self._faults({**settings, "lossy": [*lossy, kind]})
            if len(fewer) < len(faults):
                lossy.append(kind)
                faults = fewer
        if faults:
            raise Unfit("; ".join(faults))
        return {**settings, "lossy": lossy} if lossy else settings

    def _faults(self, settings: Settings) -> tuple[str, ...]:
        shape = self.options_of(settings)
        layouts = Layouts(shape.messages, self._options)
        found = check_shape(layouts, shape.answer, self._bindings)
        return tuple(message for _, message in found.faults)


def _message(codec: Any, value: Any, number: int) -> Message:
    try:
        message: Message = codec.parse(json.dumps(value).encode())[0]
    except RequestError as error:
        raise NoMessage(f"pair {number}: grpc is no answer of this RPC: {error}") from error
    return message


def _frozen(value: Any) -> Any:
    """Lists as the tuples that the configuration has."""
    if isinstance(value, Mapping):
        return {key: _frozen(inner) for key, inner in value.items()}
    return tuple(map(_frozen, value)) if isinstance(value, list | tuple) else value
