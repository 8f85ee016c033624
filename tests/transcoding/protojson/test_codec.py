"""What the codecs promise: options, single fields, merging, errors and their places."""

import json
from typing import Any

import orjson
import pytest
from google.protobuf.descriptor_pool import DescriptorPool

from proxy.errors import RequestError
from proxy.transcoding.descriptors import message_class
from proxy.transcoding.protojson import Codecs, DecodeFailure, JsonOptions, MessageCodec
from proxy.transcoding.protojson.program import Program
from proxy.transcoding.protojson.unknown import MOST_UNKNOWN
from tests.transcoding.protojson.schema import (
    ODD,
    OLD,
    SHAPES,
    codec,
    field_codec,
    odd,
    old,
    pool_of,
    same,
    shape,
    shapes,
)


def refused(codec: MessageCodec, content: Any) -> tuple[str, str]:
    with pytest.raises(RequestError) as caught:
        codec.parse(json.dumps(content).encode())
    return caught.value.field, caught.value.status.message


def pool_of_type(name: str) -> DescriptorPool:
    return pool_of(OLD) if name.startswith("old.") else shapes()


def printed(codec: MessageCodec, **fields: Any) -> Any:
    return orjson.loads(codec.print(message_class(codec.descriptor)(**fields)))


# Places and texts of errors


@pytest.mark.parametrize(
    ("content", "field", "message"),
    [
        (
            {"part": {"inner": {"count": "x"}}},
            "part.inner.count",
            'expected a 32-bit integer, not "x"',
        ),
        ({"rPart": [{}, {"tags": [1]}]}, "r_part[1].tags[0]", "expected text, not 1"),
        ({"mPart": {"a b": {"label": []}}}, "m_part[a b].label", "expected text, not an array"),
        ({"mI32": {"x": "a"}}, "m_i32[x]", 'expected a 32-bit integer as a key, not "x"'),
        ({"mYes": {"yes": "a"}}, "m_yes[yes]", 'expected the key "true" or "false", not "yes"'),
        ({"renamed": 1}, "renamed", "expected text, not 1"),
        ({"customName": 1}, "renamed", "expected text, not 1"),
        ({"bag": {"a": [1, "\ud800"]}}, "bag.a[1]", "the text has half of a surrogate pair"),
        ({"wI64": {}}, "w_i64", "expected a 64-bit integer, not an object"),
        ({"rI32": {}}, "r_i32", "expected an array, not an object"),
        ({"mStr": []}, "m_str", "expected an object, not an array"),
        ({"raw": 5}, "raw", "expected base64 text, not 5"),
        ({"raw": "*"}, "raw", 'expected base64 text, not "*"'),
        ({"nil": "x"}, "nil", 'expected null, not "x"'),
        ({"nil": 1}, "nil", "expected null, not 1"),
        ({"nil": False}, "nil", "expected null, not false"),
        (
            {"row": [[{"a": 1}], {"b": "\ud800"}]},
            "row[1].b",
            "the text has half of a surrogate pair",
        ),
        ([], "", "expected an object, not an array"),
        (
            {"pickI32": 1, "pickStr": "a"},
            "pick_str",
            "only one field of the oneof pick may be given, and pick_i32 is",
        ),
        (
            {"parcel": {"@type": "type.googleapis.com/testvectors.v1.Part", "count": "x"}},
            "parcel.count",
            'expected a 32-bit integer, not "x"',
        ),
        (
            {"parcel": {"@type": "type.googleapis.com/google.protobuf.Duration", "value": "x"}},
            "parcel",
            'expected a duration such as "1.5s", not "x"',
        ),
    ],
)
def test_a_refusal_names_the_field_by_its_proto_path(
    content: Any, field: str, message: str
) -> None:
    assert refused(shape(), content) == (field, message)


def test_a_syntax_error_has_a_line_and_a_column() -> None:
    with pytest.raises(RequestError) as caught:
        shape().parse(b'{\n  "i32": 1,\n}')
    assert str(caught.value).startswith("the body is not valid JSON at line 3, column 1: ")


# Unknown fields

UNKNOWN = {
    "nope": {"a": [1, "b", None]},
    "part": {"odd": 1},
    "tone": "NEW",
    "rTone": ["LOW", "NEW"],
}


def test_reject_refuses_the_first_unknown_field() -> None:
    assert refused(shape(), UNKNOWN) == ("nope", "there is no such field")


