"""Paths of rules held against descriptors: whether there is such a field, and how it is called.

Belongs here: one path against one answer or request. Does not: which paths are held against which
answers (`routing.comparisons`), what a rule does at its path (`comparison`).
"""

from typing import Final

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from proxy.comparison.paths import ELEMENT, VALUE, Part, PathPattern, Step, step_of
from proxy.comparison.schema import Form, Plans, Type
from proxy.config.naming import did_you_mean
from proxy.transcoding.binding import Binding, Body
from proxy.transcoding.body import is_raw
from proxy.transcoding.httpbody import is_http_body
from proxy.transcoding.protojson.kinds import Kind

#: Raw content: no path leads into it.
_RAW: Final = Type(Form.SCALAR, Kind.BYTES)
#: Whose content nobody has described: any path may be there.
_UNDESCRIBED: Final = frozenset({Form.OPEN, Form.ANY})
_WHAT: Final = {Form.MESSAGE: "an object", Form.LIST: "a list", Form.MAP: "a map"}


class NoSuchField(ValueError):
    """A path that leads nowhere, with the first step that does not."""


class UnknownName(NoSuchField):
    """A path with a name that a message has not."""


#: A path of an answer: its type, the field that is the body, whether it streams, and the steps.
_Asked = tuple[Descriptor, FieldDescriptor | None, bool, tuple[Step, ...]]


