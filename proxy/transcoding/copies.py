"""Several copies of one descriptor file: are they the same, and if not, which one counts.

Belongs here: comparing and choosing among files of one name. Does not: the names that different
files declare (`transcoding.descriptors`).
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    ServiceDescriptorProto,
)

from proxy.transcoding.declarations import DescriptorFile
from proxy.transcoding.library import is_library_file

_Declaration = DescriptorProto | EnumDescriptorProto | ServiceDescriptorProto | FieldDescriptorProto

#: How many differing declarations a message names.
_NAMED_DIFFERENCES: Final = 3


class CopiesDiffer(ValueError):
    """Two sources give one file name different content. *first* and *second* are two of them."""

    def __init__(self, first: DescriptorFile, second: DescriptorFile) -> None:
        super().__init__(
            f"{first.name!r} differs between {first.origin} and {second.origin}: "
            + _describe(_differences(normalised(first.proto), normalised(second.proto)))
        )
        self.first = first
        self.second = second


def choose_copy(copies: Sequence[DescriptorFile]) -> DescriptorFile:
    """The one file that stands for all *copies*, which have one name.

    Copies that differ only in source info or in spelled-out defaults are the same. Google's
    shared files (`library.is_library_file`) differ between releases of the compilers, and only
    ever grow: of them the largest counts. Raises `CopiesDiffer` for any other difference.
    """
    sizes = {normalised(copy.proto).SerializeToString(deterministic=True): copy for copy in copies}
    if len(sizes) == 1:
        chosen = max(copies, key=lambda copy: copy.proto.HasField("source_code_info"))
    elif is_library_file(copies[0].name):
        chosen = sizes[max(sizes, key=len)]
    else:
        first, second, *_ = sizes.values()
        raise CopiesDiffer(first, second)
    return DescriptorFile(chosen.proto, chosen.origin, all(copy.imported for copy in copies))


def normalised(proto: FileDescriptorProto) -> FileDescriptorProto:
    """A copy without source info, and with the defaults that only some compilers write."""
    copy = FileDescriptorProto()
    copy.CopyFrom(proto)
    copy.ClearField("source_code_info")
    if copy.syntax == "proto2":
        copy.ClearField("syntax")
    for field in _fields(copy.message_type):
        field.json_name = field.json_name or default_json_name(field.name)
    for extension in (*copy.extension, *_nested_extensions(copy.message_type)):
        extension.ClearField("json_name")
    return copy


def default_json_name(name: str) -> str:
    """The JSON name that a field has when none is written.

    >>> default_json_name("zone_id"), default_json_name("Name"), default_json_name("_x__y_")
    ('zoneId', 'Name', 'XY')
    """
    first, *others = name.split("_")
    return first + "".join(part[:1].upper() + part[1:] for part in others)


def _messages(messages: Iterable[DescriptorProto]) -> Iterator[DescriptorProto]:
    for message in messages:
        yield message
        yield from _messages(message.nested_type)


def _fields(messages: Iterable[DescriptorProto]) -> Iterator[FieldDescriptorProto]:
    return (field for message in _messages(messages) for field in message.field)


def _nested_extensions(messages: Iterable[DescriptorProto]) -> Iterator[FieldDescriptorProto]:
    return (extension for message in _messages(messages) for extension in message.extension)


def _differences(first: FileDescriptorProto, second: FileDescriptorProto) -> list[str]:
    """Names of the top-level declarations that are not the same in both files, sorted."""
    ours, theirs = _declarations(first), _declarations(second)
    return sorted(
        name for name in ours.keys() | theirs.keys() if ours.get(name) != theirs.get(name)
    )


def _declarations(proto: FileDescriptorProto) -> dict[str, bytes]:
    declared: tuple[_Declaration, ...] = (
        *proto.message_type,
        *proto.enum_type,
        *proto.service,
        *proto.extension,
    )
    return {item.name: item.SerializeToString(deterministic=True) for item in declared}


def _describe(names: Sequence[str]) -> str:
    if not names:
        return "not in a declaration, but in imports, options or syntax"
    hidden = len(names) - _NAMED_DIFFERENCES
    text = ", ".join(repr(name) for name in names[:_NAMED_DIFFERENCES])
    return f"see {text} and {hidden} more" if hidden > 0 else f"see {text}"
