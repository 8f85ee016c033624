"""The vector files of `tests/vectors/` as tables for `pytest.mark.parametrize`.

Belongs here: loading, and choosing the cases that apply. Does not: how one case is run.
A case is left out only for a reason that the caller names: a setting that it does not have
(*accepted*), an ability that it refuses on purpose (*refused*), or a departure with its reason.
A setting or ability that the caller has not thought about is an error, so nothing is lost unseen.

    QUERY = select("query_binding", accepted={"unknown": ["reject", "ignore"], ...})

    @QUERY.parametrize
    def test_query_vectors(case: Case) -> None: ...
"""

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest

FOLDER: Final = Path(__file__).parent / "vectors"

#: Settings whose value may be a list of modes of which any one will do; other lists are values.
ANY_ONE_OF: Final = frozenset({"unescape"})


@dataclass(frozen=True, slots=True)
class Case:
    """One case: *data* is the JSON object, `case["path"]` reads from it."""

    id: str
    data: Mapping[str, Any] = field(repr=False)

    def __getitem__(self, name: str) -> Any:
        return self.data[name]

    def get(self, name: str, default: Any = None) -> Any:
        return self.data.get(name, default)

    @property
    def options(self) -> Mapping[str, Any]:
        options: Mapping[str, Any] = self.data.get("options", {})
        return options

    @property
    def soft(self) -> bool:
        """Whether an implementation may knowingly do otherwise."""
        return bool(self.data.get("soft", False))


@dataclass(frozen=True, slots=True)
class Selection:
    """The cases to run, and the others by id with the reason why not."""

    cases: tuple[Case, ...]
    left_out: Mapping[str, str]

    @property
    def parametrize(self) -> pytest.MarkDecorator:
        """A decorator that runs a test once per case, as argument `case`."""
        return pytest.mark.parametrize("case", self.cases, ids=[case.id for case in self.cases])

    def where(self, wanted: Callable[[Case], bool]) -> "Selection":
        """Only the cases that are *wanted*; the others belong to another table."""
        return Selection(tuple(case for case in self.cases if wanted(case)), self.left_out)


@cache
def load(name: str) -> tuple[Case, ...]:
    """All cases of one file. *name* is without folder and extension."""
    content = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    cases = tuple(Case(data["id"], data) for data in content["cases"])
    assert len({case.id for case in cases}) == len(cases), f"{name}: an id occurs twice"
    return cases


def select(
    name: str,
    *,
    accepted: Mapping[str, Collection[Any]] | None = None,
    refused: Collection[str] = (),
    supported: Collection[str] = (),
    departures: Mapping[str, str] | None = None,
) -> Selection:
    """Choose the cases of a file that apply.

    *accepted* gives, for every setting that occurs, the values that the code under test can have;
    the test reads `case.options` to set them. *refused* and *supported* together name every
    ability of `needs`. *departures* are cases that the project decides otherwise, by id with the
    reason. Raises `KeyError` for a setting, ability or departure that nobody knows.
    """
    departures = departures or {}
    cases = load(name)
    unknown = departures.keys() - {case.id for case in cases}
    if unknown:
        raise KeyError(f"{name}: departures without a case: {sorted(unknown)}")
    left_out: dict[str, str] = {}
    for case in cases:
        reason = departures.get(case.id) or (
            _refused_ability(case, refused, supported) or _unmet_setting(case, accepted or {})
        )
        if reason:
            left_out[case.id] = reason
    return Selection(tuple(case for case in cases if case.id not in left_out), left_out)


def _refused_ability(case: Case, refused: Collection[str], supported: Collection[str]) -> str:
    for ability in case.get("needs", ()):
        if ability in refused:
            return f"needs {ability}"
        if ability not in supported:
            raise KeyError(f"{case.id}: ability {ability} is neither refused nor supported")
    return ""


def _unmet_setting(case: Case, accepted: Mapping[str, Collection[Any]]) -> str:
    for name, value in case.options.items():
        if name not in accepted:
            raise KeyError(f"{case.id}: nobody says which values of {name} are accepted")
        choices = value if name in ANY_ONE_OF and isinstance(value, list) else [value]
        if not any(choice in accepted[name] for choice in choices):
            return f"{name} is {value}"
    return ""
