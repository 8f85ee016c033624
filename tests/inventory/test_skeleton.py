"""The shape that is guessed: forms of values, names, envelopes, and what is left to people."""

import pytest
import yaml

from proxy.inventory.envelopes import find_envelope, unwrapped
from proxy.inventory.overlay import routes_text
from proxy.inventory.skeleton import Skeleton, skeleton_of
from proxy.inventory.suggestions import suggest
from proxy.routing.snapshot import Snapshot
from tests.inventory.stand import paths_api

GET = "  /v1/orders/{id}: {get: {operationId: getOrder, responses: {200: %s}}}\n"
LIST = (
    "  /v1/orders: {get: {operationId: listOrders, parameters: [%s], responses: {200: "
    "{content: {application/json: {schema: {properties: {orders: {}, next_page_token: {}}}}}}}}}\n"
)


def json_of(schema: str) -> str:
    return f"{{content: {{application/json: {{schema: {schema}}}}}}}"


def skeleton(snapshot: Snapshot, paths: str) -> Skeleton:
    return skeleton_of(suggest(snapshot, paths_api(paths), everything=True))


def of_order(snapshot: Snapshot, members: str) -> Skeleton:
    return skeleton(snapshot, GET % json_of(f"{{properties: {{id: {{}}, {members}}}}}"))


@pytest.mark.parametrize(
    ("member", "forms"),
    [
        ("totalCents: {type: integer}", {"int64": "number"}),
        ("totalCents: {type: string}", {}),
        ("totalCents: {type: object}", {}),
        ("paid: {type: integer}", {"bool": "number"}),
        ("paid: {type: boolean}", {}),
        ("paid: {enum: [N, Y]}", {"bool": ("Y", "N")}),
        ("paid: {enum: ['false', 'true']}", {"bool": ("true", "false")}),
        ("paid: {enum: [in, out]}", {}),
        ("paid: {type: string}", {}),
        ("state: {type: integer}", {"enum": "number"}),
        ("state: {enum: [open, closed]}", {"enum": "lower"}),
        ("state: {enum: [state-unspecified, open]}", {"enum": "kebab"}),
        ("state: {enum: [OPEN]}", {}),
        ("state: {enum: [begun]}", {}),
        ("state: {type: string}", {}),
        ("createTime: {type: integer}", {"timestamp": "epoch_s"}),
        ("createTime: {type: integer, example: 1769817600}", {"timestamp": "epoch_s"}),
        ("createTime: {type: integer, example: 1769817600000}", {"timestamp": "epoch_ms"}),
        ("createTime: {type: string, format: date-time}", {}),
        ("createTime: {type: string, example: '2026-01-31T00:00:00Z'}", {}),
        ("createTime: {type: string, example: soon}", {}),
        ("createTime: {example: '31.01.2026 08:15:00'}", {"timestamp": "%d.%m.%Y %H:%M:%S"}),
        ("createTime: {example: 'Sat, 31 Jan 2026 08:15:00 GMT'}", {"timestamp": "rfc1123"}),
        ("lines: {type: object}", {}),
        (
            "lines: {type: array, items: {properties: {pieces: {type: string}}}}",
            {"int32": "text"},
        ),
        ("lines: {type: array, items: {properties: {pieces: {type: integer}}}}", {}),
    ],
)
def test_forms_are_told_by_types_formats_and_examples(
    snapshot: Snapshot, member: str, forms: dict[str, str]
):
    found = of_order(snapshot, member)
    assert found.forms == forms
    assert found.lossy == (("timestamp",) if "timestamp" in forms else ())


def test_the_case_is_that_of_most_names_and_others_are_renamed(snapshot: Snapshot):
    found = of_order(snapshot, "total_cents: {}, ship_to: {}, created_on: {}")
    assert found.names == "snake"
    assert found.fields == {"Order.create_time": {"name": "created_on"}}
    assert of_order(snapshot, "totalCents: {}, shipTo: {}").names is None
    assert of_order(snapshot, "TotalCents: {}, ShipTo: {}").names == "pascal"
    assert of_order(snapshot, "paid: {}").names is None


