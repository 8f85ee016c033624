"""`cutover explain`: what would become of a request, and why."""

import asyncio
import json
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import click
import orjson
from multidict import CIMultiDict, CIMultiDictProxy

from proxy.cli.options import aligned, config_option, snapshot_or_exit
from proxy.cli.state import overrides_or_exit
from proxy.config.units import duration_text
from proxy.cutover.decision import Reason
from proxy.cutover.overrides import position_text
from proxy.cutover.stages import Side
from proxy.exchange.described import describe, text_of
from proxy.exchange.explanation import (
    ExplainedCall,
    ExplainedMirror,
    Explanation,
    Inquiry,
    Refusal,
    explain,
)
from proxy.exchange.messages import Answer
from proxy.programs.pool import ProgramPool
from proxy.programs.steps import ProgramSteps
from proxy.shape.described import Part, ShapeStep
from proxy.shape.programs import BindingPrograms

_EPILOG: Final = """\b
Example:
  cutover explain PATCH /v4/zones/example.com/records/www-1 -d '{"ttl": "120s"}'
"""
_JSON: Final = "application/json"
_REFUSED: Final = "\nthe gRPC side would refuse it"
_REASONS: Final = {
    Reason.UNMAPPED: "nothing is mapped to this path and HTTP method",
    Reason.REFUSED: "no upstream gets this request",
    Reason.KILL_SWITCH: "the kill switch is on",
    Reason.OVERRIDE: "a trusted header says so",
    Reason.DENY: "the client is on the canary's deny list",
    Reason.MATCH: "a header forces the client into the canary",
    Reason.ALLOW: "the client is on the canary's allow list",
}
#: Reasons that tell where the route stands: that in words, and the bucket of the sticky key.
_OF_ROUTES: Final = {
    Reason.STAGE: "{0}",
    Reason.ROLLBACK: "{0}",
    Reason.BUCKET: "{0}, and the sticky key is in bucket {1} of 0 to 9999",
    Reason.MISSING_KEY: "{0}, and the request has no sticky key",
}


#: The parts of an exchange that a shape changes, by what they are called here.
_SHAPES: Final[dict[str, Part]] = {
    "shape of the request": "request",
    "shape of the answer": "answer",
    "shape of errors": "error",
}


