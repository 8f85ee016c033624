"""Folders of `.proto`: what is compiled, and protoc's refusals with their positions."""

import os
import sys
from pathlib import Path

import pytest

from proxy.errors import ConfigError, Place
from proxy.sources.protos import compile_folder
from proxy.transcoding.descriptors import merge_files
from proxy.transcoding.rules import resolve

AT = Place("cutover.yaml", 3, 5, "descriptors[0].proto_path")
AT_TEXT = "cutover.yaml:3:5: descriptors[0].proto_path"


def write(folder: Path, texts: dict[str, str]) -> Path:
    for name, text in texts.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def compiled(folder: Path) -> dict[str, tuple[str, bool]]:
    files = compile_folder(folder, "proto", AT)
    return {file.name: (file.origin, file.imported) for file in files}


def refusals(folder: Path) -> list[str]:
    with pytest.raises(ConfigError) as error:
        compile_folder(folder, "proto", AT)
    return [str(problem) for problem in error.value.problems]


ZONE = 'syntax = "proto3"; package dns; message Zone { string name = 1; }'
SERVICE = """syntax = "proto3";
package dns;
import "google/api/annotations.proto";
import "google/longrunning/operations.proto";
import "google/type/money.proto";
import "dns/zone.proto";
service Zones {
  rpc Get(Zone) returns (google.longrunning.Operation) {
    option (google.api.http).get = "/v1/{name}";
  }
  rpc Pay(google.type.Money) returns (Zone);
}
"""


def test_a_folder_is_compiled_with_googles_protos_found(tmp_path: Path):
    write(tmp_path, {"dns/zone.proto": ZONE, "dns/deep/er/service.proto": SERVICE})
    files = compile_folder(tmp_path, "proto", AT)
    [binding] = resolve(merge_files(files), []).bindings
    assert (binding.rpc, binding.origin) == ("dns.Zones.Get", "proto/dns/deep/er/service.proto:9:5")


def test_files_of_the_folder_are_asked_for_and_the_others_imported(tmp_path: Path):
    write(tmp_path, {"dns/zone.proto": ZONE, "dns/service.proto": SERVICE})
    files = compiled(tmp_path)
    assert files["dns/zone.proto"] == ("proto/dns/zone.proto", False)
    assert files["dns/service.proto"] == ("proto/dns/service.proto", False)
    assert files["google/api/http.proto"] == ("the installed google protos", True)
    assert files["google/longrunning/operations.proto"] == ("the installed google protos", True)


def test_the_folders_own_copy_of_a_google_file_is_used_and_still_an_import(tmp_path: Path):
    own = 'syntax = "proto3"; package google.type; message Money { string only = 1; }'
    uses = (
        'syntax = "proto3"; import "google/type/money.proto";'
        " message M { google.type.Money only = 1; }"
    )
    write(tmp_path, {"google/type/money.proto": own, "a.proto": uses})
    assert compiled(tmp_path)["google/type/money.proto"] == ("proto/google/type/money.proto", True)


@pytest.mark.parametrize("name", ["with space.proto", "-v.proto", "--help.proto", "ä.proto"])
def test_odd_file_names_are_file_names(tmp_path: Path, name: str):
    assert list(compiled(write(tmp_path, {name: ZONE}))) == [name]


@pytest.mark.parametrize("name", ["a:b", "a=b", "-o", "with space"])
def test_odd_folder_names_are_folder_names(tmp_path: Path, name: str):
    assert list(compiled(write(tmp_path / name, {"zone.proto": ZONE}))) == ["zone.proto"]


def test_a_mounted_config_map_is_read_once(tmp_path: Path):
    """Kubernetes mounts `zone.proto -> ..data/zone.proto` and `..data -> ..2026_01_01`."""
    write(tmp_path / "..2026_01_01", {"zone.proto": ZONE})
    (tmp_path / "..data").symlink_to("..2026_01_01")
    (tmp_path / "zone.proto").symlink_to("..data/zone.proto")
    assert list(compiled(tmp_path)) == ["zone.proto"]


def test_other_files_and_hidden_ones_are_passed_over(tmp_path: Path):
    write(
        tmp_path, {"zone.proto": ZONE, "notes.txt": "x", ".hidden.proto": "x", ".git/a.proto": "x"}
    )
    assert list(compiled(tmp_path)) == ["zone.proto"]


def test_a_module_in_the_folder_is_not_run(tmp_path: Path):
    write(tmp_path, {"zone.proto": ZONE, "grpc_tools/__init__.py": "", "re.py": "raise SystemExit"})
    assert list(compiled(tmp_path)) == ["zone.proto"]


def test_warnings_are_no_refusals(tmp_path: Path):
    unused = f'{ZONE} import "google/protobuf/any.proto";'
    assert "zone.proto" in compiled(write(tmp_path, {"zone.proto": unused}))


