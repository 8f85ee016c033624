"""A survey of an old API as tables, on a terminal and on a page that fetches and runs nothing."""

import re
from html.parser import HTMLParser
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from proxy.inventory.hits import Hit
from proxy.report.cells import MAX_CELL
from proxy.report.inventory import inventory_as_html, inventory_as_text, summary_of, tables_of
from proxy.routing.snapshot import Snapshot
from tests.inventory.stand import paths_api, snapshot, survey
from tests.report.test_browser import CHROMIUM, Host, browse, host

__all__ = ["host", "snapshot"]

ATTACK = "<script>document.title='owned'</script>"
PATHS = f"""\
  "/v1/orders/{{id}}":
    get:
      deprecated: true
      parameters: [{{name: "{ATTACK}", in: query}}, {{name: "a\\x1b[2Jb", in: query}}]
  /v1/orders/search: {{get: {{}}}}
  /v1/orders: {{put: {{}}}}
  "/{"x" * 400}": {{get: {{}}}}
  /a/{{x}}: {{get: {{}}}}
  /a/{{y}}: {{get: {{}}}}
"""
HITS = (
    Hit("GET", "/v1/orders/1", 1_769_817_600.0, 200, unknown=("odd",), times=1200),
    Hit("GET", f"/{ATTACK}", 1_785_456_000.0, 404),
)


@pytest.fixture
def result(snapshot: Snapshot) -> dict[str, Any]:
    return survey(snapshot, paths_api(PATHS), *HITS, days=30)


def as_text(result: dict[str, Any]) -> str:
    file = StringIO()
    Console(file=file, width=200).print(inventory_as_text(result))
    return file.getvalue()


def test_the_share_stands_first(result: dict[str, Any]):
    lines = summary_of(result)
    assert lines[:2] == ["Old (old.yaml)", "mapped: 1,200 of 1,201 requests, 99.92 %"]
    assert lines[2] == "requests from 2026-01-31T00:00:00Z to 2026-07-31T00:00:00Z"
    assert lines[3] == "operations: 1 mapped, 1 method mismatch, 1 shadowed, 3 unmapped"


def test_a_survey_without_traffic_or_without_a_document_leaves_those_parts_out(snapshot: Snapshot):
    bare = survey(snapshot, paths_api("  /v1/orders: {get: {}}\n"))
    assert [table.title for table in tables_of(bare)] == [
        "Operations",
        "Parameters and fields",
        "Bindings without an operation",
    ]
    assert "requests" not in {column.heading for column in tables_of(bare)[0].columns}
    log = survey(snapshot, None, Hit("GET", "/v1/orders"))
    assert [table.title for table in tables_of(log)] == ["Requests"]
    assert summary_of(survey(snapshot, None)) == ["mapped: 0 of 0 operations, nothing to count"]


def test_what_is_asked_for_most_comes_first_and_says_what_is_wrong(result: dict[str, Any]):
    operations = tables_of(result)[0]
    first, second, *_ = operations.rows
    assert first.cells[:3] == ("GET /v1/orders/{id}", "mapped", "1,200")
    assert first.detail == "no hit in 30 days; deprecated; clients send unknown fields: odd"
    assert second.mark == "bad", "of those with equal numbers what is wrong"


def test_control_characters_and_long_names_are_shown_harmlessly(result: dict[str, Any]):
    text = as_text(result)
    assert "\x1b" not in text
    assert r"a\x1b[2Jb" in text
    cells = [cell for table in tables_of(result) for row in table.rows for cell in row.cells]
    assert max(map(len, cells)) == MAX_CELL


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.seen: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert not [name for name, _ in attrs if name.startswith("on") or name in ("src", "href")]
        self.seen.add(tag)


def test_the_page_has_all_tables_and_no_markup_of_others(result: dict[str, Any]):
    page = inventory_as_html(result)
    tags = Tags()
    tags.feed(page)
    assert "script" not in tags.seen
    assert page.count("<table>") == len(tables_of(result)) == 5
    assert re.search(r"default-src 'none'", page)


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
def test_a_browser_shows_it_and_fetches_and_runs_nothing(
    host: Host, result: dict[str, Any], tmp_path: Path
):
    host.page = inventory_as_html(result).encode()
    shown = browse(host.url, tmp_path, "--dump-dom")
    assert [path for path in host.asked if path != "/favicon.ico"] == ["/report.html"]
    assert "<title>Old API and bindings</title>" in shown
    assert shown.count("<table>") == 5
