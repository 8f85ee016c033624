"""Checks of the settings about answers that do nothing beside others.

Belongs here: which setting needs which other. Does not: the settings (`answer_dialect`).
"""

from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

from proxy.config.draft import Check, Draft, Finding
from proxy.config.layers import Layers
from proxy.config.options import Defaults, Route


class _Idle(NamedTuple):
    """The option *key*, with a value that *says* something, does nothing while *idle* holds."""

    key: str
    says: Callable[[Any], bool]
    idle: Callable[[Layers], bool]
    message: str


def _anything(_: Any) -> bool:
    return True


def _only(values: Layers, *formats: str) -> bool:
    return values["stream_choice"] == "fixed" and values["stream_format"] in formats


_IDLE: Final = (
    _Idle(
        "request_headers",
        _anything,
        lambda values: values["forward_headers"] == "all",
        "does nothing beside forward_headers: all",
    ),
    _Idle(
        "response_metadata",
        _anything,
        lambda values: values["expose_metadata"] == "all",
        "does nothing beside expose_metadata: all",
    ),
    _Idle(
        "stream_envelope",
        lambda value: value == "result",
        lambda values: _only(values, "array"),
        "does nothing for an array, the only form that clients can get",
    ),
    _Idle(
        "stream_content_type",
        lambda value: value == "json",
        lambda values: _only(values, "array", "sse"),
        "does nothing: clients cannot get NDJSON",
    ),
    _Idle(
        "emit_unset",
        bool,
        lambda values: values["shape"] is not None,
        "does nothing beside a shape, whose unset says it",
    ),
    _Idle(
        "http_body",
        lambda value: value == "by_alt",
        lambda values: values["system_parameters"] == "ignore",
        "does nothing without system_parameters: honour",
    ),
)


def _settings_do_something(draft: Draft) -> Iterator[Finding]:
    for location, section in draft.owners():
        for rule in _IDLE:
            if rule.key in section.model_fields_set and _is_idle(rule, section, draft):
                yield (*location, rule.key), rule.message


def _is_idle(rule: _Idle, section: Defaults | Route, draft: Draft) -> bool:
    """Whether a setting does nothing; one of `defaults`, whether it does for no route."""
    defaults = draft.settings.defaults
    route = section if isinstance(section, Route) else None
    if not rule.says(getattr(section, rule.key)) or not rule.idle(Layers.of(route, defaults)):
        return False
    return route is not None or all(
        rule.idle(Layers.of(each, defaults)) for _, each in draft.routes
    )


CHECKS: Final[tuple[Check, ...]] = ((frozenset({"defaults"}), _settings_do_something),)
