import re
from itertools import pairwise

import pytest

from proxy.report.markdown import as_markdown
from tests.report.reports import REPORTS

#: A cell ends at a bar that is not escaped.
CELLS = re.compile(r"(?<!\\)\|")


def test_a_route_is_a_section_with_its_reasons_as_a_list() -> None:
    lines = as_markdown([REPORTS["different"]]).splitlines()
    assert lines[0] == "# Shadow report"
    assert lines[2] == "## `get-order`: fail"
    assert "- forbid type: $.order (2 mismatches)" in lines
    assert (
        "| `$.order.total` | `int64_string` | 30 | 30 | 0.318 % "
        "| real: 12 gRPC, 0 legacy, p 0.00024 |  "
        "| set int64\\_as\\_numbers: true, or int64 in the shape |"
    ) in lines


def test_several_routes_begin_with_an_overview() -> None:
    lines = as_markdown([REPORTS["good"], REPORTS["no mirror"]]).splitlines()
    assert lines[2] == "## Routes"
    assert "| `get-order` | shadow | no gate | 0 | 0 |  |  | not compared: no mirror |" in lines


def test_without_routes_it_says_so() -> None:
    assert "no routes" in as_markdown([])


@pytest.mark.parametrize("name", REPORTS)
def test_every_line_of_a_table_has_as_many_cells(name: str) -> None:
    lines = as_markdown([REPORTS[name]]).splitlines()
    for before, line in pairwise(lines):
        if before.startswith("|") and line.startswith("|"):
            assert len(CELLS.findall(before)) == len(CELLS.findall(line))


def test_names_from_outside_are_code_or_escaped() -> None:
    text = as_markdown([REPORTS["evil"]])
    outside_code = re.sub(r"(`+)(?!`).*?(?<!`)\1(?!`)", "", text)
    assert not re.search(r"(?<!\\)[<>*_\[\]`]", outside_code)
    assert text.isascii() or all(each.isprintable() or each in "\n\xa0" for each in text)
