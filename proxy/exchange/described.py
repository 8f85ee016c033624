"""An explanation as JSON values, for programs.

Belongs here: how each part of it is told. Does not: what is explained (`explanation`).
"""

from binascii import b2a_base64
from dataclasses import asdict
from typing import Any

import orjson

from proxy.cutover.overrides import position_text
from proxy.exchange.explanation import ExplainedCall, Explanation, Refusal
from proxy.exchange.messages import Answer
from proxy.routing.table import Route, RouteBinding


def describe(explanation: Explanation) -> dict[str, Any]:
    """An explanation as JSON values."""
    inquiry, decision, outcome = explanation.inquiry, explanation.decision, explanation.outcome
    binding, asked = explanation.binding, explanation.asked
    return {
        "request": {"http_method": inquiry.http_method, "target": inquiry.target},
        "side": decision.side.value,
        "reason": decision.reason.value,
        "bucket": decision.bucket,
        "position": None if explanation.position is None else position_text(explanation.position),
        "upstream": None if asked is None else asdict(asked),
        "route": None if binding is None else _describe_route(binding.route),
        "candidates": [
            _describe_candidate(each.target) | {"matched": each.target is binding}
            for each in explanation.candidates
        ],
        "mirror": None if explanation.mirror is None else asdict(explanation.mirror),
        "shape": [step._asdict() for step in explanation.shape],
        "call": _describe_call(outcome) if isinstance(outcome, ExplainedCall) else None,
        "answer": _describe_answer(outcome) if isinstance(outcome, Answer) else None,
    }


def _describe_route(route: Route) -> dict[str, Any]:
    return {
        "name": route.name,
        "rpc": route.rpc,
        "cardinality": route.cardinality.value,
        "stage": route.stage.value,
        "upstream": route.upstream,
    }


def _describe_candidate(target: RouteBinding) -> dict[str, Any]:
    return {
        "http_method": target.binding.http_method,
        "template": str(target.binding.template),
        "rpc": target.route.rpc,
        "origin": target.binding.origin,
    }


def _describe_call(call: ExplainedCall) -> dict[str, Any]:
    return {
        "method": call.method_path,
        "timeout_s": call.timeout_s,
        "metadata": [[name, text_of(value)] for name, value in call.metadata],
        "begins_trace": call.begins_trace,
        "fields": [origin._asdict() for origin in call.fields],
        "unknown": list(call.unknown),
        "message": None if call.message is None else orjson.loads(call.message),
        "answer_type": call.answer_type,
    }


def _describe_answer(answer: Answer) -> dict[str, Any]:
    return {
        "http_status": answer.http_status,
        "headers": [list(pair) for pair in answer.headers],
        "body": _body_of(answer),
        "refused": (
            {"message": answer.message, "field": answer.field or None}
            if isinstance(answer, Refusal)
            else None
        ),
    }


def _body_of(answer: Answer) -> Any:
    """The values of a JSON body, any other as text; None where there is none."""
    try:
        return orjson.loads(answer.body) if answer.body else None
    except orjson.JSONDecodeError:
        return answer.body.decode("utf-8", "replace")


def text_of(value: str | bytes) -> str:
    r"""A metadata value for people: bytes as the base64 that a header has.

    >>> text_of(b"\x01\x02"), text_of("Bearer x")
    ('AQI=', 'Bearer x')
    """
    return b2a_base64(value, newline=False).decode() if isinstance(value, bytes) else value
