"""Parameters and members of bodies beside fields: what one side has and the other has not."""

from pathlib import Path

import pytest

from proxy.inventory.fields import MAX_FINDINGS
from proxy.routing.snapshot import Snapshot
from tests.inventory.stand import findings, paths_api, shop_snapshot, survey

GET = "  /v1/orders/{id}:\n    get:\n"
LIST = "  /v1/orders:\n    get:\n"
CREATE = "  /v1/orders:\n    post:\n"
CANCEL = "  '/v1/orders/{id}:cancel':\n    post:\n"


def parameters(operation: str, *given: str) -> str:
    return f"{operation}      parameters: [{', '.join(f'{{{each}}}' for each in given)}]\n"


def body(operation: str, schema: str, media_type: str = "application/json") -> str:
    return f"{operation}      requestBody: {{content: {{{media_type}: {{schema: {schema}}}}}}}\n"


def answer(operation: str, schema: str) -> str:
    content = f"{{content: {{application/json: {{schema: {schema}}}}}}}"
    return f"{operation}      responses: {{200: {content}}}\n"


def query(name: str, kind: str = "string") -> str:
    return f"name: '{name}', in: query, schema: {{type: {kind}}}"


def without_new(found: list[tuple[str, str, str]]) -> list[tuple[str, str, str]]:
    return [each for each in found if each[0] != "no_legacy"]


@pytest.mark.parametrize(
    "name", ["page_size", "pageSize", "filter.owner", "states", "$alt", "tags[x]"]
)
def test_query_parameters_that_have_a_field(snapshot: Snapshot, name: str):
    assert without_new(findings(snapshot, parameters(LIST, query(name)))) == []


@pytest.mark.parametrize(
    "name", ["page", "filter.none", "states.x", "filter.owner.x", "states[]", "filter[owner]"]
)
def test_query_parameters_without_a_field(snapshot: Snapshot, name: str):
    found = without_new(findings(snapshot, parameters(LIST, query(name))))
    assert found == [("no_field", "query", name)]


def test_query_parameters_of_another_kind(snapshot: Snapshot):
    found = findings(snapshot, parameters(LIST, query("filter"), query("page_token", "array")))
    assert without_new(found) == [("type", "query", "filter"), ("type", "query", "page_token")]


def test_a_body_that_takes_all_leaves_nothing_to_the_query(snapshot: Snapshot):
    result = survey(snapshot, paths_api(parameters(CANCEL, query("reason"))))
    (no_field, *_) = result["endpoints"][0]["findings"]
    assert (no_field["path"], no_field["detail"]) == (
        "reason",
        "the body takes all fields of the message",
    )


def test_fields_that_the_old_api_has_not(snapshot: Snapshot):
    assert findings(snapshot, parameters(LIST, query("page_size"))) == [
        ("no_legacy", "query", "page_token"),
        ("no_legacy", "query", "states"),
        ("no_legacy", "query", "filter"),
        ("no_legacy", "query", "tags"),
    ]
    assert findings(snapshot, body(CANCEL, "{type: object}")) == [("no_legacy", "body", "reason")]


def test_headers_and_cookies(snapshot: Snapshot):
    given = (
        "name: X-Tenant, in: header",
        "name: Grpc-Metadata-A, in: header",
        "name: session, in: cookie",
    )
    found = findings(snapshot, parameters(GET, *given))
    assert [each for each in found if each[0] == "not_passed"] == [
        ("not_passed", "header", "X-Tenant"),
        ("not_passed", "cookie", "session"),
    ]


def test_path_parameters_that_no_variable_takes(snapshot: Snapshot):
    assert findings(snapshot, "  /v1/{region}/shops/{name}: {get: {}}\n") == [
        ("no_field", "path", "region")
    ]


def test_bodies_below_a_field_or_as_a_whole(snapshot: Snapshot):
    order = "{type: object, properties: {state: {}, totalCents: {}, lines: {type: array, items: "
    order += "{type: object, properties: {article: {}, colour: {}}}}, colour: {}}}"
    assert without_new(findings(snapshot, body(CREATE, order))) == [
        ("no_field", "body", "lines[].colour"),
        ("no_field", "body", "colour"),
    ]
    reason = "{properties: {reason: {type: string}, note: {}}}"
    assert findings(snapshot, body(CANCEL, reason)) == [("no_field", "body", "note")]


