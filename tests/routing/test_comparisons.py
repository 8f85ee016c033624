"""What compares the answers of a binding: which rules hold, and which paths are refused."""

import asyncio
from datetime import date
from pathlib import Path

import pytest

from proxy.cli.composition import Attempt, attempt_load
from proxy.comparison.documents import Document
from proxy.comparison.kinds import Kind
from proxy.comparison.rules import (
    Exact,
    Format,
    Ignore,
    ListBy,
    Number,
    OneOf,
    Present,
    Set,
    Timestamp,
)
from proxy.cutover.mirror import Depth, MirrorOptions
from proxy.gate.options import GateOptions
from proxy.routing.snapshot import Snapshot
from proxy.routing.table import RouteBinding
from tests.cli.versions import compiled
from tests.config.loading import TODAY

CONFIG = """\
version: 1
descriptors: [{{descriptor_set: shop.binpb}}]
upstreams:
  legacy: {{url: "http://127.0.0.1:1"}}
  shop: {{target: "127.0.0.1:1", plaintext: true, shadow_sink: true}}
defaults: {{{defaults}}}
routes: [{routes}]
"""
PROTO = """\
syntax = "proto3";
package shop.v1;
import "google/api/annotations.proto";
import "google/api/httpbody.proto";
import "google/protobuf/any.proto";
import "google/protobuf/struct.proto";
import "google/protobuf/timestamp.proto";
import "google/protobuf/wrappers.proto";
service Shop {
  rpc Get(Order) returns (Order) {
    option (google.api.http) = {
      get: "/v1/orders/{id}"
      additional_bindings {get: "/v1/orders/{id}/lines" response_body: "order_lines"}
    };
  }
  rpc Put(Order) returns (Order) { option (google.api.http) = {put: "/v1/orders/{id}" body: "*"}; }
  rpc Check(Checked) returns (Line) { option (google.api.http) = {post: "/v1/check" body: "*"}; }
  rpc Watch(Order) returns (stream Line) { option (google.api.http) = {get: "/v1/watch"}; }
  rpc Upload(stream Order) returns (Line) {
    option (google.api.http) = {post: "/v1/up" body: "*"};
  }
  rpc Image(Order) returns (google.api.HttpBody) { option (google.api.http) = {get: "/v1/image"}; }
}
message Checked { bool validate_only = 1; Order order = 2; }
message Order {
  string id = 1;
  repeated Line order_lines = 2;
  map<string, Line> by_name = 3;
  google.protobuf.Struct extra = 4;
  google.protobuf.Timestamp made_at = 5;
  google.protobuf.Int64Value total = 6;
  google.protobuf.Any detail = 7;
  Order parent = 8;
  google.api.HttpBody picture = 9;
}
message Line { string sku = 1; int64 price = 2; }
"""
MIRROR = "mirror: {percent: 10}"


def attempt(
    place: Path,
    routes: str,
    defaults: str,
    before: Snapshot | None,
    today: date,
    proto: str = PROTO,
) -> Attempt:
    (place / "shop.binpb").write_bytes(compiled(proto))
    (place / "cutover.yaml").write_text(CONFIG.format(routes=routes, defaults=defaults))
    return asyncio.run(attempt_load(place, {}, None, before, today=lambda: today))


def load(
    place: Path,
    routes: str = "",
    defaults: str = "",
    before: Snapshot | None = None,
    today: date = TODAY,
    proto: str = PROTO,
) -> Snapshot:
    loaded = attempt(place, routes, defaults, before, today, proto)
    assert not loaded.problems
    assert loaded.snapshot is not None
    return loaded.snapshot


def refused(place: Path, routes: str = "", defaults: str = "") -> list[str]:
    """The problems, each without its file and line."""
    problems = attempt(place, routes, defaults, None, TODAY).problems
    return [str(each).split(": ", 1)[1] for each in problems]


