"""Merging descriptor files: what fits together, and every reason why something does not."""

import itertools
import random

import pytest
from google.protobuf import descriptor_pool
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from google.protobuf.message import DecodeError

from proxy.errors import ConfigError
from proxy.transcoding.declarations import DescriptorFile, Positions
from proxy.transcoding.descriptors import (
    Descriptors,
    examine_files,
    merge_files,
    message_class,
)
from proxy.transcoding.rules import resolve
from tests.sources.compiled import compile_files, compile_set

ZONE = """
syntax = "proto3";
package dns.v1;
import "google/protobuf/timestamp.proto";
message Zone {
  string zone_name = 1;
  google.protobuf.Timestamp created = 2;
  optional int32 serial = 3 [json_name = "no"];
}
enum Kind { KIND_UNSPECIFIED = 0; KIND_A = 1; }
"""
SERVICE = """
syntax = "proto3";
package dns.v1;
import "google/api/annotations.proto";
import "zone.proto";
service Zones {
  rpc Get(Zone) returns (Zone) { option (google.api.http).get = "/z/{zone_name}"; }
  rpc List(Zone) returns (stream Zone);
}
"""
TEXTS = {"zone.proto": ZONE, "service.proto": SERVICE}


def proto(name: str, *imports: str, package: str = "", message: str = "") -> FileDescriptorProto:
    file = FileDescriptorProto(name=name, package=package, syntax="proto3", dependency=imports)
    if message:
        file.message_type.add(name=message)
    return file


def given(*files: FileDescriptorProto, origin: str = "api.binpb") -> list[DescriptorFile]:
    return [DescriptorFile(file, origin) for file in files]


def texts(descriptors: Descriptors) -> list[str]:
    return [str(problem) for problem in descriptors.problems]


def test_files_in_any_order_become_one_pool_with_dependencies_first():
    files = compile_files(TEXTS)
    for seed in range(5):
        shuffled = random.Random(seed).sample(files, len(files))
        merged = merge_files(shuffled)
        order = list(merged.files)
        assert order.index("zone.proto") < order.index("service.proto")
        assert [service.full_name for service in merged.services()] == ["dns.v1.Zones"]
        assert merged.method("dns.v1.Zones.List").server_streaming


def test_nothing_is_put_into_the_process_wide_pool():
    merge_files(compile_files(TEXTS))
    with pytest.raises(KeyError):
        descriptor_pool.Default().FindFileByName("zone.proto")


def test_two_merges_with_the_same_names_do_not_meet():
    first = merge_files(given(proto("a.proto", package="p", message="M")))
    second = merge_files(given(proto("a.proto", package="p", message="N")))
    assert first.pool.FindMessageTypeByName("p.M")
    with pytest.raises(KeyError):
        second.pool.FindMessageTypeByName("p.M")


def test_message_classes_belong_to_the_pool_and_well_known_types_keep_their_helpers():
    pool = merge_files(compile_files(TEXTS)).pool
    zone_class = message_class(pool.FindMessageTypeByName("dns.v1.Zone"))
    zone = zone_class(zone_name="example.com")
    zone.created.FromJsonString("2026-01-02T03:04:05Z")
    assert zone.created.seconds == 1767323045
    assert zone_class.FromString(zone.SerializeToString()) == zone
    assert message_class(pool.FindMessageTypeByName("dns.v1.Zone")) is zone_class


@pytest.mark.parametrize(
    "name", ["dns.v1.Zones", "dns.v1.Zone", "dns.v1.Zones.Nope", "Get", "", "é", "dns.v1.Zones."]
)
def test_a_name_that_is_no_method_finds_none(name: str):
    assert merge_files(compile_files(TEXTS)).method(name) is None


@pytest.mark.parametrize(
    "header",
    ['syntax = "proto2";', 'syntax = "proto3";', 'edition = "2023";'],
)
def test_every_syntax_is_merged(header: str):
    text = f"{header} package p; message M {{ repeated int32 xs = 1; map<string, M> ms = 2; }}"
    pool = merge_files(compile_files({"a.proto": text})).pool
    assert pool.FindMessageTypeByName("p.M").fields_by_name["xs"].is_repeated


def test_extensions_groups_and_public_imports_are_merged():
    base = 'syntax = "proto2"; package p; message M { extensions 100 to 200; }'
    middle = 'syntax = "proto2"; package p; import public "base.proto";'
    top = (
        'syntax = "proto2"; package p; import "middle.proto";'
        " extend M { optional int32 more = 100; }"
        " message N { optional group G = 1 { optional int32 x = 1; } optional M m = 2; }"
    )
    files = compile_files({"base.proto": base, "middle.proto": middle, "top.proto": top})
    pool = merge_files(files).pool
    assert pool.FindExtensionByName("p.more").containing_type.full_name == "p.M"
    assert pool.FindMessageTypeByName("p.N.G")


