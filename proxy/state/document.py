"""The state as a JSON document, and back.

Belongs here: the form of `state.json` and of an audit line. Does not: files (`directory`).

Everything is checked when it is read: a document that is not wholly understood is refused, since
to leave a part of it out could move a route.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from proxy.cutover.overrides import NOTHING_MOVED, Override, Overrides
from proxy.cutover.percent import WHOLE
from proxy.cutover.stages import Stage

#: The version of the form. One that another version wrote is refused, not guessed at.
SCHEMA: Final = 1


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One change: who made it, when and why, and what it changed.

    *time* is ISO 8601 in UTC. *route* is empty where a change is of no single route. *before* and
    *after* are words (`from` and `to` in JSON); *digest* is the configuration's at the time. *gate*
    is what the route's gate said when it was asked, None where it was not.
    """

    id: str
    time: str
    who: str
    why: str
    action: str
    route: str
    before: str
    after: str
    digest: str
    revision: int
    ttl_s: float | None = None
    gate: str | None = None

    def as_json(self) -> dict[str, Any]:
        """The entry as it stands in the log."""
        return {_JSON_NAMES.get(name, name): getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class StateDocument:
    """What `state.json` holds. *entry* is the last change's, None before the first.

    The entry is kept here too, so that a change and its audit are one atomic write; the log
    follows, and is completed after a crash between the two.
    """

    overrides: Overrides = NOTHING_MOVED
    entry: AuditEntry | None = None


class DamagedDocument(ValueError):
    """A document that cannot be understood; the text says where and why."""


_JSON_NAMES: Final = {"before": "from", "after": "to"}
_TEXTS: Final = ("id", "time", "who", "why", "action", "route", "from", "to", "digest")
_NUMBER: Final = (int, float)
_DOCUMENT_KEYS: Final = frozenset({"schema", "revision", "routes", "moved", "entry"})
_OVERRIDE_KEYS: Final = frozenset(Override.__slots__)


def storable(text: str) -> str:
    """*text* as JSON can hold it: without the lone surrogates of undecodable bytes."""
    return text.encode("utf-8", "replace").decode()


def entry_line(entry: AuditEntry) -> bytes:
    """The line of *entry* in the audit log, with its newline."""
    return orjson.dumps(_storable(entry.as_json()), option=orjson.OPT_APPEND_NEWLINE)


def parse_entry(line: bytes) -> AuditEntry:
    """The entry of a line of the audit log. Raises DamagedDocument."""
    return _entry(_object(_loaded(line), "entry"))


def encode(document: StateDocument) -> bytes:
    """The document as JSON for people, too. The kill switch is not in it: it is a file."""
    overrides, entry = document.overrides, document.entry
    value = {
        "schema": SCHEMA,
        "revision": overrides.revision,
        "routes": {name: _plain(override) for name, override in overrides.routes.items()},
        "moved": dict(overrides.moved),
        "entry": entry.as_json() if entry else None,
    }
    return orjson.dumps(_storable(value), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def decode(content: bytes) -> StateDocument:
    """The document of *content*. Raises DamagedDocument."""
    value = _object(_loaded(content), "the document")
    if value.get("schema") != SCHEMA:
        found = value.get("schema")
        raise DamagedDocument(f"its schema is {found!r}; this version reads {SCHEMA}")
    _check_keys(value, _DOCUMENT_KEYS)
    revision = _taken(value, "revision", int, "")
    routes = _object(value.get("routes"), "routes")
    moved = _object(value.get("moved"), "moved")
    entry = value.get("entry")
    return StateDocument(
        Overrides(
            revision,
            routes={name: _override(each, f"routes.{name}") for name, each in routes.items()},
            moved={name: _taken(moved, name, int, "moved") for name in moved},
        ),
        None if entry is None else _entry(_object(entry, "entry")),
    )


def _storable(value: Any) -> Any:
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, dict):
        return {storable(name): _storable(each) for name, each in value.items()}
    return value


def _plain(override: Override) -> dict[str, Any]:
    """An override without what is as the file says."""
    values = {name: getattr(override, name) for name in override.__slots__}
    if override.beneath is not None:
        values["beneath"] = _plain(override.beneath)
    # By identity: a share of 0 and a time of 0.0 equal False.
    return {name: each for name, each in values.items() if each is not None and each is not False}


def _loaded(content: bytes) -> object:
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise DamagedDocument(f"it is no JSON: {error}") from None


def _object(value: object, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise DamagedDocument(f"{where}: not an object")
    return value


def _check_keys(members: Mapping[str, Any], known: frozenset[str], where: str = "") -> None:
    unknown = sorted(members.keys() - known)
    if unknown:
        raise DamagedDocument(f"{where}{unknown[0]}: no such key")


def _taken(value: Mapping[str, Any], name: str, kinds: Any, where: str, default: Any = ...) -> Any:
    """The member *name* of *value*, which must be of one of *kinds*."""
    found = value.get(name, default)
    if found is default and default is not ...:
        return default
    # A bool is an int in Python, but never where a number is wanted.
    if not isinstance(found, kinds) or (isinstance(found, bool) and kinds is not bool):
        raise DamagedDocument(f"{where}{'.' if where else ''}{name}: missing, or of another type")
    return found


def _entry(value: dict[str, Any]) -> AuditEntry:
    texts = {_ATTRIBUTES.get(name, name): _taken(value, name, str, "entry") for name in _TEXTS}
    revision = _taken(value, "revision", int, "entry")
    ttl_s = _taken(value, "ttl_s", (*_NUMBER, type(None)), "entry", None)
    # Entries from before there were gates have none.
    gate = _taken(value, "gate", (str, type(None)), "entry", None)
    return AuditEntry(**texts, revision=revision, ttl_s=ttl_s, gate=gate)


_ATTRIBUTES: Final = {name: attribute for attribute, name in _JSON_NAMES.items()}


def _override(value: object, where: str) -> Override:
    members = _object(value, where)
    _check_keys(members, _OVERRIDE_KEYS, f"{where}.")
    beneath = members.get("beneath")
    return Override(
        stage=_stage(members, where),
        basis_points=_share(members, where),
        step=_taken(members, "step", int, where, None),
        paused=_taken(members, "paused", bool, where, False),
        rollback=_taken(members, "rollback", str, where, None),
        since_s=_taken(members, "since_s", _NUMBER, where),
        expires_s=_taken(members, "expires_s", _NUMBER, where, None),
        who=_taken(members, "who", str, where),
        reason=_taken(members, "reason", str, where),
        beneath=None if beneath is None else _beneath(beneath, f"{where}.beneath"),
    )


def _beneath(value: object, where: str) -> Override:
    override = _override(value, where)
    if override.expires_s is not None or override.beneath is not None:
        raise DamagedDocument(f"{where}: has an end itself")
    return override


def _stage(members: Mapping[str, Any], where: str) -> Stage | None:
    found = _taken(members, "stage", str, where, None)
    if found is None:
        return None
    try:
        return Stage(found)
    except ValueError:
        raise DamagedDocument(f"{where}.stage: {found!r} is no stage") from None


def _share(members: Mapping[str, Any], where: str) -> int | None:
    found: int | None = _taken(members, "basis_points", int, where, None)
    if found is not None and not 0 <= found <= WHOLE:
        raise DamagedDocument(f"{where}.basis_points: not from 0 to {WHOLE}")
    return found
