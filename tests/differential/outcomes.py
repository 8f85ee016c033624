"""What a request led to, in facets that can be compared; and the comparison.

Belongs here: values only. Does not: sending requests (`stand`), which differences are intended
(`differences.json`).

Errors that a proxy makes itself are told apart from answers of the backend: in the former only
the status counts, since the two proxies word them differently; `refusal_faults` holds our own to
their form.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, TypeAlias

from proxy.status import HTTP_STATUS, Code
from tests.differential.client import RawAnswer

_JSON: Final = "application/json"

#: Refusals that HTTP tells apart and gRPC does not: method, size, length, type, header.
_HTTP_ALONE: Final = frozenset({405, 413, 414, 415, 431})

#: An RPC that the proxy does not transcode is no failure of a server.
_NOT_SERVED: Final = HTTP_STATUS[Code.UNIMPLEMENTED]

#: The facets that say what became of a request; the others are compared where these agree, since
#: an answer shows what the backend saw.
_FATE: Final = ("status", "allow", "seen", "metadata")
_ANSWER: Final = ("content", "body", "cut_off")

#: The members of an error's body that one may leave out when they say nothing.
_ERROR_MEMBERS: Final = frozenset({"message", "details"})

#: A difference: facets by the side that shows them: the peer, such as "envoy", and "ours".
Sides: TypeAlias = dict[str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Outcome:
    """Facets of what came of one request.

    *content* is the media type without parameters. *body* is parsed, as lists of messages for
    streams. *cut_off* says that the connection broke before the body's end. *allow* is the header.
    *seen* has the calls that reached the backend, as one-entry mappings from RPC to message.
    """

    status: int
    content: str = ""
    body: Any = None
    cut_off: bool = False
    allow: str = ""
    seen: tuple[Any, ...] = ()
    metadata: tuple[Any, ...] = ()

    @property
    def is_refusal(self) -> bool:
        """Whether the proxy itself answered, with an error."""
        return self.status >= 400 and not self.seen

    @property
    def said(self) -> Any:
        """The body, of an error without what says nothing."""
        if self.status < 400 or not isinstance(self.body, dict):
            return self.body
        return {
            name: told for name, told in self.body.items() if told or name not in _ERROR_MEMBERS
        }

    def with_calls(self, calls: Iterable[Any], looks_at: Iterable[str]) -> "Outcome":
        """The outcome with what the backend saw, and the metadata of the names *looks_at*."""
        calls = tuple(calls)
        names = frozenset(looks_at)
        pairs = (pair for call in calls for pair in call.metadata)
        metadata = sorted([name, str(value)] for name, value in pairs if name in names)
        seen = tuple({call.rpc: call.message} for call in calls)
        return replace(self, seen=seen, metadata=tuple(metadata))


def read_answer(answer: RawAnswer) -> Outcome:
    """The facets of an answer, without what the backend saw."""
    content = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    allow = answer.headers.get("allow", "")
    parsed = _parse(content, answer.body)
    return Outcome(answer.status, content, parsed, not answer.is_whole, allow)


def _parse(content: str, body: bytes) -> Any:
    """The values in a body."""
    text = body.decode("utf-8", "backslashreplace")
    if content == "text/event-stream":
        return [_event(frame) for frame in text.split("\n\n") if frame]
    try:
        return _loads(text)
    except ValueError:
        return _lines(text)


def _loads(text: str) -> Any:
    """As `json.loads`, which loses the sign of `-0`."""
    return json.loads(text, parse_int=lambda digits: -0.0 if digits == "-0" else int(digits))


def _event(frame: str) -> Any:
    """One event: its data as JSON, with its type when it has one."""
    fields = dict(line.partition(":")[::2] for line in frame.split("\n"))
    data = _loads(fields["data"])
    return {fields["event"].strip(): data} if "event" in fields else data


def _lines(text: str) -> Any:
    """One JSON value per line, or else the text."""
    try:
        return [_loads(line) for line in text.splitlines()] or text
    except ValueError:
        return text


def differences(theirs: Outcome, ours: Outcome, peer: str = "envoy") -> Sides:
    """What differs: `{}`, or the facets of the *peer* and of "ours" that are not equal.

    Facets that say nothing (no body, nothing seen) are left out.
    """
    differing = _unequal(_FATE, theirs, ours)
    if not differing and not theirs.is_refusal:
        differing = _unequal(_ANSWER, theirs, ours)
    if not differing:
        return {}
    return {peer: _facets(theirs, differing), "ours": _facets(ours, differing)}


def as_facets(outcome: Outcome) -> dict[str, Any]:
    """An outcome as JSON holds it, without what is as in any; `from_facets` gives it back."""
    usual = asdict(Outcome(outcome.status))
    given = {name: value for name, value in asdict(outcome).items() if value != usual[name]}
    told: dict[str, Any] = json.loads(json.dumps({"status": outcome.status, **given}))
    return told


def from_facets(facets: Mapping[str, Any]) -> Outcome:
    """The outcome that JSON holds."""
    lists = {name: tuple(facets.get(name, ())) for name in ("seen", "metadata")}
    return Outcome(**{**facets, **lists})


def _unequal(names: Iterable[str], theirs: Outcome, ours: Outcome) -> list[str]:
    return [name for name in names if not _same(_facet(theirs, name), _facet(ours, name))]


def _same(one: Any, other: Any) -> bool:
    """Equal as JSON: `1.0` is `1`, and `true` is not, though Python holds them for equal."""
    return _canonical(one) == _canonical(other)


def _canonical(value: Any) -> str:
    return json.dumps(json.loads(json.dumps(value), parse_int=float), sort_keys=True)


def _facet(outcome: Outcome, name: str) -> Any:
    return outcome.said if name == "body" else getattr(outcome, name)


def _facets(outcome: Outcome, names: Iterable[str]) -> dict[str, Any]:
    """As JSON would give them back."""
    facets = {name: _facet(outcome, name) for name in names}
    told: dict[str, Any] = json.loads(json.dumps({k: v for k, v in facets.items() if v}))
    return told


def judge(found: Sides, listed: Sides | None) -> str:
    """What is wrong with a difference that was *found*, "" for nothing.

    *listed* is the one that is intended for the request, None when none is.
    """
    if _same(found, listed or {}):
        return ""
    if not found:
        return f"listed, and does not occur any more: {json.dumps(listed)}"
    how = "nobody intended this" if listed is None else f"intended was {json.dumps(listed)}"
    return f"{how}: {json.dumps(found, ensure_ascii=False)}"


def refusal_faults(outcome: Outcome, http_method: str) -> list[str]:
    """What is wrong with the form of a refusal of ours: `google.rpc.Status` as JSON."""
    if http_method == "HEAD":
        return ["a body after HEAD"] if outcome.body else []
    faults = []
    body = outcome.body if isinstance(outcome.body, dict) else {}
    if outcome.content != _JSON:
        faults.append(f"content type {outcome.content!r}")
    if not body.get("message"):
        faults.append("no message")
    if not _belongs_to(body.get("code"), outcome.status):
        faults.append(f"code {body.get('code')!r} with status {outcome.status}")
    if outcome.status >= 500 and outcome.status != _NOT_SERVED:
        faults.append("a client's request led to a server error")
    return faults


def _belongs_to(code: object, status: int) -> bool:
    """Whether *code* is a gRPC code for an HTTP status; HTTP has some that gRPC does not."""
    if code not in set(Code):
        return False
    return status in _HTTP_ALONE or HTTP_STATUS[Code(code)] == status