def bindings(snapshot: Snapshot, method: str) -> list[RouteBinding]:
    return [each for each in snapshot.bindings if each.route.rpc == f"shop.v1.Shop.{method}"]


def entry(method: str, compare: str, more: str = MIRROR) -> str:
    return f"{{rpc: shop.v1.Shop.{method}, {more}, compare: {{{compare}}}}}"


def rule(path: str, more: str = "use: exact") -> str:
    return f"{{path: '{path}', {more}, reason: r}}"


class TestPaths:
    """A rule for a field that is not there would be a rule that never holds: it is refused."""

    @pytest.mark.parametrize(
        "path",
        [
            "$",
            "$.id",
            "$.orderLines[*].sku",
            "$.order_lines[*].price",
            "$.byName{*}.sku",
            "$.by_name{*}",
            "$.extra.anything[*].at{*}.all",
            "$.madeAt",
            "$.total",
            "$.detail.@type",
            "$.detail.sku",
            "$.parent.parent.parent.id",
            "$.picture.data",
            "error:$.code",
            "error:$.details[*].nobody.knows",
        ],
    )
    def test_that_are_there(self, tmp_path: Path, path: str) -> None:
        snapshot = load(tmp_path, entry("Get", f"rules: [{rule(path)}]"))
        [comparator] = {each.comparator for each in bindings(snapshot, "Get")[:1]}
        assert comparator is not None
        assert [each.path for each in comparator.options.rules] == [path]

    @pytest.mark.parametrize(
        ("path", "message"),
        [
            ("$.idd", "shop.v1.Order at $ has no field .idd; did you mean .id?"),
            ("$.orderLine", "shop.v1.Order at $ has no field .orderLine; did you mean .orderLine"),
            ("$.orderLines.sku", "$.orderLines is a list, which has no .sku; [*] is its elements"),
            ("$.orderLines{*}", "$.orderLines is a list, which has no {*}; [*] is its elements"),
            ("$.order_lines[*].skus", "shop.v1.Line at $.orderLines[*] has no field .skus"),
            ("$.byName.sku", "$.byName is a map, which has no .sku; {*} is its values"),
            ("$.byName[*]", "$.byName is a map, which has no [*]; {*} is its values"),
            ("$.madeAt.seconds", "$.madeAt is no object, which has no .seconds"),
            ("$.total.value", "$.total is no object, which has no .value"),
            ("$.id.x", "$.id is no object, which has no .x"),
            ("$[*]", "$ is an object, which has no [*]"),
            ("$.parent.Id", "shop.v1.Order at $.parent has no field .Id"),
        ],
    )  # fmt: skip
    def test_that_lead_nowhere(self, tmp_path: Path, path: str, message: str) -> None:
        [problem] = refused(tmp_path, entry("Put", f"rules: [{rule(path)}]"))
        assert problem.startswith(f"routes[0].compare.rules[0].path: {message}")

    def test_begin_below_the_field_that_is_the_answer(self, tmp_path: Path) -> None:
        snapshot = load(tmp_path, entry("Get", f"rules: [{rule('$[*].sku')}, {rule('$.id')}]"))
        held = [
            [each.path for each in target.comparator.options.rules]
            for target in bindings(snapshot, "Get")
            if target.comparator is not None
        ]
        assert held == [["$.id"], ["$[*].sku"]]

    def test_of_a_stream_begin_at_its_messages(self, tmp_path: Path) -> None:
        load(tmp_path, entry("Watch", f"rules: [{rule('$[*].sku')}]"))
        [problem] = refused(tmp_path, entry("Watch", f"rules: [{rule('$.sku')}]"))
        assert problem.endswith("$ is a list, which has no .sku; [*] is its elements")

    def test_do_not_lead_into_raw_content(self, tmp_path: Path) -> None:
        [problem] = refused(tmp_path, entry("Image", f"rules: [{rule('$.data')}]"))
        assert problem.endswith("$ is no object, which has no .data")

    @pytest.mark.parametrize(
        ("path", "use", "problem"),
        [
            ("$.id", "set", "use: is for lists: $.id is a single value"),
            ("$.by_name", "list", "use: is for lists: $.byName is a map"),
            ("$.parent", "set", "use: is for lists: $.parent is an object"),
            ("request:$.madeAt", "set", "use: is for lists: request:$.madeAt is a single value"),
            (
                "$.order_lines",
                "list, key: sk",
                "key: shop.v1.Line at $.orderLines[*] has no field .sk; did you mean .sku?",
            ),
        ],
    )
    def test_of_rules_for_lists_lead_to_lists(
        self, tmp_path: Path, path: str, use: str, problem: str
    ) -> None:
        """A key that no element has would have them paired in any order, whatever they say."""
        found = refused(tmp_path, entry("Put", f"rules: [{rule(path, f'use: {use}')}]"))
        assert found == [f"routes[0].compare.rules[0].{problem}"]

    @pytest.mark.parametrize(
        ("path", "use"),
        [
            ("$.order_lines", "list, key: sku"),
            ("$.orderLines", "set"),
            ("request:$.order_lines", "list, key: price"),
            ("$.extra.any", "list, key: thing"),
            ("error:$.details", "list, key: field"),
        ],
    )
    def test_of_rules_for_lists_may_lead_to_what_nobody_has_described(
        self, tmp_path: Path, path: str, use: str
    ) -> None:
        load(tmp_path, entry("Put", f"rules: [{rule(path, f'use: {use}')}]"))

    def test_of_rules_for_lists_have_one_where_any_binding_has_it(self, tmp_path: Path) -> None:
        load(tmp_path, entry("Get", f"rules: [{rule('$', 'use: list, key: sku')}]"))

    def test_of_one_field_in_two_spellings_are_one_path(self, tmp_path: Path) -> None:
        rules = f"rules: [{rule('$.order_lines')}, {rule('$.orderLines')}]"
        [problem] = refused(tmp_path, entry("Put", rules))
        same = "is the same field as $.order_lines, which has a rule already"
        assert problem == f"routes[0].compare.rules[1].path: {same}"

    def test_of_fields_that_only_legacy_has_are_marked(self, tmp_path: Path) -> None:
        marked = rule("$.oldId", "use: present, legacy_only: true")
        snapshot = load(tmp_path, entry("Put", f"rules: [{marked}]"))
        [target] = bindings(snapshot, "Put")
        assert target.comparator is not None
        assert [each.path for each in target.comparator.options.rules] == ["$.oldId"]
        wrong = rule("$.id", "use: present, legacy_only: true")
        assert refused(tmp_path, entry("Put", f"rules: [{wrong}]")) == [
            "routes[0].compare.rules[0].legacy_only: does nothing: the message has $.id"
        ]

    @pytest.mark.parametrize(
        ("path", "end"),
        [
            ("$.nam", "shop.v1.Order at $ has no field .nam"),
            ("request:$.nam", "shop.v1.Order at $ has no field .nam"),
        ],
    )
    def test_of_what_is_revealed_are_held_against_messages_too(
        self, tmp_path: Path, path: str, end: str
    ) -> None:
        [problem] = refused(tmp_path, entry("Put", f"reveal: ['{path}']"))
        assert problem == f"routes[0].compare.reveal[0]: {end}"

    def test_of_what_is_revealed_are_kept_by_their_json_names(self, tmp_path: Path) -> None:
        paths = "'$.order_lines[*].sku', 'request:$.made_at', 'request:?id', 'header:ETag'"
        compare = f"headers: [etag], reveal: [{paths}]"
        [target] = bindings(load(tmp_path, entry("Put", compare)), "Put")
        assert target.redactor is not None
        assert target.redactor.revealed == {
            "$.orderLines[*].sku",
            "request:$.madeAt",
            "request:?id",
            "header:etag",
        }


