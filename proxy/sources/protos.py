"""A folder of `.proto` files, compiled by the protoc that grpcio-tools carries.

Belongs here: finding the files, running protoc, its messages as problems. Does not: what the
descriptors mean (`transcoding`).
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from google.protobuf.descriptor_pb2 import FileDescriptorSet

from proxy.errors import ConfigError, Place, Problem
from proxy.transcoding.declarations import DescriptorFile
from proxy.transcoding.library import INSTALLED_ORIGIN, is_library_file, library_file

#: Seconds for one run of protoc; a thousand files take about two.
TIMEOUT_S: Final = 60.0

#: Files in one folder: a folder above is a mistake (`/`, a checkout), and no API.
MAX_FILES: Final = 10_000

#: Files that the installed packages have as descriptors only: the text has another name there.
_WITHOUT_TEXT: Final = ("google/longrunning/operations.proto",)

#: protoc's message with a position, and the one about an import that has messages of its own.
_MESSAGE: Final = re.compile(r"(?P<file>[^:]+):(?P<line>\d+):(?P<column>\d+): (?P<text>.*)")
_IMPORT_FAILED: Final = re.compile(r'Import "(?P<file>[^"]+)" was not found or had errors\.')


def compile_folder(
    folder: Path, shown: str, place: Place, *, timeout_s: float = TIMEOUT_S
) -> list[DescriptorFile]:
    """Compile every `.proto` below *folder*, with what they import; google's are found.

    *shown* is the folder's name for people, *place* is where the configuration names it. Names
    with a leading dot are passed over: among them are the copies by which Kubernetes mounts a
    ConfigMap. Blocks for up to *timeout_s*. protoc runs in a process of its own, writes no
    file and starts in *folder*, whose files are named relative to it.

    Raises `ConfigError` with all that protoc refuses, each with file, line and column.
    """
    names = sorted(_proto_files(folder, place))
    run = _run(folder, names, place, timeout_s)
    if run.returncode != 0:
        raise ConfigError(_problems(run, shown, place))
    files = FileDescriptorSet.FromString(run.stdout).file
    return [
        DescriptorFile(file, _origin(folder, shown, file.name), _is_import(file.name, names))
        for file in files
    ]


def _proto_files(folder: Path, place: Place) -> list[str]:
    """Paths relative to *folder*, with "/" between names."""
    names: list[str] = []
    for name in _walk(folder, place):
        names.append(name)
        if len(names) > MAX_FILES:
            raise _refused(place, f"more than {MAX_FILES} .proto files in {folder}")
    if not names:
        raise _refused(place, f"no .proto file in {folder}")
    return names


def _walk(folder: Path, place: Place) -> Iterator[str]:
    def refuse(error: OSError) -> None:
        raise _refused(place, f"cannot read {error.filename}: {error.strerror}") from error

    for parent, folders, files in os.walk(folder, onerror=refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            if name.endswith(".proto") and not name.startswith("."):
                yield (Path(parent) / name).relative_to(folder).as_posix()


def _run(
    folder: Path, names: list[str], place: Place, timeout_s: float
) -> subprocess.CompletedProcess[bytes]:
    # Descriptors go in and out by pipes, so that no place for temporary files is needed: a
    # container's file system may be read-only. "./" keeps a file's name from being read as an
    # option, "-P" keeps Python from importing what lies in the folder.
    command = [
        *(sys.executable, "-P", "-m", "grpc_tools.protoc", "--proto_path=."),
        *(f"--proto_path={_installed_protos()}", "--include_imports", "--include_source_info"),
        *("--descriptor_set_in=/dev/stdin", "--descriptor_set_out=/dev/stdout"),
        *(f"./{name}" for name in names),
    ]
    try:
        return subprocess.run(  # noqa: S603 - the command is ours, its arguments are file names
            command,
            cwd=folder,
            input=_descriptors_without_text(),
            capture_output=True,
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise _refused(place, f"protoc took longer than {timeout_s:g} s") from error
    except OSError as error:
        raise _refused(place, f"protoc cannot be started: {error.strerror}") from error


def _descriptors_without_text() -> bytes:
    files = (library_file(name) for name in _WITHOUT_TEXT)
    return FileDescriptorSet(file=[file for file in files if file is not None]).SerializeToString()


def _installed_protos() -> Path:
    """The folder in which googleapis-common-protos put `google/api/annotations.proto`."""
    spec = find_spec("google.api.annotations_pb2")
    assert spec is not None  # noqa: S101 - the package depends on it
    assert spec.origin is not None  # noqa: S101 - it is a file
    return Path(spec.origin).parents[2]


def _problems(run: subprocess.CompletedProcess[bytes], shown: str, place: Place) -> list[Problem]:
    """What protoc wrote as problems; there is at least one."""
    lines = run.stderr.decode(errors="replace").splitlines()
    wrong = {match["file"] for line in lines if (match := _MESSAGE.fullmatch(line))}
    problems = [problem for line in lines for problem in _problem(line, wrong, shown, place)]
    return problems or [Problem(place, f"protoc ended with exit code {run.returncode}")]


def _problem(line: str, wrong: set[str], shown: str, place: Place) -> Iterator[Problem]:
    match = _MESSAGE.fullmatch(line)
    if match is None:
        if line.strip() and "warning: " not in line:
            yield Problem(place, f"protoc: {line}")
    elif not match["text"].startswith("warning: "):
        failed = _IMPORT_FAILED.fullmatch(match["text"])
        if failed is None or failed["file"] not in wrong:
            file = f"{shown}/{match['file']}"
            yield Problem(Place(file, int(match["line"]), int(match["column"])), match["text"])


def _origin(folder: Path, shown: str, name: str) -> str:
    return f"{shown}/{name}" if (folder / name).exists() else INSTALLED_ORIGIN


def _is_import(name: str, names: list[str]) -> bool:
    """Whether the folder's owner did not mean the file as an API: a copy of google's included."""
    return name not in names or is_library_file(name)


def _refused(place: Place, message: str) -> ConfigError:
    return ConfigError([Problem(place, message)])