class TestIdenticalCopies:
    def test_are_merged_silently(self):
        files = compile_files(TEXTS, "a.binpb") + compile_files(TEXTS, "b.binpb")
        assert list(merge_files(files).files) == list(merge_files(compile_files(TEXTS)).files)

    def test_with_and_without_source_info_json_names_and_spelled_syntax_are_the_same(self):
        text = """
        package p;
        message M { optional int32 some_field = 1; message Inner { optional int32 a_b = 1; }
          extensions 100; extend M { optional int32 in_side = 100; } }
        """
        compiled = compile_set({"a.proto": f'syntax = "proto2"; {text}'}).file[0]
        bare = FileDescriptorProto()
        bare.CopyFrom(compiled)
        bare.ClearField("source_code_info")
        bare.syntax = "proto2"
        inner = bare.message_type[0].nested_type[0].field[0]
        for field in (bare.message_type[0].field[0], inner, bare.message_type[0].extension[0]):
            field.ClearField("json_name")
        merged = merge_files([*given(bare, origin="reflection"), *given(compiled, origin="set")])
        assert merged.files["a.proto"].origin == "set", "the copy that knows its lines counts"

    def test_are_imported_only_when_every_one_is(self):
        file = proto("a.proto", message="M")
        asked, imported = DescriptorFile(file, "a"), DescriptorFile(file, "b", imported=True)
        assert not merge_files([asked, imported]).files["a.proto"].imported
        assert not merge_files([imported, asked]).files["a.proto"].imported
        assert merge_files([imported, imported]).files["a.proto"].imported

    def test_a_custom_json_name_is_a_difference(self):
        first, second = proto("a.proto", message="M"), proto("a.proto", message="M")
        for file in (first, second):
            file.message_type[0].field.add(name="x", number=1, type="TYPE_INT32")
        second.message_type[0].field[0].json_name = "why"
        assert examine_files(given(first, second)).problems


class TestGoogleFiles:
    def test_are_added_when_nobody_brought_them(self):
        files = [file for file in compile_files(TEXTS) if file.name in TEXTS]
        merged = merge_files(files)
        added = merged.files["google/api/http.proto"]
        assert (added.origin, added.imported) == ("the installed google protos", True)
        assert "google/protobuf/descriptor.proto" in merged.files

    @pytest.mark.parametrize("name", ["google/rpc/status.proto", "google/type/money.proto"])
    def test_of_every_installed_package_are_found(self, name: str):
        assert name in merge_files(given(proto("a.proto", name))).files

    def test_of_another_release_are_no_conflict_and_the_largest_counts(self):
        old = compile_set(TEXTS)
        for file in old.file:
            if file.name == "google/protobuf/descriptor.proto":
                del file.message_type[-1]
        merged = merge_files(given(*old.file, origin="old.binpb"))
        chosen = merged.files["google/protobuf/descriptor.proto"]
        assert chosen.origin == "the installed google protos"

    def test_that_are_newer_than_the_installed_ones_count(self):
        newer = compile_set(TEXTS)
        for file in newer.file:
            if file.name == "google/api/http.proto":
                file.message_type.add(name="FromTheFuture")
        merged = merge_files(given(*newer.file, origin="new.binpb"))
        assert merged.files["google/api/http.proto"].origin == "new.binpb"
        assert merged.pool.FindMessageTypeByName("google.api.FromTheFuture")

    @pytest.mark.parametrize(
        "name",
        [
            "google/api/nothing.proto",
            "google/nothing/at/all.proto",
            "google/cloud/nothing/here.proto",
            "google/api/../../os.proto",
            "google/api/http_pb2.py",
            "os.proto",
        ],
    )
    def test_that_are_not_installed_are_missing(self, name: str):
        [text] = texts(examine_files(given(proto("a.proto", name))))
        assert text.startswith(f"api.binpb[a.proto]: imports {name!r}, which no descriptor source")


def _field(name: str, type_name: str) -> FieldDescriptorProto:
    return FieldDescriptorProto(name=name, number=1, type="TYPE_MESSAGE", type_name=type_name)


def _with_field(file: FileDescriptorProto, field: FieldDescriptorProto) -> FileDescriptorProto:
    file.message_type[0].field.append(field)
    return file