def test_warn_returns_the_paths_of_unknown_fields() -> None:
    message, unknown = shape(unknown_fields="warn").parse(json.dumps(UNKNOWN).encode())
    assert unknown == ("nope", "part.odd", "tone", "r_tone[1]")
    assert printed(shape(), r_tone=[1], part={}) == orjson.loads(shape().print(message))


def test_unknown_fields_do_not_need_the_strict_path() -> None:
    content = {
        "nope": {"a": [1, "b", None]},
        "part": {"odd": 1, "inner": {"odd": ["x"]}},
        "rPart": [{}, {"odd": {}}],
        "mPart": {"k": {"odd": True}},
        "bag": {"free": 1},
    }
    body = json.dumps(content).encode()
    message, unknown = shape(unknown_fields="warn").parse_fast(body)
    assert unknown == ("nope", "part.odd", "part.inner.odd", "r_part[1].odd", "m_part[k].odd")
    assert (message, unknown) == shape(unknown_fields="warn").parse_strictly(body)
    assert (message, ()) == shape(unknown_fields="ignore").parse_fast(body)


@pytest.mark.parametrize(
    ("field", "body", "names"),
    [
        ("part", b'{"nope": 1}', ("part.nope",)),
        ("r_part", b'[{}, {"nope": 1}]', ("r_part[1].nope",)),
        ("m_part", b'{"k": {"nope": 1}}', ("m_part[k].nope",)),
        ("bag", b'{"nope": 1}', ()),
    ],
)
def test_unknown_fields_inside_a_single_field_have_its_path(
    field: str, body: bytes, names: tuple[str, ...]
) -> None:
    single = field_codec(shapes(), SHAPES, field, unknown_fields="warn")
    assert single.parse_fast(body)[1] == single.parse_strictly(body)[1] == names


def test_ignore_returns_none() -> None:
    assert shape(unknown_fields="ignore").parse(json.dumps(UNKNOWN).encode())[1] == ()


def test_warn_returns_only_so_many() -> None:
    body = json.dumps({f"x{number}": number for number in range(100)}).encode()
    assert len(shape(unknown_fields="warn").parse(body)[1]) == MOST_UNKNOWN


@pytest.mark.parametrize("body", [b'{"nope": {"a": 1, "a": 2}}', b'{"nope": [1e999]}'])
def test_an_unknown_field_is_checked_before_it_is_dropped(body: bytes) -> None:
    with pytest.raises(RequestError):
        shape(unknown_fields="ignore").parse(body)


# Options of the printer

NAMED: dict[str, Any] = {"snake_case_name": "a", "renamed": "b", "i64": 5, "tone": 2}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, {"snakeCaseName": "a", "customName": "b", "i64": "5", "tone": "HIGH"}),
        ({"names": "proto"}, {"snake_case_name": "a", "renamed": "b", "i64": "5", "tone": "HIGH"}),
        (
            {"enums_as_numbers": True},
            {"snakeCaseName": "a", "customName": "b", "i64": "5", "tone": 2},
        ),
        (
            {"int64_as_numbers": True},
            {"snakeCaseName": "a", "customName": "b", "i64": 5, "tone": "HIGH"},
        ),
    ],
)
def test_options_change_what_is_written(options: Any, expected: Any) -> None:
    assert printed(shape(**options), **NAMED) == expected
    body = json.dumps(expected).encode()
    assert same(shape(**options).parse(body)[0]) == same(shape().parse_strictly(body)[0])


def test_int64_as_numbers_holds_in_lists_maps_and_wrappers_but_not_for_keys() -> None:
    codec_ = shape(int64_as_numbers=True)
    written = printed(
        codec_, r_i64=[-1], w_u64={"value": 2**64 - 1}, r_w_i64=[{"value": 3}], m_i64={4: "a"}
    )
    assert written == {
        "rI64": [-1],
        "wU64": 2**64 - 1,
        "rWI64": [3],
        "mI64": {"4": "a"},
    }


@pytest.mark.parametrize("name", [SHAPES, "testvectors.v1.Part"])
def test_defaults_are_written_for_fields_without_presence(name: str) -> None:
    codec_ = codec(shapes(), name, emit_defaults=True)
    written = printed(codec_)
    assert list(written) == [
        field.json_name for field in codec_.descriptor.fields if not field.has_presence
    ]
    assert all(
        not value or value == "0" or value == "TONE_UNSPECIFIED" for value in written.values()
    )