SENT = """\
syntax = "proto3";
package shop.v1;
import "google/api/annotations.proto";
import "google/api/httpbody.proto";
service Shop {
  rpc Get(Ask) returns (Line) { option (google.api.http) = {get: "/v1/{shelf.name=shelves/*}"}; }
  rpc Put(Ask) returns (Line) { option (google.api.http) = {put: "/v1/shelf" body: "top_shelf"}; }
  rpc Post(Ask) returns (Line) { option (google.api.http) = {post: "/v1/ask" body: "*"}; }
  rpc Up(Ask) returns (Line) { option (google.api.http) = {post: "/v1/up" body: "raw"}; }
}
message Ask {
  Shelf shelf = 1;
  Shelf top_shelf = 2;
  int32 page_size = 3;
  map<string, int32> counts = 4;
  google.api.HttpBody raw = 5;
  repeated Shelf rows = 6;
}
message Shelf { string name = 1; repeated Line lines = 2; }
message Line { string sku = 1; }
"""
IGNORE = "use: ignore, expires: 2026-07-01"


class TestPathsOfRequests:
    """What clients send may have names that no message has: those can be ignored, and no more."""

    def held(self, place: Path, method: str, *rules: str) -> list[str]:
        snapshot = load(place, entry(method, f"rules: [{', '.join(rules)}]"), proto=SENT)
        [target] = bindings(snapshot, method)
        assert target.comparator is not None
        return [each.path for each in target.comparator.options.rules]

    @pytest.mark.parametrize(
        ("method", "path", "use"),
        [
            ("Get", "request:/shelf.name", IGNORE),
            ("Get", "request:?page_size", "use: present"),
            ("Get", "request:?pageSize", "use: number, rel: 0.1"),
            ("Get", "request:?topShelf.name", "use: present"),
            ("Get", "request:?counts[a.b]", "use: present"),
            ("Get", "request:?counts", "use: present"),
            ("Get", "request:?utm_source", IGNORE),
            ("Get", "request:?$filter", IGNORE),
            ("Put", "request:$", IGNORE),
            ("Put", "request:$.topShelf.lines", "use: set"),
            ("Put", "request:$.top_shelf.lines[*].sku", "use: format, format: uuid"),
            ("Put", "request:$.topShelf.colour", IGNORE),
            ("Post", "request:$.rows[*].colour.of.all", IGNORE),
            ("Post", "request:$.pageSize", "use: exact"),
            ("Post", "request:?utm_source", IGNORE),
        ],
    )
    def test_that_may_be_sent(self, tmp_path: Path, method: str, path: str, use: str) -> None:
        assert self.held(tmp_path, method, rule(path, use)) == [path]

    @pytest.mark.parametrize(
        ("method", "path", "use", "message"),
        [
            ("Get", "request:/shelf", IGNORE, "/v1/{shelf.name=shelves/*} has no variable shelf"),
            ("Get", "request:$", IGNORE, "GET /v1/{shelf.name=shelves/*} takes no JSON body"),
            ("Up", "request:$.raw", IGNORE, "POST /v1/up takes no JSON body"),
            ("Get", "request:?pagesize", "use: present", "shop.v1.Ask has no field pagesize"),
            ("Get", "request:?topShelf", IGNORE, "no parameter gives topShelf: it is a message"),
            ("Get", "request:?rows", IGNORE, "no parameter gives rows: it is a message"),
            ("Put", "request:$.shelf.name", IGNORE, "the body of /v1/shelf is $.topShelf"),
            ("Put", "request:$.colour", IGNORE, "the body of /v1/shelf is $.topShelf"),
            ("Put", "request:$.topShelf.colour", "use: present", "shop.v1.Shelf at $.topShelf has"),
            ("Put", "request:$.topShelf.lines.sku", IGNORE, "$.topShelf.lines is a list, which"),
            ("Post", "request:?pageSize", "use: present", "no parameter names a field beside"),
        ],
    )  # fmt: skip
    def test_that_lead_nowhere(
        self, tmp_path: Path, method: str, path: str, use: str, message: str
    ) -> None:
        text = entry(method, f"rules: [{rule(path, use)}]")
        problems = attempt(tmp_path, text, "", None, TODAY, SENT).problems
        [problem] = [str(each).split(": ", 1)[1] for each in problems]
        assert problem.startswith(f"routes[0].compare.rules[0].path: {message}")

    def test_in_two_spellings_are_one_path(self, tmp_path: Path) -> None:
        rules = f"{rule('request:?page_size', IGNORE)}, {rule('request:?pageSize', IGNORE)}"
        problems = attempt(tmp_path, entry("Get", f"rules: [{rules}]"), "", None, TODAY, SENT)
        [problem] = problems.problems
        assert "is the same field as request:?page_size" in str(problem)

    def test_of_defaults_hold_where_they_can(self, tmp_path: Path) -> None:
        rules = ", ".join(
            rule(path, IGNORE) for path in ("request:?utm", "request:$.colour", "request:$.rows")
        )
        snapshot = load(tmp_path, defaults=f"{MIRROR}, compare: {{rules: [{rules}]}}", proto=SENT)
        held = {
            each.route.rpc.rpartition(".")[2]: len(each.comparator.options.rules)
            for each in snapshot.bindings
            if each.comparator is not None
        }
        assert held == {"Get": 1, "Put": 1, "Post": 3, "Up": 1}

    def test_quiet_what_is_lost_and_nothing_else(self, tmp_path: Path) -> None:
        """From the words of a file to what is found of a request."""
        rules = f"{rule('request:$.colour', IGNORE)}, {rule('request:?utm', IGNORE)}"
        text = entry("Post", f"rules: [{rules}]", f"{MIRROR}, unknown_fields: warn")
        [target] = bindings(load(tmp_path, text, proto=SENT), "Post")
        assert target.requests is not None
        body = b'{"colour": 1, "shape": 2}'
        message = target.request.build((), "utm=a", body, "application/json").message
        lost = target.requests.compare((), "utm=a", body, message)
        assert [each.path for each in lost.differences] == ["request:$.shape"]
        assert lost.rule_hits == {0: 1, 1: 1}


