"""The corpus of shapes, both ways: what is written to the letter, and what reads back as it was."""

import re
from collections import Counter

import orjson
import pytest
from google.protobuf.message import Message

from proxy.shape.envelope import WHOLE, BodyPaths
from tests.shape.corpus_pairs import Pair, Served, pairs

FILES = (
    "names.yaml",
    "places.yaml",
    "numbers.yaml",
    "times.yaml",
    "absences.yaml",
    "envelopes.yaml",
)
ANSWERS = [pair for name in FILES for pair in pairs(name)]


def test_the_corpus_is_large_and_its_names_tell_pairs_apart() -> None:
    assert len(ANSWERS) >= 70
    assert max(Counter(map(str, ANSWERS)).values()) == 1


@pytest.mark.parametrize("pair", ANSWERS, ids=str)
def test_an_answer_is_written_to_the_letter(pair: Pair) -> None:
    served = pair.served()
    wire = served.answer(pair.message).SerializeToString()
    content = served.binding.response.render(wire, pair.values)
    assert content.body.decode() == orjson.dumps(pair.legacy).decode()
    assert content.content_type == "application/json"


@pytest.mark.parametrize("pair", [each for each in ANSWERS if each.one_way is None], ids=str)
def test_an_answer_reads_back_as_it_was(pair: Pair) -> None:
    served = pair.served()
    expected = served.answer(pair.message)
    for legacy in (pair.legacy, *pair.reads):
        assert read_back(served, legacy, expected) == expected


@pytest.mark.parametrize("pair", [each for each in ANSWERS if each.one_way], ids=str)
def test_what_is_one_way_is_so(pair: Pair) -> None:
    served = pair.served()
    expected = served.answer(pair.message)
    assert read_back(served, pair.legacy, expected) != expected


def read_back(served: Served, legacy: object, original: Message) -> Message:
    """The message that the legacy JSON of an answer gives, without what is outside of it."""
    binding, codecs = served.binding.binding, served.codecs
    envelope = codecs.shape.answer
    if envelope is not None and binding.cardinality.response_streams and not envelope.each:
        envelope = None
    message, field = binding.method.output_type, binding.response_body
    paths = BodyPaths(codecs.layouts, message, field, envelope)
    for place in (place for place, name in paths.holes if name == WHOLE):
        for name, index in re.findall(r"([^.\[]+)|\[(\d+)\]", place):
            legacy = legacy[int(index) if index else name]  # type: ignore[index]
    root = field
    if envelope is not None and envelope.root is not None:
        root = message.fields_by_name[envelope.root]
    codec = codecs.message(message) if root is None else codecs.field(root)
    return codec.parse(orjson.dumps(legacy))[0]
