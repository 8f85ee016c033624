"""The generated code of one pool: makes it, keeps its source, and runs it.

Belongs here: which function has which name, what generated code can see, and compilation on
first need. Does not: the text itself (`parser_source`, `printer_source`).
"""

import linecache
from binascii import b2a_base64
from collections.abc import Callable, Iterable, Iterator, Mapping
from hashlib import blake2b
from types import CodeType, MappingProxyType
from typing import Any, Final, TypeAlias, cast

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.descriptor_pool import DescriptorPool

from proxy.transcoding.descriptors import message_class
from proxy.transcoding.protojson import moments, scalars, structs
from proxy.transcoding.protojson.faults import UnknownType
from proxy.transcoding.protojson.kinds import Kind, element, enum_type, message_kind, reachable
from proxy.transcoding.protojson.options import DEEPEST, JsonOptions
from proxy.transcoding.protojson.parser_source import References
from proxy.transcoding.protojson.printer_source import (
    message_expression,
    printed_name,
    value_printer_source,
)
from proxy.transcoding.protojson.style import ProtoJson, Style
from proxy.transcoding.protojson.unknown import Dropped

#: Puts decoded JSON, of a depth, into a message; returns the number of strings that it met.
Parser: TypeAlias = Callable[[Any, Any, int], int]
#: From a message or value and its depth to what `orjson` is to write.
Printer: TypeAlias = Callable[[Any, int], Any]


