"""The requests and the intended differences, as the data files hold them.

Belongs here: loading. Does not: what a request leads to.
"""

import json
from functools import cache
from typing import Any, Final

from tests.differential.outcomes import Sides
from tests.differential.schema import FOLDER

#: By the dialect of our proxy: what differs from Envoy.
_FILES: Final = {"spec": "differences.json", "envoy": "differences_in_dialect.json"}
DIALECTS: Final = tuple(_FILES)
_SIDES: Final = ("envoy", "ours")


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
    by_id = {entry["request"]: {side: entry[side] for side in _SIDES} for entry in listed}
    assert len(by_id) == len(listed), "a request occurs twice"
    return by_id
