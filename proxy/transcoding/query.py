"""A raw query string into message fields.

Belongs here: splitting, decoding, setting fields, and what a parameter that names nothing means.
Does not: which field a name means (`transcoding.parameters`), which fields path and body have
taken (`transcoding.request` says so).
"""

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final, NamedTuple

from google.protobuf.message import Message

from proxy.errors import RequestError
from proxy.transcoding.parameters import Form, Node, Parameter, resolve
from proxy.transcoding.percent import PercentError, decode_query, keep_bad_escapes
from proxy.transcoding.protojson.faults import excerpt
from proxy.transcoding.protojson.options import SURELY_READABLE
from proxy.transcoding.protojson.strict import require_readable
from proxy.transcoding.request_options import MAX_PARAMETERS as MAX_PARAMETERS
from proxy.transcoding.request_options import RequestOptions
from proxy.transcoding.values import TextParser

#: What makes ASCII text mean something other than itself.
_ENCODED: Final = re.compile("[%+\0]").search

#: Unknown names that are reported, and characters of each: for a log line, not for a copy.
MAX_UNKNOWN_NAMES: Final = 20
MAX_UNKNOWN_NAME_CHARACTERS: Final = 100

#: Parameters that Google's clients send to any API and that are no fields of the request
#: (cloud.google.com/apis/docs/system-parameters, and the parameters of every discovery document).
#: A message that has a field of such a name gets the parameter all the same.
SYSTEM_PARAMETERS: Final = frozenset(
    {
        "$.xgafv",
        "$alt",
        "$apiFormat",
        "$apiVersion",
        "$callback",
        "$ct",
        "$fields",
        "$httpMethod",
        "$key",
        "$outputDefaults",
        "$prettyPrint",
        "$quotaUser",
        "$unique",
        "$userProject",
        "access_token",
        "alt",
        "callback",
        "fields",
        "key",
        "oauth_token",
        "prettyPrint",
        "quotaUser",
        "uploadType",
        "upload_protocol",
        "userIp",
    }
)


def decode_pairs(
    query: str,
    max_parameters: int = MAX_PARAMETERS,
    *,
    plus_is_space: bool = True,
    keeps_bad_escapes: bool = False,
    drops_flags: bool = False,
) -> list[tuple[str, str]]:
    """The parameters of a raw query string in their order, decoded; `flag` alone is `flag=`.

    >>> decode_pairs("a=1+2&&b=x%3Dy&flag")
    [('a', '1 2'), ('b', 'x=y'), ('flag', '')]

    With *drops_flags* `flag` is not there. Raises `RequestError` for bad escapes unless
    *keeps_bad_escapes*, bad UTF-8, NUL and too many parameters.
    """
    pieces = [piece for piece in query.split("&") if piece]
    if len(pieces) > max_parameters:
        raise RequestError(f"the query has more than {max_parameters} parameters")
    if drops_flags:
        pieces = [piece for piece in pieces if "=" in piece]
    if query.isascii() and not _ENCODED(query):
        return [(name, value) for name, _, value in (piece.partition("=") for piece in pieces)]
    if keeps_bad_escapes:
        pieces = [keep_bad_escapes(piece) for piece in pieces]
    return [_decode_pair(piece, plus_is_space) for piece in pieces]


def _decode_pair(piece: str, plus_is_space: bool) -> tuple[str, str]:
    name, _, value = piece.partition("=")
    try:
        return (
            decode_query(name, plus_is_space=plus_is_space),
            decode_query(value, plus_is_space=plus_is_space),
        )
    except PercentError as error:
        message = f"the query parameter {excerpt(name)} cannot be decoded: {error}"
        raise RequestError(message) from error


def parse_text(parse: TextParser, text: str, path: str) -> Any:
    """Parse text for the field at *path*. Raises `RequestError` that names it."""
    try:
        return parse(text)
    except ValueError as error:
        raise RequestError(str(error), field=path) from error


def reach(message: Message, parents: tuple[Node, ...]) -> Any:
    """The message that holds a field. Nothing becomes present by reading it."""
    for node in parents:
        message = getattr(message, node.name)
    return message


def same(one: object, other: object) -> bool:
    """Whether two field values are equal; NaN equals NaN here."""
    return one == other or (one != one and other != other)


