"""Where fields stand in legacy JSON: keys, places, and paths both ways."""

import pytest

from proxy.shape.envelope import BodyPaths
from proxy.shape.forms import Absence
from proxy.shape.holes import Document
from proxy.shape.layout import Layouts
from proxy.shape.names import camel, kebab, pascal, snake
from proxy.shape.options import (
    Addition,
    EnumTable,
    Envelope,
    FieldShape,
    Forms,
    Group,
    ShapeOptions,
    Substitute,
)
from proxy.transcoding.protojson import JsonOptions
from tests.shape.shop import message_type

FULL = ShapeOptions(
    names="snake",
    fields=(
        FieldShape("Order.create_time", name="created_on", also=("created", "creation")),
        FieldShape("Order.ship_to", flatten="to_"),
        FieldShape("Order.transfer", flatten=""),
        FieldShape("Order.comment", drop=True),
        FieldShape("Transfer.due_time", name="due"),
    ),
    groups=(Group("Order", "meta", ("create_time", "update_time")),),
    additions=(Addition("Order", "href", Document.parse("/{id}")),),
)


@pytest.mark.parametrize(
    ("name", "snaked", "camelled", "pascalled", "kebabed"),
    [
        ("create_time", "create_time", "createTime", "CreateTime", "create-time"),
        ("createTime", "create_time", "createTime", "CreateTime", "create-time"),
        ("HTTPBody", "http_body", "httpBody", "HttpBody", "http-body"),
        ("ipv4_address2", "ipv4_address2", "ipv4Address2", "Ipv4Address2", "ipv4-address2"),
        ("_id", "id", "id", "Id", "id"),
        ("a__b", "a_b", "aB", "AB", "a-b"),
        ("X", "x", "x", "X", "x"),
    ],
)
def test_names_in_cases(
    name: str, snaked: str, camelled: str, pascalled: str, kebabed: str
) -> None:
    assert (snake(name), camel(name), pascal(name), kebab(name)) == (
        snaked,
        camelled,
        pascalled,
        kebabed,
    )


def test_the_members_of_a_full_layout() -> None:
    layout = Layouts(FULL).of(message_type("Order"))
    keys = [member.key for member in layout.members]
    assert keys == [
        *("id", "revision", "state", "meta", "delivery_time", "to_street", "to_zip_code"),
        *("to_country", "order_lines", "labels", "notes", "paid", "checksum", "weight_kg"),
        *("voucher", "invoice", "card", "iban", "due", "parent", "href"),
    ]
    assert [field.name for field in layout.dropped] == ["comment"]
    meta = layout.members[3]
    assert [each.names for each in meta.members] == [
        ("created_on", "created", "creation"),
        ("update_time",),
    ]
    assert meta.field is None
    assert meta.inner is None


@pytest.mark.parametrize(
    ("path", "legacy"),
    [
        ("id", "id"),
        ("create_time", "meta.created_on"),
        ("parent.parent.update_time", "parent.parent.meta.update_time"),
        ("ship_to.zip_code", "to_zip_code"),
        ("transfer.due_time", "due"),
        ("order_lines[3].price_cents", "order_lines[3].price_cents"),
        ("notes[any.key]", "notes[any.key]"),
        ("parent.ship_to.street", "parent.to_street"),
    ],
)
def test_paths_go_both_ways(path: str, legacy: str) -> None:
    layouts, order = Layouts(FULL), message_type("Order")
    assert layouts.path(order, path) == legacy
    assert layouts.proto_path(order, legacy) == path


def test_paths_that_go_one_way() -> None:
    layouts, order = Layouts(FULL), message_type("Order")
    assert layouts.path(order, "comment") is None
    assert layouts.path(order, "parent.comment") is None
    assert layouts.path(order, "parent.ship_to") == "parent"
    assert layouts.path(order, "ship_to") == ""
    assert layouts.path(order, "nothing.of_it") == "nothing.of_it"
    assert layouts.proto_path(order, "meta.creation") == "create_time"
    assert [layouts.proto_path(order, each) for each in ("meta", "href", "comment", "id.x")] == [
        *(None, None, None),
        "id.x",
    ]


