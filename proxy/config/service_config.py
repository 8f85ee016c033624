"""The YAML of a gRPC service config (`google.api.Service`) to the HTTP rules in it.

Belongs here: the keys of the `http` section and their shape. Does not: what the rules mean
(`transcoding.rules`). Other sections of a service config are for other programs, so that they
are passed over.
"""

from collections.abc import Mapping
from dataclasses import replace
from difflib import get_close_matches
from types import MappingProxyType
from typing import Final

from proxy.config.source import (
    ListNode,
    MappingNode,
    Node,
    ScalarNode,
    SourceText,
    SyntaxProblem,
    parse_source,
)
from proxy.config.tree import plain_value
from proxy.errors import ConfigError, Problem
from proxy.transcoding.httprule import HttpRule, Pattern, RuleMode, ServiceConfigRules

_TYPE: Final = "google.api.Service"
_METHODS: Final = ("get", "put", "post", "delete", "patch")
_RULE: Final = (*("selector", *_METHODS, "custom", "body", "response_body", "additional_bindings"),)
_HTTP: Final = ("rules", "fully_decode_reserved_expansion")

#: Keys that have a second, JSON spelling. The file is the JSON form of a message, as YAML.
_SPELLINGS: Final = MappingProxyType(
    {
        "responseBody": "response_body",
        "additionalBindings": "additional_bindings",
        "fullyDecodeReservedExpansion": "fully_decode_reserved_expansion",
    }
)


def parse_service_config(
    source: SourceText, mode: RuleMode = RuleMode.OVERRIDE
) -> ServiceConfigRules:
    """Read the `http` section of a service config.

    Raises `ConfigError` with every problem of the file. Checked are keys and shape; selectors,
    templates and fields are the resolver's.

    >>> rules = parse_service_config(SourceText("hello.yaml", '''
    ... type: google.api.Service
    ... http:
    ...   rules:
    ...   - selector: HelloWorldHandler.SayHello
    ...     get: /hello/{Name}
    ... '''))
    >>> rules.rules[0].pattern, str(rules.rules[0].place)
    (Pattern(http_method='GET', template='/hello/{Name}'), \
'hello.yaml:5:5: HelloWorldHandler.SayHello')
    """
    reader = _Reader()
    try:
        rules = reader.service_config(parse_source(source), source.name, mode)
    except SyntaxProblem as error:
        raise ConfigError([error.problem]) from error
    if reader.problems:
        raise ConfigError(reader.problems)
    return rules


