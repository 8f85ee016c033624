"""Query strings: the vectors, then what they leave out."""

import json
from collections.abc import Sequence
from contextlib import suppress
from functools import cache, partial
from typing import Any, Final

import pytest
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.errors import RequestError
from proxy.transcoding.descriptors import message_class
from proxy.transcoding.parameters import FieldTables
from proxy.transcoding.query import (
    MAX_PARAMETERS,
    MAX_UNKNOWN_NAMES,
    SYSTEM_PARAMETERS,
    Bound,
    QueryBinder,
    decode_pairs,
)
from proxy.transcoding.request_options import RequestOptions
from proxy.transcoding.texts import SPEC, TextForms
from tests.transcoding.request_schema import (
    LIBRARY,
    codecs_of,
    message_type,
    pool_of,
    vector_pool,
)
from tests.vector_tables import Case, load, select

STEADY: Final = settings(derandomize=True, deadline=None)
SHAPES = "testvectors.v1.QueryShapes"
NUL = "NUL means different things to different servers: refused with 400"

DECODING = select(
    "decoding",
    accepted={
        "plus": ["space", "literal"],
        "no_equals": ["empty", "drop"],
        "bad_escape": ["error", "literal"],
        "unescape": ["all_except_slash"],
    },
    supported=("literal_after_double_wildcard", "nested_variable", "root_template"),
    departures={"dec-query-newline-and-nul-2d4109": NUL},
).where(lambda case: case["where"] == "query")

#: What our settings cannot be: names are always both, wrappers have one field, and what nobody
#: can mean is refused.
BINDING = select(
    "query_binding",
    accepted={
        "names": [["proto", "json"]],
        "unknown": ["reject", "ignore"],
        "repeated_scalar": ["reject", "last"],
        "bool_text": ["strict", "wide"],
        "int_text": ["protojson", "plain"],
        "unknown_enum_name": ["reject"],
        "unknown_enum_number": ["keep", "reject"],
        "map_brackets": [True, False],
        "json_text": [True, False],
        "duration_text": ["protojson", "go"],
        "mask_text": ["protojson", "raw"],
        "wrapper_path": [True],
        "wkt_path": [False, True],
        "repeated_message_path": ["reject"],
        "oneof_twice": ["reject"],
        "plus": ["space", "literal"],
        "no_equals": ["empty", "drop"],
        "bad_escape": ["error", "literal"],
        "bound": [["page_token"]],
        "bound_policy": ["reject", "ignore"],
    },
    departures={
        "query-mask-twice-last-20653d": "field masks add up: who sends two means all of the paths"
    },
)


def options_of(case: Case) -> RequestOptions:
    """Our settings for those of a case; what it does not name is as in `spec`."""
    given = case.options.get
    return RequestOptions(
        unknown_parameters=given("unknown", "reject"),
        plus_is_space=given("plus", "space") == "space",
        keeps_bad_escapes=given("bad_escape") == "literal",
        drops_flags=given("no_equals") == "drop",
        takes_last=given("repeated_scalar") == "last",
        ignores_collisions=given("bound_policy") == "ignore",
        texts=TextForms(
            bools="go" if given("bool_text") == "wide" else "strict",
            numbers="c" if given("int_text") == "plain" else "json",
            durations="go" if given("duration_text") == "go" else "proto",
            masks="keep" if given("mask_text") == "raw" else "convert",
            values="json" if given("json_text", True) else "text",
            enum_numbers="known" if given("unknown_enum_number") == "reject" else "any",
            maps=given("map_brackets", True),
            inside_well_known=given("wkt_path", False),
        ),
    )


@cache
def tables(pool: DescriptorPool, texts: TextForms = SPEC) -> FieldTables:
    return FieldTables(codecs_of(pool), texts)


#: Whole requests whose expectation says which pairs the query adds to the path's.
MATCHED = [
    case
    for case in load("matching")
    if case["request"].get("query") and case.options.get("plus_is_space", True)
]


def binder(
    pool: Any = None,
    name: str = SHAPES,
    *,
    unknown: Any = "reject",
    bound: Bound | None = None,
    options: RequestOptions | None = None,
) -> QueryBinder:
    pool = pool or vector_pool("query_shapes.proto")
    options = options or RequestOptions(unknown_parameters=unknown)
    names = tables(pool, options.texts).names(message_type(pool, name))
    return QueryBinder(names, bound=bound or Bound(), options=options)