# What is wrong, the files with their origins, the problems in full.
BAD: list[tuple[str, list[DescriptorFile], list[str]]] = [
    (
        "same name, different content",
        [
            *given(proto("a.proto", message="M"), origin="one.binpb"),
            *given(proto("a.proto", message="N"), origin="two.binpb"),
        ],
        [
            "two.binpb[a.proto]: 'a.proto' differs between one.binpb and two.binpb: see 'M', 'N'",
        ],
    ),
    (
        "same name, different content, many differences",
        [
            *given(proto("a.proto", message="M"), origin="one.binpb"),
            *given(
                FileDescriptorProto(
                    name="a.proto",
                    syntax="proto3",
                    message_type=[{"name": name} for name in "VWXYZ"],
                ),
                origin="two.binpb",
            ),
        ],
        [
            (
                "two.binpb[a.proto]: 'a.proto' differs between one.binpb and two.binpb:"
                " see 'M', 'V', 'W' and 3 more"
            )
        ],
    ),
    (
        "same name, different package",
        [
            *given(proto("a.proto", package="p"), origin="one.binpb"),
            *given(proto("a.proto", package="q"), origin="two.binpb"),
        ],
        [
            (
                "two.binpb[a.proto]: 'a.proto' differs between one.binpb and two.binpb:"
                " not in a declaration, but in imports, options or syntax"
            )
        ],
    ),
    (
        "one symbol in two files",
        [
            *given(proto("a.proto", package="p", message="M"), origin="one.binpb"),
            *given(proto("b.proto", package="p", message="M"), origin="two.binpb"),
        ],
        ["two.binpb[b.proto]: p.M: is already declared in one.binpb[a.proto]"],
    ),
    (
        "one file under two names",
        [
            DescriptorFile(file, "api.binpb")
            for name in ("dns.proto", "v1/dns.proto")
            for file in compile_set(
                {
                    name: 'syntax = "proto3"; package p; message A {} message B {}\n'
                    "message C {} message D {} message E {} enum F { G = 0; }"
                }
            ).file
        ],
        [
            (
                "api.binpb[v1/dns.proto]:1:31: p.A: is already declared in api.binpb[dns.proto];"
                " so are p.B, p.C, p.D and 3 more"
            )
        ],
    ),
    (
        "an enum value with the name of a message",
        [
            *given(proto("a.proto", message="A")),
            *given(
                FileDescriptorProto(
                    name="b.proto",
                    enum_type=[{"name": "B", "value": [{"name": "A", "number": 0}]}],
                )
            ),
        ],
        ["api.binpb[b.proto]: A: is already declared in api.binpb[a.proto]"],
    ),
    (
        "missing imports, once per import, with the line",
        [
            DescriptorFile(file, "proto/service.proto" if file.name in TEXTS else "api.binpb")
            for file in compile_set(TEXTS).file
            if file.name != "zone.proto"
        ],
        [
            (
                "proto/service.proto:5:1: imports 'zone.proto', which no descriptor source has"
                " (a descriptor set needs protoc --include_imports)"
            )
        ],
    ),
    (
        "two missing imports",
        given(proto("a.proto", "x.proto", "y.proto")),
        [
            f"api.binpb[a.proto]: imports '{name}.proto', which no descriptor source has"
            " (a descriptor set needs protoc --include_imports)"
            for name in "xy"
        ],
    ),
    (
        "a missing import, and files that build on its importer",
        given(
            proto("top.proto", "middle.proto"),
            proto("middle.proto", "base.proto"),
            proto("base.proto", "nowhere.proto"),
        ),
        [
            (
                "api.binpb[base.proto]: imports 'nowhere.proto', which no descriptor source has"
                " (a descriptor set needs protoc --include_imports)"
            )
        ],
    ),
    (
        "a file that imports itself",
        given(proto("a.proto", "a.proto")),
        ["api.binpb[a.proto]: imports itself: a.proto -> a.proto"],
    ),
    (
        "a circle of imports, and a file beside it",
        given(
            proto("top.proto", "a.proto"),
            proto("a.proto", "b.proto"),
            proto("b.proto", "c.proto"),
            proto("c.proto", "a.proto"),
        ),
        ["api.binpb[a.proto]: imports itself: a.proto -> b.proto -> c.proto -> a.proto"],
    ),
    (
        "a type that does not exist",
        given(_with_field(proto("a.proto", message="M"), _field("x", ".p.Nothing"))),
        ["api.binpb[a.proto]: protobuf refuses it: couldn't resolve name '.p.Nothing'"],
    ),
    (
        "everything at once",
        [
            *given(proto("a.proto", "nowhere.proto")),
            *given(proto("b.proto", "b.proto")),
            *given(proto("c.proto", message="C"), proto("d.proto", message="C")),
        ],
        [
            (
                "api.binpb[a.proto]: imports 'nowhere.proto', which no descriptor source has"
                " (a descriptor set needs protoc --include_imports)"
            ),
            "api.binpb[d.proto]: C: is already declared in api.binpb[c.proto]",
            "api.binpb[b.proto]: imports itself: b.proto -> b.proto",
        ],
    ),
]


@pytest.mark.parametrize(
    ("files", "expected"), [case[1:] for case in BAD], ids=[case[0] for case in BAD]
)
def test_what_does_not_fit_is_reported_with_both_parties(files, expected):
    assert texts(examine_files(files)) == expected
    with pytest.raises(ConfigError) as error:
        merge_files(files)
    assert str(error.value) == "\n".join(expected)


