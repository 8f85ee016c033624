"""What is wrong with shapes, told where it is written; and keys of shapes that do nothing.

Belongs here: which RPC takes which key from which layer, and where that stands. Does not: a shape
against messages (`shape.checks`).

A key of an entry must do something for its RPC; one of a profile or of `defaults` for some RPC that
takes it from there.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from proxy.config.base import Section
from proxy.config.resolved import Config, ResolvedRoute
from proxy.config.shape_options import shape_options
from proxy.config.shape_values import FormKeys, ShapeValues
from proxy.config.tree import Location
from proxy.errors import Place, Problem
from proxy.routing.schema import Schema
from proxy.routing.shape_layers import shape_layers
from proxy.shape.checks import check_shape
from proxy.shape.envelope_checks import Findings, Key
from proxy.shape.layout import Layouts
from proxy.transcoding.binding import Binding
from proxy.transcoding.protojson import JsonOptions

#: The keys of a shape that are held against messages here.
_KEYS: Final = tuple(name for name in ShapeValues.model_fields if name != "request")
_ENVELOPE: Final = ("answer", "body")
#: Keys that name a type or a field.
_SELECTING: Final = frozenset({"fields", "enums", "nest", "add"})
#: How keys of forms are written that Python has another use for.
_ALIASES: Final = {name: info.alias for name, info in FormKeys.model_fields.items() if info.alias}


@dataclass(frozen=True, slots=True)
class _Layer:
    """One place where a shape, or a part of one, is written."""

    location: Location
    section: ShapeValues


@dataclass(frozen=True, slots=True)
class ShapeProblems:
    """Finds the problems of one configuration. *breathe* is called between one RPC and the next."""

    config: Config
    schema: Schema
    breathe: Callable[[], None]

    def find(self) -> Iterator[Problem]:
        """Every fault of a shape, and every key that does nothing where it is written."""
        written: dict[Location, _Layer] = {}
        used: set[Location] = set()
        known: set[Key] = set()
        told: set[Location] = set()
        for rpc, bindings in self.schema.bindings.items():
            layers = [_Layer(*each) for each in shape_layers(self.config, rpc)]
            written |= {layer.location: layer for layer in layers}
            found = self._found(rpc, bindings)
            if found is None:
                continue
            known |= found.used
            used.update(at for key in found.used for at in _places(layers, key))
            for key, message in found.faults:
                at = _nearest(layers, key)
                if at not in told:
                    told.add(at)
                    yield self._problem(at, message, rpc)
        for at, key in self._without_use(written.values(), used, told):
            yield Problem(self._place(at), _useless(at, key, is_known=key in known))
        yield from self._unused_profiles(written)

    def _found(self, rpc: str, bindings: Sequence[Binding]) -> Findings | None:
        options = self.config.options_for(rpc)
        shape = shape_options(options.shape)
        if shape is None:
            return None
        self.breathe()
        return check_shape(Layouts(shape.messages, _json(options)), shape.answer, bindings)

    def _without_use(
        self, layers: Iterable[_Layer], used: set[Location], told: set[Location]
    ) -> Iterator[tuple[Location, Key]]:
        for layer in layers:
            for key in _given(layer.section):
                at = (*layer.location, *key)
                if at not in used and not any(at[: len(fault)] == fault for fault in told):
                    yield at, key

    def _unused_profiles(self, written: Mapping[Location, _Layer]) -> Iterator[Problem]:
        for name in self.config.settings.profiles:
            location = ("profiles", name)
            if location not in written:
                yield Problem(self.config.place_at(location), "no route has this profile")

    def _problem(self, at: Location, message: str, rpc: str) -> Problem:
        behind = f", in {rpc}" if at[0] != "routes" else ""
        return Problem(self._place(at), f"{message}{behind}")

    def _place(self, at: Location) -> Place:
        return self.config.place_at(tuple(_ALIASES.get(str(key), key) for key in at))


def _json(options: ResolvedRoute) -> JsonOptions:
    return JsonOptions(
        names=options.names,
        emit_defaults=options.emit_defaults,
        emit_unset=options.answers.emit_unset,
        enums_as_numbers=options.enums_as_numbers,
        int64_as_numbers=options.int64_as_numbers,
    )


def _useless(at: Location, key: Key, *, is_known: bool) -> str:
    """Why the key at a location does nothing; *is_known* says that it does for some other layer."""
    owner = "this RPC" if at[0] == "routes" else "any route that has it"
    if is_known and at[0] != "routes":
        return "does nothing: every route that has it gives its own"
    if len(key) > 1 and key[0] in _SELECTING:
        return f"does nothing: {key[1]} is in no message of {owner}"
    return f"does nothing for {owner}"


def _given(section: ShapeValues) -> Iterator[Key]:
    """The keys that are given in a section, as far down as they stand for themselves."""
    for name in _KEYS:
        if name in section.model_fields_set:
            alias = ShapeValues.model_fields[name].alias or name
            yield from ((alias, *rest) for rest in _below(name, getattr(section, name)))


def _below(name: str, value: Any) -> Iterator[Key]:
    if name == "lossy":
        yield from ((entry,) for entry in value)
    elif name == "nest":
        for selector, groups in value.items():
            for key, fields in groups.items():
                yield from ((selector, key, index) for index in range(len(fields)))
    elif isinstance(value, Mapping):
        for selector, inner in value.items():
            yield from ((selector, *rest) for rest in _inside(inner))
    else:
        yield from _inside(value)


def _inside(value: Any) -> Iterator[Key]:
    if isinstance(value, Section):
        names = sorted(value.model_fields_set)
        yield from ((name,) for name in names)
        if not names:
            yield ()
    elif isinstance(value, Mapping):
        yield from ((key,) for key in value)
    else:
        yield ()


def _places(layers: Sequence[_Layer], key: Key) -> Iterator[Location]:
    """Where the key stands that counts: in the first layer that has it.

    Envelopes of several layers are laid over one another, so that all of them count.
    """
    for layer in layers:
        if key in set(_given(layer.section)):
            yield (*layer.location, *key)
            if key != _ENVELOPE:
                return


def _nearest(layers: Sequence[_Layer], key: Key) -> Location:
    """Where a key stands, or else the longest beginning of it that does."""
    for length in range(len(key), 0, -1):
        for layer in layers:
            if any(each[:length] == key[:length] for each in _given(layer.section)):
                return (*layer.location, *key[:length])
    return layers[0].location
