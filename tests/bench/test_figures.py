import json

import pytest

from bench.figures import Figure, figure_table, json_line, mark, readable


@pytest.mark.parametrize(
    ("value", "target", "higher_is_better", "ok"),
    [
        (6.0, 6.0, True, True),
        (5.99, 6.0, True, False),
        (2.0, 2.0, False, True),
        (2.01, 2.0, False, False),
        (0.0, None, True, True),
        (-1.0, None, False, True),
    ],
)
def test_a_target_is_kept_up_to_and_including_the_bound(value, target, higher_is_better, ok):
    assert Figure("f", value, "x", target, higher_is_better).ok is ok


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_number_that_cannot_be_compared_is_not_a_figure(value):
    with pytest.raises(ValueError, match="'broken' is not a finite number"):
        Figure("broken", value, "x")


def test_the_json_line_has_exactly_the_agreed_keys():
    line = json_line("codec", [Figure("parse", 3.1, "µs", 4.0, higher_is_better=False)])
    assert json.loads(line) == {
        "bench": "codec",
        "figures": [{"name": "parse", "value": 3.1, "unit": "µs", "target": 4.0, "ok": True}],
    }
    assert "\n" not in line


def test_a_missed_target_is_marked_and_a_missing_one_is_not():
    assert "MISSED" in mark(Figure("f", 1.0, "x", target=2.0))
    assert "ok" in mark(Figure("f", 2.0, "x", target=2.0))
    assert mark(Figure("f", 2.0, "x")) == ""


def test_the_table_has_a_row_for_every_figure():
    figures = [Figure("a", 1.0, "x"), Figure("b", 2.0, "x", target=1.0)]
    assert figure_table("sample", figures).row_count == 2


@pytest.mark.parametrize(
    ("value", "text"), [(0.0, "0"), (99.94, "99.9"), (100.4, "100"), (-4321.0, "-4,321")]
)
def test_numbers_are_shown_short(value, text):
    assert readable(value) == text