def is_set(parent: Any, node: Node) -> bool:
    """Whether a singular field is set; without presence, to anything but its default."""
    return parent.HasField(node.name) if node.has_presence else bool(getattr(parent, node.name))


def holds(parent: Any, node: Node, value: object) -> bool:
    """Whether a singular field is set to *value*; without presence its default counts as set."""
    if node.has_presence and not parent.HasField(node.name):
        return False
    return same(getattr(parent, node.name), value)


def claim_alternatives(message: Message, parameter: Parameter) -> None:
    """Refuse a field when another member of its oneof, or of one on the way, is set."""
    for node in (*parameter.parents, parameter.node):
        if node.oneof:
            taken = message.WhichOneof(node.oneof)
            if taken not in (None, node.name):
                reason = f"{taken} is given too, and {node.oneof} has room for one"
                raise RequestError(reason, field=parameter.path)
        if node.form is Form.MESSAGE:
            message = getattr(message, node.name)


class Bound(NamedTuple):
    """What path and body have taken: full paths from the path, a top-level field by the body."""

    paths: frozenset[str] = frozenset()
    body_field: str = ""

    def owner(self, parameter: Parameter) -> str:
        """Who has taken a field: "path", "body", or "" for nobody."""
        if parameter.path in self.paths:
            return "path"
        top = parameter.parents[0] if parameter.parents else parameter.node
        return "body" if top.name == self.body_field else ""


def is_unknown(name: str) -> bool:
    """Whether a name that means no field is worth a word: system parameters are not."""
    return name != "" and name not in SYSTEM_PARAMETERS


class QueryBinder:
    """Sets the fields of one message type from a query string. Immutable, made at load."""

    __slots__ = ("_bound", "_names", "_options")

    def __init__(self, names: Mapping[str, Node], *, bound: Bound, options: RequestOptions) -> None:
        self._names = names
        self._bound = bound
        self._options = options

    def __repr__(self) -> str:
        unknown = self._options.unknown_parameters
        return f"<QueryBinder of {len(self._names)} names, {unknown} unknown>"

    def meanings(self, query: str) -> list[tuple[str, str, Parameter | None]]:
        """Name, text and field of each parameter but system parameters; None for no field.

        Raises `RequestError` for a query that cannot be decoded, or a name that cannot be given.
        """
        names = self._names
        meant = [(name, text, resolve(names, name)) for name, text in self.pairs(query)]
        return [one for one in meant if one[2] is not None or is_unknown(one[0])]

    def pairs(self, query: str) -> list[tuple[str, str]]:
        """Name and text of each parameter, decoded. Raises `RequestError` when they cannot be."""
        options = self._options
        return decode_pairs(
            query,
            options.max_parameters,
            plus_is_space=options.plus_is_space,
            keeps_bad_escapes=options.keeps_bad_escapes,
            drops_flags=options.drops_flags,
        )

    def meaning(self, name: str) -> Parameter | None:
        """The field that a parameter's name means; None for no field.

        Raises `RequestError` for one that cannot be given.
        """
        return resolve(self._names, name)

    def owner(self, parameter: Parameter) -> str:
        """Who else has taken the field of a parameter: "path", "body" or ""."""
        return self._bound.owner(parameter)

    def bind(self, message: Message, query: str) -> tuple[str, ...]:
        """Set the fields that a query names; gives the names of none when unknown ones are warned.

        Raises `RequestError` for a name that cannot be given in a query, a value that is none of
        its field, a field or map entry given twice, two members of a oneof, and a value that
        differs from the one that path or body gave; of these, what the options do not allow.
        """
        return self.give(message, self.meanings(query))

    def give(
        self, message: Message, meanings: Iterable[tuple[str, str, Parameter | None]]
    ) -> tuple[str, ...]:
        """As `bind`, for parameters whose meaning is known."""
        filling = _Filling(message, self._bound, self._options)
        unknown: list[str] = []
        for name, text, parameter in meanings:
            if parameter is None:
                unknown.append(name)
            else:
                filling.give(parameter, text)
        filling.compare_lists()
        filling.refuse_unreadable()
        return self._report(unknown) if unknown else ()

    def _report(self, unknown: Collection[str]) -> tuple[str, ...]:
        if self._options.unknown_parameters == "ignore":
            return ()
        names = [name[:MAX_UNKNOWN_NAME_CHARACTERS] for name in unknown]
        if self._options.unknown_parameters == "reject":
            raise RequestError("is no parameter of this request", field=names[0])
        return tuple(dict.fromkeys(names))[:MAX_UNKNOWN_NAMES]


