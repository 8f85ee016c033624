"""Queries of old clients: which field a parameter's name means, by the layouts.

Belongs here: names, dots, brackets, renames, lists in one parameter. Does not: setting fields
(`transcoding.query`), values (`texts`), the forms of bodies (`form_bodies`).
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Final

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from proxy.errors import RequestError
from proxy.shape.layout import Layouts, Member
from proxy.shape.printer_source import field_steps
from proxy.shape.request_options import QueryShape, RequestShape
from proxy.shape.texts import shaped_text
from proxy.transcoding.parameters import (
    MAX_DEPTH,
    NOT_ENDED,
    NOT_ENTERED,
    FieldTables,
    Form,
    Node,
    Parameter,
    parameter_of,
)
from proxy.transcoding.protojson import Codecs
from proxy.transcoding.protojson.kinds import element
from proxy.transcoding.query import Bound, QueryBinder, is_unknown
from proxy.transcoding.request_options import RequestOptions
from proxy.transcoding.texts import SPEC, TextForms

#: A name and the brackets behind it.
_BRACKETED: Final = re.compile(r"([^\[]*)((?:\[[^\[\]]*\])*)").fullmatch
_BRACKET: Final = re.compile(r"\[([^\[\]]*)\]").findall


class _Key(str):
    """A step of a name that stood in brackets."""

    __slots__ = ()


class ShapedTables(FieldTables):
    """Fields whose texts are in the forms of a shape."""

    def __init__(self, codecs: Codecs, layouts: Layouts, texts: TextForms = SPEC) -> None:
        super().__init__(codecs, texts)
        self.layouts = layouts
        #: What separates the values of a list in one text, by the list's node.
        self.separators: dict[Node, str] = {}
        self._legacy: dict[tuple[Descriptor | None, QueryShape], LegacyNames] = {}

    def legacy_names(self, message: Descriptor | None, query: QueryShape) -> "LegacyNames":
        """The names in queries of that form, made once. Raises `ValueError` as the class does."""
        found = self._legacy.get((message, query))
        if found is None:
            found = self._legacy[message, query] = LegacyNames(self, message, query)
        return found

    def node(self, field: FieldDescriptor, inside: Mapping[str, Node]) -> Node:
        """The node of a field."""
        node = super().node(field, inside)
        if node.form is not Form.MESSAGE:
            form = self.layouts.rules.form_of(field)
            node.parse = shaped_text(element(field), form, node.parse)
        separator = self.layouts.rules.separator_of(field)
        if separator is not None:
            self.separators[node] = separator
        return node


class LegacyNames:
    """Which field each name of a parameter means, in one message type. Immutable.

    Names are keys of the layout, with dots between those of one message and of the one inside.
    """

    def __init__(self, tables: ShapedTables, message: Descriptor | None, query: QueryShape) -> None:
        """Without *message* no name means a field. Raises `ValueError` for a rename to no field."""
        self._tables = tables
        self._message = message
        self.separators: Mapping[Node, str] = tables.separators
        self._brackets = query.brackets
        self._renamed = {
            name: parameter_of(tables.nodes(message, field_steps(message, path)))
            for name, path in query.renames
            if message is not None
        }
        self._moved = frozenset(parameter.path for parameter in self._renamed.values())
        #: What most names of most queries are: one field of the message itself, or renamed.
        self._sure = dict(self._all_sure())

    def __repr__(self) -> str:
        return f"<LegacyNames of {self._message and self._message.full_name}>"

    def find(self, name: str) -> Parameter | None:
        """The field that a name means, None for no field.

        Raises `RequestError` for a field that a query cannot give, or not in that way.
        """
        return self._sure.get(name) or self._find(name)

    def _all_sure(self) -> Iterator[tuple[str, Parameter]]:
        members = () if self._message is None else self._tables.layouts.of(self._message).members
        for name in (*self._renamed, *(each for member in members for each in member.names)):
            with suppress(RequestError):
                found = self._find(name)
                if found is not None:
                    yield name, found

    def _find(self, name: str) -> Parameter | None:
        renamed = self._renamed.get(name)
        if renamed is not None:
            return _ended(renamed)
        if self._brackets and name.endswith("[]"):
            renamed = self._renamed.get(name[:-2])
        found = renamed
        if found is None and self._message is not None:
            found = self._walk(self._message, name)
        if found is None or (renamed is None and found.path in self._moved):
            return None
        return _ended(found)

    def _walk(self, message: Descriptor, name: str) -> Parameter | None:
        steps = _steps(name) if self._brackets else _map_steps(name)
        if steps is None:
            return None
        if len(steps) > MAX_DEPTH:
            raise RequestError(f"a parameter's name has more than {MAX_DEPTH} steps")
        fields, members = list[FieldDescriptor](), self._tables.layouts.of(message).members
        for position, step in enumerate(steps):
            member = _named(members, step)
            if member is None:
                return None
            members = member.members
            if not member.steps:
                continue
            fields += member.steps
            rest = steps[position + 1 :]
            if not rest or not self._is_entered(message, member, rest[0]):
                return self._at(message, fields, rest)
            inner = member.inner
            members = () if inner is None else self._tables.layouts.of(inner).members
        return None

    def _is_entered(self, message: Descriptor, member: Member, step: str) -> bool:
        """Whether *step* leads further, into the message that a member is."""
        (node,) = self._tables.nodes(message, member.steps[-1:])
        return node.form is Form.MESSAGE and (self._brackets or not isinstance(step, _Key))

    def _at(self, message: Descriptor, fields: list[FieldDescriptor], rest: list[str]) -> Parameter:
        """The parameter of a field, with the key that *rest* may be of its map."""
        found = parameter_of(self._tables.nodes(message, fields))
        if not rest:
            return found
        is_key = len(rest) == 1 and isinstance(rest[0], _Key)
        if is_key and found.node.form is Form.MAP and found.node.takes_keys:
            return found._replace(key=str(rest[0]))
        if is_key and found.node.form is Form.LIST and self._brackets and not rest[0]:
            return found
        reason = NOT_ENTERED.get(found.node.form, "is no message")
        raise RequestError(reason, field=found.path)


def _ended(found: Parameter) -> Parameter:
    if found.key is None and found.node.form in NOT_ENDED:
        raise RequestError(NOT_ENDED[found.node.form], field=found.path)
    return found


def _named(members: Iterable[Member], name: str) -> Member | None:
    return next((each for each in members if name in each.names), None)


def _steps(name: str) -> list[str] | None:
    """The steps of a name with dots and brackets; None for one that is not well-formed.

    >>> _steps("filter[type]"), _steps("a.b[c][]"), _steps("a[b")
    (['filter', 'type'], ['a', 'b', 'c', ''], None)
    """
    found = _BRACKETED(name)
    return None if found is None else [*found[1].split("."), *map(_Key, _BRACKET(found[2]))]


def _map_steps(name: str) -> list[str] | None:
    """The steps of a name with dots, and the key of a map in brackets at its end."""
    dotted, bracket, rest = name.partition("[")
    if not bracket:
        return dotted.split(".")
    return [*dotted.split("."), _Key(rest[:-1])] if rest[-1:] == "]" else None


class ShapedQueryBinder(QueryBinder):
    """Sets the fields of one message type from a legacy query. Immutable, made at load."""

    __slots__ = ("_control", "_legacy", "_separator", "_separators")

    def __init__(
        self, names: LegacyNames, shape: RequestShape, *, bound: Bound, options: RequestOptions
    ) -> None:
        super().__init__({}, bound=bound, options=options)
        self._legacy = names
        self._control = shape.control
        self._separator = shape.query.separator
        self._separators = names.separators

    def __repr__(self) -> str:
        return f"<ShapedQueryBinder of {self._legacy!r}>"

    def meanings(self, query: str) -> list[tuple[str, str, Parameter | None]]:
        """Name, text and field of each parameter, those of lists one by one; None for no field.

        Raises `RequestError` for a query that cannot be decoded, or a name that cannot be given.
        """
        return list(self.meant(self.pairs(query)))

    def meant(
        self, pairs: Iterable[tuple[str, str]]
    ) -> Iterator[tuple[str, str, Parameter | None]]:
        """As `meanings`, of parameters that are decoded."""
        for name, text in pairs:
            parameter = None if name in self._control else self.meaning(name)
            if parameter is not None:
                for piece in self._pieces(parameter, text):
                    yield name, piece, parameter
            elif is_unknown(name) and name not in self._control:
                yield name, text, None

    def meaning(self, name: str) -> Parameter | None:
        """The field that a parameter's name means; None for no field."""
        return self._legacy.find(name)

    def _pieces(self, parameter: Parameter, text: str) -> list[str]:
        """The values in one parameter: of a list with a separator any number."""
        separator = self._separators.get(parameter.node, self._separator)
        if not parameter.node.is_list or separator is None:
            return [text]
        return text.split(separator) if text else []
