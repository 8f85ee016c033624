"""Path, query and body into one request message: compiled per binding, run per request.

Belongs here: the order of the sources and what happens where two give the same field. Does not:
how each is read (`transcoding.values`, `query`, `body`, `fieldmask`), whose turn it is
(`routing`).

The path wins, then the body, then the query. A source that gives a field which a higher one has
taken must give the same value, or the request is refused: a query or a body that could overrule
the path would walk around every check that was made on the path. In a field without presence the
default value cannot be told from nothing, so a body with `"id": ""` does not contradict a path.
"""

from collections.abc import Callable, Hashable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message

from proxy.errors import RequestError
from proxy.transcoding.binding import Binding, Body, BoundVariable
from proxy.transcoding.body import BodyReader, body_reader
from proxy.transcoding.fieldmask import JsonLeaves, MaskFiller, json_leaves, mask_filler
from proxy.transcoding.parameters import FieldTables, Form, Parameter, parameter_of
from proxy.transcoding.protojson import Codecs, JsonOptions
from proxy.transcoding.protojson.kinds import require_usable_names
from proxy.transcoding.query import (
    Bound,
    QueryBinder,
    claim_alternatives,
    holds,
    is_set,
    parse_text,
    reach,
)
from proxy.transcoding.request_options import RequestOptions as RequestOptions

if TYPE_CHECKING:
    from proxy.transcoding.validation import Validation


class BuiltRequest(NamedTuple):
    """A request message, and the names of parameters and JSON keys that were unknown.

    *unknown* is empty unless unknown ones are warned about.
    """

    message: Message
    unknown: tuple[str, ...]

    @property
    def wire(self) -> bytes:
        """The message as it is sent."""
        return self.message.SerializePartialToString()


class Readers(NamedTuple):
    """What reads the bodies and queries of a binding, and finds the leaves of a body."""

    body: BodyReader
    query: QueryBinder
    leaves: JsonLeaves | None


class PathVariable:
    """A template variable, ready to put a capture into the message.

    *fill* does so for a message that nothing else has touched. It raises `RequestError`.
    """

    __slots__ = ("fill", "parameter")

    def __init__(self, message: Descriptor, variable: BoundVariable, tables: FieldTables) -> None:
        self.parameter = parameter_of(tables.nodes(message, variable.fields))
        if self.parameter.node.form is not Form.VALUE:
            raise ValueError(f"{variable.path}: a path cannot give a field of this type")
        self.fill = _filler(self.parameter)

    def __repr__(self) -> str:
        return f"<PathVariable {self.parameter.path}>"

    def fill_checked(self, message: Message, capture: str) -> None:
        """Put a capture into a message that a body may have filled before."""
        parameter = self.parameter
        value = parse_text(parameter.node.parse, capture, parameter.path)
        claim_alternatives(message, parameter)
        parent = reach(message, parameter.parents)
        if is_set(parent, parameter.node) and not holds(parent, parameter.node, value):
            raise RequestError("the body gives another value than the path", field=parameter.path)
        parameter.node.put(parent, value)


def _filler(parameter: Parameter) -> Callable[[Any, str], None]:
    """One function without a look-up left in it: most requests are a path and nothing more."""
    parse, put, path = parameter.node.parse, parameter.node.put, parameter.path
    parents = tuple(node.name for node in parameter.parents)

    def fill(message: Any, capture: str) -> None:
        try:
            value = parse(capture)
        except ValueError as error:
            raise RequestError(str(error), field=path) from error
        for parent in parents:
            message = getattr(message, parent)
        put(message, value)

    return fill