@click.command("explain", epilog=_EPILOG)
@click.argument("http_method", metavar="METHOD", type=str.upper)
@click.argument("url")
@click.option("-H", "--header", "headers", multiple=True, help="A header, 'name: value'.")
@click.option("-d", "--data", "data", help="The body; @FILE reads a file, @- standard input.")
@click.option("--client", "client_address", default="", help="The client's address, if it counts.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@config_option
def explain_command(
    http_method: str,
    url: str,
    headers: tuple[str, ...],
    data: str | None,
    client_address: str,
    as_json: bool,
    folder: Path,
) -> None:
    """Say what would become of a request, and why.

    Nothing is sent and no server is needed; what operators have moved is read from the state
    directory, where there is one. Shows the binding that matches and those that lost,
    the side that answers, where each field of the message comes from, metadata, timeout and
    upstream; or the error that the client gets. Exits with 0 when there is something to show, a
    refusal too.

    URL is a path or an absolute URL, percent-encoded as a client sends it. A body without a
    Content-Type header is JSON. What the listener refuses by itself (requests that are not
    well-formed, targets and headers that are too large) is not looked at.
    """
    inquiry = Inquiry(
        http_method, _target(url), _headers(headers, data), _body(data), client_address
    )
    snapshot = snapshot_or_exit(folder)
    moved = overrides_or_exit(snapshot.config.settings, folder)
    explanation = explain(snapshot, inquiry, moved, time.time(), _run)
    if as_json:
        click.echo(orjson.dumps(describe(explanation), option=orjson.OPT_INDENT_2))
    else:
        for line in _lines(explanation):
            click.echo(line)


def _run(programs: BindingPrograms, body: bytes, content_type: str | None) -> bytes:
    """What a route's program makes of a body, in a process of its own as when it serves."""

    async def run() -> bytes:
        pool = ProgramPool(processes=1)
        try:
            return await ProgramSteps(pool).request(programs, body, content_type)
        finally:
            await pool.close()

    return asyncio.run(run())


def _target(url: str) -> str:
    """Path and query, as a client would send them: the origin and the fragment stay behind."""
    if any(character.isspace() or not character.isprintable() for character in url):
        raise click.BadParameter("has a character that must be percent-encoded", param_hint="URL")
    url = url.partition("#")[0]
    if url.startswith("/"):
        return url
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise click.BadParameter("must begin with /, http:// or https://", param_hint="URL")
    target = url.partition("://")[2][len(parts.netloc) :]
    return target if target.startswith("/") else f"/{target}"


def _headers(given: tuple[str, ...], data: str | None) -> CIMultiDictProxy[str]:
    headers = CIMultiDict[str]()
    for header in given:
        name, colon, value = header.partition(":")
        if not colon or not name.strip():
            raise click.BadParameter(f"'{header}' is not 'name: value'", param_hint="-H")
        headers.add(name.strip(), value.strip())
    if data is not None:
        headers.setdefault("content-type", _JSON)
    return CIMultiDictProxy(headers)


def _body(data: str | None) -> bytes:
    if data is None:
        return b""
    if not data.startswith("@"):
        return data.encode("utf-8", "surrogateescape")
    try:
        with click.open_file(data[1:], "rb") as file:
            body: bytes = file.read()
            return body
    except OSError as error:
        message = f"cannot read {data[1:]}: {error.strerror}"
        raise click.BadParameter(message, param_hint="-d") from error


def _lines(explanation: Explanation) -> Iterator[str]:
    """An explanation for people."""
    yield from aligned([*_facts(explanation)])
    outcome = explanation.outcome
    if explanation.decision.side is Side.LEGACY and outcome is not None:
        yield "\nthe gRPC side would get" if isinstance(outcome, ExplainedCall) else _REFUSED
    if isinstance(outcome, ExplainedCall):
        yield from _call(outcome)
    elif outcome is not None:
        yield from _answer(outcome)
    for title, part in _SHAPES.items():
        yield from _section(title, aligned([*_steps(explanation.shape, part)]))
    others = [
        [each.http_method, str(each.target.binding.template), each.target.route.rpc]
        for each in explanation.candidates
        if each.target is not explanation.binding
    ]
    yield from _section("other bindings of this path", aligned(others))


def _steps(steps: Iterable[ShapeStep], part: Part) -> Iterator[tuple[str, str, str]]:
    """The steps of one part of the exchange, programs and other long texts on one line each."""
    for step in steps:
        if step.part == part:
            yield step.setting, step.about, _shown(step.text)


def _facts(explanation: Explanation) -> Iterator[tuple[str, str]]:
    inquiry, asked, target = explanation.inquiry, explanation.asked, explanation.binding
    yield "request", f"{inquiry.http_method} {inquiry.target}"
    yield "side", f"{explanation.decision.side.value}: {_reason(explanation)}"
    if target is not None:
        binding = target.binding
        yield "binding", f"{binding.http_method} {binding.template} ({binding.origin})"
        yield "rpc", f"{binding.rpc}, {binding.cardinality.value}"
    if asked is not None:
        within = f"within {duration_text(asked.timeout_s)}"
        yield "upstream", f"{asked.name} at {asked.address}, {within}"
    if explanation.mirror is not None:
        yield "mirror", _mirror(explanation.mirror)


def _mirror(mirror: ExplainedMirror) -> str:
    """Whether the other side gets the request too, on one line."""
    what = f"{mirror.side}, depth {mirror.depth}"
    if mirror.never is not None:
        return f"{what}: not this one ({mirror.never})"
    if mirror.sampled is None:
        return f"{what}: {mirror.percent:g} % of requests"
    answer = "this one is" if mirror.sampled else "this one is not"
    return f"{what}: {mirror.percent:g} % of clients, {answer} among them"


def _reason(explanation: Explanation) -> str:
    target, reason = explanation.binding, explanation.decision.reason
    position = explanation.position
    if target is None or position is None or reason not in _OF_ROUTES:
        return _REASONS.get(reason, reason.value)
    standing = f"route {target.route.name} stands at {position_text(position)}"
    return _OF_ROUTES[reason].format(standing, explanation.decision.bucket)


def _call(call: ExplainedCall) -> Iterator[str]:
    fields = [[each.path, each.source, _shown(each.text)] for each in call.fields]
    yield from _section("fields, and where they come from", aligned(fields))
    yield from _section("unknown, passed over", map(_shown, call.unknown))
    metadata = [[name, text_of(value)] for name, value in call.metadata]
    if call.begins_trace:
        metadata.append(["traceparent", "(a new one for each request)"])
    yield from _section("metadata", aligned(metadata))
    message = ["(has no JSON form)"] if call.message is None else _pretty(call.message)
    yield from _section("message", message)
    yield from _section("answer", [call.answer_type or "(of the type that the upstream names)"])


def _answer(answer: Answer) -> Iterator[str]:
    head = [("status", str(answer.http_status)), *answer.headers]
    yield from _section("answer", [*aligned(head), *(_pretty(answer.body) if answer.body else ())])
    if isinstance(answer, Refusal) and not _is_told(answer.message, answer.body):
        reason = f"{answer.field}: {answer.message}" if answer.field else answer.message
        yield from _section("what is wrong", [_shown(reason)])


def _is_told(message: str, body: bytes) -> bool:
    """Whether a body, JSON or not, has a message."""
    within = json.dumps(message, ensure_ascii=False)[1:-1]
    return message.encode() in body or within.encode() in body


def _section(title: str, lines: Iterable[str]) -> Iterator[str]:
    """The lines, indented under a title; nothing at all when there are none."""
    for index, line in enumerate(lines):
        if index == 0:
            yield f"\n{title}"
        yield f"  {line}"


def _pretty(document: bytes) -> list[str]:
    """The lines of JSON, indented; those of any other text, as errors of some dialects are."""
    try:
        return json.dumps(json.loads(document), indent=2, ensure_ascii=False).splitlines()
    except ValueError:
        return [_shown(line) for line in document.decode("utf-8", "replace").splitlines()]


def _shown(text: str) -> str:
    """Text of a request on one line, whatever it holds; empty text as what it is."""
    return text if text.isprintable() and text else json.dumps(text)
