"""The settings in which peers differ about requests, and what each dialect sets.

Belongs here: a key for each row of the table, with the value of dialect `spec` as its default, and
what the other dialects have instead. Does not: what a setting does (`transcoding`, `routing`).
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, Literal

from pydantic import Field

from proxy.config.base import Section
from proxy.transcoding.request_options import UnexpectedBody, UnknownFields
from proxy.transcoding.texts import (
    BoolTexts,
    DurationTexts,
    EnumNumbers,
    EnumTexts,
    MaskPaths,
    NumberTexts,
    ValueTexts,
)


class RequestDialect(Section):
    """How requests are read where the field disagrees."""

    unknown_parameters: UnknownFields | None = Field(
        default=None,
        description=(
            "Query parameters that the message lacks, where they are not to be treated like body "
            "fields. Without it: as `unknown_fields`."
        ),
        examples=["reject"],
    )
    method_mismatch: Literal[405, 404, 501] = Field(
        default=405,
        description=(
            "Status for a path that is mapped, but not for the HTTP method; 405 comes with "
            "`Allow`, 404 is the answer for a path that is not mapped. Of several routes with the "
            "path, the most specific one decides. Needs a folder without a legacy upstream, which "
            "would get the request."
        ),
        examples=[404],
    )
    head: Literal["get", "mismatch"] = Field(
        default="get",
        description="HEAD where a GET is mapped: answered from it, or a method like others.",
        examples=["mismatch"],
    )
    options: Literal["allow", "mismatch"] = Field(
        default="allow",
        description=(
            "OPTIONS on a path that is mapped: 204 with `Allow`, or a method like others. Needs a "
            "folder without a legacy upstream, which would get the request."
        ),
        examples=["mismatch"],
    )
    method_override: Literal["off", "get", "any"] = Field(
        default="off",
        description=(
            "Whether a POST whose body is a form (`application/x-www-form-urlencoded`) may stand "
            "for another method; the form is read as more query parameters. `get`: for GET, where "
            "the path has no POST. `any`: also for the method in `X-HTTP-Method-Override`. Whoever "
            "checks methods in front of the proxy has to know: no dialect sets it."
        ),
        examples=["get"],
    )
    unescape: Literal["all_except_slash", "all_except_reserved", "all", "before_split"] = Field(
        default="all_except_slash",
        description=(
            "What is decoded in a path variable of several segments: all but `%2F`, all but the "
            "reserved characters of RFC 6570, or all. `before_split`: the whole path, before it "
            "is split, so that `%2F` separates segments. Such a route is asked after others about "
            "a path with escapes."
        ),
        examples=["all_except_reserved"],
    )
    bad_escapes: Literal["reject", "keep"] = Field(
        default="reject",
        description="A broken escape (`%zz`) in path or query: 400, or the text as it is.",
        examples=["keep"],
    )
    collisions: Literal["reject", "ignore"] = Field(
        default="reject",
        description=(
            "A body that gives another value than the path, or a query than either: 400, or the "
            "lower one is left out. The path always wins."
        ),
        examples=["ignore"],
    )
    body_and_query: Literal["separate", "merge"] = Field(
        default="separate",
        description=(
            "Whether a query may add to what the rule gives to the body. `separate`: with body "
            "`*` every parameter is unknown, and inside the body's field it collides. `merge`: it "
            "may set what the body did not, and adds to lists."
        ),
        examples=["merge"],
    )
    repeated_parameter: Literal["reject", "last"] = Field(
        default="reject",
        description=(
            "A singular field given twice in a query: 400, or the last counts, while field masks "
            "add up. A member of a oneof given twice is 400 either way."
        ),
        examples=["last"],
    )
    bool_texts: BoolTexts = Field(
        default="strict",
        description=(
            "Truth values in path and query: `true` and `false`; `python` also takes `True` and "
            "`False`; `go` also 1, t, T, TRUE, 0, f, F, FALSE; `lenient` 1, t, y, yes, 0, f, n, no "
            "and the words themselves, in any case."
        ),
        examples=["go"],
    )
    number_texts: NumberTexts = Field(
        default="json",
        description=(
            "Numbers in path and query. `json`: as JSON writes them, `1.0` and `1e2` for integers "
            "too. `decimal`: integers such as `+5` and `007`, floats such as `.5`. `c`: also "
            "floats such as `0x1p-2`."
        ),
        examples=["decimal"],
    )
    duration_texts: DurationTexts = Field(
        default="proto",
        description="Durations in path and query: `1.5s`, or also Go's `1h2m`.",
        examples=["go"],
    )
    mask_paths: MaskPaths = Field(
        default="convert",
        description=(
            "Field masks in path and query: lowerCamelCase is made proto names, or kept as sent."
        ),
        examples=["keep"],
    )
    value_texts: ValueTexts = Field(
        default="json",
        description=(
            "`google.protobuf.Value` in a query: its JSON, or the text itself. With `text`, "
            "Struct and ListValue cannot be given."
        ),
        examples=["text"],
    )
    enum_texts: EnumTexts = Field(
        default="exact",
        description="Enum names in path and query: as in the proto, or in any case.",
        examples=["ignore_case"],
    )
    enum_numbers: EnumNumbers = Field(
        default="any",
        description="Enum numbers in path and query: any, or those of the proto alone.",
        examples=["known"],
    )
    maps_in_query: Literal["accept", "reject"] = Field(
        default="accept",
        description="`tags[env]=prod` in a query: an entry of a map, or an unknown parameter.",
        examples=["reject"],
    )
    well_known_fields: Literal["reject", "accept"] = Field(
        default="reject",
        description=(
            "Fields of Timestamp, Duration and FieldMask in a query, `since.seconds=5`: 400, or "
            "taken beside the text form."
        ),
        examples=["accept"],
    )
    unknown_enum_names: Literal["as_fields", "reject"] = Field(
        default="as_fields",
        description=(
            "Names in a body that an enum does not have: as `unknown_fields` has it for names of "
            "fields, or 400."
        ),
        examples=["reject"],
    )
    plus: Literal["space", "literal"] = Field(
        default="space",
        description="`+` in a query: a space, or itself.",
        examples=["literal"],
    )
    flag_parameters: Literal["empty", "drop"] = Field(
        default="empty",
        description="`flag` without `=` in a query: the empty text, or nothing at all.",
        examples=["drop"],
    )
    content_type: Literal["json", "any"] = Field(
        default="json",
        description="Content types of a JSON body: JSON in UTF-8, else 415, or any.",
        examples=["any"],
    )
    unexpected_body: UnexpectedBody = Field(
        default="reject",
        description=(
            "A body where the rule has none: 400; `empty` takes `{}`, which says nothing; "
            "`ignore` drops any."
        ),
        examples=["empty"],
    )
    absent_body: Literal["unset", "empty"] = Field(
        default="unset",
        description=(
            "No body where the rule gives it to a field that is a message: the field is not set, "
            "or empty."
        ),
        examples=["empty"],
    )
    fill_mask: bool = Field(
        default=True,
        description=(
            "Whether a PATCH fills the request's only FieldMask with what the body names, unless "
            "the client gave one."
        ),
        examples=[False],
    )
    client_timeout: Literal["honour", "ignore"] = Field(
        default="honour",
        description="A client's `Grpc-Timeout`: shortens the call, or has no effect.",
        examples=["ignore"],
    )


#: What both versions of grpc-gateway do. Not copied: method override, empty variables.
_GATEWAY: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "head": "mismatch",
        "options": "mismatch",
        "unescape": "before_split",
        "collisions": "ignore",
        "bool_texts": "go",
        "number_texts": "decimal",
        "duration_texts": "go",
        "mask_paths": "keep",
        "enum_numbers": "known",
        "well_known_fields": "accept",
        "content_type": "any",
        "unexpected_body": "ignore",
        "absent_body": "empty",
    }
)

#: By dialect, what it sets other than `spec`.
REQUESTS: Final[Mapping[str, Mapping[str, Any]]] = MappingProxyType(
    {
        "google": {"bool_texts": "python"},
        "grpc-gateway": {**_GATEWAY, "method_mismatch": 501},
        "grpc-gateway-v1": _GATEWAY,
        "envoy": {
            "trailing_slash": "ignore",
            "unknown_parameters": "reject",
            "method_mismatch": 404,
            "head": "mismatch",
            "options": "mismatch",
            "unescape": "all_except_reserved",
            "bad_escapes": "keep",
            "body_and_query": "merge",
            "repeated_parameter": "last",
            "bool_texts": "lenient",
            "number_texts": "c",
            "value_texts": "text",
            "enum_numbers": "known",
            "maps_in_query": "reject",
            "unknown_enum_names": "reject",
            "well_known_fields": "accept",
            "plus": "literal",
            "flag_parameters": "drop",
            "content_type": "any",
            "unexpected_body": "empty",
            "absent_body": "empty",
            "fill_mask": False,
            "client_timeout": "ignore",
        },
    }
)
