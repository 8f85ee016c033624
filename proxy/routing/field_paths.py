"""Paths of rules held against descriptors: whether there is such a field, and how it is called.

Belongs here: one path against one answer or request. Does not: which paths are held against which
answers (`routing.comparisons`), what a rule does at its path (`comparison`), names that a shape has
changed (`routing.legacy_paths`).
"""

from typing import Final, NamedTuple

from google.protobuf.descriptor import FieldDescriptor

from proxy.comparison.legacy_plans import Asked, Written, body_of, plans_key, plans_of
from proxy.comparison.paths import ELEMENT, VALUE, Part, PathPattern, Step, step_of
from proxy.comparison.schema import OPEN, Form, Plans, Type
from proxy.config.compare import Use
from proxy.config.naming import did_you_mean
from proxy.errors import RequestError
from proxy.routing.legacy_paths import LegacyNaming
from proxy.transcoding.binding import Binding, Body
from proxy.transcoding.body import is_raw
from proxy.transcoding.protojson.kinds import Kind
from proxy.transcoding.response import is_raw_answer

#: Raw content: no path leads into it.
_RAW: Final = Type(Form.SCALAR, Kind.BYTES)
#: Whose content nobody has described: any path may be there.
_UNDESCRIBED: Final = frozenset({Form.OPEN, Form.ANY})
_WHAT: Final = {Form.MESSAGE: "an object", Form.LIST: "a list", Form.MAP: "a map"}


#: Rules that do nothing but at lists.
_FOR_LISTS: Final[frozenset[Use]] = frozenset({"list", "set"})
#: Where no two values can ever agree by a rule.
_UNFIT: Final[dict[Use, frozenset[Form]]] = {
    "number": frozenset(_WHAT),
    "format": frozenset(_WHAT),
    "timestamp": frozenset({Form.LIST, Form.MAP}),
}


class NoSuchField(ValueError):
    """A path that leads nowhere, with the first step that does not."""


class UnknownName(NoSuchField):
    """A path with a name that a message has not."""


class Target(NamedTuple):
    """A binding, and how its bodies are *written*, None for ProtoJSON."""

    binding: Binding
    written: Written | None = None