class TestPathsOfDefaults:
    """A rule for all routes holds for those that have its field; one of them has to."""

    def test_hold_where_they_are(self, tmp_path: Path) -> None:
        defaults = f"{MIRROR}, compare: {{rules: [{rule('$.sku')}], reveal: ['$.price']}}"
        snapshot = load(tmp_path, defaults=defaults)
        held = {
            each.route.rpc.rpartition(".")[2]: len(each.comparator.options.rules)
            for each in snapshot.bindings
            if each.comparator is not None
        }
        assert held == {"Get": 0, "Put": 0, "Check": 1, "Watch": 0, "Image": 0}
        [check], [put] = bindings(snapshot, "Check"), bindings(snapshot, "Put")
        assert check.redactor is not None
        assert put.redactor is not None
        assert check.redactor.revealed == {"$.price"}
        assert put.redactor.revealed == frozenset()

    def test_are_refused_when_no_mirrored_route_has_them(self, tmp_path: Path) -> None:
        defaults = f"compare: {{rules: [{rule('$.sku')}]}}"
        routes = f"{{rpc: shop.v1.Shop.Put, {MIRROR}}}"
        [problem] = refused(tmp_path, routes, defaults)
        assert problem.startswith("defaults.compare.rules[0].path: shop.v1.Order at $ has no field")

    def test_wait_for_a_route_that_is_mirrored(self, tmp_path: Path) -> None:
        defaults = f"compare: {{rules: [{rule('$.anything')}]}}"
        load(tmp_path, "{rpc: shop.v1.Shop.Put, mirror: off}", defaults)