@pytest.mark.parametrize("name", [SHAPES, "testvectors.v1.Part", "old.Thing"])
@pytest.mark.parametrize("defaults", [False, True])
def test_what_is_not_set_is_null_but_in_oneofs(name: str, *, defaults: bool) -> None:
    codec_ = codec(pool_of_type(name), name, emit_unset=True, emit_defaults=defaults)
    written = printed(codec_)
    unset = {
        field.json_name
        for field in codec_.descriptor.fields
        if field.has_presence and field.containing_oneof is None
    }
    assert {key for key, value in written.items() if value is None} >= unset
    plain = printed(codec(pool_of_type(name), name, emit_defaults=defaults))
    assert {key: value for key, value in written.items() if key not in unset} == plain


@pytest.mark.parametrize("name", [SHAPES, "old.Thing"])
def test_null_reads_as_not_set_but_where_it_is_a_value(name: str) -> None:
    codec_ = codec(pool_of_type(name), name, emit_unset=True)
    read = codec_.parse(codec_.print(message_class(codec_.descriptor)()))[0]
    assert {field.message_type.full_name for field, _ in read.ListFields()} <= {
        "google.protobuf.Value"
    }


def test_a_field_that_is_set_is_no_null() -> None:
    assert printed(shape(emit_unset=True), w_str={"value": ""})["wStr"] == ""


def test_defaults_follow_the_other_options() -> None:
    written = printed(shape(emit_defaults=True, int64_as_numbers=True, enums_as_numbers=True))
    assert (written["i64"], written["tone"], written["raw"], written["nil"]) == (0, 0, "", None)


@pytest.mark.parametrize(
    ("number", "written"),
    [(1.401298464324817e-45, b"1e-45"), (1.1754942106924411e-38, b"1.1754942e-38"), (0.5, b"0.5")],
)
def test_a_float_is_written_with_the_fewest_digits(number: float, written: bytes) -> None:
    assert shape().wire_to_json(shape().parse(b'{"flt": %s}' % written)[0].SerializeToString()) == (
        b'{"flt":%s}' % written
    )
    assert printed(shape(), flt=number) == {"flt": float(written)}


@pytest.mark.parametrize("field", ["flt", "dbl"])
def test_minus_zero_is_kept(field: str) -> None:
    body = b'{"%s":-0.0}' % field.encode()
    assert shape().print(shape().parse(body)[0]) == body
    assert shape().print(shape().parse(body.replace(b".0", b""))[0]) == body


@pytest.mark.parametrize(
    "options", [{"max_depth": 0}, {"max_depth": 101}, {"max_object_keys": 0}], ids=str
)
def test_limits_out_of_range_are_refused(options: Any) -> None:
    with pytest.raises(ValueError, match="must be"):
        JsonOptions(**options)


# Wire bytes


def test_json_to_wire_and_back() -> None:
    body = b'{"i32":1,"part":{"label":"a"},"at":"2024-02-29T12:00:00Z"}'
    assert shape().wire_to_json(shape().json_to_wire(body)) == body


def test_bytes_that_are_no_message_are_a_decode_failure() -> None:
    with pytest.raises(DecodeFailure, match=r"not a valid message of type testvectors\.v1\."):
        shape().wire_to_json(b"\xff")


def test_a_missing_required_field_is_refused_with_its_path() -> None:
    with pytest.raises(RequestError) as caught:
        old("Strict").json_to_wire(b'{"must": 1, "inner": {}}')
    assert caught.value.field == "inner.must"


def test_parse_into_merges() -> None:
    message: Any = message_class(shape().descriptor)(i32=5, str="kept", r_i32=[1])
    assert shape().parse_into(message, b'{"i32": 6, "rI32": [2]}') == ()
    assert (message.i32, message.str, list(message.r_i32)) == (6, "kept", [1, 2])


# Single fields


@pytest.mark.parametrize(
    ("field", "body"),
    [
        ("part", b'{"label":"a"}'),
        ("r_part", b'[{"label":"a"},{}]'),
        ("r_i64", b'["1"]'),
        ("m_part", b'{"a":{"count":1}}'),
        ("str", b'"text"'),
        ("tone", b'"HIGH"'),
        ("at", b'"1970-01-01T00:00:01.500Z"'),
        ("w_i64", b'"5"'),
        ("bag", b'{"a":[1.5]}'),
        ("anything", b"null"),
        ("pick_null", b"null"),
        ("parcel", b'{"@type":"type.googleapis.com/testvectors.v1.Part","label":"a"}'),
        ("dbl", b"-0.0"),
        ("w_dbl", b"-0.0"),
        ("r_dbl", b'["NaN",-0.0]'),
    ],
)
def test_a_field_is_read_and_written_alone(field: str, body: bytes) -> None:
    single = field_codec(shapes(), SHAPES, field)
    message, unknown = single.parse(body)
    assert unknown == ()
    assert message == single.parse_strictly(body)[0] or field == "r_dbl"
    assert [each.name for each, _ in message.ListFields()] == [field]
    assert single.print(message) == body
    target = message_class(shape().descriptor)()
    assert single.parse_into(target, body) == ()
    assert same(target) == same(message)