class _Filling:
    """The state of one `bind`: which fields the query has given so far."""

    __slots__ = ("_bound", "_given", "_is_deep", "_lists", "_message", "_options")

    def __init__(self, message: Message, bound: Bound, options: RequestOptions) -> None:
        self._message = message
        self._bound = bound
        self._options = options
        self._given: set[tuple[str, Any]] = set()
        self._lists: dict[str, tuple[Parameter, list[Any]]] = {}
        self._is_deep = False

    def give(self, parameter: Parameter, text: str) -> None:
        node, path = parameter.node, parameter.path
        owner = self._bound.owner(parameter)
        if owner and self._options.ignores_collisions:
            return
        key = None if parameter.key is None else parse_text(node.parse_key, parameter.key, path)
        is_second = not node.is_list and self._is_second(parameter, key)
        value = parse_text(node.parse, text, path)
        if len(parameter.parents) + len(text) > SURELY_READABLE:
            self._is_deep |= _levels(parameter, text) > SURELY_READABLE
        if not owner:
            if self._options.merges_query and not (node.is_list or is_second):
                owner = self._holder(parameter, key)
            if not owner:
                self._put(parameter, key, value, is_second)
                return
        if node.is_list:
            self._lists.setdefault(path, (parameter, []))[1].append(value)
        elif not self._holds(parameter, key, value) and not self._options.ignores_collisions:
            raise _collision(owner, path)

    def compare_lists(self) -> None:
        """Lists are compared as wholes: only at the end is it known what the query gave."""
        for parameter, values in self._lists.values():
            held = getattr(reach(self._message, parameter.parents), parameter.node.name)
            if len(held) != len(values) or not all(map(same, held, values)):
                raise _collision("body", parameter.path)

    def refuse_unreadable(self) -> None:
        """A dotted name and the JSON behind it may each be within the limit, but not together."""
        if self._is_deep:
            require_readable(self._message)

    def _is_second(self, parameter: Parameter, key: Any) -> bool:
        """Whether a singular field, or an entry of a map, was given before, where it may be.

        A member of a oneof may not: it is twice what there is room for once.
        """
        path = parameter.path
        claim = (path, key)
        if claim not in self._given:
            self._given.add(claim)
            return False
        if parameter.node.oneof or not self._options.takes_last:
            what = "is given twice" if key is None else f"has the key {excerpt(str(key))} twice"
            raise RequestError(what, field=path)
        return True

    def _holder(self, parameter: Parameter, key: Any) -> str:
        """Who has set a field that the query may set too: "body" or "" for nobody."""
        parent, node = reach(self._message, parameter.parents), parameter.node
        if key is not None:
            return "body" if key in getattr(parent, node.name) else ""
        return "body" if is_set(parent, node) else ""

    def _put(self, parameter: Parameter, key: Any, value: Any, is_second: bool) -> None:
        if parameter.contested:
            claim_alternatives(self._message, parameter)
        parent = reach(self._message, parameter.parents)
        if parameter.key is None:
            if is_second and parameter.node.is_mask:
                getattr(parent, parameter.node.name).MergeFrom(value)
            else:
                parameter.node.put(parent, value)
        elif isinstance(value, Message):
            getattr(parent, parameter.node.name)[key].CopyFrom(value)
        else:
            getattr(parent, parameter.node.name)[key] = value

    def _holds(self, parameter: Parameter, key: Any, value: Any) -> bool:
        parent = reach(self._message, parameter.parents)
        if parameter.key is None:
            return holds(parent, parameter.node, value)
        entries = getattr(parent, parameter.node.name)
        return key in entries and same(entries[key], value)


def _levels(parameter: Parameter, text: str) -> int:
    """At least as many levels as the name and the JSON in the value, if it is any, have."""
    return len(parameter.parents) + text.count("{") + text.count("[")


def _collision(owner: str, path: str) -> RequestError:
    return RequestError(f"the query gives another value than the {owner}", field=path)