#: What a file says of a rule, and the check that it is.
CHECKS = [
    ("use: exact", Exact()),
    ("use: number, abs: 0.5", Number(0.5, 0.0)),
    ("use: number, rel: 0.01", Number(0.0, 0.01)),
    ("use: timestamp, tolerance: 1500ms", Timestamp(1.5)),
    ("use: timestamp, precision: ms", Timestamp(0.0, "ms")),
    ("use: format, format: uuid", Format("uuid")),
    ("use: format, format: regex, regex: 'a+'", Format("regex", "a+")),
    ("use: set", Set()),
    ("use: list", ListBy()),
    ("use: list, key: sku", ListBy("sku")),
    ("use: one_of, values: [A, 1, true]", OneOf(("A", 1, True))),
    ("use: present", Present()),
    ("use: ignore, expires: 2026-07-01", Ignore()),
]


@pytest.mark.parametrize(("text", "check"), CHECKS)
def test_a_rule_is_what_the_file_says(tmp_path: Path, text: str, check: object) -> None:
    [target] = bindings(load(tmp_path, entry("Put", f"rules: [{rule('$.extra', text)}]")), "Put")
    assert target.comparator is not None
    [found] = target.comparator.options.rules
    assert (found.check, found.reason) == (check, "r")
    assert found.text == f"$.extra {text.split(',')[0].removeprefix('use: ')}"


