"""Percentages, numbers and days, sections that can be off, and what editors are told of them."""

from datetime import date
from decimal import Decimal
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError
from pydantic_core import PydanticCustomError

from proxy.config.base import OrOff, Section
from proxy.config.scalars import Day, Number, Percent, Share, parse_percent

PERCENT, RATIO, SWITCHED = Percent(), Number(0.01, 1), Number(1, 100, can_be_off=True)
SHARE = Share(0.0001, 0.5)


@given(st.integers(0, 10_000))
def test_every_step_of_a_hundredth_is_taken_exactly(points: int) -> None:
    assert PERCENT.validate(float(Decimal(points) / 100)) == points


@pytest.mark.parametrize("percent", [0.001, 0.005, 33.333, 1e-9])
def test_finer_steps_are_refused_and_not_rounded(percent: float) -> None:
    with pytest.raises(ValueError, match=r"not a step of 0\.01"):
        parse_percent(percent)


@pytest.mark.parametrize("value", [-1, 100.01, 1e400, -1e400])
def test_percentage_out_of_range_is_refused_and_not_clamped(value: float) -> None:
    with pytest.raises(PydanticCustomError, match="must be from 0 to 100"):
        PERCENT.validate(value)


@pytest.mark.parametrize("value", ["5", "5%", True, None, ()])
def test_percentage_is_a_number(value: object) -> None:
    with pytest.raises(PydanticCustomError, match=r"such as 5 or 0\.25"):
        PERCENT.validate(value)


def test_number_is_in_its_range() -> None:
    assert [RATIO.validate(value) for value in (0.01, 1)] == [0.01, 1.0]
    for value in (0, 1.01):
        with pytest.raises(PydanticCustomError, match=r"must be from 0\.01 to 1$"):
            RATIO.validate(value)


def test_number_can_be_off_where_that_is_allowed() -> None:
    assert (SWITCHED.validate("off"), SWITCHED.text(None), SWITCHED.text(1.2)) == (
        None,
        "off",
        "1.2",
    )
    with pytest.raises(PydanticCustomError, match=r"must be a number$"):
        RATIO.validate("off")
    with pytest.raises(PydanticCustomError, match="must be a number, or off"):
        SWITCHED.validate("never")


@given(st.integers(1, 5_000))
def test_share_is_the_same_as_a_number_and_as_a_percentage(points: int) -> None:
    written = Decimal(points) / 10_000
    assert SHARE.validate(float(written)) == SHARE.validate(f"{written * 100:f}%")


def test_share_is_exact_and_is_told_as_a_percentage() -> None:
    assert [SHARE.validate(value) for value in ("0.07%", "50%", 0.001)] == [0.0007, 0.5, 0.001]
    assert [SHARE.text(value) for value in (0.0007, 0.5, 0.07)] == ["0.07%", "50%", "7%"]


@pytest.mark.parametrize("value", ["100%", "0.001%", 5, 0, 1e400, "51%"])
def test_share_out_of_range_is_refused(value: object) -> None:
    with pytest.raises(PydanticCustomError, match=r"must be from 0\.01% to 50%$"):
        SHARE.validate(value)


@pytest.mark.parametrize("value", ["5", "5 %", "%", "-1%", "1e1%", True, None, (), "٥%"])
def test_share_has_one_form_beside_the_number(value: object) -> None:
    with pytest.raises(PydanticCustomError, match=r"such as 0\.1% or 0\.001"):
        SHARE.validate(value)


def test_day_has_one_spelling() -> None:
    assert Day().validate("2026-12-01") == date(2026, 12, 1)
    for text in ("20261201", "2026-W49-2", "2026-13-01", "01.12.2026", 20261201, None):
        with pytest.raises(PydanticCustomError, match="such as 2026-12-01"):
            Day().validate(text)


class Switch(Section):
    on: bool = False


def test_section_can_be_off() -> None:
    adapter: TypeAdapter[Switch | None] = TypeAdapter(Annotated[Switch | None, OrOff()])
    assert adapter.validate_python("off") is None
    assert adapter.validate_python({"on": True}) == Switch(on=True)
    for value in (None, False, "on", 3):
        with pytest.raises(ValidationError, match="must be a mapping of keys, or off"):
            adapter.validate_python(value)
    assert adapter.json_schema()["anyOf"] == [{"$ref": "#/$defs/Switch"}, {"const": "off"}]


def test_editors_are_told_what_scalars_may_be() -> None:
    def schema(scalar: object) -> dict[str, Any]:
        return TypeAdapter(Annotated[object, scalar]).json_schema()

    assert schema(PERCENT) == {"type": "number", "minimum": 0, "maximum": 100}
    assert schema(Day()) == {"type": "string", "format": "date"}
    share, text = schema(SHARE)["anyOf"]
    assert share == {"type": "number", "minimum": 0.0001, "maximum": 0.5}
    assert text["type"] == "string"
    number = {"type": "number", "minimum": 1, "maximum": 100}
    assert schema(SWITCHED) == {"anyOf": [number, {"const": "off"}]}


def test_a_share_that_may_be_meant_either_way_needs_its_sign() -> None:
    """A gate that lets ten in a hundred differ, where one in a thousand was meant, passes."""
    small = Share(0.0001, 0.5, bare=0.01)
    assert [small.validate(value) for value in (0.01, "10%", "0.1%")] == [0.01, 0.1, 0.001]
    with pytest.raises(PydanticCustomError, match=r"must say 0\.1% or 10%$"):
        small.validate(0.1)
    assert small.json_schema()["anyOf"][0]["maximum"] == 0.01
