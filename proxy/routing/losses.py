"""What clients of one binding would lose if another took its place: fields, forms, values.

Belongs here: two bindings of one RPC, compared as a client of the JSON API sees them. Does not:
which two (`routing.compatibility`).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from proxy.config.resolved import ResolvedRoute
from proxy.routing.shape_losses import Reach, shape_losses
from proxy.routing.table import RouteBinding
from proxy.routing.values import Comparison, Found, Value, either_name, json_name, proto_name
from proxy.transcoding.binding import Binding, Body

#: Options that change the JSON of every answer.
_JSON_OPTIONS: Final = ("names", "enums_as_numbers", "int64_as_numbers")


@dataclass(frozen=True, slots=True)
class Loss:
    """One thing that a client has and would not have any more.

    *part* is "request", "answer" or "" for the binding itself; *path* the field's path with its
    names as clients know them. *origin* is where the HTTP rule stood.

    >>> str(Loss("get-order", "shop.v1.Orders.GetOrder", "GET /v1/orders/{id}", "orders.proto:6",
    ...          "answer", "total.units", "is gone"))
    'get-order: GET /v1/orders/{id}: answer field total.units is gone'
    """

    route: str
    rpc: str
    binding: str
    origin: str
    part: str
    path: str
    message: str

    @classmethod
    def of(cls, target: RouteBinding, part: str = "", path: str = "", *, message: str) -> "Loss":
        """A loss of the binding *target*."""
        binding = target.binding
        rule = f"{binding.http_method} {binding.template}"
        return cls(target.route.name, target.route.rpc, rule, binding.origin, part, path, message)

    def __str__(self) -> str:
        return f"{self.route}: {self.binding}: {self.what}"

    @property
    def what(self) -> str:
        """The loss without its route and binding."""
        if not self.part:
            return self.message
        return f"{self.part}{f' field {self.path}' if self.path else ''} {self.message}"


class BindingLosses:
    """Compares bindings of one RPC. Use one for all bindings of two snapshots, and no longer."""

    def __init__(self) -> None:
        self._requests = Comparison(either_name, sent=True)
        self._answers: dict[tuple[str, bool], Comparison] = {}

    def __repr__(self) -> str:
        return f"<BindingLosses {self._requests!r}>"

    def find(
        self, old: RouteBinding, new: RouteBinding, before: ResolvedRoute, after: ResolvedRoute
    ) -> Iterator[Loss]:
        """What clients of *old* lose with *new*; *before* and *after* are their options."""
        was, now = old.binding, new.binding
        for part, message in shape_losses(before.shape, after.shape, Reach(was.method).part):
            yield Loss.of(old, part, message=message)
        if was is now:
            # Of one schema: nothing but an option can differ.
            yield from (
                Loss.of(old, "answer", path, message=message)
                for path, message in _of_options(before, after)
            )
            return
        if was.cardinality is not now.cardinality:
            yield Loss.of(old, message=f"was {was.cardinality.value}, is {now.cardinality.value}")
        for part, found in (
            ("request", self._of_path(was, now)),
            ("request", self._of_body(was, now)),
            ("request", self._of_query(was, now)),
            ("answer", _of_options(before, after)),
            ("answer", self._of_answer(was, now, before)),
        ):
            yield from (Loss.of(old, part, path, message=message) for path, message in found)

    def _of_path(self, old: Binding, new: Binding) -> Iterator[Found]:
        if old.template.segments != new.template.segments:
            return  # Which variable took the place of which, the templates do not say.
        for before, after in zip(old.variables, new.variables, strict=False):
            leaf, successor = before.fields[-1], after.fields[-1]
            if before.path != after.path and leaf.number != successor.number:
                yield before.path, f"was filled by the path, which fills {after.path} now"
            values = Value.of_field(leaf), Value.of_field(successor)
            yield from self._requests.find(*values, before.path)

    def _of_body(self, old: Binding, new: Binding) -> Iterator[Found]:
        before, after = _body_value(old), _body_value(new)
        if before is None:
            return
        if after is None:
            yield "", "may have no body any more"
            return
        yield from self._requests.find(before, after, "", _captured_in_body(old))

    def _of_query(self, old: Binding, new: Binding) -> Iterator[Found]:
        if old.body is Body.WHOLE:
            return
        if new.body is Body.WHOLE:
            yield "", "is read from the body alone now, not from the query"
            return
        elsewhere = _captured(old) | _body_name(old)
        taken = _body_name(new) - elsewhere
        yield from ((name, "is read from the body now, not from the query") for name in taken)
        before, after = Value.of(old.method.input_type), Value.of(new.method.input_type)
        yield from self._requests.find(before, after, "", elsewhere)

    def _of_answer(self, old: Binding, new: Binding, before: ResolvedRoute) -> Iterator[Found]:
        """By the same options on both sides: with other names every field would be told."""
        key = before.names, before.enums_as_numbers
        comparison = self._answers.get(key)
        if comparison is None:
            spellings = json_name if before.names == "json" else proto_name
            comparison = Comparison(spellings, enums_as_numbers=before.enums_as_numbers)
            self._answers[key] = comparison
        return iter(comparison.find(_answer_value(old), _answer_value(new), ""))


def _of_options(before: ResolvedRoute, after: ResolvedRoute) -> Iterator[Found]:
    for option in _JSON_OPTIONS:
        was, now = getattr(before, option), getattr(after, option)
        if was != now:
            yield "", f"has other JSON: {option} was {_written(was)}, is {_written(now)}"
    if before.emit_defaults and not after.emit_defaults:
        yield "", "lacks fields with default values: emit_defaults was true, is false"


def _written(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _captured(binding: Binding) -> frozenset[str]:
    return frozenset(variable.path for variable in binding.variables)


def _captured_in_body(binding: Binding) -> frozenset[str]:
    """The captured fields of the body, relative to it."""
    prefix = "" if isinstance(binding.body, Body) else f"{binding.body.name}."
    captured = _captured(binding)
    return frozenset(path.removeprefix(prefix) for path in captured if path.startswith(prefix))


def _body_name(binding: Binding) -> frozenset[str]:
    return frozenset() if isinstance(binding.body, Body) else frozenset({binding.body.name})


def _body_value(binding: Binding) -> Value | None:
    if binding.body is Body.NONE:
        return None
    if isinstance(binding.body, Body):
        return Value.of_body(binding.method.input_type)
    return Value.of_body_field(binding.body)


def _answer_value(binding: Binding) -> Value:
    if binding.response_body is not None:
        return Value.of_body_field(binding.response_body)
    return Value.of_body(binding.method.output_type)
