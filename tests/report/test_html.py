import re
from collections.abc import Iterator
from copy import deepcopy
from html.parser import HTMLParser
from typing import Any

import pytest

from proxy.report.html import as_html
from tests.report.reports import EVIL, REPORTS

#: Elements that have no end, and those whose end HTML lets one leave out.
VOID = {"meta"}
OPEN_ENDED = {"td", "th", "li", "br"}
#: All that a page may consist of, with what may be said of it.
ALLOWED = {
    **dict.fromkeys(("html", "head", "title", "style", "body", "main", "header"), ("lang",)),
    **dict.fromkeys(("article", "section", "p", "ul", "li", "br"), ("id", "class")),
    **dict.fromkeys(("div", "table", "thead", "tbody", "tr", "th", "td"), ("class", "scope")),
    **dict.fromkeys(("h1", "h2", "h3", "code", "span", "i", "figure", "figcaption"), ("class",)),
    "a": ("href",),
    "meta": ("charset", "name", "content", "http-equiv"),
    "svg": ("viewbox", "preserveaspectratio", "height", "aria-hidden"),
    "rect": ("class", "x", "y", "width", "height"),
}


class Reader(HTMLParser):
    """Keeps the elements and texts of a page, and what of its nesting is wrong."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.wrong: list[str] = []
        self._stack: list[str] = []
        self.feed(page)
        self.close()
        self.wrong += [f"{each} is not closed" for each in self._stack]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID | OPEN_ENDED:
            self._stack.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in OPEN_ENDED:
            return
        if not self._stack or self._stack.pop() != tag:
            self.wrong.append(f"{tag} ends at {self.getpos()}")

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    @property
    def text(self) -> str:
        return "".join(self.texts)


EVERY = list(REPORTS.values())


@pytest.mark.parametrize("name", REPORTS)
def test_every_element_is_closed_where_it_belongs(name: str) -> None:
    assert Reader(as_html([REPORTS[name]])).wrong == []
    assert Reader(as_html(EVERY)).wrong == []


def test_a_page_consists_of_nothing_that_runs_or_is_fetched() -> None:
    for tag, attributes in Reader(as_html(EVERY)).elements:
        assert attributes.keys() <= {*ALLOWED[tag]}, (tag, attributes)


def test_links_lead_to_routes_of_the_page_alone() -> None:
    elements = Reader(as_html(EVERY)).elements
    links = [attributes["href"] for tag, attributes in elements if tag == "a"]
    targets = [attributes.get("id") for tag, attributes in elements if tag == "article"]
    assert (
        links == [f"#{target}" for target in targets] == [f"#route-{n}" for n in range(len(EVERY))]
    )


def test_the_style_fetches_nothing() -> None:
    style = re.search(r"<style>(.*?)</style>", as_html([]), re.DOTALL)
    assert style is not None
    assert not re.search(r"url\(|@import|expression|http", style[1])


def test_the_page_forbids_itself_scripts_and_resources() -> None:
    policies = [
        attributes["content"]
        for tag, attributes in Reader(as_html([])).elements
        if attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    assert len(policies) == 1
    assert policies[0] is not None
    assert policies[0].startswith("default-src 'none'; style-src 'unsafe-inline'")


@pytest.mark.parametrize("text", [each for each in EVIL if each.isprintable() and len(each) < 200])
def test_a_name_from_outside_is_shown_as_it_is(text: str) -> None:
    assert f"$.{text}" in Reader(as_html([REPORTS["evil"]])).text


def test_several_routes_begin_with_an_overview() -> None:
    reader = Reader(as_html([REPORTS["good"], REPORTS["different"]]))
    headings = reader.text
    assert headings.index("Routes") < headings.index("Differences")
    assert "Routes" not in Reader(as_html([REPORTS["good"]])).text


def rectangles(report: dict[str, Any]) -> Iterator[tuple[str, float, float]]:
    for tag, attributes in Reader(as_html([report])).elements:
        if tag == "rect":
            at, width = float(attributes["x"] or 0), float(attributes["width"] or 0)
            yield attributes["class"] or "", at, width


#: Where the drawing has the interval, by the report.
PLACES = {"good": "within", "different": "beyond", "few": "open"}


@pytest.mark.parametrize("name", PLACES)
def test_the_drawing_of_the_bound_is_within_its_frame_and_says_where_the_limit_is(
    name: str,
) -> None:
    marks = {kind: (at, at + width) for kind, at, width in rectangles(REPORTS[name])}
    assert all(0 <= begin <= end <= 1_002 for begin, end in marks.values())
    begin, end = marks[PLACES[name]]
    limit = sum(marks["limit"]) / 2
    assert {"within": end <= limit, "beyond": begin >= limit, "open": begin < limit < end}[
        PLACES[name]
    ]


@pytest.mark.parametrize("lower", [0.002, 0.0136, 0.6, 1.0])
def test_a_rate_far_beyond_the_limit_is_drawn_and_not_left_outside(lower: float) -> None:
    report = deepcopy(REPORTS["different"])
    report["bound"] |= {"lower": lower, "upper": 1.0, "limit": 0.001}
    marks = {kind: (at, at + width) for kind, at, width in rectangles(report)}
    begin, end = marks["beyond"]
    assert begin >= sum(marks["limit"]) / 2
    assert end - begin >= 300 or lower == 1.0


def test_the_bar_of_verdicts_is_full() -> None:
    kinds = {"match", "match_with_rules", "noise", "transient", "mismatch"}
    widths = [width for kind, _, width in rectangles(REPORTS["different"]) if kind in kinds]
    assert sum(widths) == pytest.approx(1_000, abs=0.05)


def test_without_routes_it_says_so() -> None:
    assert "no routes" in Reader(as_html([])).text