def test_minus_zero_as_a_whole_body_is_kept() -> None:
    single = field_codec(shapes(), SHAPES, "dbl")
    assert single.print(single.parse(b"-0")[0]) == b"-0.0"


@pytest.mark.parametrize("field", ["part", "r_part", "m_part", "str", "opt_i32", "at", "parcel"])
def test_a_null_body_leaves_the_field_unset(field: str) -> None:
    message, _ = field_codec(shapes(), SHAPES, field).parse(b"null")
    assert not message.ListFields()


@pytest.mark.parametrize(
    ("field", "written"),
    [
        *(
            ("part", b"{}"),
            ("at", b"null"),
            ("w_str", b"null"),
            ("r_part", b"[]"),
            ("m_str", b"{}"),
        ),
        *(("str", b'""'), ("tone", b'"TONE_UNSPECIFIED"'), ("i64", b'"0"')),
    ],
)
def test_an_unset_field_is_written_all_the_same(field: str, written: bytes) -> None:
    single = field_codec(shapes(), SHAPES, field)
    assert single.print(message_class(shape().descriptor)()) == written


@pytest.mark.parametrize(
    ("field", "body", "place"),
    [
        ("part", b'{"count": "x"}', "part.count"),
        ("part", b"[]", "part"),
        ("r_part", b'[{}, {"count": "x"}]', "r_part[1].count"),
        ("str", b"1", "str"),
        ("r_i32", b"[1, 1]x", ""),
        ("m_str", b'{"a": "b", "a": "c"}', "m_str"),
    ],
)
def test_a_refusal_of_a_field_names_its_path(field: str, body: bytes, place: str) -> None:
    with pytest.raises(RequestError) as caught:
        field_codec(shapes(), SHAPES, field).parse(body)
    assert caught.value.field == place


def test_a_field_warns_with_paths_from_the_request_message() -> None:
    single = field_codec(shapes(), SHAPES, "part", unknown_fields="warn")
    assert single.parse(b'{"nope": 1, "inner": {"odd": 2}}')[1] == ("part.nope", "part.inner.odd")


def test_a_field_without_a_json_form_is_a_decode_failure() -> None:
    message: Any = message_class(shape().descriptor)()
    message.at.nanos = -1
    with pytest.raises(DecodeFailure, match="at has no JSON form: a Timestamp is out of range"):
        field_codec(shapes(), SHAPES, "at").print(message)


# Messages with a JSON form of their own, as whole bodies


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("Struct", b'{"a":[null,{"b":true}],"c":"d"}'),
        ("Value", b"null"),
        ("Value", b'["a",1.5]'),
        ("ListValue", b"[[],{}]"),
        ("Timestamp", b'"1970-01-01T00:00:00Z"'),
        ("Duration", b'"-0.000000001s"'),
        ("FieldMask", b'"aB,c.d"'),
        ("Int64Value", b'"-5"'),
        ("BytesValue", b'"AQI="'),
        ("Empty", b"{}"),
        ("Any", b'{"@type":"type.googleapis.com/google.protobuf.Value","value":null}'),
    ],
)
def test_a_special_type_can_be_the_whole_body(name: str, body: bytes) -> None:
    special = codec(shapes(), f"google.protobuf.{name}")
    assert orjson.loads(special.wire_to_json(special.json_to_wire(body))) == orjson.loads(body)


# Names


def test_names_that_are_words_of_python_are_fields_like_others() -> None:
    body = b'{"from":"a","class":1,"import":["b"],"lambda":true,"global":{"c":2},"def":{},"not":0}'
    keywords = odd("Keywords")
    assert same(keywords.parse_fast(body)[0]) == same(keywords.parse_strictly(body)[0])
    assert orjson.loads(keywords.print(keywords.parse(body)[0])) == orjson.loads(body)


def test_a_json_name_wins_over_the_proto_name_of_another_field() -> None:
    swapped = odd("Swapped")
    message: Any = swapped.parse_fast(b'{"second": "a", "third": "b"}')[0]
    assert (message.first, message.second) == ("a", "b")
    strictly: Any = swapped.parse_strictly(b'{"second": "a", "third": "b"}')[0]
    assert strictly == message
    message = odd("Swapped", names="proto").parse_fast(b'{"first": "a", "third": "b"}')[0]
    assert (message.first, message.second) == ("a", "b")


