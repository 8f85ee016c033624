"""Shapes that do not fit the messages, and keys that do nothing: refused at load, where written."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from proxy.errors import ConfigError
from tests.shape.corpus_pairs import snapshot_of
from tests.shape.shop import load


def problems(shape: dict[str, Any], rpc: str = "GetOrder", **profiles: Any) -> list[str]:
    """The problems of one route with a shape, without the places of files."""
    route = orjson.dumps({"rpc": f"shop.v1.Shop.{rpc}", "shape": shape}).decode()
    try:
        snapshot_of(f"profiles: {orjson.dumps(profiles).decode()}\nroutes: [{route}]\n")
    except ConfigError as error:
        return [f"{each.place.path}: {each.message}" for each in error.problems]
    return []


def field(selector: str, **keys: Any) -> dict[str, Any]:
    return {"fields": {selector: keys}}


SHAPE = "routes[0].shape."
ASK = "if that may be, name it in lossy"
WRONG: dict[str, tuple[dict[str, Any], list[str]]] = {
    "a field that the type lacks": (
        field("Order.note", name="x"),
        ["fields.Order.note: Order has no field note; did you mean notes?"],
    ),
    "a type that no message has": (
        field("Ordre.id", name="x"),
        ["fields.Ordre.id.name: does nothing: Ordre.id is in no message of this RPC"],
    ),
    "a type of another RPC": (
        field("Kinds.value", name="x"),
        ["fields.Kinds.value.name: does nothing: Kinds.value is in no message of this RPC"],
    ),
    "one field told twice": (
        {"fields": {"Order.id": {"name": "x"}, "v1.Order.id": {"name": "y"}}},
        ["fields.v1.Order.id: is the same field as Order.id"],
    ),
    "a form of another kind": (
        field("Order.id", timestamp="epoch_ns"),
        ["fields.Order.id.timestamp: has no meaning for such a field (string)"],
    ),
    "a form of a float for a list of messages": (
        field("Order.order_lines", float="text"),
        ["fields.Order.order_lines.float: has no meaning for a list of such values (message)"],
    ),
    "absence of a field with presence": (
        field("Order.comment", zero="write"),
        ["fields.Order.comment.zero: has no meaning for such a field (string)"],
    ),
    "a time zone of numbers": (
        field("Order.create_time", timestamp="epoch_ns", time_zone="Europe/Berlin"),
        ["fields.Order.create_time.time_zone: has no meaning for such a field (timestamp)"],
    ),
    "a separator of a map": (
        field("Order.notes", separator=","),
        ["fields.Order.notes.separator: has no meaning for a map of such values"],
    ),
    "two members with one key": (
        field("Order.comment", name="id"),
        ["fields.Order.comment.name: id and comment of Order would both be id"],
    ),
    "two keys that are read": (
        field("Order.comment", also=["id"]),
        ["fields.Order.comment: id and comment of Order would both be id"],
    ),
    "a flattened member with the key of another": (
        {"fields": {"Order.parent": {"drop": True}, "Order.transfer": {"flatten": True},
                    "Transfer.iban": {"name": "id"}}},
        ["fields.Order.transfer.flatten: id and transfer.iban of Order would both be id"],
    ),
    "a group with the key of a field": (
        {"nest": {"Order": {"id": ["paid"]}}},
        ["nest.Order.id: id and the group id of Order would both be id"],
    ),
    "an addition with the key of a field": (
        {"add": {"Order": {"id": 1}}},
        ["add.Order.id: id and the addition id of Order would both be id"],
    ),
    "a list that is to be flattened": (
        field("Order.order_lines", flatten=True),
        [("fields.Order.order_lines.flatten: shop.v1.Order.order_lines is no single message that "
         "could be flattened")],
    ),
    "a type that is to be flattened into itself": (
        field("Order.parent", flatten=True),
        ["fields.Order.parent.flatten: shop.v1.Order.parent would be flattened into itself"],
    ),
    "a group of no field": (
        {"nest": {"Order": {"meta": ["paid", "craete_time"]}}},
        ["nest.Order.meta[1]: Order has no field craete_time; did you mean create_time?"],
    ),
    "a group of a dropped field": (
        {**field("Order.paid", drop=True), "nest": {"Order": {"meta": ["paid"]}}},
        ["nest.Order.meta[0]: paid is dropped"],
    ),
    "a field in two groups": (
        {"nest": {"Order": {"one": ["paid", "id"], "two": ["paid", "state"]}}},
        ["nest.Order.one[0]: paid is in two groups", "nest.Order.two[0]: paid is in two groups"],
    ),
    "an enum value that there is not": (
        {"enums": {"OrderState": {"ORDER_STATE_NWE": "x"}}},
        [("enums.OrderState.ORDER_STATE_NWE: OrderState has no value ORDER_STATE_NWE; "
         "did you mean ORDER_STATE_NEW?")],
    ),
    "two enum values that are one": (
        {"enums": {"OrderState": {"ORDER_STATE_NEW": "x", "ORDER_STATE_DONE": "x"}}},
        [f"enums.OrderState: writes 'x' for each of the numbers 1 and 3, for Order.state; {ASK}"],
    ),
    "a hole of an addition that names no field": (
        {"add": {"Order": {"href": "/x/{idd}"}}},
        ["add.Order.href: shop.v1.Order has no field idd; did you mean id?"],
    ),
    "a hole of an addition that is the message": (
        {"add": {"Order": {"self": "{}"}}},
        ["add.Order.self: {} names no field"],
    ),
    "a hole through a list": (
        {"add": {"Order": {"x": "{order_lines.article}"}}},
        ["add.Order.x: shop.v1.Order has no field order_lines.article; did you mean order_lines?"],
    ),
    "an envelope without the message": (
        {"answer": {"body": {"ok": True}}},
        ["answer.body: must have the hole {}: Order has fields"],
    ),
    "an envelope with a hole that names no field": (
        {"answer": {"body": {"data": "{}", "n": "{total}"}}},
        ["answer.body: shop.v1.Order has no field total"],
    ),
    "an envelope around a field that there is not": (
        {"answer": {"of": "records"}},
        ["answer.of: shop.v1.Order has no field records"],
    ),
    "a count of what is no list": (
        {"answer": {"body": {"data": "{}", "n": "{@count}"}}},
        ["answer.body: {@count} counts a list, and there is none in place of {}"],
    ),
    "seconds of times": (
        {"forms": {"timestamp": "epoch_s"}},
        [(f"forms.timestamp: epoch_s leaves out the fraction of a second, for Order.create_time; "
         f"{ASK}")],
    ),
    "a pattern of one field": (
        field("Order.create_time", timestamp="%d.%m.%Y"),
        [("fields.Order.create_time.timestamp: %d.%m.%Y leaves out the hour and the minute and the "
         f"second and nanoseconds, for Order.create_time; {ASK}")],
    ),
    "texts with a separator": (
        field("Order.labels", separator=","),
        [("fields.Order.labels.separator: cannot tell a text with ',' in it from two texts, for "
         f"Order.labels; {ASK}")],
    ),
    "an unset field as its default": (
        field("Order.comment", unset="write"),
        [("fields.Order.comment.unset: cannot tell a field that is not set from one with its "
         f"default, for Order.comment; {ASK}")],
    ),
    "an unset field as a value": (
        field("Order.comment", unset={"as": "-"}),
        [("fields.Order.comment.unset: '-' is a value of such a field, too, for Order.comment; "
         f"{ASK}")],
    ),
    "a loss that is not there": (
        {"names": "snake", "lossy": ["timestamp"]},
        ["lossy.timestamp: does nothing for this RPC"],
    ),
    "a kind that the RPC has not": (
        {"names": "snake", "forms": {"bytes": "hex", "int32": "text", "separator": ","}},
        [(f"forms.separator: cannot tell a text with ',' in it from two texts, for Order.labels; "
         f"{ASK}")],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG, ids=lambda name: name.replace(" ", "-"))
def test_what_is_wrong_is_told_at_its_key(name: str) -> None:
    shape, expected = WRONG[name]
    assert problems(shape) == [f"{SHAPE}{each}" for each in expected]


@pytest.mark.parametrize(
    ("rpc", "shape", "message"),
    [
        ("GetFile", {"answer": {"body": {"data": "{}"}}}, "answer.body: does nothing"),
        ("WatchOrders", {"answer": {"body": {"data": "{}"}}}, "answer.body: does nothing"),
        ("GetOrder", {"answer": {"body": {"d": "{}"}, "each": True}}, "answer.each: does nothing"),
        ("ListNames", {"forms": {"duration": "seconds"}}, "forms.duration: does nothing"),
        ("ListNames", {"answer": {"of": "names"}}, "the rule has response_body names already"),
        ("DeleteOrder", {"forms": {"int64": "number"}}, "forms.int64: does nothing"),
    ],
)
def test_keys_that_do_nothing_for_a_route(rpc: str, shape: dict[str, Any], message: str) -> None:
    found = problems(shape, rpc)
    assert len(found) == 1
    assert message in found[0]


def test_a_selector_of_two_types_is_refused_until_it_says_more() -> None:
    shape = field("Address.street", name="Street")
    both = "names shop.v1.Address and shop.v1.Parcel.Address: write more of the name"
    assert problems(shape, "GetParcel") == [
        f"{SHAPE}fields.Address.street: {both}",
    ]
    assert problems(shape) == []
    assert problems(field("v1.Address.street", name="Street"), "GetParcel") == []
    assert problems(field("Parcel.Address.street", name="Street"), "GetParcel") == []


def test_keys_of_a_type_that_cannot_be_laid_out_are_not_called_useless() -> None:
    shape = {
        "fields": {"Order.notes": {"flatten": True}, "Order.paid": {"bool": "number"}},
        "nest": {"Order": {"meta": ["create_time"]}},
        "add": {"Order": {"kind": "order"}},
        "lossy": ["timestamp"],
    }
    found = problems(shape)
    assert len(found) == 1
    assert "no single message" in found[0]


def test_a_flattened_message_that_is_written_though_it_is_not_set() -> None:
    shape = field("Order.ship_to", flatten=True, unset="write")
    message = "cannot tell a message that is not set from an empty one"
    assert problems(shape) == [
        f"{SHAPE}fields.Order.ship_to.unset: {message}, for Order.ship_to; {ASK}"
    ]
    assert problems({**shape, "lossy": ["Order.ship_to"]}) == []


def test_an_empty_answer_needs_no_message_in_its_envelope() -> None:
    assert problems({"answer": {"body": {"ok": True}}}, "DeleteOrder") == []


def test_a_key_of_a_profile_needs_one_route_that_has_a_use_for_it() -> None:
    shape = {"profile": "old"}
    assert problems(shape, old={"forms": {"duration": "seconds"}}) == []
    assert problems(shape, "ListNames", old={"forms": {"float": "text", "zero": "write"}}) == [
        "profiles.old.forms.float: does nothing for any route that has it"
    ]


def test_a_key_of_a_profile_that_every_route_replaces() -> None:
    assert problems({"profile": "old", "names": "kebab"}, old={"names": "snake"}) == [
        "profiles.old.names: does nothing: every route that has it gives its own"
    ]


def test_a_profile_that_no_route_has() -> None:
    assert problems({"names": "snake"}, old={"names": "kebab"}) == [
        "profiles.old: no route has this profile"
    ]


def test_a_profile_that_there_is_not() -> None:
    assert problems({"profile": "olt"}, old={"names": "kebab"}) == [
        "routes[0].shape.profile: there is no profile 'olt'; did you mean old?"
    ]


def test_a_fault_of_a_profile_names_an_rpc() -> None:
    shape = {"profile": "old"}
    assert problems(shape, old={"fields": {"Order.nix": {"name": "x"}}}) == [
        "profiles.old.fields.Order.nix: Order has no field nix, in shop.v1.Shop.GetOrder"
    ]


def test_problems_have_the_line_of_the_key(tmp_path: Path) -> None:
    text = (
        "routes:\n- rpc: shop.v1.Shop.GetOrder\n  shape:\n    names: snake\n"
        "    fields:\n      Order.comment: {bool: [1, 0]}\n"
    )
    _, found = load(tmp_path, text)
    place = f"{tmp_path}/cutover.yaml:9:29: routes[0].shape.fields.Order.comment.bool"
    assert found == [f"{place}: has no meaning for such a field (string)"]


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ({"forms": {"bool": ["x", "x"]}}, "must be two values that differ"),
        ({"forms": {"timestamp": "rfc"}}, "must be one of rfc3339, "),
        ({"forms": {"timestamp": "%Y %Y"}}, "says the year twice"),
        ({"forms": {"time_zone": "Mars"}}, "there is no time zone Mars"),
        ({"fields": {"comment": {"name": "x"}}}, "must name a field of a type"),
        ({"fields": {"Order.id": {"drop": True, "name": "x"}}}, "has drop beside name"),
        ({"fields": {"Order.id": {"flatten": True, "name": "x"}}}, "has flatten beside name"),
        ({"nest": {"Order": {"meta": []}}}, "must have at least one entry"),
        ({"nest": {"Or der": {"meta": ["id"]}}}, "must name a type"),
        ({"add": {"Order": {"x": "{"}}}, "a brace alone"),
        ({"answer": {"body": {"x": "{a b}"}}}, "x: column 2: 'a b' is no name"),
    ],
)
def test_what_the_files_alone_show(shape: dict[str, Any], message: str) -> None:
    found = problems(shape)
    assert len(found) == 1
    assert message in found[0]