def empty(pool: Any = None, name: str = SHAPES) -> Message:
    return message_class(message_type(pool or vector_pool("query_shapes.proto"), name))()


def parse(query: str, **options: Any) -> Message:
    message = empty()
    binder(**options).bind(message, query)
    return message


def book(query: str, **options: Any) -> Any:
    """The message `library.v1.BookRequest` of a query."""
    message = empty(pool_of(LIBRARY), "library.v1.BookRequest")
    binder(pool_of(LIBRARY), "library.v1.BookRequest", **options).bind(message, query)
    return message


def fault(query: str, **options: Any) -> RequestError:
    with pytest.raises(RequestError) as caught:
        parse(query, **options)
    assert caught.value.http_status == 400
    return caught.value


@DECODING.parametrize
def test_pairs_of_a_query(case: Case) -> None:
    options = options_of(case)
    decode = partial(
        decode_pairs,
        case["query"],
        plus_is_space=options.plus_is_space,
        keeps_bad_escapes=options.keeps_bad_escapes,
        drops_flags=options.drops_flags,
    )
    if "error" in case["expect"]:
        with pytest.raises(RequestError):
            decode()
    else:
        assert decode() == [tuple(pair) for pair in case["expect"]["pairs"]]


@pytest.mark.parametrize("case", MATCHED, ids=[case.id for case in MATCHED])
def test_pairs_of_a_matched_request(case: Case) -> None:
    expected = [(one["field_path"], one["value"]) for one in case["expect"]["bindings"]]
    ignored = case.options.get("system_parameters", ())
    assert SYSTEM_PARAMETERS.issuperset(ignored)
    pairs = [pair for pair in decode_pairs(case["request"]["query"]) if pair[0] not in ignored]
    assert expected[len(expected) - len(pairs) :] == pairs


@BINDING.parametrize
def test_message_of_a_query(case: Case) -> None:
    pool = vector_pool("query_shapes.proto")
    taken = case.options.get("bound", [])
    bind = binder(bound=Bound(paths=frozenset(taken)), options=options_of(case))
    message = empty()
    if "error" in case["expect"]:
        with pytest.raises(RequestError) as caught:
            bind.bind(message, case["query"])
        assert caught.value.http_status == 400
        return
    bind.bind(message, case["query"])
    codec = codecs_of(pool).message(message_type(pool, SHAPES))
    expected, _ = codec.parse(json.dumps(case["expect"]).encode())
    assert repr(message) == repr(expected)  # as text, so that NaN equals NaN and -0 is not 0


def test_the_tables_are_not_thinned_unseen() -> None:
    assert len(BINDING.cases) == 274
    assert len(DECODING.cases) == 19
    assert len(MATCHED) >= 3


@pytest.mark.parametrize("unknown", ["reject", "warn", "ignore"])
@pytest.mark.parametrize("name", sorted(SYSTEM_PARAMETERS))
def test_a_system_parameter_is_never_unknown(name: str, unknown: Any) -> None:
    encoded = name.replace("$", "%24")
    assert binder(unknown=unknown).bind(empty(), f"{encoded}=json%3Benum-encoding%3Dint") == ()


def test_a_field_with_the_name_of_a_system_parameter_gets_it() -> None:
    assert book("key=k").key == "k"


def test_warned_names_are_given_once_in_their_order() -> None:
    query = "text=a&nope=1&leaf.nope=2&nope=3"
    assert binder(unknown="warn").bind(empty(), query) == ("nope", "leaf.nope")


def test_warned_names_are_bounded() -> None:
    query = "&".join(f"{'n' * 500}{number}=1" for number in range(50))
    assert binder(unknown="warn").bind(empty(), query) == ("n" * 100,)
    query = "&".join(f"n{number}=1" for number in range(50))
    assert len(binder(unknown="warn").bind(empty(), query)) == MAX_UNKNOWN_NAMES


def test_ignored_names_are_not_reported() -> None:
    assert binder(unknown="ignore").bind(empty(), "nope=1") == ()


def test_a_rejected_name_is_named() -> None:
    assert fault("leaf.nope=1").field == "leaf.nope"


