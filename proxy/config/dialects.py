"""Dialects: named sets of settings that copy what a peer does where anybody can see it.

Belongs here: the names, and which setting has which value in which dialect. A dialect only changes
what is built in: a key that a route or `defaults` gives counts, whatever the dialect says.
"""

from typing import Any, Final, Literal, get_args

from proxy.config.answer_dialect import ANSWERS
from proxy.config.error_dialect import ERRORS
from proxy.config.request_dialect import REQUESTS

Dialect = Literal["spec", "google", "grpc-gateway", "grpc-gateway-v1", "envoy"]

DIALECTS: Final[dict[str, dict[str, Any]]] = {
    name: {**REQUESTS.get(name, {}), **ANSWERS.get(name, {}), **ERRORS.get(name, {})}
    for name in get_args(Dialect)
}