def test_json_of_any_form_keeps_its_paths() -> None:
    layouts, kinds = Layouts(FULL), message_type("Kinds")
    assert layouts.path(kinds, "struct.Any-thing[0].a") == "struct.Any-thing[0].a"
    assert layouts.path(kinds, "line_map[x].price_cents") == "line_map[x].price_cents"
    assert layouts.proto_path(kinds, "line_map[x].price_cents") == "line_map[x].price_cents"


def test_the_codec_says_what_the_shape_leaves_open() -> None:
    json = JsonOptions(
        names="proto", emit_defaults=True, int64_as_numbers=True, enums_as_numbers=True
    )
    members = {
        each.steps[0].name: each
        for each in Layouts(ShapeOptions(), json).of(message_type("Order")).members
    }
    assert members["weight_kg"].key == "weight_kg"
    assert members["revision"].absence is Absence.WRITE
    forms = {name: each.form and each.form.style for name, each in members.items()}
    assert forms["revision"] == forms["state"] == "number"


def test_the_nearest_choice_of_a_form_counts() -> None:
    shape = ShapeOptions(
        forms=Forms(timestamp="epoch_s", time_zone="Europe/Berlin", unset="null", zero="write"),
        fields=(
            FieldShape("Order.create_time", forms=Forms(timestamp="%F", unset=Substitute("-"))),
            FieldShape("Order.update_time", forms=Forms(timestamp="rfc1123")),
        ),
        enums=(EnumTable("OrderState", (("ORDER_STATE_NEW", 1),)),),
    )
    members = {e.steps[0].name: e for e in Layouts(shape).of(message_type("Order")).members}
    created, updated = members["create_time"], members["update_time"]
    assert created.form
    assert (created.form.pattern, created.form.zone) == ("%F", "Europe/Berlin")
    assert (created.absence, created.substitute) == (Absence.SUBSTITUTE, "-")
    assert updated.form
    assert updated.form.zone == "UTC", "RFC 1123 says GMT"
    assert members["state"].form
    assert dict(members["state"].form.table)[1] == 1
    assert members["labels"].absence is Absence.WRITE


@pytest.mark.parametrize(
    ("selector", "message"),
    [
        ("Order.order_lines", "no single message"),
        ("Order.notes", "no single message"),
        ("Order.id", "no single message"),
        ("Order.create_time", "no single message"),
        ("Order.parent", "flattened into itself"),
    ],
)
def test_what_cannot_be_flattened(selector: str, message: str) -> None:
    layouts = Layouts(ShapeOptions(fields=(FieldShape(selector, flatten=""),)))
    with pytest.raises(ValueError, match=message):
        layouts.of(message_type("Order"))


@pytest.mark.parametrize(
    ("body", "root", "pairs"),
    [
        (
            {"ok": True, "data": {"items": "{}"}, "n": "{total_size}"},
            "orders",
            {"orders[2].ship_to.street": "data.items[2].to_street", "total_size": "n"},
        ),
        ("{}", "orders", {"orders[0].id": "[0].id", "orders": ""}),
        (["{}"], None, {"total_size": "[0].total_size", "orders[1].id": "[0].orders[1].id"}),
        ("{}", None, {"next_page_token": "next_page_token"}),
    ],
    ids=["a field", "a root array", "a list", "all"],
)
def test_paths_of_whole_bodies(body: object, root: str | None, pairs: dict[str, str]) -> None:
    answer = message_type("ListOrdersResponse")
    paths = BodyPaths(Layouts(FULL), answer, None, Envelope(Document.parse(body), root))
    assert {path: paths.path(path) for path in pairs} == pairs
    assert {legacy: paths.proto_path(legacy) for legacy in pairs.values()} == {
        legacy: path for path, legacy in pairs.items()
    }


def test_what_an_envelope_leaves_out_has_no_path() -> None:
    body = Document.parse({"data": "{}", "page": "{@page}"})
    answer = message_type("ListOrdersResponse")
    paths = BodyPaths(Layouts(FULL), answer, None, Envelope(body, "orders"))
    assert paths.path("total_size") is None
    assert paths.path("orders[0].comment") is None
    assert [paths.proto_path(each) for each in ("page", "database", "ok")] == [None, None, None]


def test_the_part_that_is_the_body_by_the_rule() -> None:
    answer = message_type("NamesResponse")
    paths = BodyPaths(Layouts(FULL), answer, answer.fields_by_name["names"])
    assert paths.path("names[0]") == "[0]"
    assert paths.proto_path("[0]") == "names[0]"
    assert paths.path("total_size") is None
