import io

import pytest
from rich.console import Console

from proxy.report.text import as_text, overview_as_text, reports_as_text
from tests.report.reports import EVIL, REPORTS


def printed(renderable: object, *, width: int = 160, color: bool = False) -> str:
    file = io.StringIO()
    console = Console(
        file=file, width=width, force_terminal=color, color_system="standard" if color else None
    )
    console.print(renderable)
    return file.getvalue()


def test_the_verdict_and_its_reasons_come_first() -> None:
    lines = [line.strip() for line in printed(as_text(REPORTS["different"])).splitlines()]
    assert lines[0] == "get-order  fail"
    assert lines[2:4] == [
        "forbid type: $.order (2 mismatches)",
        "max_mismatch 0.1 %, have at least 0.16 % (30 of 9,380, confidence 95 %)",
    ]


def test_every_difference_has_its_path_kind_count_and_what_ends_it() -> None:
    lines = [line.split() for line in printed(as_text(REPORTS["different"])).splitlines()]
    assert [*("$.order.total", "int64_string", "30", "30", "0.318", "%"), "real:"] in (
        line[:7] for line in lines
    )
    assert ["set", "int64_as_numbers:", "true,", "or"] in (line[:4] for line in lines)


@pytest.mark.parametrize("name", REPORTS)
@pytest.mark.parametrize("width", [40, 80, 200])
def test_every_report_fits_every_terminal(name: str, width: int) -> None:
    for line in printed(as_text(REPORTS[name]), width=width).splitlines():
        assert len(line) <= width


def test_names_from_outside_are_neither_controls_nor_markup() -> None:
    text = printed(as_text(REPORTS["evil"]), width=500)
    assert not {"\x1b", "\x07", "\r", "\x00", "\u202e"} & {*text}
    assert "[red]markup[/red]" in text
    assert ":boom:" in text
    assert "owned\\x07" in text


def test_colours_are_the_only_controls_of_a_terminal() -> None:
    text = printed(as_text(REPORTS["evil"]), width=500, color=True)
    assert all(part[0] == "[" and "m" in part[:12] for part in text.split("\x1b")[1:])


def test_several_routes_begin_with_an_overview() -> None:
    one, two = REPORTS["good"], REPORTS["different"]
    text = printed(reports_as_text([one, two]))
    assert text.startswith(printed(overview_as_text([one, two])).rstrip("\n").split("\n")[0])
    assert text.splitlines()[1].split()[:3] == ["route", "stage", "verdict"]
    assert "get-order  fail" in text


def test_one_route_needs_no_overview_and_none_says_so() -> None:
    assert printed(reports_as_text([REPORTS["good"]])) == printed(as_text(REPORTS["good"]))
    assert printed(reports_as_text([])) == "no routes with a mirror or a gate\n"


def test_the_names_of_the_evil_report_are_all_there() -> None:
    """Not hidden either: an operator sees what was sent, spelled."""
    text = printed(as_text(REPORTS["evil"]), width=2_000)
    assert all(each[:20] in text for each in EVIL if each.isprintable() and each[0] != "[")
