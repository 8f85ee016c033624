"""Legacy forms of URLs: taken where a route asks for them, and never instead of a route's own."""

from pathlib import Path

import pytest

from proxy.cli.composition import load_snapshot
from proxy.errors import ConfigError
from proxy.example.schema import compile_folder
from proxy.routing.legacy_urls import LegacyRouteTable
from proxy.routing.snapshot import Snapshot
from proxy.routing.table import Found, RouteTable

PROTO = """
syntax = "proto3";
package zones.v1;
import "google/api/annotations.proto";
message Zone { string id = 1; string name = 2; }
service Zones {
  rpc List(Zone) returns (Zone) { option (google.api.http) = {get: "/v1/Zones"}; }
  rpc Get(Zone) returns (Zone) { option (google.api.http) = {get: "/v1/Zones/{id}"}; }
  rpc Export(Zone) returns (Zone) { option (google.api.http) = {get: "/v1/Zones/export"}; }
  rpc Verify(Zone) returns (Zone) {
    option (google.api.http) = {post: "/v1/Zones/{id}:verify" body: "*"};
  }
  rpc Create(Zone) returns (Zone) {
    option (google.api.http) = {post: "/v1/Zones/{id}" body: "*"};
  }
  rpc Delete(Zone) returns (Zone) { option (google.api.http) = {delete: "/v1/Zones/{id}"}; }
  rpc Update(Zone) returns (Zone) {
    option (google.api.http) = {put: "/v1/Zones/{id}" body: "*"};
  }
  rpc File(Zone) returns (Zone) { option (google.api.http) = {get: "/v1/files/{name=**}"}; }
  rpc Plain(Zone) returns (Zone) { option (google.api.http) = {get: "/v1/plain.json"}; }
  rpc Bare(Zone) returns (Zone) { option (google.api.http) = {get: "/v1/plain"}; }
}
"""

CONFIG = """
version: 1
descriptors: [{descriptor_set: zones.binpb}]
upstreams: {zones: {target: "127.0.0.1:1", plaintext: true, services: ["*"]}}
"""

ALL = "{trailing_slash: true, ignore_case: true, suffixes: [.json, .v1.json], method_override: {}}"


async def zones(place: Path, more: str, proto: str = PROTO) -> Snapshot:
    (place / "protos").mkdir()
    (place / "protos" / "zones.proto").write_text(proto)
    (place / "zones.binpb").write_bytes(compile_folder(place / "protos"))
    (place / "cutover.yaml").write_text(CONFIG + more)
    return await load_snapshot(place, {})


def routes(**urls: str) -> str:
    """The entries of RPCs with these sections `urls`."""
    return "routes:\n" + "".join(
        f"- {{rpc: zones.v1.Zones.{name}, shape: {{urls: {section}}}}}\n"
        for name, section in urls.items()
    )


def said(found: Found) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    """The method, the captures and what was legacy about the URL."""
    rpc = "" if found.binding is None else found.binding.route.rpc.rpartition(".")[2]
    return rpc, found.captures, found.quirks


PATHS = {
    "/v1/Zones": ("List", (), ()),
    "/v1/Zones/": ("List", (), ("trailing_slash",)),
    "/v1/Zones//": ("", (), ()),
    "/v1/zONES": ("List", (), ("case",)),
    "/v1/Zones.json": ("List", (), ("suffix",)),
    "/v1/Zones.JSON": ("List", (), ("suffix", "case")),
    "/v1/zones.json/": ("List", (), ("trailing_slash", "suffix", "case")),
    "/v1/Zones/a": ("Get", ("a",), ()),
    "/v1/Zones/A": ("Get", ("A",), ()),
    "/v1/zones/A": ("Get", ("A",), ("case",)),
    "/v1/Z%4FNES/%41b": ("Get", ("Ab",), ("case",)),
    "/v1/Zones/a/": ("Get", ("a",), ("trailing_slash",)),
    "/v1/Zones/a.json": ("Get", ("a",), ("suffix",)),
    "/v1/Zones/a.v1.json": ("Get", ("a",), ("suffix",)),
    "/v1/Zones/a.json.json": ("Get", ("a.json",), ("suffix",)),
    "/v1/Zones/a%2Ejson": ("Get", ("a",), ("suffix",)),
    "/v1/Zones/a%2ejs%6Fn": ("Get", ("a",), ("suffix",)),
    "/v1/Zones/a%252Ejson": ("Get", ("a%2Ejson",), ()),
    "/v1/Zones/a.JSON": ("Get", ("a",), ("suffix", "case")),
    "/v1/Zones/a.json/": ("Get", ("a",), ("trailing_slash", "suffix")),
    "/v1/Zones/.json": ("Get", (".json",), ()),
    "/v1/Zones/a.xml": ("Get", ("a.xml",), ()),
    "/v1/Zones/ajson": ("Get", ("ajson",), ()),
    "/v1/Zones/export": ("Export", (), ()),
    "/v1/Zones/export.json": ("Export", (), ("suffix",)),
    "/v1/Zones/EXPORT": ("Export", (), ("case",)),
    "/v1/files/a/b": ("File", ("a/b",), ()),
    "/v1/files/a/b/": ("File", ("a/b",), ("trailing_slash",)),
    "/v1/files/a/b.json/": ("File", ("a/b",), ("trailing_slash", "suffix")),
    "/v1/files/a/b.json": ("File", ("a/b",), ("suffix",)),
    "/v1/zones/%C3%89.json": ("Get", ("É",), ("suffix", "case")),
}


