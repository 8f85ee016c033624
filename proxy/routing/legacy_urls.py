"""The binding of a request whose URL is a legacy form of the binding's own.

Belongs here: which form goes before which, and parameters that name another method. Does not:
texts of paths (`shape.urls`), problems of a configuration (`routing.legacy_url_problems`).

The URL as it stands always goes first: a legacy form is looked at when no binding takes it. The
exception are bindings with variables, whose route has asked for the form itself. A suffix, and
behind `**` a slash, is no part of what a last variable takes; and what one takes that is a literal
of another binding, but for its case, is that literal where both ignore case.
Each combination of forms has a matcher of its own, of the routes that have asked for all of it;
those that undo less go first. So a folder without legacy forms has none of this.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from proxy.errors import RequestError, StatusError
from proxy.routing.table import Found, RouteBinding, RouteTable
from proxy.routing.trie import DuplicateRoutes, MatcherBuilder
from proxy.shape.bodies import form_texts, is_form
from proxy.shape.urls import (
    MethodParameter,
    PathForm,
    Quirk,
    UrlQuirks,
    overridden_method,
    path_forms,
    stripper,
)
from proxy.transcoding.query import decode_pairs

#: Adds a binding to a matcher that is being built, by the settings of its route.
AddBinding = Callable[[MatcherBuilder[RouteBinding], RouteBinding], None]
#: The legacy forms of each binding that has any.
QuirksOf = Mapping[RouteBinding, UrlQuirks]

_NO_FORM: Final = PathForm()


@dataclass(frozen=True, slots=True)
class _Way:
    """One combination of legacy forms, and the bindings that take it."""

    form: PathForm
    strip: Callable[[str], str | None]
    table: RouteTable


class LegacyRouteTable(RouteTable):
    """A route table that knows legacy forms of URLs, too. Immutable."""

    def __init__(self, own: RouteTable, ways: Iterable[_Way], quirks: QuirksOf) -> None:
        super().__init__(own.matcher, own.forms)
        self._ways = tuple(ways)
        self._quirks = quirks
        self._forms = {binding: frozenset(path_forms(each)) for binding, each in quirks.items()}
        self._parameters = frozenset(q.method.name for q in quirks.values() if q.method)
        self.reads_forms = any(q.method is not None and q.method.in_form for q in quirks.values())

    def __repr__(self) -> str:
        return f"<LegacyRouteTable over {self.matcher!r}, {len(self._ways)} forms>"

    def find(self, http_method: str, raw_path: str, query: str = "") -> Found:
        """As of any route table; *query* may name another method than *http_method*, POST."""
        if http_method == "POST" and query and self._parameters:
            named = self._named_in(_query_pairs(query), raw_path, lambda by: by.in_query)
            if named is not None:
                return named
        return self._by_path(http_method, raw_path)

    def form_limit(self, http_method: str, raw_path: str, content_type: str | None) -> int:
        """How large a form may be that could name another method; 0 when it could not.

        As large as the route's bodies are that it could lead to.
        """
        if http_method != "POST" or not is_form(content_type):
            return 0
        return max((b.route.max_request_bytes for b in self._overriding(raw_path)), default=0)

    def find_by_form(self, raw_path: str, content_type: str | None, body: bytes) -> Found | None:
        """What the form in the body of a POST asks for when it names another method."""
        try:
            pairs = form_texts(body, content_type)
        except StatusError:
            return None  # refused where it is read
        return self._named_in(pairs, raw_path, lambda by: by.in_form)

    # Paths

    def _by_path(self, http_method: str, raw_path: str) -> Found:
        best, form = super().find(http_method, raw_path), _NO_FORM
        for way in self._ways:
            if best.binding is not None and not self._goes_on(best.binding, form, way.form):
                continue
            path = way.strip(raw_path)
            if path is None:
                continue
            found = way.table.find(http_method, path)
            if found.binding is best.binding is not None and way.form.strips == form.strips:
                continue  # the case was that of the variables
            if found.binding is not None:
                best, form = found._replace(quirks=way.form.quirks), way.form
            elif best.binding is None and not best.allow:
                best = found
        return best

    def _goes_on(self, binding: RouteBinding, form: PathForm, further: PathForm) -> bool:
        """Whether *further* may undo more of a path that *form* has led to *binding*."""
        if further not in self._forms.get(binding, ()):
            return False
        if further.strips == form.strips:
            return further.ignore_case and _has_wildcard(binding)
        if further.strips < form.strips:
            return False
        last = _last_segment(binding)
        return last == "**" or (last == "*" and further.suffix != form.suffix)

    # Methods

    def _named_in(
        self,
        pairs: list[tuple[str, str]],
        raw_path: str,
        is_place: Callable[[MethodParameter], bool],
    ) -> Found | None:
        """What is found by the method that one of *pairs* names; None when none counts."""
        for name in self._parameters:
            values = [value for given, value in pairs if given == name]
            for value in dict.fromkeys(values):  # a client may repeat one a thousand times
                found = self._overridden(name, value, raw_path, is_place)
                if found is not None:
                    return _checked(found, values)
        return None

    def _overridden(
        self, name: str, value: str, raw_path: str, is_place: Callable[[MethodParameter], bool]
    ) -> Found | None:
        method = overridden_method([value])
        if method is None:
            return None
        found = self._by_path(method, raw_path)
        by = None if found.binding is None else self._method_of(found.binding)
        if by is None or by.name != name or method not in by.methods or not is_place(by):
            return None
        return found._replace(quirks=(*found.quirks, Quirk.METHOD))

    def _method_of(self, binding: RouteBinding) -> MethodParameter | None:
        quirks = self._quirks.get(binding)
        return None if quirks is None else quirks.method

    def _overriding(self, raw_path: str) -> Iterator[RouteBinding]:
        """The bindings of a path that another method in a form could lead to."""
        methods = {m for q in self._quirks.values() if q.method for m in q.method.methods}
        for method in sorted(methods):
            binding = self._by_path(method, raw_path).binding
            by = None if binding is None else self._method_of(binding)
            if binding is not None and by is not None and by.in_form and method in by.methods:
                yield binding


class LegacyDuplicates(DuplicateRoutes):
    """Bindings that would take the same URLs by the legacy form *form*."""

    def __init__(self, form: PathForm, error: DuplicateRoutes) -> None:
        super().__init__(error.duplicates)
        self.form = form


def with_legacy_urls(own: RouteTable, quirks: QuirksOf, add: AddBinding) -> RouteTable:
    """*own* when *quirks* are empty, else a table that takes these legacy forms, too.

    Raises `LegacyDuplicates` when two bindings would take the same by their legacy forms.
    """
    if not quirks:
        return own
    return LegacyRouteTable(own, _ways(quirks, add), quirks)


def _ways(quirks: QuirksOf, add: AddBinding) -> list[_Way]:
    forms = {form for each in quirks.values() for form in path_forms(each)}
    return [
        _Way(form, stripper(form), _table_of(form, quirks, add))
        for form in sorted(forms, key=_precedence)
    ]


def _precedence(form: PathForm) -> tuple[int, bool, int, PathForm]:
    """Fewer things first, exact case first; of two suffixes the longer one."""
    return len(form.quirks), form.ignore_case, -form.strips, form


def _table_of(form: PathForm, quirks: QuirksOf, add: AddBinding) -> RouteTable:
    builder = MatcherBuilder[RouteBinding](ignore_case=form.ignore_case)
    for binding, allowed in quirks.items():
        if form in set(path_forms(allowed)):
            add(builder, binding)
    try:
        return RouteTable(builder.build())
    except DuplicateRoutes as error:
        raise LegacyDuplicates(form, error) from error


def _has_wildcard(binding: RouteBinding) -> bool:
    return not {"*", "**"}.isdisjoint(binding.binding.template.segments)


def _last_segment(binding: RouteBinding) -> str:
    """The segment that a path ends with; "" where that is a verb, or nothing."""
    template = binding.binding.template
    return "" if template.verb or not template.segments else template.segments[-1]


def _query_pairs(query: str) -> list[tuple[str, str]]:
    try:
        return decode_pairs(query)
    except RequestError:
        return []  # refused where it is bound


def _checked(found: Found, values: list[str]) -> Found:
    try:
        overridden_method(values)
    except RequestError as error:
        return found._replace(refusal=error)
    return found