class RequestBuilder:
    """Makes the request messages of one binding. Immutable; safe to share between requests.

    *options* are its own, *json_options* and *shape* those of the codecs that read its bodies.
    """

    __slots__ = (
        "__weakref__",
        "_checks_body",
        "_read_body",
        "_requires",
        "_validation",
        "binding",
        "json_options",
        "leaves",
        "mask",
        "options",
        "query",
        "shape",
        "variables",
    )

    def __init__(
        self,
        binding: Binding,
        *,
        options: RequestOptions,
        json_options: JsonOptions,
        shape: Hashable | None,
        variables: tuple[PathVariable, ...],
        read_body: BodyReader,
        query: QueryBinder,
        leaves: JsonLeaves | None,
        mask: MaskFiller | None,
        requires: bool,
        validation: "Validation | None",
    ) -> None:
        self.binding = binding
        self.options = options
        self.json_options = json_options
        self.shape = shape
        self.variables = variables
        self.query = query
        self.leaves = leaves
        self.mask = mask
        self._read_body = read_body
        self._requires = requires
        self._validation = validation
        self._checks_body = not options.ignores_collisions

    def __repr__(self) -> str:
        return f"<RequestBuilder of {self.binding.rpc} at {self.binding.template}>"

    @classmethod
    def compile(
        cls,
        binding: Binding,
        codecs: Codecs,
        options: RequestOptions | None = None,
        tables: FieldTables | None = None,
        readers: Readers | None = None,
    ) -> "RequestBuilder":
        """Compile a binding. Give the same *tables* for all that share *codecs* and texts.

        *readers* are for a binding whose bodies and queries are not as ProtoJSON has them.
        Raises `ValueError` for a variable of a type that no path text can give, and for a field
        that hides a method.
        """
        options = options or RequestOptions()
        tables = tables or FieldTables(codecs, options.texts)
        message = binding.method.input_type
        require_usable_names(message)
        readers = readers or Readers(
            body_reader(binding, codecs, options),
            query_binder(binding, options, tables),
            json_leaves(binding, tables),
        )
        made = _FormBuilder if options.reads_form else cls
        return made(
            binding,
            options=options,
            json_options=codecs.options,
            shape=codecs.shape,
            variables=tuple(PathVariable(message, one, tables) for one in binding.variables),
            read_body=readers.body,
            query=readers.query,
            leaves=readers.leaves,
            mask=mask_filler(binding, readers.leaves) if options.fill_mask else None,
            requires=tables.may_require(message),
            validation=_validation(message) if options.validates else None,
        )

    def build(
        self, captures: Sequence[str], query: str, body: bytes, content_type: str | None
    ) -> BuiltRequest:
        """Make the message of a request.

        *captures* are decoded, one per template variable; *query* is raw, without the `?`; *body*
        is inflated and whole. Raises `RequestError` with the field at fault: 415 for a body that
        is not JSON, else 400.
        """
        message, unknown = self._read_body(body, content_type)
        if body and self._checks_body:
            for variable, capture in zip(self.variables, captures, strict=True):
                variable.fill_checked(message, capture)
        else:
            for variable, capture in zip(self.variables, captures, strict=True):
                variable.fill(message, capture)
        if query:
            unknown += self.query.bind(message, query)
        if body and self.mask is not None:
            self.mask.fill(message, body, content_type)
        if self._requires:
            _require_all(message)
        if self._validation is not None:
            self._validation.check(message)
        return BuiltRequest(message, unknown)


class _FormBuilder(RequestBuilder):
    """Takes a form in the body for parameters, which go before those of the query."""

    __slots__ = ()

    def build(
        self, captures: Sequence[str], query: str, body: bytes, content_type: str | None
    ) -> BuiltRequest:
        return super().build(captures, with_form(query, body), b"", content_type)


def with_form(query: str, body: bytes) -> str:
    """A raw query behind the parameters of a form."""
    form = body.decode("utf-8", "surrogateescape")
    return f"{form}&{query}" if form and query else form or query


def query_binder(binding: Binding, options: RequestOptions, tables: FieldTables) -> QueryBinder:
    """What binds the queries of a binding."""
    names = tables.names(binding.method.input_type) if names_fields(binding, options) else {}
    return QueryBinder(names, bound=taken(binding, options), options=options)


def names_fields(binding: Binding, options: RequestOptions) -> bool:
    """Whether parameters are fields: with body `*` http.proto leaves nothing for the query."""
    return binding.body is not Body.WHOLE or options.merges_query


def taken(binding: Binding, options: RequestOptions) -> Bound:
    """The fields that a query shares with path and body."""
    body_field = "" if isinstance(binding.body, Body) else binding.body.name
    paths = frozenset(variable.path for variable in binding.variables)
    return Bound(paths, "" if options.merges_query else body_field)


def _validation(message: Descriptor) -> "Validation | None":
    # Loaded for those alone who validate: the library takes a tenth of a second.
    from proxy.transcoding.validation import Validation

    return Validation.compile(message)


def _require_all(message: Any) -> None:
    """Refuse here what the backend could only fail to parse."""
    missing = message.FindInitializationErrors()
    if missing:
        raise RequestError("a required field is missing", field=missing[0])