class FieldPaths:
    """Holds paths against the messages of bindings. Use one for all of a schema."""

    def __init__(self) -> None:
        self._plans: dict[object, Plans] = {}
        self._answers: dict[object, str | NoSuchField] = {}

    def __repr__(self) -> str:
        return f"<FieldPaths over {len(self._plans)} plans>"

    def in_answer(self, pattern: PathPattern, target: Target) -> str:
        """The path as differences have it, with the names of its fields in JSON.

        Raises `NoSuchField`. Bodies of errors are described by nothing, and have every path.
        """
        if pattern.part is Part.ERROR:
            return str(pattern)
        binding, method = target.binding, target.binding.method
        streams = binding.cardinality.response_streams
        body = method.output_type, binding.response_body, streams
        asked = body, target.written, pattern.steps
        found = self._answers.get(asked)
        if found is None:
            found = self._answers[asked] = self._looked_up(target, pattern)
        if isinstance(found, NoSuchField):
            raise found
        return found

    def in_request(self, pattern: PathPattern, target: Target) -> str:
        """The same for a path of an RPC's request, or of the body under a shape.

        Raises `NoSuchField`.
        """
        plans = self._plans_of(target)
        steps = self._walked(plans, self._request(target), pattern, target)[0]
        return str(PathPattern(steps, Part.REQUEST))

    def where_sent(self, pattern: PathPattern, target: Target) -> str:
        """The path of what a client may send, as differences have it.

        Raises `NoSuchField` where nothing of the kind is compared, `UnknownName` for a name that
        the message has not, though a client may send it all the same.
        """
        if pattern.part is Part.REQUEST:
            return self._in_body(pattern, target)
        [name] = pattern.steps
        if pattern.part is Part.QUERY:
            return f"{Part.QUERY}{self._parameter(name, target)}"
        binding = target.binding
        names = [variable.path for variable in binding.variables]
        if name not in names:
            guess = did_you_mean(name, names)
            raise NoSuchField(f"{binding.template} has no variable {name}{guess}")
        return str(pattern)

    def _in_body(self, pattern: PathPattern, target: Target) -> str:
        binding = target.binding
        body = binding.body
        if body is Body.NONE or is_raw(binding):
            raise NoSuchField(f"{binding.http_method} {binding.template} takes no JSON body")
        is_field = isinstance(body, FieldDescriptor) and not is_shaped(target)
        if is_field and isinstance(body, FieldDescriptor) and pattern.steps:
            own = [step_of(name) for name in (body.json_name, body.name)]
            if pattern.steps[0] not in own:
                raise NoSuchField(f"the body of {binding.template} is $" + own[0])
        return self.in_request(pattern, target)

    def _parameter(self, name: str, target: Target) -> str:
        """The dotted proto names of the field that a parameter's name means."""
        binding = target.binding
        message = binding.method.input_type
        if binding.body is Body.WHOLE:
            raise UnknownName(f'no parameter names a field beside body: "*", so only ignore {name}')
        if target.written is not None and target.written.shape is not None:
            return self._legacy_parameter(name, target)
        dotted, bracket, key = name.partition("[")
        plans = self._plans_of(target)
        type_, names = plans.of_message(message), list[str]()
        for each in dotted.split("."):
            inside = type_.message if type_.form is Form.MESSAGE else None
            member = plans.message(inside).by_key.get(each) if inside is not None else None
            if member is None:
                raise UnknownName(f"{message.full_name} has no field {name}")
            names.append(member.proto_name)
            type_ = member.type
        given = type_.inner if type_.form in (Form.LIST, Form.MAP) else type_
        if given.form in (Form.MESSAGE, Form.ANY):
            raise NoSuchField(f"no parameter gives {name}: it is a message")
        return ".".join(names) + bracket + key

    def _legacy_parameter(self, name: str, target: Target) -> str:
        naming = self._naming(target)
        try:
            meant = naming.parameter(name)
        except RequestError as error:
            raise NoSuchField(f"no parameter gives {name}: {error.status.message}") from None
        if meant is None:
            guess = naming.parameter_guess(name)
            raise UnknownName(f"no parameter of {target.binding.template} is called {name}{guess}")
        return meant

    def of_rule(self, pattern: PathPattern, target: Target, *, ignores: bool) -> str:
        """The path of a rule as differences have it. Raises `NoSuchField`.

        What clients send and no message has can only be ignored, whatever it is called.
        """
        if not pattern.part.is_sent:
            return self.in_answer(pattern, target)
        try:
            return self.where_sent(pattern, target)
        except UnknownName:
            if ignores:
                return str(pattern)
            raise

    def use_fault(
        self, pattern: PathPattern, target: Target, use: Use, key: str | None
    ) -> tuple[str, str] | None:
        """Why a rule does nothing at a path: its key "use" or "key", and the words.

        None where it may do something, and where nobody has described what is there; of a rule for
        lists, where there is a list whose elements have the field *key*, if one is given. Raises
        `NoSuchField`.
        """
        path, type_ = self._at(pattern, target)
        if type_.form in _UNDESCRIBED:
            return None
        if use not in _FOR_LISTS:
            is_unfit = type_.form in _UNFIT.get(use, ()) or _is_truth(type_, use)
            return ("use", f"is never met: {path} is {_what(type_)}") if is_unfit else None
        if type_.form is not Form.LIST:
            return "use", f"is for lists: {path} is {_what(type_)}"
        plans = self._plans_of(target)
        return None if key is None else self._key_fault(plans, type_.inner, key, f"{path}{ELEMENT}")

    def shown_fault(self, pattern: PathPattern, target: Target) -> str | None:
        """Why nothing is shown at a path, None where something may be. Raises `NoSuchField`."""
        path, type_ = self._at(pattern, target)
        if type_.form not in _WHAT:
            return None
        return f"shows nothing: {path} is {_what(type_)}; values are shown of what is in it"

    def _at(self, pattern: PathPattern, target: Target) -> tuple[str, Type]:
        """A path as differences have it, and what is there. Raises `NoSuchField`."""
        if pattern.part not in (Part.ANSWER, Part.REQUEST):
            return str(pattern), OPEN
        sent, plans = pattern.part is Part.REQUEST, self._plans_of(target)
        root = self._request(target) if sent else self._answer(target)
        steps, type_ = self._walked(plans, root, pattern, target)
        return str(PathPattern(steps, pattern.part)), type_

    def _key_fault(
        self, plans: Plans, element: Type, key: str, path: str
    ) -> tuple[str, str] | None:
        if element.form in _UNDESCRIBED:
            return None
        try:
            self._step(plans, element, step_of(key), path)
        except NoSuchField as error:
            return "key", str(error)
        return None

    def _looked_up(self, target: Target, pattern: PathPattern) -> "str | NoSuchField":
        try:
            plans = self._plans_of(target)
            return str(PathPattern(self._walked(plans, self._answer(target), pattern, target)[0]))
        except NoSuchField as error:
            return error

    # What is known of a binding

    def _plans_of(self, target: Target) -> Plans:
        key = plans_key(target.written)
        if key not in self._plans:
            self._plans[key] = plans_of(target.written)
        return self._plans[key]

    def _answer(self, target: Target) -> Type:
        """What stands at `$`: of a stream, the list of its messages."""
        binding = target.binding
        streams = binding.cardinality.response_streams
        if is_raw_answer(binding):
            return Type(Form.LIST, element=_RAW) if streams else _RAW
        asked = Asked(binding.method.output_type, binding.response_body, streams=streams)
        return body_of(self._plans_of(target), asked, target.written).type

    def _request(self, target: Target) -> Type:
        """What stands at `request:$`: the message, or under a shape the body that is sent."""
        binding, plans = target.binding, self._plans_of(target)
        if not is_shaped(target):
            return plans.of_message(binding.method.input_type)
        body = binding.body if isinstance(binding.body, FieldDescriptor) else None
        asked = Asked(binding.method.input_type, body, sent=True)
        return body_of(plans, asked, target.written).type

    def _naming(self, target: Target) -> LegacyNaming:
        written = target.written
        if written is None or written.shape is None:
            raise LookupError(f"{target.binding!r} has no shape")
        return LegacyNaming(target.binding, written.shape, written.json)

    # Steps

    def _walked(
        self, plans: Plans, type_: Type, pattern: PathPattern, target: Target
    ) -> tuple[tuple[Step, ...], Type]:
        """The steps by their names in JSON, and what is known of the place to which they lead."""
        named: list[Step] = []
        for index, step in enumerate(pattern.steps):
            if type_.form in _UNDESCRIBED:
                return (*named, *pattern.steps[index:]), type_
            try:
                name, type_ = self._step(plans, type_, step, str(PathPattern(tuple(named))))
            except UnknownName as error:
                raise self._with_legacy_path(error, pattern, target) from None
            named.append(name)
        return tuple(named), type_

    def _with_legacy_path(
        self, error: UnknownName, pattern: PathPattern, target: Target
    ) -> UnknownName:
        """The error with the path that was meant, where it is one of the API's own names."""
        if not is_shaped(target):
            return error
        meant = self._naming(target).path_of(pattern)
        return error if meant is None else UnknownName(f"{error}; {meant}")

    def _step(self, plans: Plans, type_: Type, step: Step, path: str) -> tuple[Step, Type]:
        """One step down from *path*, with the JSON name where it is a field's."""
        if step == {Form.LIST: ELEMENT, Form.MAP: VALUE}.get(type_.form):
            return step, type_.inner
        if type_.form is not Form.MESSAGE or type_.message is None or step in (ELEMENT, VALUE):
            raise NoSuchField(_misstep(type_, step, path))
        members = plans.message(type_.message).by_key
        by_step = {step_of(key): member for key, member in members.items()}
        if step not in by_step:
            guess = did_you_mean(step, sorted({step_of(each.name) for each in members.values()}))
            raise UnknownName(f"{type_.message.full_name} at {path} has no field {step}{guess}")
        member = by_step[step]
        return step_of(member.name), member.type


def is_shaped(target: Target) -> bool:
    """Whether paths of a binding are of legacy JSON."""
    return target.written is not None and target.written.shape is not None


def _what(type_: Type) -> str:
    is_truth = type_.form is Form.SCALAR and type_.kind is Kind.BOOL
    return _WHAT.get(type_.form, "a truth value" if is_truth else "a single value")


def _is_truth(type_: Type, use: Use) -> bool:
    """Whether a rule for numbers or times is asked about truth values."""
    return use in ("number", "timestamp") and type_.form is Form.SCALAR and type_.kind is Kind.BOOL


def _misstep(type_: Type, step: Step, path: str) -> str:
    hint = {Form.LIST: f"; {ELEMENT} is its elements", Form.MAP: f"; {VALUE} is its values"}
    what = _WHAT.get(type_.form, "no object")
    return f"{path} is {what}, which has no {step}{hint.get(type_.form, '')}"
