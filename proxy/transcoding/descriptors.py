"""Descriptor files of all sources, put into one private pool.

Belongs here: merging files, what is wrong with them, message classes. Does not: reading files
or asking servers for them (`sources`), HTTP rules (`transcoding.rules`).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor, MethodDescriptor, ServiceDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message

from proxy.errors import ConfigError, Place, Problem
from proxy.transcoding.copies import CopiesDiffer, choose_copy
from proxy.transcoding.declarations import (
    DescriptorFile,
    Positions,
    broken_map_entries,
    declared_symbols,
    has_broken_text,
    import_path,
)
from proxy.transcoding.library import INSTALLED_ORIGIN, library_file

__all__ = ["DescriptorFile", "Descriptors", "examine_files", "merge_files", "message_class"]

#: How many of the symbols that two files share a message names.
_NAMED_SYMBOLS: Final = 3

#: What protobuf's C core puts before its reason for refusing a file.
_REFUSAL_PREFIX: Final = "Couldn't build proto file into descriptor pool: "


@dataclass(frozen=True, slots=True)
class Descriptors:
    """All files that could be merged, in a pool of their own, and what was wrong with the rest.

    *files* are by name, dependencies before dependents. The pool is complete, and may be served
    from, only when *problems* is empty.
    """

    pool: DescriptorPool
    files: Mapping[str, DescriptorFile]
    problems: tuple[Problem, ...] = ()

    def services(self) -> Iterator[ServiceDescriptor]:
        """Every service, in file and declaration order."""
        for file in self.files.values():
            prefix = f"{file.proto.package}." if file.proto.package else ""
            for service in file.proto.service:
                # Not through the file: `FindFileByName` does not find names beyond ASCII.
                yield self.pool.FindServiceByName(prefix + service.name)

    def method(self, full_name: str) -> MethodDescriptor | None:
        """The RPC method of that full name, `dns.v1.RecordService.GetZone`."""
        try:
            return self.pool.FindMethodByName(full_name)
        except KeyError:
            return None

    def file_of(self, service: ServiceDescriptor) -> DescriptorFile:
        """The file that declares the service."""
        return self.files[service.file.name]


def merge_files(files: Iterable[DescriptorFile]) -> Descriptors:
    """Put *files* into one private pool, dependencies first; their order does not matter.

    Google's shared files are added where they are imported and nobody brought them. Raises
    `ConfigError` with every problem: one name with different content, one symbol in two files,
    missing and circular imports, descriptors that protobuf refuses.
    """
    descriptors = examine_files(files)
    if descriptors.problems:
        raise ConfigError(descriptors.problems)
    return descriptors


def examine_files(
    files: Iterable[DescriptorFile], breathe: Callable[[], None] = lambda: None
) -> Descriptors:
    """Like `merge_files`, with the problems in the result and the files that have none merged.

    *breathe* is called between one file and the next.
    """
    merger = _Merger(breathe)
    merger.choose(files)
    merger.add_imports()
    merger.refuse_shared_symbols()
    return merger.build()


def message_class(descriptor: Descriptor) -> type[Message]:
    """The Python class of a message of any pool; the same one on every call."""
    return message_factory.GetMessageClass(descriptor)


class _Merger:
    """The state of one merge: the files kept so far, the names given up, the problems.

    A file that imports a given-up one is given up too, without a problem of its own: one cause
    is reported once.
    """

    def __init__(self, breathe: Callable[[], None]) -> None:
        self._breathe = breathe
        self._chosen: dict[str, DescriptorFile] = {}
        self._given_up: set[str] = set()
        self._problems: list[Problem] = []

    def choose(self, files: Iterable[DescriptorFile]) -> None:
        by_name: dict[str, list[DescriptorFile]] = {}
        for file in files:
            self._breathe()
            if has_broken_text(file.proto):
                message = "a file descriptor in it has a name that is not UTF-8"
                self._problems.append(Problem(Place(file.origin), message))
            elif broken := [*broken_map_entries(file.proto.message_type)]:
                message = f"{broken[0]!r} is marked as a map's entry, but has not its fields"
                self._refuse(file.name, Place(file.shown_name), message)
            else:
                by_name.setdefault(file.name, []).append(file)
        for name, copies in by_name.items():
            self._choose_one(name, (*copies, *_installed(name)))

    def _choose_one(self, name: str, copies: Sequence[DescriptorFile]) -> None:
        try:
            self._chosen[name] = choose_copy(copies)
        except CopiesDiffer as error:
            self._refuse(name, Place(error.second.shown_name), str(error))

    def add_imports(self) -> None:
        """Add the installed files that are imported; what is then still missing is a problem."""
        unread = list(self._chosen.values())
        while unread:
            file = unread.pop()
            for index, name in enumerate(file.proto.dependency):
                if name not in self._chosen and name not in self._given_up:
                    unread += self._add_import(file, index, name)

    def _add_import(self, file: DescriptorFile, index: int, name: str) -> list[DescriptorFile]:
        found = _installed(name)
        if found:
            self._chosen[name] = found[0]
        else:
            self._refuse(
                file.name,
                Positions(file).place(import_path(index)),
                f"imports {name!r}, which no descriptor source has"
                " (a descriptor set needs protoc --include_imports)",
            )
        return found

    def refuse_shared_symbols(self) -> None:
        """Refuse files that declare what an earlier file declares."""
        owners: dict[str, DescriptorFile] = {}
        for file in self._chosen.values():
            symbols = declared_symbols(file.proto)
            shared = [name for name in symbols if name in owners]
            for name in shared[:1]:
                self._refuse(
                    file.name,
                    Positions(file).place(symbols[name], name),
                    f"is already declared in {owners[name].shown_name}{_more(shared)}",
                )
            owners |= {name: file for name in symbols if name not in owners}

    def build(self) -> Descriptors:
        """Fill the pool in dependency order."""
        pool = DescriptorPool()
        files = {file.name: file for file in self._in_order() if self._add(pool, file)}
        return Descriptors(pool, files, tuple(self._problems))

    def _add(self, pool: DescriptorPool, file: DescriptorFile) -> bool:
        self._breathe()
        if self._given_up.intersection([file.name, *file.proto.dependency]):
            self._given_up.add(file.name)
            return False
        try:
            pool.AddSerializedFile(_without_source_info(file.proto))
        except TypeError as error:
            reason = str(error).removeprefix(_REFUSAL_PREFIX)
            self._refuse(file.name, Place(file.shown_name), f"protobuf refuses it: {reason}")
            return False
        return True

    def _in_order(self) -> list[DescriptorFile]:
        """The chosen files, every one after its imports; cycles are problems.

        Depth first with a stack of its own: Python's would limit the length of import chains.
        """
        ordered: dict[str, DescriptorFile] = {}
        for root in self._chosen:
            path = {} if root in ordered else {root: self._imports(root)}
            while path:
                name, imports = next(reversed(path.items()))
                imported = next(imports, None)
                if imported is None:
                    path.pop(name)
                    ordered[name] = self._chosen[name]
                elif imported in path:
                    self._refuse_cycle([*path][[*path].index(imported) :])
                elif imported not in ordered:
                    path[imported] = self._imports(imported)
        return list(ordered.values())

    def _imports(self, name: str) -> Iterator[str]:
        return (found for found in self._chosen[name].proto.dependency if found in self._chosen)

    def _refuse_cycle(self, names: list[str]) -> None:
        circle = " -> ".join([*names, names[0]])
        place = Place(self._chosen[names[0]].shown_name)
        self._refuse(names[0], place, f"imports itself: {circle}")

    def _refuse(self, name: str, place: Place, message: str) -> None:
        self._given_up.add(name)
        self._problems.append(Problem(place, message))


def _installed(name: str) -> list[DescriptorFile]:
    proto = library_file(name)
    return [] if proto is None else [DescriptorFile(proto, INSTALLED_ORIGIN, imported=True)]


def _more(shared: Sequence[str]) -> str:
    """The symbols after the first one, `; so are p.B, p.C and 4 more`."""
    shown = ", ".join(shared[1 : 1 + _NAMED_SYMBOLS])
    hidden = len(shared) - 1 - _NAMED_SYMBOLS
    return f"; so are {shown}" + (f" and {hidden} more" if hidden > 0 else "") if shown else ""


def _without_source_info(proto: FileDescriptorProto) -> bytes:
    copy = FileDescriptorProto()
    copy.CopyFrom(proto)
    copy.ClearField("source_code_info")
    return copy.SerializeToString()