@pytest.mark.parametrize(
    ("query", "field", "text"),
    [
        ("leaf.sizeHint=x", "leaf.size_hint", 'expected a 32-bit integer, not "x"'),
        ("num_int32=1&numInt32=2", "num_int32", "is given twice"),
        ("boxText=a&box_text.value=b", "box_text", "is given twice"),
        ("labels[a]=1&labels[a]=2", "labels", 'has the key "a" twice'),
        ("byInt32[1]=a&byInt32[1.0]=b", "by_int32", 'has the key "1" twice'),
        ("counts[k]=x", "counts", 'expected a 32-bit integer, not "x"'),
        ("byInt32[x]=a", "by_int32", 'expected a 32-bit integer, not "x"'),
        ("labels[a=1", "labels", "a map entry is given as name[key]=value"),
        ("labels[a]b=1", "labels", "a map entry is given as name[key]=value"),
        ("leafByName[a]=1", "leaf_by_name", "is a map of messages, which only a body can hold"),
        ("leaf[a]=1", "leaf", "is not a map, so it has no [key]"),
        ("labels.a=1", "labels", "is a map: its entries are given as name[key]=value"),
        ("bag[a]=1", "bag", "is not a map, so it has no [key]"),
        ("pickText=a&pickInt32=0", "pick_int32", "pick_text is given too, and pick has room for"),
        ("pickLeaf.name=a&pickText=b", "pick_text", "pick_leaf is given too"),
        ("parcel.typeUrl=a", "parcel", "is of type Any, which only a body can hold"),
        ("moment.seconds=1", "moment", "is not a message with named fields"),
        ("bag=1", "bag", '"1" is not its JSON: '),
        ("text=%00", "", 'the query parameter "text" cannot be decoded: a NUL'),
        ("nope=%ff", "", 'the query parameter "nope" cannot be decoded: the text is not UTF-8'),
    ],
)
def test_a_refused_parameter_names_its_field(query: str, field: str, text: str) -> None:
    error = fault(query, unknown="ignore")
    assert error.field == field
    assert error.status.message.startswith(text)


def test_map_keys_may_hold_dots_and_brackets() -> None:
    message: Any = parse("nested.labels[a.b]=1&nested.labels[c[d]]=2")
    assert dict(message.nested.labels) == {"a.b": "1", "c[d]": "2"}


def test_map_values_may_be_wrappers() -> None:
    message: Any = parse("boxedByName[a]=3")
    assert message.boxed_by_name["a"].value == 3


def test_a_message_on_the_way_is_present_with_a_default_inside() -> None:
    assert parse("leaf.size_hint=0&branch.leaf.tags=&nested.labels[]=").ListFields() != []
    message: Any = parse("leaf.size_hint=0&branch.leaf.tags=")
    assert message.HasField("leaf")
    assert message.branch.HasField("leaf")


def test_a_list_of_well_known_types_takes_one_per_parameter() -> None:
    message: Any = parse("moments=1970-01-01T00:00:01Z&moments=1970-01-01T00:00:02Z")
    assert [moment.seconds for moment in message.moments] == [1, 2]


def test_too_many_parameters_are_refused() -> None:
    assert decode_pairs("&".join(["texts=a"] * MAX_PARAMETERS))
    assert "parameters" in str(fault("&".join(["texts=a"] * (MAX_PARAMETERS + 1))))


def test_a_name_of_too_many_steps_is_refused() -> None:
    parse(".".join(["nested"] * 99) + ".text=a")
    assert "steps" in str(fault(".".join(["nested"] * 100) + ".text=a"))


def test_a_hundred_steps_can_be_sent() -> None:
    """protobuf's own limit on nesting lies beyond ours."""
    wire = parse(".".join(["nested"] * 99) + ".text=a").SerializeToString()
    assert type(empty()).FromString(wire)


@pytest.mark.parametrize(("steps", "json_levels"), [(1, 49), (50, 25), (50, 24), (90, 4)])
def test_a_deep_name_with_deep_json_behind_it_can_be_sent(steps: int, json_levels: int) -> None:
    query = "nested." * steps + "row=" + "[" * json_levels + "]" * json_levels
    wire = parse(query).SerializeToString()
    assert type(empty()).FromString(wire)