def test_a_body_where_the_rule_has_none(snapshot: Snapshot):
    delete = "  /v1/orders/{id}:\n    delete:\n"
    found = findings(snapshot, body(delete, "{type: object}"))
    assert ("no_body", "body", "") in found


def test_bytes_are_not_looked_into(snapshot: Snapshot):
    put = "  /v1/orders/{id}/picture:\n    put:\n"
    schema = "{type: string, format: binary}"
    assert findings(snapshot, body(put, schema, "image/png")) == []


def test_members_that_are_only_answered_are_no_part_of_requests(snapshot: Snapshot):
    schema = "{properties: {made: {readOnly: true}, state: {}}}"
    assert without_new(findings(snapshot, body(CREATE, schema))) == []


def test_maps_lists_and_open_values_are_followed(snapshot: Snapshot):
    schema = (
        "{properties: {places: {type: object, additionalProperties: {properties: {street: {},"
        " floor: {}}}}, extra: {type: object, properties: {any: {}}}, lines: {type: object}}}"
    )
    assert without_new(findings(snapshot, body(CREATE, schema))) == [
        ("no_field", "body", "places.floor"),
        ("type", "body", "lines"),
    ]


def test_schemas_and_messages_within_themselves_end(snapshot: Snapshot):
    more = (
        "components: {schemas: {Order: {type: object, properties: {state: {}, gone: {},"
        " replaces: {$ref: '#/components/schemas/Order'}}}}}\n"
    )
    found = findings(snapshot, body(CREATE, "{$ref: '#/components/schemas/Order'}"), more)
    assert without_new(found) == [("no_field", "body", "gone")]


def test_a_schema_that_is_used_twice_is_told_at_both_places(snapshot: Snapshot):
    more = "components: {schemas: {A: {type: object, properties: {x: {}}}}}\n"
    a = "{$ref: '#/components/schemas/A'}"
    schema = f"{{properties: {{shipTo: {a}, lines: {{type: array, items: {a}}}}}}}"
    found = without_new(findings(snapshot, body(CREATE, schema), more))
    assert found == [("no_field", "body", "shipTo.x"), ("no_field", "body", "lines[].x")]


def test_schemas_that_use_each_other_widely_end(snapshot: Snapshot):
    inner = ", ".join(f"{name}: {{$ref: '#/components/schemas/Order'}}" for name in ("replaces",))
    many = ", ".join(f"m{n}: {{}}" for n in range(1500))
    more = f"components: {{schemas: {{Order: {{properties: {{{inner}, {many}}}}}}}}}\n"
    found = findings(snapshot, body(CREATE, "{$ref: '#/components/schemas/Order'}"), more)
    assert len(found) == MAX_FINDINGS


def test_answers_are_compared_by_name_and_by_type(snapshot: Snapshot):
    schema = (
        "{type: object, properties: {id: {type: string}, totalCents: {type: integer}, state:"
        " {type: string}, paid: {type: boolean}, createTime: {type: integer}, ship_to: {},"
        " lines: {type: array, items: {properties: {article: {type: string},"
        " pieces: {type: string}}}}, places: {type: object}, extra: {type: object},"
        " replaces: {type: object}}}"
    )
    assert findings(snapshot, answer(GET, schema)) == [
        ("no_legacy", "query", "note"),
        ("type", "answer", "totalCents"),
        ("type", "answer", "createTime"),
        ("no_field", "answer", "ship_to"),
        ("type", "answer", "lines[].pieces"),
    ]


def test_an_array_for_an_answer(snapshot: Snapshot):
    orders = "{type: array, items: {properties: {id: {type: string}, colour: {}}}}"
    items = "  /v1/items:\n    get:\n"
    found = [each for each in findings(snapshot, answer(items, orders)) if each[1] == "answer"]
    assert ("no_field", "answer", "[].colour") in found
    assert ("type", "answer", "") not in found
    found = findings(snapshot, answer(LIST, orders))
    assert ("type", "answer", "") in found
    found = findings(snapshot, answer(items, "{type: object}"))
    assert ("type", "answer", "") in found


