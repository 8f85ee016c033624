"""One descriptor file and where its declarations stand.

Belongs here: a file with its origin, the names that it declares, places in its text. Does not:
putting files together (`transcoding.descriptors`).
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorProto
from google.protobuf.message import Message

from proxy.errors import Place

#: A declaration's path in `descriptor.proto`: field numbers and indexes.
DeclarationPath = tuple[int, ...]

# Field numbers of FileDescriptorProto and below (`google/protobuf/descriptor.proto`).
_FILE_DEPENDENCY: Final = 3
_FILE_MESSAGE: Final = 4
_FILE_ENUM: Final = 5
_FILE_SERVICE: Final = 6
_FILE_EXTENSION: Final = 7
_ENUM_VALUE: Final = 2
_SERVICE_METHOD: Final = 2
_METHOD_OPTIONS: Final = 4

# What `has_broken_text` looks at.
_WITHOUT_NAMES: Final = frozenset({"options", "source_code_info"})
_TEXT_OR_MESSAGE: Final = frozenset({FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_MESSAGE})


@dataclass(frozen=True, slots=True)
class DescriptorFile:
    """A file descriptor with its origin.

    *origin* is what an operator can look up: the path of the `.proto`, the path of a descriptor
    set, `reflection of dns`. *imported* says that nobody asked for the file: it came because
    another one imports it, and its services are not served by their annotations.
    """

    proto: FileDescriptorProto
    origin: str
    imported: bool = False

    @property
    def name(self) -> str:
        """The name by which other files import it, `dns/v1/dns.proto`."""
        return self.proto.name

    @property
    def shown_name(self) -> str:
        """The origin, with the file's name where the origin does not end in it.

        >>> DescriptorFile(FileDescriptorProto(name="v1/dns.proto"), "api.binpb").shown_name
        'api.binpb[v1/dns.proto]'
        """
        if self.origin == self.name or self.origin.endswith(f"/{self.name}"):
            return self.origin
        return f"{self.origin}[{self.name}]"


class Positions:
    """Where the declarations of one file stand, from its source info when it has any."""

    def __init__(self, file: DescriptorFile) -> None:
        self._file_name = file.shown_name
        self._spans: dict[DeclarationPath, tuple[int, int]] = {
            tuple(location.path): (location.span[0] + 1, location.span[1] + 1)
            for location in file.proto.source_code_info.location
            if len(location.span) >= 2
        }

    def __repr__(self) -> str:
        return f"<Positions of {self._file_name}: {len(self._spans)}>"

    def place(self, path: DeclarationPath, shown: str = "") -> Place:
        """The place of the declaration, or of the nearest one around it that is known.

        Without source info the place has no line.
        """
        for length in range(len(path), 0, -1):
            if span := self._spans.get(path[:length]):
                return Place(self._file_name, *span, shown)
        return Place(self._file_name, path=shown)


def method_path(service_index: int, method_index: int) -> DeclarationPath:
    """The path of an RPC method."""
    return _FILE_SERVICE, service_index, _SERVICE_METHOD, method_index


def method_option_path(
    service_index: int, method_index: int, option_number: int
) -> DeclarationPath:
    """The path of an option of an RPC method."""
    return *method_path(service_index, method_index), _METHOD_OPTIONS, option_number


def import_path(index: int) -> DeclarationPath:
    """The path of the file's import statement number *index*."""
    return _FILE_DEPENDENCY, index


def declared_symbols(proto: FileDescriptorProto) -> Mapping[str, DeclarationPath]:
    """Full names of what the file declares at its top level, each with its path.

    The values of a top-level enum are among them: they live beside the enum, not inside it.
    """
    prefix = f"{proto.package}." if proto.package else ""
    return {prefix + name: path for name, path in _top_level(proto)}


def has_broken_text(message: Message) -> bool:
    """Whether a name in a file descriptor is not UTF-8; protobuf gives such a name as bytes.

    Options and source info are left out: they hold no name that anything is looked up by.
    """
    for field, value in message.ListFields():
        if field.name in _WITHOUT_NAMES or field.type not in _TEXT_OR_MESSAGE:
            continue
        for item in value if field.is_repeated else (value,):
            if isinstance(item, bytes) or (isinstance(item, Message) and has_broken_text(item)):
                return True
    return False


def broken_map_entries(messages: Iterable[DescriptorProto]) -> Iterator[str]:
    """The names of messages marked as a map's entry that have not just a key and a value.

    A compiler makes none, but protobuf's pool takes them.
    """
    for message in messages:
        if message.options.map_entry and not _is_map_entry(message):
            yield message.name
        yield from broken_map_entries(message.nested_type)


def _is_map_entry(message: DescriptorProto) -> bool:
    return [(field.name, field.number) for field in message.field] == [("key", 1), ("value", 2)]


_Declaration = tuple[str, DeclarationPath]


def _top_level(proto: FileDescriptorProto) -> Iterator[_Declaration]:
    yield from _numbered(_FILE_MESSAGE, (item.name for item in proto.message_type))
    yield from _numbered(_FILE_SERVICE, (item.name for item in proto.service))
    yield from _numbered(_FILE_EXTENSION, (item.name for item in proto.extension))
    for index, enum in enumerate(proto.enum_type):
        yield enum.name, (_FILE_ENUM, index)
        for value_index, value in enumerate(enum.value):
            yield value.name, (_FILE_ENUM, index, _ENUM_VALUE, value_index)


def _numbered(field_number: int, names: Iterable[str]) -> Iterator[_Declaration]:
    return ((name, (field_number, index)) for index, name in enumerate(names))