def test_a_field_of_two_names_has_the_more_common_one_and_a_remark(snapshot: Snapshot):
    body = json_of("{properties: {created_at: {}, state: {}}}")
    create = f"  /v1/orders: {{post: {{operationId: createOrder, requestBody: {body}}}}}\n"
    found = skeleton(snapshot, GET % json_of("{properties: {id: {}, created_on: {}}}") + create)
    assert found.fields["Order.create_time"] == {"name": "created_on"}
    assert found.remarks == ("Order.create_time is called created_on, and created_at elsewhere",)


def test_lists_of_the_query_are_shaped_and_what_no_field_takes_is_remarked(snapshot: Snapshot):
    csv = (
        "{name: states, in: query, explode: false, schema: {type: array}}, {name: sort, in: query}"
    )
    brackets = "{name: 'states[]', in: query, schema: {type: array}}, {name: page_size, in: query}"
    assert (route_of(snapshot, csv)) == {"query": {"separator": ","}}
    assert (route_of(snapshot, brackets)) == {"query": {"brackets": True}}
    suggestions = suggest(snapshot, paths_api(LIST % csv), everything=True)
    text = routes_text(suggestions, skeleton_of(suggestions))
    assert text.count("no field takes") == text.count("  # no field takes the query's sort\n") == 1


def route_of(snapshot: Snapshot, parameters: str):
    """The own shape of the only route."""
    suggestions = suggest(snapshot, paths_api(LIST % parameters), everything=True)
    text = routes_text(suggestions, skeleton_of(suggestions))
    (route,) = yaml.safe_load(text)["routes"]
    return {key: value for key, value in route["shape"].items() if key != "profile"}


ENVELOPE = """\
  /a: {get: {responses: {200: %s}}}
  /b: {get: {responses: {200: %s}}}
  /c: {get: {responses: {200: %s}}}
  /d: {get: {responses: {200: {}}}}
"""


def envelope_of(*payloads: str, more: str = ""):
    def schema(payload: str) -> str:
        return json_of(f"{{properties: {{ok: {{type: boolean}}, data: {payload}{more}}}}}")

    api = paths_api(ENVELOPE % tuple(map(schema, payloads)))
    return find_envelope(api.operations, api.schemas), api


def test_an_envelope_is_what_answers_have_in_common_around_what_differs():
    more = ", v: {const: 2}, errors: {type: array}, at: {type: string}"
    found, api = envelope_of(
        "{properties: {x: {}}}", "{type: array, items: {}}", "{properties: {y: {}}}", more=more
    )
    assert found is not None
    assert found.payload == "data"
    assert found.constants == {"ok": True, "v": 2, "errors": []}
    assert found.others == ("at",)
    answer = api.operations[1].answer
    assert answer is not None
    assert unwrapped(answer.schema, found, api.schemas).is_list
    assert unwrapped(answer.schema, None, api.schemas) is answer.schema


def test_a_member_for_errors_alone_is_null_in_the_envelope():
    error = "{nullable: true, properties: {code: {}, text: {}}}"
    answers = [
        f"{{properties: {{data: {data}, error: {said}}}}}"
        for data, said in (
            ("{properties: {x: {}}}", error),
            ("{type: array, items: {}}", "{nullable: true}"),
            ("{nullable: true}", "{type: [object, 'null']}"),
            ("{type: string}", "{anyOf: [{type: 'null'}, {properties: {code: {}, text: {}}}]}"),
        )
    ]
    paths = [
        f"  /{n}: {{get: {{responses: {{200: {json_of(a)}}}}}}}" for n, a in enumerate(answers)
    ]
    api = paths_api("\n".join(paths) + "\n")
    found = find_envelope(api.operations, api.schemas)
    assert found is not None
    assert (found.payload, found.constants, found.others) == ("data", {"error": None}, ())


def test_answers_that_are_all_alike_have_no_envelope():
    assert envelope_of(*["{properties: {x: {}}}"] * 3)[0] is None


def test_two_answers_make_no_envelope():
    one = json_of("{properties: {a: {}, b: {}}}")
    api = paths_api(
        f"  /a: {{get: {{responses: {{200: {one}}}}}, put: {{responses: {{200: {one}}}}}}}\n"
    )
    assert find_envelope(api.operations, api.schemas) is None