@pytest.mark.parametrize("names", ["json", "proto"])
@pytest.mark.parametrize("body", [b'{"snake_case_name": "a"}', b'{"snakeCaseName": "a"}'])
def test_both_spellings_are_read_on_the_fast_path(names: str, body: bytes) -> None:
    message: Any = shape(names=names).parse_fast(body)[0]
    assert message.snake_case_name == "a"


@pytest.mark.parametrize("first", ["null", '"a"'])
@pytest.mark.parametrize("second", ["null", '"b"'])
@pytest.mark.parametrize("names", ["json", "proto"])
def test_two_spellings_of_one_field_are_refused(first: str, second: str, names: str) -> None:
    body = f'{{"snakeCaseName": {first}, "snake_case_name": {second}}}'.encode()
    with pytest.raises(RequestError, match="given twice, in two spellings"):
        shape(names=names).parse(body)


def test_an_empty_array_is_no_empty_message() -> None:
    assert refused(odd("Nothing"), []) == ("", "expected an object, not an array")


def test_two_members_of_a_small_oneof_are_refused() -> None:
    assert refused(odd("Pair"), {"left": "", "right": ""})[0] == "right"
    assert printed(odd("Pair"), right="a") == {"right": "a"}


# proto2


def test_defaults_of_proto2_are_not_written() -> None:
    assert old("Thing").wire_to_json(b"") == b"{}"
    assert old("Thing").wire_to_json(b"\x08\x07") == b'{"number":7}'


@pytest.mark.parametrize(
    "content",
    [{"closed": "UNO"}, {"closed": 1}, {"many": ["TWO", 1]}, {"byName": {"a": 2}}, {"box": {}}],
    ids=json.dumps,
)
def test_closed_enums_and_groups_are_read_on_both_paths(content: Any) -> None:
    body = json.dumps(content).encode()
    assert old("Thing").parse_fast(body)[0] == old("Thing").parse_strictly(body)[0]


def test_an_alias_is_written_with_the_first_name() -> None:
    assert printed(old("Thing"), closed=1) == {"closed": "ONE"}


@pytest.mark.parametrize("content", [{"closed": 9}, {"many": [9]}, {"byName": {"a": 9}}], ids=str)
@pytest.mark.parametrize("unknown", ["reject", "ignore"])
def test_a_closed_enum_takes_only_its_own_numbers(content: Any, unknown: str) -> None:
    assert "9 is not a value of old.Closed" in refused(
        old("Thing", unknown_fields=unknown), content
    )


def test_extensions_go_both_ways() -> None:
    body = b'{"number":1,"[old.extra]":5,"[old.things]":[{"text":"a"}],"[old.Other.inside]":"b"}'
    assert orjson.loads(old("Thing").wire_to_json(old("Thing").json_to_wire(body))) == (
        orjson.loads(body)
    )


@pytest.mark.parametrize(
    ("content", "field"),
    [
        ({"[old.extra]": "x"}, "[old.extra]"),
        ({"[old.nope]": 1}, "[old.nope]"),
        ({"[old.elsewhere]": 1}, "[old.elsewhere]"),
        ({"[old.things]": [{"number": "x"}]}, "[old.things][0].number"),
    ],
)
def test_a_refused_extension_is_named(content: Any, field: str) -> None:
    assert refused(old("Thing"), content)[0] == field


def test_a_message_set_goes_both_ways() -> None:
    body = b'{"[old.Item.item]":{"name":"a"}}'
    assert old("Set").wire_to_json(old("Set").json_to_wire(body)) == body


# Objects for people


def test_long_lived_objects_describe_themselves() -> None:
    made = Codecs(pool_of(OLD))
    thing = pool_of(OLD).FindMessageTypeByName("old.Thing")
    single = made.field(thing.fields_by_name["text"])
    assert made.field(thing.fields_by_name["text"]) is single
    assert repr(made.message(thing)) == "<MessageCodec old.Thing>"
    assert repr(single) == "<FieldCodec old.Thing.text>"
    assert repr(made) == "<Codecs 1 messages, 1 fields>"
    assert repr(Program(pool_of(OLD), JsonOptions())) == "<Program of 0 generated units>"


def test_the_generated_source_can_be_read() -> None:
    leaf = pool_of(ODD).FindMessageTypeByName("odd.Leaf")
    assert "m.x = v" in Codecs(pool_of(ODD)).message(leaf).source
    assert "m.y" in Codecs(pool_of(ODD)).field(leaf.fields_by_name["y"]).source
