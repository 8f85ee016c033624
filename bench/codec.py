"""The ProtoJSON codec beside protobuf's own: one DNS record, and a list of 1,000.

Both do the same work on the same bytes in one process, in turns, so that a change of the
machine's speed meets both. Times are CPU times, which other processes disturb least. A figure is
the median over the rounds: of the times, and of the ratios within a round. The ratios carry the
targets; microseconds depend on the machine.

The list goes through the codecs of a full shape, too, which are held against those without one: the
same messages in the JSON of an old host, with its names, numbers, times, and envelopes.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from statistics import median
from time import thread_time
from typing import Any, Final

import orjson
from google.protobuf import json_format
from google.protobuf.message import Message

from bench.figures import Broken, Figure
from proxy.errors import Place
from proxy.shape.codecs import ShapedCodecs
from proxy.shape.holes import Document
from proxy.shape.options import Envelope, FieldShape, Forms, ShapeOptions
from proxy.sources.protos import compile_folder
from proxy.transcoding.descriptors import Descriptors, merge_files, message_class
from proxy.transcoding.protojson import Codecs, JsonOptions, MessageCodec

PROTO: Final = Path(__file__).parent.parent / "proto"

#: How often everything is timed, and how long one timing is at least, in seconds.
ROUNDS: Final = 15
TIMING_S: Final = 0.01
#: How many records are in the list, and how many of them differ.
LIST: Final = 1_000

PARSE_TARGET: Final = 6.0
PRINT_TARGET: Final = 4.0
#: How much longer a list may take under a full shape.
SHAPE_TARGET: Final = 1.25

#: What an old host may ask for: names, numbers, enums and times in its own forms, a message that is
#: flattened, and envelopes both ways.
SHAPE: Final = ShapeOptions(
    names="snake",
    forms=Forms(int64="number", enum="lower", timestamp="epoch_ms", duration="seconds"),
    fields=(
        FieldShape("Record.create_time", name="created_on"),
        FieldShape("Record.update_time", name="modified_on"),
        FieldShape("Record.mail_exchange", flatten="mx_"),
    ),
    answer=Envelope(
        Document.parse(
            {
                "success": True,
                "errors": [],
                "result": "{}",
                "result_info": {"count": "{@count}", "total": "{total_size}"},
            }
        ),
        root="records",
    ),
    request=Envelope(Document.parse({"data": "{}"})),
)


def record(number: int) -> dict[str, Any]:
    """A record with eleven fields: nested, enum, map, duration, wrapper and two timestamps."""
    return {
        "name": f"zones/example.com/records/r{number:06d}",
        "host": f"host-{number}",
        "type": "MX",
        "ttl": "3600s",
        "mailExchange": {"preference": 10, "exchange": f"mx{number}.example.com."},
        "weight": 0.25,
        "comment": f'Entry {number}, see "the plan"' if number % 10 == 0 else f"Entry {number}",
        "tags": {"team": "dns", "tier": "gold"},
        "revision": str(9_007_199_254_740_993 + number),
        "createTime": "2024-05-06T07:08:09Z",
        "updateTime": f"2025-11-12T13:14:15.{number % 1000:03d}Z",
    }


@dataclass(frozen=True)
class Work:
    """One message, its JSON and its wire bytes, with the codec that reads and writes it."""

    name: str
    codec: MessageCodec
    message_type: type[Message]
    json: bytes
    wire: bytes

    def ways(self) -> dict[str, Callable[[], bytes]]:
        """What is timed: each direction, ours and json_format's."""
        return {
            "JSON to wire": lambda: self.codec.json_to_wire(self.json),
            "json_format JSON to wire": lambda: json_format.Parse(
                self.json, self.message_type()
            ).SerializeToString(),
            "wire to JSON": lambda: self.codec.wire_to_json(self.wire),
            "json_format wire to JSON": lambda: json_format.MessageToJson(
                self.message_type.FromString(self.wire), indent=None
            ).encode(),
        }


def run() -> list[Figure]:
    """Time both codecs on a record and on a list, and the list under a shape."""
    descriptors = compiled()
    codecs = Codecs(descriptors.pool)
    one = prepared("1 record", "dns.v1.Record", record(7), descriptors, codecs)
    many = prepared(
        f"{LIST:,} records",
        "dns.v1.ListRecordsResponse",
        {"records": [record(number) for number in range(LIST)], "totalSize": LIST},
        descriptors,
        codecs,
    )
    return [*figures(one), *figures(many), *shape_figures(many, descriptors)]