class FieldPaths:
    """Holds paths against the messages of bindings. Use one for all of a schema."""

    def __init__(self) -> None:
        self._plans = Plans()
        self._answers: dict[_Asked, str | NoSuchField] = {}

    def __repr__(self) -> str:
        return f"<FieldPaths over {self._plans!r}>"

    def in_answer(self, pattern: PathPattern, binding: Binding) -> str:
        """The path as differences have it, with the JSON names of its fields.

        Raises `NoSuchField`. Bodies of errors are described by nothing, and have every path.
        """
        if pattern.part is Part.ERROR:
            return str(pattern)
        method, streams = binding.method, binding.cardinality.response_streams
        asked = method.output_type, binding.response_body, streams, pattern.steps
        found = self._answers.get(asked)
        if found is None:
            found = self._answers[asked] = self._looked_up(binding, pattern)
        if isinstance(found, NoSuchField):
            raise found
        return found

    def in_request(self, pattern: PathPattern, message: Descriptor) -> str:
        """The same for a path of an RPC's request. Raises `NoSuchField`."""
        steps = self._named(self._plans.of_message(message), pattern.steps)
        return str(PathPattern(steps, Part.REQUEST))

    def where_sent(self, pattern: PathPattern, binding: Binding) -> str:
        """The path of what a client may send, as differences have it.

        Raises `NoSuchField` where nothing of the kind is compared, `UnknownName` for a name that
        the message has not, though a client may send it all the same.
        """
        if pattern.part is Part.REQUEST:
            return self._in_body(pattern, binding)
        [name] = pattern.steps
        if pattern.part is Part.QUERY:
            return f"{Part.QUERY}{self._parameter(name, binding)}"
        names = [variable.path for variable in binding.variables]
        if name not in names:
            guess = did_you_mean(name, names)
            raise NoSuchField(f"{binding.template} has no variable {name}{guess}")
        return str(pattern)

    def _in_body(self, pattern: PathPattern, binding: Binding) -> str:
        body, message = binding.body, binding.method.input_type
        if body is Body.NONE or is_raw(binding):
            raise NoSuchField(f"{binding.http_method} {binding.template} takes no JSON body")
        if isinstance(body, FieldDescriptor) and pattern.steps:
            own = [step_of(name) for name in (body.json_name, body.name)]
            if pattern.steps[0] not in own:
                raise NoSuchField(f"the body of {binding.template} is $" + own[0])
        return self.in_request(pattern, message)

    def _parameter(self, name: str, binding: Binding) -> str:
        """The dotted proto names of the field that a parameter's name means."""
        message = binding.method.input_type
        if binding.body is Body.WHOLE:
            raise UnknownName(f'no parameter names a field beside body: "*", so only ignore {name}')
        dotted, bracket, key = name.partition("[")
        type_, names = self._plans.of_message(message), list[str]()
        for each in dotted.split("."):
            inside = type_.message if type_.form is Form.MESSAGE else None
            member = self._plans.message(inside).by_key.get(each) if inside is not None else None
            if member is None:
                raise UnknownName(f"{message.full_name} has no field {name}")
            names.append(member.proto_name)
            type_ = member.type
        given = type_.inner if type_.form in (Form.LIST, Form.MAP) else type_
        if given.form in (Form.MESSAGE, Form.ANY):
            raise NoSuchField(f"no parameter gives {name}: it is a message")
        return ".".join(names) + bracket + key

    def of_rule(self, pattern: PathPattern, binding: Binding, *, ignores: bool) -> str:
        """The path of a rule as differences have it. Raises `NoSuchField`.

        What clients send and no message has can only be ignored, whatever it is called.
        """
        if not pattern.part.is_sent:
            return self.in_answer(pattern, binding)
        try:
            return self.where_sent(pattern, binding)
        except UnknownName:
            if ignores:
                return str(pattern)
            raise

    def list_fault(
        self, pattern: PathPattern, binding: Binding, key: str | None
    ) -> tuple[str, str] | None:
        """Why a rule for lists does nothing at a path: its key "use" or "key", and the words.

        None where there is a list whose elements have the field *key*, if one is given, and where
        nobody has described what is there. Raises `NoSuchField`.
        """
        if pattern.part not in (Part.ANSWER, Part.REQUEST):
            return None
        sent = pattern.part is Part.REQUEST
        root = self._plans.of_message(binding.method.input_type) if sent else self._answer(binding)
        steps, type_ = self._walked(root, pattern.steps)
        path = str(PathPattern(steps, pattern.part))
        if type_.form in _UNDESCRIBED:
            return None
        if type_.form is not Form.LIST:
            return "use", f"is for lists: {path} is {_WHAT.get(type_.form, 'a single value')}"
        return None if key is None else self._key_fault(type_.inner, key, f"{path}{ELEMENT}")

    def _key_fault(self, element: Type, key: str, path: str) -> tuple[str, str] | None:
        if element.form in _UNDESCRIBED:
            return None
        try:
            self._step(element, step_of(key), path)
        except NoSuchField as error:
            return "key", str(error)
        return None

    def _looked_up(self, binding: Binding, pattern: PathPattern) -> "str | NoSuchField":
        try:
            return str(PathPattern(self._named(self._answer(binding), pattern.steps)))
        except NoSuchField as error:
            return error

    def _answer(self, binding: Binding) -> Type:
        """What stands at `$`: of a stream, the list of its messages."""
        output, field = binding.method.output_type, binding.response_body
        if is_http_body(output if field is None else field.message_type):
            type_ = _RAW
        else:
            type_ = self._plans.answer(output, field)
        streams = binding.cardinality.response_streams
        return Type(Form.LIST, element=type_) if streams else type_

    def _named(self, type_: Type, steps: tuple[Step, ...]) -> tuple[Step, ...]:
        return self._walked(type_, steps)[0]

    def _walked(self, type_: Type, steps: tuple[Step, ...]) -> tuple[tuple[Step, ...], Type]:
        """The steps by their JSON names, and what is known of the place to which they lead."""
        named: list[Step] = []
        for index, step in enumerate(steps):
            if type_.form in _UNDESCRIBED:
                return (*named, *steps[index:]), type_
            name, type_ = self._step(type_, step, str(PathPattern(tuple(named))))
            named.append(name)
        return tuple(named), type_

    def _step(self, type_: Type, step: Step, path: str) -> tuple[Step, Type]:
        """One step down from *path*, with the JSON name where it is a field's."""
        if step == {Form.LIST: ELEMENT, Form.MAP: VALUE}.get(type_.form):
            return step, type_.inner
        if type_.form is not Form.MESSAGE or type_.message is None or step in (ELEMENT, VALUE):
            raise NoSuchField(_misstep(type_, step, path))
        members = self._plans.message(type_.message).by_key
        by_step = {step_of(key): member for key, member in members.items()}
        if step not in by_step:
            guess = did_you_mean(step, sorted({step_of(each.name) for each in members.values()}))
            raise UnknownName(f"{type_.message.full_name} at {path} has no field {step}{guess}")
        member = by_step[step]
        return step_of(member.name), member.type


def _misstep(type_: Type, step: Step, path: str) -> str:
    hint = {Form.LIST: f"; {ELEMENT} is its elements", Form.MAP: f"; {VALUE} is its values"}
    what = _WHAT.get(type_.form, "no object")
    return f"{path} is {what}, which has no {step}{hint.get(type_.form, '')}"