def test_a_rule_that_expired_is_refused_and_says_so(tmp_path: Path) -> None:
    text = entry("Put", f"rules: [{rule('$.id', 'use: ignore, expires: 2026-07-01')}]")
    load(tmp_path, text)
    problems = attempt(tmp_path, text, "", None, date(2026, 7, 2)).problems
    assert [each.message for each in problems] == [
        "was the last day of the rule, 2026-07-01; today is 2026-07-02"
    ]


def test_an_ignored_field_is_ignored_and_no_other(tmp_path: Path) -> None:
    """From the words of a file to what is found in two answers."""
    text = entry("Put", f"rules: [{rule('$.made_at', 'use: ignore, expires: 2026-07-01')}]")
    [target] = bindings(load(tmp_path, text), "Put")
    answers = [
        Document(200, (("content-type", "application/json"),), body)
        for body in (b'{"madeAt":"a","id":"1"}', b'{"madeAt":"b","id":"2"}')
    ]
    assert target.comparator is not None
    found = target.comparator.compare(*answers)
    assert [(each.path, each.kind) for each in found.differences] == [("$.id", Kind.VALUE)]


class TestMirrors:
    """What routes mirror, as the file and the kinds of their RPCs have it."""

    def test_all_keys(self, tmp_path: Path) -> None:
        text = (
            "{rpc: shop.v1.Shop.Get, canary: {sticky: [{client: true}]}, mirror: {percent: 12.5, "
            "sample_by: sticky, timeout: 3s, max_concurrency: 3, max_pending: 4, "
            "max_request_bytes: 1KiB, max_response_bytes: 2KiB, max_messages: 5, max_rps: 6, "
            "headers: {set: {X-A: '1'}, remove: [Cookie]}}, "
            "compare: {status: class, headers: [etag], "
            "noise: {control_percent: 5, reverify_after: 2s}}}"
        )
        target = bindings(load(tmp_path, text), "Get")[0]
        assert target.route.mirror == MirrorOptions(
            depth=Depth.RPC,
            basis_points=1250,
            sticky=True,
            timeout_s=3.0,
            max_concurrency=3,
            max_pending=4,
            max_request_bytes=1024,
            max_response_bytes=2048,
            max_messages=5,
            max_rps=6.0,
            set_headers=(("x-a", "1"),),
            remove_headers=frozenset({"cookie"}),
            reverify_after_s=2.0,
            control_basis_points=500,
        )
        assert target.comparator is not None
        options = target.comparator.options
        assert (options.status, options.headers, options.max_messages) == ("class", ("etag",), 5)

    def test_without_any_are_none_and_nothing_is_compiled_for_them(self, tmp_path: Path) -> None:
        snapshot = load(tmp_path)
        for each in snapshot.bindings:
            route = each.route
            assert (route.mirror, route.gate, route.evidence_digest) == (None, None, "")
            assert (each.comparator, each.requests, each.redactor) == (None, None, None)
        assert snapshot.compiled.comparisons == {}
        assert not any(plan.has_mirror for plan in snapshot.plans.values())

    @pytest.mark.parametrize(
        ("depth", "expected"),
        [
            ("", {"Get": "rpc", "Put": "translate", "Check": "translate", "Watch": "rpc"}),
            ("depth: rpc", {"Get": "rpc", "Put": "translate", "Check": "translate"}),
            ("depth: translate", {"Get": "translate", "Put": "translate", "Check": "translate"}),
            ("depth: validate_only", {"Get": "rpc", "Put": "translate", "Check": "validate_only"}),
        ],
    )
    def test_of_defaults_are_as_deep_as_a_route_can_be(
        self, tmp_path: Path, depth: str, expected: dict[str, str]
    ) -> None:
        mirror = f"mirror: {{percent: 1{', ' if depth else ''}{depth}}}"
        noise = "compare: {noise: {control_percent: 5, reverify_after: 1s}}"
        snapshot = load(tmp_path, defaults=f"{mirror}, {noise}")
        mirrors = {each.rpc.rpartition(".")[2]: each.mirror for each in snapshot.routes}
        assert mirrors["Upload"] is None  # Its requests stream.
        for method, named in expected.items():
            mirror_options = mirrors[method]
            assert mirror_options is not None
            assert mirror_options.depth == named
            asked_again = mirror_options.control_basis_points, mirror_options.reverify_after_s
            calls_safely = named == "rpc" and method in ("Get", "Watch")
            assert asked_again == ((500, 1.0) if calls_safely else (0, None))

    def test_of_a_write_with_leave_make_the_call_once(self, tmp_path: Path) -> None:
        allowed = "mirror: {percent: 1, depth: rpc, allow_unsafe: true}"
        [target] = bindings(load(tmp_path, f"{{rpc: shop.v1.Shop.Put, {allowed}}}"), "Put")
        assert target.route.mirror is not None
        assert target.route.mirror.depth is Depth.RPC
        assert target.route.mirror.reverify_after_s is None

    def test_make_stage_shadow_possible(self, tmp_path: Path) -> None:
        snapshot = load(tmp_path, f"{{rpc: shop.v1.Shop.Get, stage: shadow, {MIRROR}}}")
        assert {name: plan.has_mirror for name, plan in snapshot.plans.items()} == {
            "shop-get": True,
            **dict.fromkeys(
                ("shop-put", "shop-check", "shop-watch", "shop-upload", "shop-image"), False
            ),
        }

    def test_carry_no_mark_or_side_into_metadata(self, tmp_path: Path) -> None:
        target = bindings(load(tmp_path), "Get")[0]
        headers = {
            **{f"{prefix}{name}": "1" for name in ("x-shadow", "x-cutover-override") for prefix in
               ("", "Grpc-Metadata-")},
            "Grpc-Metadata-Kept": "1",
        }  # fmt: skip
        assert target.route.metadata_of(headers) == (("kept", "1"),)