@pytest.mark.parametrize(("steps", "json_levels"), [(2, 50), (50, 26), (97, 10)])
def test_a_deep_name_with_deep_json_behind_it_is_refused_where_no_server_could_parse_it(
    steps: int, json_levels: int
) -> None:
    query = "nested." * steps + "row=" + "[" * json_levels + "]" * json_levels
    assert "nested deeper than 100 levels" in str(fault(query))


@pytest.mark.parametrize(
    "query",
    [
        *("book.pages=7", "book.note=", "book.tags=a&book.tags=b", "book.labels[k]=v"),
        *("book.printed=1970-01-01T00:00:01Z", "book.weight=NaN", "book.author.born=0"),
    ],
)
def test_a_value_equal_to_the_body_s_is_accepted(query: str) -> None:
    bind = binder(pool_of(LIBRARY), "library.v1.BookRequest", bound=Bound(body_field="book"))
    message: Any = empty(pool_of(LIBRARY), "library.v1.BookRequest")
    message.book.pages, message.book.note, message.book.weight = 7, "", float("nan")
    message.book.tags.extend(["a", "b"])
    message.book.labels["k"] = "v"
    message.book.printed.seconds = 1
    before = message.SerializeToString()
    bind.bind(message, query)
    assert message.SerializeToString() == before


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("book.pages=8", "book.pages"),
        ("book.tags=a", "book.tags"),
        ("book.tags=a&book.tags=c", "book.tags"),
        ("book.labels[k]=w", "book.labels"),
        ("book.labels[other]=v", "book.labels"),
        ("book.rating=0", "book.rating"),
        ("book.note=", "book.note"),
    ],
)
def test_a_value_that_differs_from_the_body_s_is_refused(query: str, field: str) -> None:
    bind = binder(pool_of(LIBRARY), "library.v1.BookRequest", bound=Bound(body_field="book"))
    message: Any = empty(pool_of(LIBRARY), "library.v1.BookRequest")
    message.book.pages = 7
    message.book.tags.extend(["a", "b"])
    message.book.labels["k"] = "v"
    with pytest.raises(RequestError, match="gives another value than the body") as caught:
        bind.bind(message, query)
    assert caught.value.field == field


def test_a_parameter_cannot_overrule_the_path() -> None:
    bind = binder(
        pool_of(LIBRARY), "library.v1.BookRequest", bound=Bound(frozenset({"name", "book.name"}))
    )
    message: Any = empty(pool_of(LIBRARY), "library.v1.BookRequest")
    message.name = message.book.name = "a"
    bind.bind(message, "name=a&book.name=a")
    for query in ("name=b", "book.name=b", "name=", "name=a&book.name=A"):
        with pytest.raises(RequestError, match="gives another value than the path"):
            bind.bind(message, query)


def test_a_binder_says_what_it_is() -> None:
    assert repr(binder(unknown="warn")).endswith("warn unknown>")
    assert "messages" in repr(FieldTables(codecs_of(pool_of(LIBRARY))))


TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=20)


@STEADY
@given(st.lists(st.tuples(TEXT, TEXT), max_size=8))
def test_an_encoded_query_decodes_to_its_pairs(pairs: Sequence[tuple[str, str]]) -> None:
    from urllib.parse import urlencode

    expected = [(name, value) for name, value in pairs]
    assert decode_pairs(urlencode(expected)) == expected


@STEADY
@given(st.text(max_size=60))
def test_any_text_is_a_message_or_refused(query: str) -> None:
    """Client input never raises anything but a request error, whatever the server hands on."""
    with suppress(RequestError):
        parse(query, unknown="warn")


NAMES = ["texts", "num_int32", "labels[a]", "leaf.name", "bag", "moment", "mask", "boxFloat"]


@STEADY
@given(st.lists(st.tuples(st.sampled_from(NAMES), st.text(max_size=12)), max_size=4))
def test_any_value_of_a_field_is_taken_or_refused(pairs: list[tuple[str, str]]) -> None:
    with suppress(RequestError):
        parse("&".join(f"{name}={value}" for name, value in pairs), unknown="warn")


def test_a_message_takes_no_text() -> None:
    leaf = tables(vector_pool("query_shapes.proto")).names(empty().DESCRIPTOR)["leaf"]
    for parse in (leaf.parse, leaf.parse_key):
        with pytest.raises(ValueError, match="no text"):
            parse("a")