class _Reader:
    """Reads nodes. What is wrong with one is a problem, and an empty value stands in for it."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def service_config(self, root: MappingNode, name: str, mode: RuleMode) -> ServiceConfigRules:
        sections = self._keys(root, "", known=None)
        self._check_type(sections.get("type"))
        if "http" not in sections:
            self._refuse(root, "", "has no http section, and nothing else is read from it")
        http = self._http(sections["http"]) if "http" in sections else {}
        rules = self._rules(http.get("rules"), "http.rules")
        fully_decode = self._flag(http.get("fully_decode_reserved_expansion"))
        return ServiceConfigRules(name, rules, fully_decode, mode)

    def _check_type(self, node: Node | None) -> None:
        text = self._text(node, "type")
        if node is not None and text and text != _TYPE:
            self._refuse(node, "type", f"must be {_TYPE}, not {text!r}")

    def _http(self, node: Node) -> Mapping[str, Node]:
        keys = self._keys(node, "http", _HTTP)
        if isinstance(node, MappingNode) and "rules" not in keys:
            self._refuse(node, "http", "has no rules")
        return keys

    def _flag(self, node: Node | None) -> bool:
        if node is None:
            return False
        path = "http.fully_decode_reserved_expansion"
        value = plain_value(self._text(node, path))
        if not isinstance(value, bool):
            self._refuse(node, path, "must be true or false")
        return value is True

    def _rules(self, node: Node | None, path: str) -> tuple[HttpRule, ...]:
        items = self._items(node, path)
        return tuple(self._rule(item, f"{path}[{index}]") for index, item in enumerate(items))

    def _rule(self, node: Node, path: str) -> HttpRule:
        keys = self._keys(node, path, _RULE)
        selector = self._text(keys.get("selector"), f"{path}.selector")
        if not selector and isinstance(node, MappingNode) and "selector" not in keys:
            self._refuse(node, path, "has no selector")
        return self._selected_rule(node, keys, path, selector)

    def _selected_rule(
        self, node: Node, keys: Mapping[str, Node], path: str, selector: str
    ) -> HttpRule:
        return HttpRule(
            selector,
            self._pattern(node, keys, path),
            self._text(keys.get("body"), f"{path}.body"),
            self._text(keys.get("response_body"), f"{path}.response_body"),
            self._additional(keys.get("additional_bindings"), path, selector),
            replace(node.place, path=selector),
        )

    def _additional(self, node: Node | None, path: str, selector: str) -> tuple[HttpRule, ...]:
        path = f"{path}.additional_bindings"
        items = enumerate(self._items(node, path))
        return tuple(self._binding(item, f"{path}[{index}]", selector) for index, item in items)

    def _binding(self, node: Node, path: str, selector: str) -> HttpRule:
        keys = self._keys(node, path, _RULE)
        own = keys.get("selector")
        if own is not None and self._text(own, f"{path}.selector") != selector:
            self._refuse(own, f"{path}.selector", "an additional binding has its rule's selector")
        return self._selected_rule(node, keys, path, selector)

    def _pattern(self, node: Node, keys: Mapping[str, Node], path: str) -> Pattern | None:
        given = [name for name in (*_METHODS, "custom") if name in keys]
        if len(given) != 1:
            if isinstance(node, MappingNode):
                found = f"has {' and '.join(given)}" if given else "has none"
                self._refuse(node, path, f"needs one of {', '.join(_METHODS)}, custom; {found}")
            return None
        pattern, where = keys[given[0]], f"{path}.{given[0]}"
        if given[0] != "custom":
            return Pattern(given[0].upper(), self._text(pattern, where))
        custom = self._keys(pattern, where, ("kind", "path"))
        kind, template = (self._required(pattern, custom, name, where) for name in ("kind", "path"))
        return Pattern(kind, template)

    def _required(self, node: Node, keys: Mapping[str, Node], name: str, path: str) -> str:
        if isinstance(node, MappingNode) and name not in keys:
            self._refuse(node, path, f"has no {name}")
        return self._text(keys.get(name), f"{path}.{name}")

    def _keys(self, node: Node, path: str, known: tuple[str, ...] | None) -> dict[str, Node]:
        """The entries of a mapping under their proto names; None knows every key."""
        if not isinstance(node, MappingNode):
            self._refuse(node, path, "must be a mapping")
            return {}
        keys: dict[str, Node] = {}
        for key, value in node.entries:
            name = _SPELLINGS.get(key.text, key.text)
            if name in keys:
                self._refuse(key, path, f"{name} is given twice")
            elif known is not None and name not in known:
                self._refuse(key, path, _unknown(name, known))
            else:
                keys[name] = value
        return keys

    def _items(self, node: Node | None, path: str) -> tuple[Node, ...]:
        if isinstance(node, ListNode):
            return node.items
        if node is not None:
            self._refuse(node, path, "must be a list")
        return ()

    def _text(self, node: Node | None, path: str) -> str:
        """The text of a scalar, "" for what is missing."""
        if node is None:
            return ""
        if not isinstance(node, ScalarNode):
            self._refuse(node, path, "must be text")
            return ""
        if not node.text or (node.plain and plain_value(node.text) is None):
            self._refuse(node, path, "has no value; leave the key out when there is none")
            return ""
        return node.text

    def _refuse(self, node: Node, path: str, message: str) -> None:
        self.problems.append(Problem(replace(node.place, path=path), message))


def _unknown(name: str, known: tuple[str, ...]) -> str:
    near = get_close_matches(name, known, n=1)
    return f"unknown key {name!r}" + (f"; did you mean {near[0]!r}?" if near else "")
