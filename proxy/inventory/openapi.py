"""OpenAPI 3.0 and 3.1 and Swagger 2.0 documents, read into the operations of a `LegacyApi`.

Belongs here: where the versions keep what. Does not: JSON Schema (`schemas`), YAML
(`config.documents`).
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from proxy.config.documents import Document
from proxy.errors import ConfigError, Place, Problem
from proxy.inventory.legacy import Content, LegacyApi, ListStyle, Operation, Parameter, Where
from proxy.inventory.references import References
from proxy.inventory.schemas import Schema, Schemas

_METHODS: Final = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
_VERSION: Final = re.compile(r"3\.[01](\..*)?")
_SWAGGER: Final = "2.0"
_VARIABLE: Final = re.compile(r"\{([^{}]*)\}")
#: Header parameters that say what the operation says already (OpenAPI 3.0, Parameter Object).
_SAID_ELSEWHERE: Final = frozenset({"accept", "content-type", "authorization"})
_PLACES: Final = {
    each.value: each for each in (Where.PATH, Where.QUERY, Where.HEADER, Where.COOKIE)
}
_EMPTY: Final[Mapping[str, Any]] = {}


def read_openapi(document: Document, base_path: str | None = None) -> LegacyApi:
    """The operations of *document*, in its order.

    *base_path* stands before all paths, in place of what the document says of its servers. Raises
    `ConfigError` with every problem: no version that is known, no paths, references that lead out
    of the document.
    """
    reader = _Reader(document, base_path)
    operations = tuple(reader.operations())
    if reader.problems:
        raise ConfigError(reader.problems)
    title = _text(_mapping(document.value.get("info")).get("title"))
    return LegacyApi(document.name, title, operations, reader.schemas, tuple(reader.notes))


class _Reader:
    """Reads one document."""

    def __init__(self, document: Document, base_path: str | None) -> None:
        self._document = document
        self._base_path = base_path
        self._root = document.value
        self._is_swagger = _version(document)
        self._references = References(document)
        self.schemas = Schemas(self._references)
        self.problems: list[Problem] = []
        self.notes: list[str] = []

    def operations(self) -> Iterator[Operation]:
        paths = self._root.get("paths")
        if not isinstance(paths, dict) or not paths:
            self.problems.append(Problem(self._document.place("paths"), "there are no paths"))
            return
        for path, node in paths.items():
            if not path.startswith("x-"):
                yield from self._at(path, self._mapping(node))

    def _at(self, path: str, item: Mapping[str, Any]) -> Iterator[Operation]:
        place = self._document.place("paths", path)
        if not path.startswith("/"):
            self.problems.append(Problem(place, "a path must begin with a slash"))
            return
        for method in _METHODS:
            if isinstance(item.get(method), dict):
                where = self._document.place("paths", path, method)
                yield self._operation(method, path, item, where)

    def _operation(
        self, method: str, path: str, item: Mapping[str, Any], place: Place
    ) -> Operation:
        node = item[method]
        parameters = self._parameters(item.get("parameters"), node.get("parameters"))
        responses = {str(key): value for key, value in _mapping(node.get("responses")).items()}
        return Operation(
            http_method=method.upper(),
            path=self._base(item, node) + path,
            operation_id=_text(node.get("operationId")),
            parameters=tuple(filter(None, map(self._parameter, parameters))),
            body=self._body(node, parameters),
            answer=self._answer(node, responses),
            statuses=tuple(responses),
            deprecated=node.get("deprecated") is True,
            place=place,
        )

    # --- where the paths begin

    def _base(self, item: Mapping[str, Any], node: Mapping[str, Any]) -> str:
        if self._base_path is not None:
            return self._base_path.rstrip("/")
        if self._is_swagger:
            return _text(self._root.get("basePath")).rstrip("/")
        servers = node.get("servers") or item.get("servers") or self._root.get("servers")
        first = servers[0] if isinstance(servers, list) and servers else None
        return self._server_path(_mapping(first))

    def _server_path(self, server: Mapping[str, Any]) -> str:
        variables = _mapping(server.get("variables"))
        filled = _VARIABLE.sub(
            lambda match: str(_mapping(variables.get(match[1])).get("default", match[1])),
            _text(server.get("url")),
        )
        return urlsplit(filled).path.rstrip("/")

    # --- parameters

    def _parameters(self, shared: Any, own: Any) -> list[Mapping[str, Any]]:
        """Those of the path and of the operation, which replace the former by name and place."""
        found: dict[tuple[Any, Any], Mapping[str, Any]] = {}
        for nodes in (shared, own):
            for node in nodes if isinstance(nodes, list) else ():
                each = self._mapping(node)
                found[each.get("in"), each.get("name")] = each
        return list(found.values())

    def _parameter(self, node: Mapping[str, Any]) -> Parameter | None:
        where, name = _PLACES.get(str(node.get("in"))), _text(node.get("name"))
        if where is None or not name:
            return None
        if where is Where.HEADER and name.lower() in _SAID_ELSEWHERE:
            return None
        schema = self._schema_of(node)
        lists = _list_style(name, node, schema)
        return Parameter(name, where, schema, node.get("required") is True, lists)

    def _schema_of(self, node: Mapping[str, Any]) -> Schema:
        """Of a parameter: its `schema`, that of its `content`, or, in 2.0, the parameter itself."""
        if "schema" in node:
            return self.schemas.read(node["schema"])
        content = _mapping(node.get("content"))
        if content:
            first = self._mapping(next(iter(content.values())))
            return self.schemas.read(first.get("schema"))
        return self.schemas.read(node)

    # --- bodies

    def _body(self, node: Mapping[str, Any], parameters: list[Mapping[str, Any]]) -> Content | None:
        if not self._is_swagger:
            body = self._mapping(node.get("requestBody"))
            return self._content(body.get("content")) if body else None
        types = self._media_types(node, "consumes")
        for each in parameters:
            if each.get("in") == "body":
                return Content(types, self.schemas.read(each.get("schema")))
        return self._form(parameters, types)

    def _form(self, parameters: list[Mapping[str, Any]], types: tuple[str, ...]) -> Content | None:
        """The form fields of 2.0, which are written as parameters."""
        fields = {_text(each.get("name")): each for each in parameters if _is_form_field(each)}
        if not fields:
            return None
        return Content(types or ("multipart/form-data",), Schema("object", members=fields))

    def _answer(self, node: Mapping[str, Any], responses: Mapping[str, Any]) -> Content | None:
        good = sorted(key for key in responses if key[:1] == "2") or ["default"]
        for key in good:
            response = self._mapping(responses.get(key))
            content = self._answer_content(node, response)
            if content is not None:
                return content
        return None

    def _answer_content(
        self, node: Mapping[str, Any], response: Mapping[str, Any]
    ) -> Content | None:
        if not self._is_swagger:
            return self._content(response.get("content"))
        if "schema" not in response:
            return None
        types = self._media_types(node, "produces")
        return Content(types, self.schemas.read(response["schema"]))

    def _media_types(self, node: Mapping[str, Any], key: str) -> tuple[str, ...]:
        given = node.get(key, self._root.get(key))
        return tuple(filter(_is_text, given)) if isinstance(given, list) else ()

    def _content(self, content: Any) -> Content | None:
        """A body in one of several media types: JSON is looked at first, then forms."""
        types = _mapping(content)
        if not types:
            return None
        best = min(types, key=_order)
        media = self._mapping(types[best])
        return Content(tuple(types), self.schemas.read(media.get("schema")))

    def _mapping(self, node: Any) -> Mapping[str, Any]:
        return _mapping(self._references.follow(node))


def _version(document: Document) -> bool:
    """Whether it is Swagger 2.0. Raises `ConfigError` for what is neither that nor OpenAPI 3."""
    version, swagger = document.value.get("openapi"), document.value.get("swagger")
    if version is not None and _VERSION.fullmatch(str(version)):
        return False
    # Unquoted in YAML it is the number 2.0.
    if str(swagger) == _SWAGGER:
        return True
    given = f"this one says {version or swagger}" if version or swagger else "this one says neither"
    message = f"must be OpenAPI 3.0 or 3.1 (openapi:) or Swagger 2.0 (swagger:); {given}"
    raise ConfigError([Problem(document.place(), message)])


def _list_style(name: str, node: Mapping[str, Any], schema: Schema) -> ListStyle:
    """How a list is given: 3.x says it by `style` and `explode`, 2.0 by `collectionFormat`."""
    if not schema.is_list:
        return ListStyle.NONE
    if name.endswith("[]"):
        return ListStyle.BRACKETS
    if "collectionFormat" in node or "schema" not in node:
        return ListStyle.REPEATED if node.get("collectionFormat") == "multi" else ListStyle.CSV
    exploded = node.get("explode", node.get("style", "form") == "form")
    return ListStyle.REPEATED if exploded is True else ListStyle.CSV


def _is_form_field(node: Mapping[str, Any]) -> bool:
    return node.get("in") == "formData"


def _order(media_type: str) -> tuple[int, str]:
    rank = 0 if media_type == "application/json" else 1 if "json" in media_type else 2
    return rank + ("form" not in media_type) * (rank == 2), media_type


def _mapping(node: Any) -> Mapping[str, Any]:
    return node if isinstance(node, dict) else _EMPTY


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _is_text(value: Any) -> bool:
    return isinstance(value, str)