def test_what_fits_is_merged_beside_what_does_not():
    good = compile_files(TEXTS)
    merged = examine_files([*good, *given(proto("bad.proto", "nowhere.proto"))])
    assert len(merged.problems) == 1
    assert merged.method("dns.v1.Zones.Get") is not None
    assert "bad.proto" not in merged.files


@pytest.mark.parametrize(
    "file",
    [
        proto("ñ.proto"),
        proto("a.proto", "ñ.proto"),
        proto("a.proto", package="ñ"),
        proto("a.proto", message="ñ"),
        _with_field(proto("a.proto", message="M"), _field("ñ", ".M")),
    ],
    ids=["file", "import", "package", "message", "field"],
)
def test_a_name_that_is_no_text_is_a_problem_and_no_crash(file: FileDescriptorProto):
    broken = FileDescriptorProto.FromString(
        file.SerializeToString().replace("ñ".encode(), b"\xf1x")
    )
    assert texts(examine_files(given(broken))) == [
        "api.binpb: a file descriptor in it has a name that is not UTF-8"
    ]


def test_a_file_name_may_hold_any_letters():
    files = compile_files({"zonen/größe.proto": ZONE})
    service = proto("dienst/größe.proto", "zonen/größe.proto", package="dns.v1")
    service.service.add(name="Zones").method.add(
        name="Get", input_type=".dns.v1.Zone", output_type=".dns.v1.Zone"
    )
    merged = merge_files([*files, *given(service)])
    assert [found.full_name for found in merged.services()] == ["dns.v1.Zones"]


def map_file(*fields: tuple[str, int, int]) -> FileDescriptorProto:
    """A message with a map whose entry has these fields: name, number and type of each."""
    file = proto("m.proto", package="p", message="M")
    entry = file.message_type[0].nested_type.add(name="TagsEntry")
    entry.options.map_entry = True
    for name, number, kind in fields:
        entry.field.add(name=name, number=number, type=kind)
    field = _field("tags", ".p.M.TagsEntry")
    field.label = FieldDescriptorProto.LABEL_REPEATED
    return _with_field(file, field)


TEXT, DOUBLE = FieldDescriptorProto.TYPE_STRING, FieldDescriptorProto.TYPE_DOUBLE


def test_an_entry_of_a_map_has_a_key_and_a_value():
    good = map_file(("key", 1, TEXT), ("value", 2, DOUBLE))
    assert examine_files(given(good)).problems == ()


@pytest.mark.parametrize(
    "broken",
    [
        map_file(),
        map_file(("key", 1, TEXT)),
        map_file(("key", 2, TEXT), ("value", 1, TEXT)),
        map_file(("name", 1, TEXT), ("value", 2, TEXT)),
        map_file(("value", 2, TEXT), ("key", 1, TEXT)),
        map_file(("key", 1, TEXT), ("value", 2, TEXT), ("more", 3, TEXT)),
    ],
    ids=["empty", "no value", "numbers", "names", "order", "three fields"],
)
def test_an_entry_of_a_map_with_other_fields_is_a_problem(broken: FileDescriptorProto):
    assert texts(examine_files(given(broken))) == [
        "api.binpb[m.proto]: 'TagsEntry' is marked as a map's entry, but has not its fields"
    ]


def test_damaged_descriptors_are_problems_and_no_crash():
    text = SERVICE.replace('import "zone.proto";', "message Zone { string zone_name = 1; }")
    [asked] = [file for file in compile_files({"a.proto": text}) if not file.imported]
    data = asked.proto.SerializeToString()
    random_bytes = random.Random(2)
    outcomes = set()
    for _ in range(2_000):
        damaged = bytearray(data)
        damaged[random_bytes.randrange(len(data))] = random_bytes.randrange(256)
        try:
            file = FileDescriptorProto.FromString(bytes(damaged))
        except DecodeError:
            continue
        merged = examine_files(given(file))
        outcomes.add(bool(merged.problems or resolve(merged, []).problems))
    assert outcomes == {True, False}


def test_a_long_chain_of_imports_is_no_deep_recursion():
    names = [f"f{number}.proto" for number in range(3000)]
    files = [proto(name, after) for name, after in itertools.pairwise(names)]
    merged = merge_files(given(*files, proto(names[-1])))
    assert list(merged.files) == names[::-1]


def test_no_files_make_an_empty_pool():
    merged = merge_files([])
    assert list(merged.services()) == []


def test_places_say_how_many_declarations_they_know():
    [zone] = [file for file in compile_files(TEXTS) if file.name == "zone.proto"]
    assert repr(Positions(zone)).startswith("<Positions of api.binpb[zone.proto]: ")