@pytest.mark.parametrize("path", PATHS, ids=str)
async def test_each_legacy_form_leads_to_its_route_and_is_named(tmp_path: Path, path: str):
    section = "{trailing_slash: true, ignore_case: true, suffixes: [.json, .v1.json]}"
    names = ("List", "Get", "Export", "File")
    snapshot = await zones(tmp_path, routes(**dict.fromkeys(names, section)))
    assert said(snapshot.table.find("GET", path)) == PATHS[path]


async def test_without_legacy_forms_there_is_none_of_it(tmp_path: Path):
    snapshot = await zones(tmp_path, "")
    assert type(snapshot.table) is RouteTable
    assert snapshot.table.find("GET", "/v1/zones/a").binding is None
    assert said(snapshot.table.find("GET", "/v1/Zones/a.json")) == ("Get", ("a.json",), ())


async def test_a_form_is_taken_by_the_routes_alone_that_ask_for_it(tmp_path: Path):
    snapshot = await zones(tmp_path, routes(Get="{suffixes: [.json]}", List="{ignore_case: true}"))
    find = snapshot.table.find
    assert said(find("GET", "/v1/Zones/a.json")) == ("Get", ("a",), ("suffix",))
    assert find("GET", "/v1/zones/a").binding is None
    assert find("GET", "/v1/Zones/a/").binding is None
    assert said(find("GET", "/v1/zones")) == ("List", (), ("case",))
    assert find("GET", "/v1/Zones.json").binding is None
    assert said(find("DELETE", "/v1/Zones/a.json")) == ("Delete", ("a.json",), ())


async def test_the_url_as_it_stands_goes_first(tmp_path: Path):
    proto = PROTO.replace('"/v1/plain"', '"/v1/{id}"')
    snapshot = await zones(tmp_path, routes(Bare="{suffixes: [.json]}"), proto)
    assert said(snapshot.table.find("GET", "/v1/plain.json")) == ("Plain", (), ())
    assert said(snapshot.table.find("GET", "/v1/other.json")) == ("Bare", ("other",), ("suffix",))


async def test_a_verb_stands_before_the_suffix(tmp_path: Path):
    section = "{ignore_case: true, suffixes: [.json]}"
    snapshot = await zones(tmp_path, routes(**dict.fromkeys(("Verify", "Create"), section)))
    find = snapshot.table.find
    assert said(find("POST", "/v1/Zones/a:verify.json")) == ("Verify", ("a",), ("suffix",))
    assert said(find("POST", "/v1/zones/a:VERIFY")) == ("Verify", ("a",), ("case",))


async def test_another_method_of_a_legacy_path_is_405(tmp_path: Path):
    found = (await zones(tmp_path, routes(List="{trailing_slash: true}"))).table.find(
        "DELETE", "/v1/Zones/"
    )
    assert found.binding is None
    assert found.refusal is not None
    assert found.refusal.http_status == 405
    assert found.allow == ("GET", "HEAD")


async def test_an_undecodable_capture_is_refused_for_its_route(tmp_path: Path):
    found = (await zones(tmp_path, routes(Get="{suffixes: [.json]}"))).table.find(
        "GET", "/v1/Zones/%FF.json"
    )
    assert said(found)[0] == "Get"
    assert found.refusal is not None
    assert found.refusal.http_status == 400


METHODS = {
    "_method=DELETE": ("Delete", ("a",), ("method",)),
    "_method=delete": ("Delete", ("a",), ("method",)),
    "%5Fmethod=%44ELETE": ("Delete", ("a",), ("method",)),
    "x=1&_method=PUT": ("Update", ("a",), ("method",)),
    "_method=PATCH": ("Create", ("a",), ()),
    "_method=GET": ("Create", ("a",), ()),
    "_method=CONNECT": ("Create", ("a",), ()),
    "_method=POST": ("Create", ("a",), ()),
    "_method=": ("Create", ("a",), ()),
    "_method": ("Create", ("a",), ()),
    "_method=DELETE%00": ("Create", ("a",), ()),
    "_method=D%C4%B0": ("Create", ("a",), ()),
    "_method=%FF": ("Create", ("a",), ()),
    "_METHOD=DELETE": ("Create", ("a",), ()),
    "__proto__=DELETE": ("Create", ("a",), ()),
    "": ("Create", ("a",), ()),
}