def shape_figures(work: Work, descriptors: Descriptors) -> list[Figure]:
    """What a full shape costs, as a share of the codec without one."""
    ways = shaped_ways(work, descriptors)
    times_s = timed(ways)
    found: list[Figure] = []
    for way in ("JSON to wire", "wire to JSON"):
        with_shape, without = times_s[f"shaped {way}"], times_s[way]
        ratios = [one / other for one, other in zip(with_shape, without, strict=True)]
        name = f"{way} under a full shape, {work.name}"
        found += [
            Figure(f"{name}: share of the time without", median(ratios), "x", SHAPE_TARGET, False),
            Figure(name, median(with_shape) * 1e6, "µs"),
        ]
    return found


def shaped_ways(work: Work, descriptors: Descriptors) -> dict[str, Callable[[], bytes]]:
    """Both directions with and without the shape; what is written must read back as it was."""
    descriptor = work.codec.descriptor
    codecs = ShapedCodecs(descriptors.pool, JsonOptions(), SHAPE)
    answers = codecs.answer(descriptor, None, streams=False)
    requests = codecs.unwrapping(descriptor, None)
    if answers is None or requests is None:
        raise Broken("the shape has no envelopes")
    message = work.message_type.FromString(work.wire)
    body = b'{"data":%b}' % codecs.message(descriptor).print(message)
    if requests.parse_fast(body)[0] != message:
        raise Broken(f"{work.name} reads back as another message")
    if len(orjson.loads(answers.print(message, None))["result"]) != LIST:
        raise Broken(f"{work.name} is not in its envelope")

    def read() -> bytes:
        return requests.parse(body)[0].SerializeToString()

    def write() -> bytes:
        return answers.print(work.message_type.FromString(work.wire), None)

    return {
        "JSON to wire": lambda: work.codec.json_to_wire(work.json),
        "shaped JSON to wire": read,
        "wire to JSON": lambda: work.codec.wire_to_json(work.wire),
        "shaped wire to JSON": write,
    }


def compiled() -> Descriptors:
    """The example's descriptors in a pool of their own."""
    return merge_files(compile_folder(PROTO, "proto", Place("bench")))


def prepared(
    name: str, message: str, content: dict[str, Any], descriptors: Descriptors, codecs: Codecs
) -> Work:
    """The work for one message; both codecs must agree on it."""
    descriptor = descriptors.pool.FindMessageTypeByName(message)
    codec, message_type = codecs.message(descriptor), message_class(descriptor)
    body = orjson.dumps(content)
    wire = codec.parse_fast(body)[0].SerializeToString(deterministic=True)
    work = Work(name, codec, message_type, body, wire)
    theirs = json_format.Parse(body, message_type())
    if theirs.SerializeToString(deterministic=True) != wire:
        raise Broken(f"the codecs read {name} differently")
    if orjson.loads(codec.wire_to_json(wire)) != json_format.MessageToDict(theirs):
        raise Broken(f"the codecs write {name} differently")
    return work


def figures(work: Work) -> list[Figure]:
    """The speed-up and the times of each direction."""
    times_s = timed(work.ways())
    return [
        figure
        for way, target in (("JSON to wire", PARSE_TARGET), ("wire to JSON", PRINT_TARGET))
        for figure in compared(
            f"{way}, {work.name}", times_s[way], times_s[f"json_format {way}"], target
        )
    ]


def compared(name: str, ours_s: list[float], theirs_s: list[float], target: float) -> list[Figure]:
    ratios = [theirs / ours for ours, theirs in zip(ours_s, theirs_s, strict=True)]
    return [
        Figure(f"{name}: times as fast as json_format", median(ratios), "x", target),
        Figure(name, median(ours_s) * 1e6, "µs"),
        Figure(f"json_format {name}", median(theirs_s) * 1e6, "µs"),
    ]


def timed(ways: dict[str, Callable[[], bytes]]) -> dict[str, list[float]]:
    """The time of one call in each round, in seconds; in a round each way has its turn."""
    calls = {name: enough_calls(way) for name, way in ways.items()}
    rounds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, way in ways.items():
            rounds[name].append(elapsed_s(way, calls[name]) / calls[name])
    return rounds


def enough_calls(way: Callable[[], bytes]) -> int:
    """How many calls take about `TIMING_S`; the first one also warms the code up."""
    calls = 1
    while elapsed_s(way, calls) < TIMING_S:
        calls *= 2
    return calls


def elapsed_s(way: Callable[[], bytes], calls: int) -> float:
    start = thread_time()
    for _ in repeat(None, calls):
        way()
    return thread_time() - start
