"""The loader of the vectors: what it leaves out has a reason, and what nobody knows is an error."""

import pytest

from tests.vector_tables import load, select

DECODING_SETTINGS = ("unescape", "bad_escape", "plus", "no_equals")


def test_setting_that_nobody_has_thought_about_is_an_error() -> None:
    with pytest.raises(KeyError, match="which values of unescape are accepted"):
        select("decoding", accepted={}, refused=["literal_after_double_wildcard"])


def test_ability_that_is_neither_refused_nor_supported_is_an_error() -> None:
    with pytest.raises(KeyError, match="literal_after_double_wildcard is neither"):
        select("decoding", accepted={key: ["all"] for key in DECODING_SETTINGS})


def test_departure_without_a_case_is_an_error() -> None:
    with pytest.raises(KeyError, match="departures without a case"):
        select("templates", departures={"no-such-id": "reason"})


def test_every_case_is_either_run_or_left_out_with_a_reason() -> None:
    first = load("templates")[0].id
    table = select("templates", departures={first: "reason"})
    assert table.left_out == {first: "reason"}
    assert [first, *(case.id for case in table.cases)] == [case.id for case in load("templates")]
    assert table.where(lambda case: case["valid"]).left_out == table.left_out


def test_list_of_modes_applies_when_one_of_them_is_accepted() -> None:
    accepted = {key: ["all"] for key in DECODING_SETTINGS}
    table = select("decoding", accepted=accepted, refused=["literal_after_double_wildcard"])
    named = [case.options["unescape"] for case in table.cases if "unescape" in case.options]
    assert ["all_except_slash", "all"] in named
    assert "all" in named
    assert ["all_except_reserved", "all_except_slash"] not in named
