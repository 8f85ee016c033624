"""What is asked of the JSON of messages, as values. Belongs here: the options; no behaviour.

They are hashable, since compiled code is kept by them, and can be pickled: other processes compile
the same from them. Types and fields are named by selectors: a full name or the end of one, such as
`Record.create_time`; `proxy.shape.checks` refuses those that name two things.
"""

from dataclasses import dataclass, replace
from typing import Literal

from proxy.shape.holes import Document, Scalar
from proxy.shape.request_options import RequestShape

Case = Literal["json", "proto", "snake", "camel", "pascal", "kebab"]
#: What stands for a value that is not there: no member, null, or the value itself.
Absent = Literal["omit", "null", "write"]


@dataclass(frozen=True, slots=True)
class Substitute:
    """The value that is written for a field that is not set."""

    value: Scalar


@dataclass(frozen=True, slots=True)
class Forms:
    """The forms of values, by kind; None is what ProtoJSON or the next wider choice says.

    *boolean* may be the pair of the values for true and false. *timestamp* is a word or a pattern
    with `%`; *time_zone* is a name of the time zone database. *unset* is for fields with presence,
    *zero* for all without; the `empty_` ones go before it for lists, maps and texts.
    """

    int64: Literal["text", "number"] | None = None
    int32: Literal["text", "number"] | None = None
    floating: Literal["text", "number"] | None = None
    boolean: Literal["json", "number", "text"] | tuple[Scalar, Scalar] | None = None
    binary: Literal["base64", "base64url", "base64url_unpadded", "hex"] | None = None
    enum: Literal["name", "number", "lower", "upper", "kebab", "camel"] | None = None
    enum_prefix: Literal["keep", "strip"] | None = None
    timestamp: str | None = None
    time_zone: str | None = None
    duration: Literal["proto", "seconds", "milliseconds", "iso8601"] | None = None
    separator: str | None = None
    unset: Absent | Substitute | None = None
    zero: Absent | None = None
    empty_list: Absent | None = None
    empty_map: Absent | None = None
    empty_text: Absent | None = None


@dataclass(frozen=True, slots=True)
class FieldShape:
    """What is asked of one field; *flatten* is the prefix of its members' keys, "" for none."""

    selector: str
    name: str | None = None
    also: tuple[str, ...] = ()
    drop: bool = False
    flatten: str | None = None
    forms: Forms = Forms()


@dataclass(frozen=True, slots=True)
class EnumTable:
    """The legacy value of each name of an enum."""

    selector: str
    values: tuple[tuple[str, Scalar], ...]


@dataclass(frozen=True, slots=True)
class Group:
    """Fields of a type, by proto name, that stand in an object *key* of their own."""

    selector: str
    key: str
    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Addition:
    """A member *key* that answers have beside the fields of a type; holes are its field paths."""

    selector: str
    key: str
    document: Document


@dataclass(frozen=True, slots=True)
class Envelope:
    """What stands around a message: its hole `{}` is the message, or its field *root*.

    *each* puts it around each message of a stream, which has none otherwise.
    """

    body: Document
    root: str | None = None
    each: bool = False


@dataclass(frozen=True, slots=True)
class ShapeOptions:
    """The JSON part of a shape. *names* None is as the codec's option says.

    *lossy* names kinds (`timestamp`) and fields whose forms may lose something.
    """

    names: Case | None = None
    forms: Forms = Forms()
    fields: tuple[FieldShape, ...] = ()
    enums: tuple[EnumTable, ...] = ()
    groups: tuple[Group, ...] = ()
    additions: tuple[Addition, ...] = ()
    lossy: frozenset[str] = frozenset()
    answer: Envelope | None = None
    request: Envelope | None = None
    requests: RequestShape | None = None

    @property
    def messages(self) -> "ShapeOptions":
        """The part about messages alone, by which their compiled code is kept."""
        return replace(self, answer=None, request=None, requests=None)
