"""The corpus of requests under shapes: `requests/*.yaml`, each request with its message or fault.

A pair has a `name`, the `rpc`, the `shape` of its route (`route` has further options), what the
client sends (`captures`, `query`, `body` as JSON or a `text`, or `parts` of a multipart form), and
the `message` in ProtoJSON with the `unknown` names, or the `error`: its `status`, 400 if not given,
and the `field` at fault.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml
from google.protobuf import json_format
from google.protobuf.message import Message

from proxy.errors import StatusError
from proxy.routing.table import RouteBinding
from proxy.transcoding.descriptors import message_class
from tests.shape.corpus_pairs import schema, snapshot_of

FILES = ("queries.yaml", "bodies.yaml", "forms.yaml")


@dataclass(frozen=True)
class Pair:
    """One request of the corpus."""

    name: str
    rpc: str
    shape: Mapping[str, Any] = field(default_factory=dict)
    route: Mapping[str, Any] = field(default_factory=dict)
    captures: tuple[str, ...] = ()
    query: str = ""
    body: Any = None
    text: str | None = None
    parts: tuple[Mapping[str, str], ...] = ()
    content_type: str | None = None
    message: Any = None
    unknown: tuple[str, ...] = ()
    error: Mapping[str, Any] | None = None

    def __str__(self) -> str:
        return self.name.replace(" ", "-")

    @property
    def content(self) -> bytes:
        """The bytes of the body."""
        if self.parts:
            return multipart(self.parts, str(self.content_type))
        if self.text is not None:
            return self.text.encode()
        return b"" if self.body is None else orjson.dumps(self.body)


def multipart(parts: tuple[Mapping[str, str], ...], content_type: str) -> bytes:
    boundary = content_type.partition("boundary=")[2].strip('"')
    lines = []
    for part in parts:
        named = f'; filename="{part["file_name"]}"' if "file_name" in part else ""
        lines += [f"--{boundary}", f'Content-Disposition: form-data; name="{part["name"]}"{named}']
        lines += [f"Content-Type: {part['type']}"] if "type" in part else []
        encoding = part.get("encoding")
        lines += [f"Content-Transfer-Encoding: {encoding}"] if encoding else []
        lines += ["", part["content"]]
    return "\r\n".join([*lines, f"--{boundary}--", ""]).encode()


def pairs() -> Iterator[Pair]:
    for name in FILES:
        text = (Path(__file__).parent / "requests" / name).read_text(encoding="utf-8")
        for entry in yaml.safe_load(text):
            lists = {key: tuple(entry.get(key, ())) for key in ("captures", "unknown", "parts")}
            yield Pair(**{**entry, **lists})


PAIRS = list(pairs())


def served(pair: Pair) -> RouteBinding:
    settings = {"rpc": f"desk.v1.Desk.{pair.rpc}", "shape": pair.shape, **pair.route}
    snapshot = snapshot_of(f"routes: [{orjson.dumps(settings).decode()}]\n")
    return next(each for each in snapshot.bindings if each.route.rpc == settings["rpc"])


def expected(binding: RouteBinding, content: Any) -> Message:
    message = message_class(binding.binding.method.input_type)()
    return json_format.ParseDict(content, message, descriptor_pool=schema().descriptors.pool)


def test_the_corpus_is_large_and_its_names_tell_pairs_apart() -> None:
    assert len(PAIRS) >= 50
    assert len({str(pair) for pair in PAIRS}) == len(PAIRS)


@pytest.mark.parametrize("pair", [each for each in PAIRS if each.error is None], ids=str)
def test_a_request_makes_its_message(pair: Pair) -> None:
    binding = served(pair)
    built = binding.request.build(pair.captures, pair.query, pair.content, pair.content_type)
    assert built.message == expected(binding, pair.message)
    assert built.unknown == pair.unknown


@pytest.mark.parametrize("pair", [each for each in PAIRS if each.error], ids=str)
def test_a_bad_request_is_refused_for_its_fault(pair: Pair) -> None:
    binding = served(pair)
    assert pair.error is not None
    with pytest.raises(StatusError) as caught:
        binding.request.build(pair.captures, pair.query, pair.content, pair.content_type)
    assert caught.value.http_status == pair.error.get("status", 400)
    assert getattr(caught.value, "field", "") == pair.error.get("field", "")