class TestGates:
    """What a route must show, and when nothing is asked of it."""

    def gate(self, place: Path, options: str, defaults: str = "") -> GateOptions | None:
        routes = f"{{rpc: shop.v1.Shop.Get, {options}}}"
        return bindings(load(place, routes, defaults), "Get")[0].route.gate

    def test_a_mirrored_route_has_what_is_built_in(self, tmp_path: Path) -> None:
        assert self.gate(tmp_path, MIRROR) == GateOptions()

    def test_keys_of_an_entry_go_before_those_of_defaults(self, tmp_path: Path) -> None:
        gate = self.gate(
            tmp_path,
            f"{MIRROR}, gate: {{max_mismatch: 0.5%, forbid: [type]}}",
            "gate: {max_mismatch: 10%, min_keys: 5, min_duration: 7d, confidence: 99%}",
        )
        assert gate is not None
        assert (gate.max_mismatch, gate.min_keys, gate.confidence) == (0.005, 5, 0.99)
        assert (gate.min_duration_s, gate.forbid) == (604_800.0, frozenset({Kind.TYPE}))

    @pytest.mark.parametrize(
        ("options", "defaults"),
        [
            (f"{MIRROR}, gate: off", ""),
            (f"{MIRROR}, gate: off", "gate: {min_keys: 5}"),
            (MIRROR, "gate: off"),
            ("name: x", ""),
            ("mirror: off", MIRROR),
        ],
    )
    def test_off(self, tmp_path: Path, options: str, defaults: str) -> None:
        assert self.gate(tmp_path, options, defaults) is None

    def test_one_without_a_mirror_holds(self, tmp_path: Path) -> None:
        assert self.gate(tmp_path, "gate: {min_keys: 5}") == GateOptions(min_keys=5)

    def test_coverage_is_not_asked_for_where_no_answers_are_compared(self, tmp_path: Path) -> None:
        snapshot = load(tmp_path, defaults=f"{MIRROR}, gate: {{min_field_coverage: 50%}}")
        coverage = {
            each.rpc.rpartition(".")[2]: each.gate and each.gate.min_field_coverage
            for each in snapshot.routes
        }
        assert (coverage["Get"], coverage["Put"]) == (0.5, 0.0)