def test_nothing_is_written_and_the_process_stays_where_it_is(tmp_path: Path, capfd):
    write(
        tmp_path, {"bad.proto": "x", "unused.proto": f'{ZONE} import "google/protobuf/any.proto";'}
    )
    before = Path.cwd()
    refusals(tmp_path)
    assert (Path.cwd(), capfd.readouterr()) == (before, ("", ""))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.proto", "unused.proto"]


BAD = [
    (
        "syntax",
        {"b.proto": 'syntax = "proto3";\nmessage M { string x = 1 }'},
        ['proto/b.proto:2:26: Expected ";".'],
    ),
    (
        "every file's refusals",
        {
            "a.proto": 'syntax = "proto3"; message M { Nope x = 1; }',
            "dir/b.proto": 'syntax = "proto3"; service S { rpc C(No) returns (No); }',
        },
        [
            'proto/a.proto:1:32: "Nope" is not defined.',
            'proto/dir/b.proto:1:38: "No" is not defined.',
            'proto/dir/b.proto:1:51: "No" is not defined.',
        ],
    ),
    (
        "an import that does not exist",
        {"a.proto": 'syntax = "proto3"; import "nope.proto";'},
        [
            'proto/a.proto:1:20: Import "nope.proto" was not found or had errors.',
        ],
    ),
    (
        "the cause and not the importer",
        {"a.proto": 'syntax = "proto3"; import "b.proto";', "b.proto": "x"},
        ['proto/b.proto:1:1: Expected top-level statement (e.g. "message").'],
    ),
    (
        "imports in a circle",
        {
            "a.proto": 'syntax = "proto3"; import "b.proto";',
            "b.proto": 'syntax = "proto3"; import "a.proto";',
        },
        [
            "proto/a.proto:1:20: File recursively imports itself: a.proto -> b.proto -> a.proto",
        ],
    ),
    (
        "an annotation that is no rule",
        {
            "a.proto": 'syntax = "proto3"; import "google/api/annotations.proto"; message M {}\n'
            'service S { rpc C(M) returns (M) { option (google.api.http) = { gett: "/" }; } }'
        },
        [
            (
                'proto/a.proto:2:63: Error while parsing option value for "http":'
                ' Message type "google.api.HttpRule" has no field named "gett".'
            )
        ],
    ),
    (
        "bytes that are no text",
        {"a.proto": "\x00\x01"},
        None,
    ),
]


@pytest.mark.parametrize(
    ("texts", "expected"), [case[1:] for case in BAD], ids=[case[0] for case in BAD]
)
def test_what_protoc_refuses_is_reported_with_its_position(tmp_path, texts, expected):
    found = refusals(write(tmp_path, texts))
    if expected is None:  # protoc's own words, of which there are many
        assert found
        assert all(text.startswith("proto/a.proto:1:") for text in found)
    else:
        assert sorted(found) == sorted(expected)


def test_a_folder_that_does_not_exist_is_refused(tmp_path: Path):
    missing = tmp_path / "missing"
    assert refusals(missing) == [f"{AT_TEXT}: cannot read {missing}: No such file or directory"]


def test_a_file_in_the_place_of_a_folder_is_refused(tmp_path: Path):
    write(tmp_path, {"a.proto": ZONE})
    path = tmp_path / "a.proto"
    assert refusals(path) == [f"{AT_TEXT}: cannot read {path}: Not a directory"]


def test_a_folder_without_protos_is_refused(tmp_path: Path):
    assert refusals(write(tmp_path, {"a.txt": ""})) == [f"{AT_TEXT}: no .proto file in proto"]


def test_a_folder_with_too_many_files_is_refused(tmp_path: Path):
    for number in range(10_001):
        (tmp_path / f"{number}.proto").touch()
    assert refusals(tmp_path) == [f"{AT_TEXT}: more than 10000 .proto files in proto"]


def test_a_compiler_that_takes_too_long_is_stopped(tmp_path: Path):
    """A named pipe without a writer holds protoc back for as long as it lives."""
    os.mkfifo(tmp_path / "a.proto")
    with pytest.raises(ConfigError, match=r"protoc took longer than 0\.1 s"):
        compile_folder(tmp_path, "proto", AT, timeout_s=0.1)


def test_a_compiler_that_cannot_be_started_is_a_problem(tmp_path: Path):
    write(tmp_path, {"a.proto": ZONE})
    with pytest.raises(ConfigError) as error:
        compile_folder(tmp_path, "proto", AT, interpreter="/nonexistent/python")
    [problem] = error.value.problems
    assert str(problem) == f"{AT_TEXT}: protoc cannot be started: No such file or directory"


def test_a_compiler_that_dies_without_a_word_is_a_problem(tmp_path: Path):
    write(tmp_path, {"a.proto": ZONE})
    with pytest.raises(ConfigError) as error:
        compile_folder(tmp_path, "proto", AT, interpreter="/bin/false")
    assert [str(problem) for problem in error.value.problems] == [
        f"{AT_TEXT}: protoc: ended with exit code 1"
    ]
    assert sys.executable
