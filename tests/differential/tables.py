"""The requests and the intended differences, as the data files hold them.

Belongs here: loading. Does not: what a request leads to.
"""

import json
from functools import cache
from typing import Any, Final

from tests.differential.outcomes import Outcome, Sides, from_facets
from tests.differential.schema import FOLDER

#: By the dialect of our proxy: what differs from the peer.
_FILES: Final = {
    "spec": "differences.json",
    "envoy": "differences_in_dialect.json",
    "grpc-gateway": "differences_from_gateway.json",
}
#: The dialects that are compared with Envoy.
DIALECTS: Final = ("spec", "envoy")
#: What grpc-gateway did with the requests, by `record_gateway`.
RECORDED: Final = FOLDER / "gateway.json"
_SIDES: Final = frozenset({"envoy", "gateway", "ours"})


@cache
def requests() -> dict[str, dict[str, Any]]:
    """The requests by id."""
    content = json.loads((FOLDER / "requests.json").read_text(encoding="utf-8"))
    cases = content["cases"]
    by_id = {case["id"]: case for case in cases}
    assert len(by_id) == len(cases), "an id occurs twice"
    return by_id


@cache
def differences_file(dialect: str = "spec") -> dict[str, Any]:
    """The file of intended differences of a dialect as it is."""
    path = FOLDER / _FILES[dialect]
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


@cache
def intended(dialect: str = "spec") -> dict[str, Sides]:
    """The intended differences by the id of the request."""
    listed = differences_file(dialect)["differences"]
    by_id = {e["request"]: {side: e[side] for side in _SIDES & e.keys()} for e in listed}
    assert len(by_id) == len(listed), "a request occurs twice"
    return by_id


@cache
def recorded() -> dict[str, Outcome]:
    """What grpc-gateway did with each request, by its id."""
    content = json.loads(RECORDED.read_text(encoding="utf-8"))
    return {name: from_facets(facets) for name, facets in content["outcomes"].items()}
