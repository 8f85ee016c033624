"""A folder of `.proto` files, compiled by the protoc that grpcio-tools carries.

Belongs here: finding the files, running protoc, its messages as problems. Does not: what the
descriptors mean (`transcoding`).
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Final

from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet

from proxy.errors import ConfigError, Place, Problem
from proxy.transcoding.declarations import DescriptorFile
from proxy.transcoding.library import (
    INSTALLED_ORIGIN,
    VALIDATION,
    is_library_file,
    library_file,
)

#: Seconds for one run of protoc; a thousand files take about two.
TIMEOUT_S: Final = 60.0

#: Files in one folder: a folder above is a mistake (`/`, a checkout), and no API.
MAX_FILES: Final = 10_000

#: Runs of protoc for one report; each names the problems of at least one more file.
MAX_ROUNDS: Final = 20

#: Files that the installed packages have as descriptors only: the text has another name there.
_WITHOUT_TEXT: Final = ("google/longrunning/operations.proto",)

#: protoc's message with a position, and the one about an import that has messages of its own.
_MESSAGE: Final = re.compile(r"(?P<file>[^:]+):(?P<line>\d+):(?P<column>\d+): (?P<text>.*)")
_IMPORT_FAILED: Final = re.compile(r'Import "(?P<file>[^"]+)" was not found or had errors\.')


def compile_folder(
    folder: Path,
    shown: str,
    place: Place,
    *,
    interpreter: str = sys.executable,
    timeout_s: float = TIMEOUT_S,
) -> list[DescriptorFile]:
    """Compile every `.proto` below *folder*, with what they import; google's are found.

    *shown* is the folder's name for people, *place* is where the configuration names it. Names
    with a leading dot are passed over: among them are the copies by which Kubernetes mounts a
    ConfigMap. Blocks: protoc runs for up to *timeout_s*, once when nothing is wrong and up to
    `MAX_ROUNDS` times more to find all that is. It runs in a process of its own, a Python
    *interpreter* with grpcio-tools; it writes no file and starts in *folder*, whose files are
    named relative to it.

    Raises `ConfigError` with all that protoc refuses, each with file, line and column.
    """
    names = sorted(_proto_files(folder, shown, place))
    files = _Compiler(interpreter, folder, shown, place, timeout_s).compile(names)
    return [
        DescriptorFile(file, _origin(folder, shown, file.name), _is_import(file.name, names))
        for file in files
    ]


def proto_names(folder: Path) -> Iterator[str]:
    """The `.proto` files below *folder* as relative paths, "/" between names, in no order.

    Names with a leading dot are passed over. Raises `OSError` for a folder that cannot be read.
    """
    for parent, folders, files in os.walk(folder, onerror=_raise):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            if name.endswith(".proto") and not name.startswith("."):
                yield (Path(parent) / name).relative_to(folder).as_posix()


def _raise(error: OSError) -> None:
    raise error


def _proto_files(folder: Path, shown: str, place: Place) -> list[str]:
    try:
        names = [*islice(proto_names(folder), MAX_FILES + 1)]
    except OSError as error:
        name = os.path.normpath(error.filename)
        raise _refused(place, f"cannot read {name}: {error.strerror}") from error
    if len(names) > MAX_FILES:
        raise _refused(place, f"more than {MAX_FILES} .proto files in {shown}")
    if not names:
        raise _refused(place, f"no .proto file in {shown}")
    return names


def _arguments(names: Sequence[str]) -> list[str]:
    # Descriptors go in and out by pipes, so that no place for temporary files is needed: a
    # container's file system may be read-only. "./" keeps a file's name from being read as an
    # option, "-P" keeps Python from importing what lies in the folder.
    return [
        *("-P", "-m", "grpc_tools.protoc", "--include_imports", "--include_source_info"),
        *("--proto_path=.", f"--proto_path={_installed_protos()}"),
        *("--descriptor_set_in=/dev/stdin", "--descriptor_set_out=/dev/stdout"),
        *(f"./{name}" for name in names),
    ]


@dataclass(frozen=True, slots=True)
class _Compiler:
    interpreter: str
    folder: Path
    shown: str
    place: Place
    timeout_s: float

    def compile(self, names: Sequence[str]) -> Sequence[FileDescriptorProto]:
        """Run protoc on the files *names*. Raises `ConfigError`.

        protoc stops at the first file that it can parse and not resolve. To report every
        problem, it is run again without the files that have been reported.
        """
        run = self._run(names)
        if run.returncode == 0:
            return FileDescriptorSet.FromString(run.stdout).file
        problems: dict[Problem, None] = {}
        for _ in range(MAX_ROUNDS):
            messages = _messages(run)
            problems |= dict.fromkeys(self._problems(messages))
            wrong = {match["file"] for match in messages}
            left = [name for name in names if name not in wrong]
            if not left or len(left) == len(names):
                break
            names, run = left, self._run(left)
        raise ConfigError([*problems] or [self._failure(run)])

    def _run(self, names: Sequence[str]) -> subprocess.CompletedProcess[bytes]:
        try:
            return subprocess.run(  # noqa: S603 - the command is ours, its arguments file names
                [self.interpreter, *_arguments(names)],
                cwd=self.folder,
                input=_descriptors_without_text(self.folder, names),
                capture_output=True,
                timeout=self.timeout_s,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            message = f"protoc took longer than {self.timeout_s:g} s"
            raise _refused(self.place, message) from error
        except OSError as error:
            message = f"protoc cannot be started: {error.strerror}"
            raise _refused(self.place, message) from error

    def _problems(self, messages: Sequence[re.Match[str]]) -> Iterator[Problem]:
        """Messages as problems, without those about imports of what is wrong itself."""
        wrong = {match["file"] for match in messages}
        for match in messages:
            failed = _IMPORT_FAILED.fullmatch(match["text"])
            if failed is None or failed["file"] not in wrong:
                file = f"{self.shown}/{match['file']}"
                place = Place(file, int(match["line"]), int(match["column"]))
                yield Problem(place, match["text"])

    def _failure(self, run: subprocess.CompletedProcess[bytes]) -> Problem:
        """What is said when protoc fails without naming a line."""
        said = "; ".join(line for line in _lines(run) if line.strip())
        said = said or f"ended with exit code {run.returncode}"
        return Problem(self.place, f"protoc: {said}")


def _messages(run: subprocess.CompletedProcess[bytes]) -> list[re.Match[str]]:
    """What protoc says about lines of files, without its warnings."""
    found = (_MESSAGE.fullmatch(line) for line in _lines(run))
    return [match for match in found if match and not match["text"].startswith("warning: ")]


def _lines(run: subprocess.CompletedProcess[bytes]) -> list[str]:
    return run.stderr.decode(errors="replace").splitlines()


def _descriptors_without_text(folder: Path, names: Sequence[str]) -> bytes:
    # Looking for the import costs less than what those who do not validate would load otherwise.
    wanted = (*_WITHOUT_TEXT, VALIDATION) if _validates(folder, names) else _WITHOUT_TEXT
    files = (library_file(name) for name in wanted)
    return FileDescriptorSet(file=[file for file in files if file is not None]).SerializeToString()


def _validates(folder: Path, names: Sequence[str]) -> bool:
    """Whether some file imports the rules of validation and the folder does not bring them."""
    if VALIDATION in names:
        return False
    return any(VALIDATION.encode() in _content(folder / name) for name in names)


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes() if file.is_file() else b""
    except OSError:
        return b""  # protoc says what is wrong with it


def _installed_protos() -> Path:
    """The folder in which googleapis-common-protos put `google/api/annotations.proto`."""
    spec = find_spec("google.api.annotations_pb2")
    assert spec is not None  # noqa: S101 - the package depends on it
    assert spec.origin is not None  # noqa: S101 - it is a file
    return Path(spec.origin).parents[2]


def _origin(folder: Path, shown: str, name: str) -> str:
    return f"{shown}/{name}" if (folder / name).exists() else INSTALLED_ORIGIN


def _is_import(name: str, names: list[str]) -> bool:
    """Whether the folder's owner did not mean the file as an API: a copy of google's included."""
    return name not in names or is_library_file(name)


def _refused(place: Place, message: str) -> ConfigError:
    return ConfigError([Problem(place, message)])