@pytest.mark.parametrize("query", METHODS, ids=str)
async def test_a_parameter_names_a_method_that_the_route_takes(tmp_path: Path, query: str):
    section = "{method_override: {methods: [PUT, DELETE]}}"
    table = (await zones(tmp_path, routes(Delete=section, Update=section))).table
    assert said(table.find("POST", "/v1/Zones/a", query)) == METHODS[query]


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "HEAD", "OPTIONS"])
async def test_no_method_but_post_can_be_another(tmp_path: Path, method: str):
    table = (await zones(tmp_path, routes(Delete="{method_override: {}}"))).table
    given = table.find(method, "/v1/Zones/a", "_method=DELETE")
    assert said(given) == said(table.find(method, "/v1/Zones/a"))
    assert not given.quirks


@pytest.mark.parametrize("second", ["DELETE", "PUT", "nothing"])
async def test_a_method_given_twice_is_refused(tmp_path: Path, second: str):
    table = (await zones(tmp_path, routes(Delete="{method_override: {}}"))).table
    found = table.find("POST", "/v1/Zones/a", f"_method={second}&_method=DELETE")
    assert found.refusal is not None
    assert found.refusal.http_status == 400
    assert "given twice" in str(found.refusal)


async def test_a_method_may_stand_where_the_route_says_and_nowhere_else(tmp_path: Path):
    section = "{method_override: {in: [form], parameter: verb}}"
    table = (await zones(tmp_path, routes(Delete=section))).table
    assert isinstance(table, LegacyRouteTable)
    assert said(table.find("POST", "/v1/Zones/a", "verb=DELETE")) == ("Create", ("a",), ())
    kind = "application/x-www-form-urlencoded"
    assert table.form_limit("POST", "/v1/Zones/a", kind) == 1 << 20
    assert table.form_limit("POST", "/v1/Zones", kind) == 0
    assert table.form_limit("GET", "/v1/Zones/a", kind) == 0
    assert table.form_limit("POST", "/v1/Zones/a", "application/json") == 0
    found = table.find_by_form("/v1/Zones/a", kind, b"verb=delete&x=1")
    assert found is not None
    assert said(found) == ("Delete", ("a",), ("method",))
    assert table.find_by_form("/v1/Zones/a", kind, b"_method=delete") is None
    assert table.find_by_form("/v1/Zones/a", kind, b"verb=%zz") is None
    assert table.find_by_form("/v1/Zones/a", kind, b"verb=GET") is None


async def test_a_method_and_a_legacy_path_come_together(tmp_path: Path):
    table = (await zones(tmp_path, routes(Delete=ALL))).table
    found = table.find("POST", "/v1/zones/a.json/", "_method=DELETE")
    assert said(found) == ("Delete", ("a",), ("trailing_slash", "suffix", "case", "method"))


async def problems(place: Path, more: str, proto: str = PROTO) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        await zones(place, more, proto)
    return [str(problem) for problem in caught.value.problems]


async def test_two_routes_that_differ_in_case_alone_are_refused(tmp_path: Path):
    proto = PROTO.replace('"/v1/Zones/export"', '"/v1/zones"')
    given = routes(List="{ignore_case: true}", Export="{ignore_case: true}")
    (text,) = await problems(tmp_path, given, proto)
    assert "zones.v1.Zones.List" in text
    assert "zones.v1.Zones.Export" in text
    assert "case" in text


async def test_a_form_that_another_route_takes_as_its_own_is_refused(tmp_path: Path):
    (text,) = await problems(tmp_path, routes(Bare="{suffixes: [.json]}"))
    assert "cutover.yaml" in text
    assert "zones.v1.Zones.Plain" in text
    assert "/v1/plain.json" in text


@pytest.mark.parametrize(
    ("name", "section", "words"),
    [
        ("Get", "{method_override: {}}", "no binding"),
        ("Create", "{method_override: {methods: [PATCH]}}", "no binding"),
        ("Get", "{}", "nothing"),
        ("Get", "{suffixes: [json]}", "must be a dot"),
        ("Get", "{suffixes: []}", "at least one"),
        ("Delete", "{method_override: {methods: [GET]}}", "must be"),
        ("Delete", "{method_override: {methods: [CONNECT]}}", "must be"),
    ],
    ids=str,
)
async def test_what_would_do_nothing_is_refused(
    tmp_path: Path, name: str, section: str, words: str
):
    (text,) = await problems(tmp_path, routes(**{name: section}))
    assert words in text
    assert "cutover.yaml:" in text


async def test_a_slash_that_is_ignored_anyway_is_no_legacy_form(tmp_path: Path):
    shape = "{urls: {trailing_slash: true}}"
    given = f"routes:\n- {{rpc: zones.v1.Zones.Get, trailing_slash: ignore, shape: {shape}}}\n"
    (text,) = await problems(tmp_path, given)
    assert "trailing_slash: ignore" in text
