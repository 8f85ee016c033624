"""Where operations lead: mapped, by another method, shadowed, in part, not at all."""

import pytest

from proxy.inventory.coverage import Values
from proxy.inventory.hits import Hit
from proxy.inventory.paths import MAX_SAMPLES, OperationTable, parse_legacy_path, sample_paths
from proxy.routing.snapshot import Snapshot
from tests.inventory.stand import paths_api, survey


def endpoints(snapshot: Snapshot, paths: str) -> list[Values]:
    return survey(snapshot, paths_api(paths))["endpoints"]


@pytest.mark.parametrize(
    ("operation", "standing", "detail"),
    [
        ("/v1/orders/{order}: {get: {}}", "mapped", ""),
        ("/v1/orders/{order}: {head: {}}", "mapped", ""),
        ("/v1/orders: {get: {}}", "mapped", ""),
        ("'/v1/orders/{id}:cancel': {post: {}}", "mapped", ""),
        ("/v1/orders/{order}: {put: {}}", "method_mismatch", "mapped for DELETE, GET, HEAD"),
        ("'/v1/orders/{id}:cancel': {get: {}}", "method_mismatch", "mapped for POST"),
        ("/v2/orders: {get: {}}", "unmapped", ""),
        ("/v1/orders/: {get: {}}", "unmapped", ""),
        ("'/v1/orders:upload': {post: {}}", "not_served", "takes a stream"),
        ("/v1/kinds/{kind}: {get: {}}", "partial", "GET /v1/kinds/red"),
        ("/v1/orders/daily: {get: {}}", "mapped", ""),
    ],
)
def test_standings(snapshot: Snapshot, operation: str, standing: str, detail: str):
    (endpoint,) = endpoints(snapshot, f"  {operation}\n")
    assert endpoint["standing"] == standing
    assert detail in endpoint["detail"]


def test_a_wildcard_that_is_anothers_shadows_a_literal(snapshot: Snapshot):
    paths = "  /v1/orders/{id}: {get: {}}\n  /v1/orders/search: {get: {}}\n"
    own, search = endpoints(snapshot, paths)
    assert own["standing"] == "mapped"
    assert search["standing"] == "shadowed"
    assert search["detail"] == (
        "GET /v1/orders/{id} takes 'search' for a value, and is another operation's"
    )
    assert search["findings"] == []


def test_a_narrower_binding_takes_some_paths_away(snapshot: Snapshot):

    (endpoint,) = endpoints(snapshot, "  /v1/{a}/{b}: {get: {}}\n")
    assert endpoint["standing"] == "partial"
    assert "GET /v1/orders/{id}" in endpoint["narrowed_by"]
    paths = "  /v1/kinds/{kind}: {get: {}}\n  /v1/kinds/red: {get: {}}\n"
    kind, red = endpoints(snapshot, paths)
    assert (kind["standing"], kind["narrowed_by"]) == ("unmapped", []), "red is the old API's own"
    assert red["standing"] == "mapped"


def test_listed_values_of_a_path_parameter_are_tried(snapshot: Snapshot):
    (endpoint,) = endpoints(
        snapshot,
        "  /v1/kinds/{kind}: {get: {parameters: "
        "[{name: kind, in: path, schema: {enum: [red, blue]}}]}}\n",
    )
    assert endpoint["standing"] == "partial"
    assert endpoint["detail"] == "1 of the 2 values of its path parameters are mapped"


def test_sampled_paths_have_an_end():
    values = ", ".join(f"v{n}" for n in range(20))
    parameters = ", ".join(f"{{name: {n}, in: path, schema: {{enum: [{values}]}}}}" for n in "abc")
    api = paths_api(f"  '/x y/{{a}}/{{b}}/{{c}}': {{get: {{parameters: [{parameters}]}}}}\n")
    samples = [*sample_paths(api.operations[0])]
    assert len(samples) == MAX_SAMPLES
    assert samples[0] == "/x%20y/v0/v0/v0"


def test_paths_of_old_apis_that_templates_cannot_say():
    path = parse_legacy_path("/a/{x}-{y}/b c/{id}.json")
    assert (path.segments, path.names) == (
        ("a", "*", "b%20c", "*"),
        ((), ("x", "y"), (), ("id",)),
    )
    assert str(parse_legacy_path("/a:b/{c:d}")) == "/a%3Ab/*"


def test_requests_find_their_operation():
    api = paths_api(
        "  /: {get: {}}\n  /a/{x}: {get: {}}\n  /a/{y}: {put: {}, get: {}}\n  /a/b: {get: {}}\n"
        "  '/a/{x}:go': {post: {}}\n  /c//d: {get: {}}\n  /a:b/c: {get: {}}\n"
    )
    table = OperationTable(api.operations)

    def found(http_method: str, path: str) -> str | None:
        operation = table.find(http_method, path)
        return operation.key if operation else None

    assert found("GET", "/") == "GET /"
    assert found("GET", "/a/b") == "GET /a/b"
    assert found("GET", "/a/b/") == "GET /a/b"
    assert found("GET", "/a/c") == "GET /a/{x}"
    assert found("PUT", "/a/c") == "PUT /a/{y}"
    assert found("POST", "/a/c:go") == "POST /a/{x}:go"
    assert found("GET", "/a/%ff") == "GET /a/{x}"
    assert found("GET", "/z") is None
    assert [(first.key, second.key) for first, second in table.unclear] == [
        ("GET /a/{y}", "GET /a/{x}")
    ]
    assert found("GET", "/a:b/c") == "GET /a:b/c"
    assert {operation.key for operation, _ in table.impossible} == {"GET /c//d"}


def test_notes_name_what_no_request_can_tell_apart(snapshot: Snapshot):
    paths = "  /a/{x}: {get: {}}\n  /a/{y}: {get: {}}\n  /c//d: {get: {}}\n"
    notes = survey(snapshot, paths_api(paths), Hit("GET", "/a/1"))["notes"]
    assert notes[0] == "GET /a/{y} takes the same requests as /a/{x}: counted there"
    assert notes[1].startswith("GET /c//d matches no request")