class TestReuse:
    """A reload compiles what changed, and what is taken over is what would be made."""

    def compared(self, snapshot: Snapshot, method: str = "Get") -> tuple[object, ...]:
        target = bindings(snapshot, method)[0]
        return target.comparator, target.requests, target.redactor

    def test_of_everything_when_nothing_changed(self, tmp_path: Path) -> None:
        first = load(tmp_path, entry("Get", "status: class"))
        second = load(tmp_path, entry("Get", "status: class"), before=first)
        assert bindings(second, "Get") == bindings(first, "Get")
        assert second.compiled.files is first.compiled.files

    @pytest.mark.parametrize(
        ("before", "after"),
        [
            ("mirror: {percent: 1}", "mirror: {percent: 2}"),
            ("mirror: {percent: 1}", "mirror: {percent: 1}, stage: shadow"),
            ("mirror: {percent: 1}", "mirror: {percent: 1}, gate: {min_keys: 1}"),
            ("mirror: {percent: 1}", "mirror: {percent: 1, max_pending: 1}, owner: ann"),
        ],
    )
    def test_of_comparators_when_they_are_not_concerned(
        self, tmp_path: Path, before: str, after: str
    ) -> None:
        first = load(tmp_path, entry("Get", "status: class", before))
        second = load(tmp_path, entry("Get", "status: class", after), before=first)
        assert self.compared(second) == self.compared(first)
        assert bindings(second, "Get")[0].route is not bindings(first, "Get")[0].route

    @pytest.mark.parametrize(
        "change",
        [
            "status: exact",
            "headers: [etag]",
            f"status: class, rules: [{rule('$.id')}]",
            "status: class, reveal: [$.id]",
        ],
    )
    def test_of_nothing_that_is_compared_otherwise(self, tmp_path: Path, change: str) -> None:
        first = load(tmp_path, entry("Get", "status: class"))
        second = load(tmp_path, entry("Get", change), before=first)
        assert self.compared(second)[0] is not self.compared(first)[0]

    def test_there_and_back(self, tmp_path: Path) -> None:
        first = load(tmp_path, entry("Get", "status: class"))
        second = load(tmp_path, "", before=first)
        assert self.compared(second) == (None, None, None)
        third = load(tmp_path, entry("Get", "status: class"), before=second)
        assert bindings(third, "Get")[0].comparator is not None
        assert third.compiled.comparisons.keys() == first.compiled.comparisons.keys()