class Program:
    """The generated functions of one pool under one set of options.

    Types are added with all that they hold; the types inside an `Any` are added when one is
    first printed, at most once per type of the pool.

    Two threads may add types at the same time: what is generated for a type follows from the type
    alone, its name too, so that the worst of it is to make the same twice. *known* are compiled
    sources of another program; compiling is most of the work, and a type that has not changed
    has the same source. *style* says what is generated, ProtoJSON's own style without it.
    """

    def __init__(
        self,
        pool: DescriptorPool,
        options: JsonOptions,
        known: Mapping[str, CodeType] = MappingProxyType({}),
        style: Style | None = None,
    ) -> None:
        self._pool = pool
        self._options = options
        self._style = style or ProtoJson(options)
        self._known = known
        self._whole: set[str] = set()
        self._sources: dict[str, str] = {}
        #: What was compiled so far, by source.
        self.codes: dict[str, CodeType] = {}
        self._extensions: dict[str, tuple[str, Printer]] = {}
        self._namespace: dict[str, Any] = dict(HELPERS) | {
            "any_json": self.any_json,
            "extension": self.extension,
            "dropped": Dropped(options),
            "structs": structs.StructParser(options),
        }
        self._parser_refs = self._references("parse", numbers_by_name)
        self._printer_refs = self._references("print", names_by_number)

    def __repr__(self) -> str:
        return f"<Program of {len(self._sources)} generated units>"

    def source(self, name: str) -> str:
        """The generated source for a type or field, by its full name."""
        return self._sources[name]

    def parser(self, descriptor: Descriptor) -> Parser:
        """The parser of an ordinary message type."""
        self._add(descriptor)
        return cast(Parser, self._namespace[self._name("parse", descriptor.full_name)])

    def printer(self, descriptor: Descriptor) -> Printer:
        """The printer of any message type."""
        self._add(descriptor)
        return cast(Printer, self._namespace[self._name("print", descriptor.full_name)])

    def field_parser(self, field: FieldDescriptor) -> Parser:
        """The parser of one field's value."""
        self._add_below(field)
        name = self._name("parse_field", field.full_name)
        self._run(field.full_name, self._style.field_parser(field, name, self._parser_refs))
        return cast(Parser, self._namespace[name])

    def field_printer(self, field: FieldDescriptor) -> Printer:
        """The printer of one field's value."""
        self._add_below(field)
        name = self._name("print_field", field.full_name)
        value = self._style.expression(field, self._printer_refs)
        self._run(field.full_name, value_printer_source(name, value))
        return cast(Printer, self._namespace[name])

    def function(
        self,
        name: str,
        source: Callable[[References], str],
        needs: Iterable[Descriptor],
        *,
        reads: bool = False,
    ) -> Callable[..., Any]:
        """The function *name* of a source that calls the printers of *needs*, or their parsers."""
        for descriptor in needs:
            self._add(descriptor)
        self._run(name, source(self._parser_refs if reads else self._printer_refs))
        return cast(Callable[..., Any], self._namespace[name])

    def any_json(self, message: Any, depth: int) -> dict[str, Any]:
        """The JSON of an `Any`. Raises `UnknownType`, and `ValueError` when it is not valid."""
        url = message.type_url
        if not url and not message.value:
            return {}
        if depth > DEEPEST:
            raise ValueError("an Any is nested too deeply")
        descriptor = self._type(url)
        inner = message_class(descriptor).FromString(message.value)
        json = self.printer(descriptor)(inner, depth + 1)
        if message_kind(descriptor) is Kind.MESSAGE:
            return {"@type": url, **json}
        return {"@type": url, "value": json}

    def extension(self, field: FieldDescriptor) -> tuple[str, Printer]:
        """The key and the printer of an extension."""
        entry = self._extensions.get(field.full_name)
        if entry is None:
            entry = printed_name(field, self._options), self.field_printer(field)
            self._extensions[field.full_name] = entry
        return entry

    def _type(self, url: str) -> Descriptor:
        try:
            return self._pool.FindMessageTypeByName(url.rpartition("/")[2])
        except KeyError:
            raise UnknownType(url) from None

    # Compilation

    def add(self, descriptor: Descriptor) -> Iterator[None]:
        """Add a type and all that it holds, one function for each step of the iterator."""
        if descriptor.full_name in self._whole:
            return
        every = [*reachable(descriptor)]
        for each in every:
            if each.full_name not in self._sources:
                sources = self._message_sources(each)
                for source in sources:
                    self._execute(each.full_name, source)
                    yield
                self._keep(each.full_name, "\n\n".join(sources))
        # Not before all are there: another thread would call what is not.
        self._whole.update(each.full_name for each in every)

    def _add(self, descriptor: Descriptor) -> None:
        for _ in self.add(descriptor):
            pass

    def _add_below(self, field: FieldDescriptor) -> None:
        inner = element(field).message_type
        if inner is not None and message_kind(inner) is Kind.MESSAGE:
            self._add(inner)

    def _message_sources(self, descriptor: Descriptor) -> tuple[str, ...]:
        printer = self._name("print", descriptor.full_name)
        if message_kind(descriptor) is not Kind.MESSAGE:
            value = message_expression(descriptor, self._printer_refs, self._options)
            return (value_printer_source(printer, value),)
        parser = self._name("parse", descriptor.full_name)
        return (
            self._style.parser(descriptor, parser, self._parser_refs),
            self._style.printer(descriptor, printer, self._printer_refs),
        )

    def _run(self, name: str, source: str) -> None:
        self._execute(name, source)
        self._keep(name, source)

    def _execute(self, name: str, source: str) -> None:
        """Define the function of *source*, which is one of those of the type or field *name*."""
        code = self._known.get(source)
        if code is None:
            # A file for each function: the lines of a traceback are looked up by it.
            file = f"<protojson of {name}: {source.partition('(')[0].removeprefix('def ')}>"
            code = compile(source, file, "exec")
        self.codes[source] = code
        exec(code, self._namespace)  # noqa: S102  made here from descriptors
        lines = source.splitlines(keepends=True)
        linecache.cache[code.co_filename] = (len(source), None, lines, code.co_filename)

    def _keep(self, name: str, source: str) -> None:
        self._sources[name] = f"{self._sources.get(name, '')}{source}\n"

    # Names

    def _name(self, prefix: str, full_name: str) -> str:
        """A name that follows from the full name, and from no other one."""
        return f"{prefix}_{full_name.replace('_', '_1').replace('.', '_0')}"

    def _references(
        self, prefix: str, enum_table: Callable[[EnumDescriptor], dict[Any, Any]]
    ) -> References:
        def enum(field: FieldDescriptor) -> str:
            name = self._name(f"{prefix}_enum", enum_type(field).full_name)
            self._namespace.setdefault(name, enum_table(enum_type(field)))
            return name

        def names(words: Iterable[str]) -> str:
            found = frozenset(words)
            text = " ".join(sorted(found)).encode("utf-8", "surrogatepass")
            name = f"names_{blake2b(text, digest_size=16).hexdigest()}"
            self._namespace.setdefault(name, found)
            return name

        def message(descriptor: Descriptor) -> str:
            return self._name(prefix, descriptor.full_name)

        return References(message, enum, names, self._namespace.setdefault)


def numbers_by_name(enum: EnumDescriptor) -> dict[str, int]:
    """The numbers of an enum's values; an alias has a name of its own."""
    return {value.name: value.number for value in enum.values}


def names_by_number(enum: EnumDescriptor) -> dict[int, str]:
    """The names of an enum's values; of aliases, the one declared first."""
    return {value.number: value.name for value in reversed(enum.values)}


#: What generated code can see beside the tables and functions that belong to one program.
HELPERS: Final = {
    "ABSENT": object(),
    "BOOL_KEYS": scalars.BOOL_KEYS,
    "FLOAT_LIMIT": scalars.FLOAT_LIMIT,
    "Unexpected": structs.Unexpected,
    "b2a_base64": b2a_base64,
    "base64_bytes": scalars.base64_bytes,
    "duration": moments.duration,
    "duration_text": moments.duration_text,
    "float_json": scalars.float_json,
    "float_word": scalars.float_word,
    "list_json": structs.list_json,
    "mask_paths": moments.mask_paths,
    "mask_text": moments.mask_text,
    "minus_zero": scalars.minus_zero,
    "struct_json": structs.struct_json,
    "timestamp": moments.timestamp,
    "timestamp_text": moments.timestamp_text,
    "value_json": structs.value_json,
}