SHAPED = """\
routes:
- rpc: shop.v1.Orders.GetOrder
  shape:
    names: snake
    forms: {int64: number, timestamp: epoch_s, enum: number, bool: ["Y", "N"]}
    lossy: [timestamp]
    fields:
      Order.create_time: {name: made}
      Order.ship_to: {flatten: to_}
      Order.extra: {drop: true}
    nest: {Order: {money: [total_cents, paid]}}
    add: {Order: {href: "/orders/{id}"}}
    answer: {body: {ok: true, data: {order: "{}"}}}
- rpc: shop.v1.Orders.ListOrders
  shape:
    answer: {body: {data: "{}", ok: true}, of: orders}
    query: {rename: {per: page_size, by: filter.owner}, brackets: true}
- rpc: shop.v1.Orders.GetShop
  request_headers: [x-tenant]
"""


@pytest.fixture(scope="module")
def shaped(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    return shop_snapshot(Path(tmp_path_factory.mktemp("shaped")), SHAPED)


def test_names_and_types_are_those_of_the_shape(shaped: Snapshot):
    order = (
        "{properties: {id: {type: string}, made: {type: integer}, state: {type: integer},"
        " money: {type: object, properties: {total_cents: {type: integer},"
        " paid: {type: string}, tax: {}}}, to_street: {type: string}, to_post_code:"
        " {type: integer}, href: {type: string}, extra: {}, lines: {type: array, items: {}},"
        " places: {type: object}, replaces: {type: object}}}"
    )
    schema = f"{{properties: {{ok: {{}}, data: {{properties: {{order: {order}}}}}, at: {{}}}}}}"
    found = [each for each in findings(shaped, answer(GET, schema)) if each[1] == "answer"]
    assert found == [
        ("no_field", "answer", "at"),
        ("no_field", "answer", "data.order.money.tax"),
        ("type", "answer", "data.order.to_post_code"),
        ("no_field", "answer", "data.order.extra"),
    ]


def test_the_payload_of_an_envelope_may_be_a_field(shaped: Snapshot):
    schema = "{properties: {ok: {}, data: {type: array, items: {properties: {id: {}, x: {}}}}}}"
    found = without_new(findings(shaped, answer(LIST, schema)))
    assert found == [("no_field", "answer", "data[].x")]


def test_parameters_that_the_shape_renames(shaped: Snapshot):
    given = [query(name) for name in ("per", "by", "filter[since]", "states[]", "other")]
    found = findings(shaped, parameters(LIST, *given))
    assert found == [
        ("no_field", "query", "other"),
        ("no_legacy", "query", "page_token"),
        ("no_legacy", "query", "tags"),
    ]


SPECIAL = """\
defaults: {shape: {profile: old}}
profiles:
  old:
    names: pascal
    fields: {Order.extra: {drop: true}}
    add: {Order: {Href: "/orders/{id}"}}
routes:
- rpc: shop.v1.Orders.ListOrders
  shape: {paging: {page: p, per_page: n}}
- rpc: shop.v1.Orders.CreateOrder
  shape:
    form_bodies: {files: {Scan: {into: scan, file_name: scan_name}}}
    etag: {value: "{id}", if_match: order.etag}
"""


@pytest.fixture(scope="module")
def special(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    folder = Path(tmp_path_factory.mktemp("special"))
    fields = "  Order replaces = 10; string etag = 11; bytes scan = 12; string scan_name = 13;"
    return shop_snapshot(folder, SPECIAL, ("  Order replaces = 10;", fields))


def test_pages_are_no_fields_and_what_they_fill_is_not_new(special: Snapshot):
    found = findings(special, parameters(LIST, query("p"), query("n"), query("States")))
    assert found == [("no_legacy", "query", "filter"), ("no_legacy", "query", "tags")]


def test_what_a_shape_drops_adds_and_takes_from_files_is_neither_new_nor_lost(special: Snapshot):
    schema = (
        "{properties: {Scan: {format: binary}, Href: {}, TotalCents: {}, State: {}, ShipTo: {},"
        " Lines: {}, Places: {}, Paid: {}, Replaces: {properties: {Href: {}}}, Colour: {}}}"
    )
    found = findings(special, body(CREATE, schema, "multipart/form-data"))
    assert found == [("no_field", "body", "Colour"), ("no_legacy", "query", "validate_only")]


def test_headers_that_are_let_through(shaped: Snapshot):
    paths = "  /v1/a/shops/{name}: {get: {parameters: [{name: X-Tenant, in: header}]}}\n"
    assert findings(shaped, paths) == []
