"""How JSON is read and written. Belongs here: the options as values; no behaviour."""

from dataclasses import dataclass
from typing import Final, Literal

#: Deeper JSON could not be served whatever the option says: protobuf runtimes refuse to decode
#: more than 100 nested messages.
DEEPEST: Final = 100

#: JSON no deeper than this makes no messages that are: `Struct` takes three to a level of JSON,
#: all else takes fewer; a level is left for what stands around and for the innermost value.
SURELY_READABLE: Final = DEEPEST // 3 - 1


@dataclass(frozen=True, slots=True)
class JsonOptions:
    """The options of a codec; all of them are compiled into the generated code.

    *names* is the spelling that is written; both spellings are always read. *emit_defaults*
    writes fields without presence even when they have their default value, *emit_unset* fields with
    presence that are not set, as null, but for those of oneofs and optional ones.
    *unknown_fields* says what an unknown field name, or an unknown name of an enum value, does:
    `reject` refuses the body, `warn` drops the field and returns its name, `ignore` drops it.
    With *rejects_enum_names* an unknown name of an enum value refuses the body in any case.
    *max_depth* counts nested JSON objects and arrays, the outermost one included.
    With *http_bodies* a `google.api.HttpBody` that is all of a body is JSON like any message.
    *max_object_keys* bounds the keys of one JSON object, maps and `Struct` included, so that
    one small body cannot make a server spend its time on hashing.
    """

    names: Literal["json", "proto"] = "json"
    emit_defaults: bool = False
    emit_unset: bool = False
    enums_as_numbers: bool = False
    int64_as_numbers: bool = False
    unknown_fields: Literal["reject", "warn", "ignore"] = "reject"
    max_depth: int = DEEPEST
    max_object_keys: int = 1000
    http_bodies: bool = False
    rejects_enum_names: bool = False

    def __post_init__(self) -> None:
        if not 1 <= self.max_depth <= DEEPEST:
            raise ValueError(f"max_depth must be from 1 to {DEEPEST}, not {self.max_depth}")
        if self.max_object_keys < 1:
            raise ValueError(f"max_object_keys must be at least 1, not {self.max_object_keys}")
