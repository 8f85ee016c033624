"""What is said of an old API beside its bindings, and how: tables for a terminal and for a page.

Belongs here: words, order, columns. Does not: finding anything out (`inventory.coverage`).
"""

from collections.abc import Iterator, Sequence
from html import escape
from typing import Final

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from proxy.gate.words import number_text, share_text
from proxy.report.cells import Column, Row, Table, Values, visible
from proxy.report.markup import POLICY, whole_table
from proxy.report.style import STYLE
from proxy.report.text import table_as_text

_MARKS: Final = {
    "mapped": "good",
    "partial": "wait",
    "method_mismatch": "bad",
    "shadowed": "bad",
    "not_served": "bad",
    "unmapped": "bad",
}
_WORDS: Final = {
    "method_mismatch": "method mismatch",
    "not_served": "not served",
    "no_field": "no field",
    "no_legacy": "new",
    "type": "other type",
    "not_passed": "not passed on",
    "no_body": "no body",
}
#: Findings that clients do not stumble over.
_WEAK: Final = frozenset({"no_legacy", "not_passed"})


def summary_of(result: Values) -> list[str]:
    """The lines that stand above all tables."""
    return [*_summary(result)]


def tables_of(result: Values) -> list[Table]:
    """All tables that have rows, in order."""
    made = (
        _operations(result),
        _findings(result),
        _undocumented(result),
        _without_operation(result),
        _notes(result),
    )
    return [table for table in made if table.rows]


def inventory_as_text(result: Values) -> RenderableType:
    """All of it for rich."""
    lines = [Text(line, style="bold") for line in summary_of(result)]
    tables = (Padding(table_as_text(table), (1, 0, 0, 0)) for table in tables_of(result))
    return Group(*lines, *tables)


def inventory_as_html(result: Values) -> str:
    """All of it as one HTML document that needs nothing else, and runs nothing."""
    return "\n".join(_document(result)) + "\n"


def _document(result: Values) -> Iterator[str]:
    yield "<!DOCTYPE html>"
    yield '<html lang="en"><head><meta charset="utf-8">'
    yield f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield '<meta name="color-scheme" content="light dark">'
    yield f"<title>Old API and bindings</title><style>{STYLE}</style></head><body><main>"
    yield "<header><h1>Old API and bindings</h1></header><ul>"
    yield from (f"<li>{escape(line)}</li>" for line in summary_of(result))
    yield "</ul><article>"
    for table in tables_of(result):
        yield from whole_table(table)
    yield "</article></main></body></html>"


# --- what is said


def _summary(result: Values) -> Iterator[str]:
    api, traffic, mapped = result["api"], result["traffic"], result["mapped"]
    if api is not None:
        yield visible(f"{api['title'] or 'without a title'} ({api['document']})")
    yield _share(mapped)
    if traffic is not None:
        if traffic["first"] is not None:
            yield f"requests from {traffic['first']} to {traffic['last']}"
        if traffic["before_since"]:
            yield f"{number_text(traffic['before_since'])} requests before that are left out"
    counts = result["standings"].items()
    parts = [f"{number_text(row['operations'])} {_word(name)}" for name, row in counts]
    if api is not None:
        shown = (part for part, (_, row) in zip(parts, counts, strict=True) if row["operations"])
        yield "operations: " + ", ".join(shown)


def _share(mapped: Values) -> str:
    counts = f"{number_text(mapped['mapped'])} of {number_text(mapped['total'])} {mapped['of']}"
    share = "nothing to count" if mapped["share"] is None else share_text(mapped["share"])
    return f"mapped: {counts}, {share}"


def _operations(result: Values) -> Table:
    """Those that are asked for most first; of those with equal numbers what is wrong first."""
    counts = result["traffic"] is not None
    days = result["unused_days"]
    columns = [Column("operation", is_code=True), Column("standing")]
    if counts:
        columns += [Column("requests", is_number=True), Column("last hit")]
    columns += [Column("rpc", is_code=True), Column("stage")]
    rows = sorted(result["endpoints"], key=_by_weight)
    return Table(
        "Operations",
        tuple(columns),
        tuple(_operation(each, counts, days) for each in rows),
    )


def _by_weight(endpoint: Values) -> tuple[int, bool]:
    return -(endpoint["hits"] or 0), endpoint["standing"] == "mapped"


def _operation(endpoint: Values, counts: bool, days: int | None) -> Row:
    cells = [_operation_name(endpoint), _word(endpoint["standing"])]
    if counts:
        cells += [number_text(endpoint["hits"]), endpoint["last_hit"] or "never"]
    cells += [endpoint["rpc"] or "", endpoint["stage"] or ""]
    details = [endpoint["detail"]]
    details += [f"some of its paths lead to {rule}" for rule in endpoint["narrowed_by"]]
    if endpoint["unused"]:
        details.append(f"no hit in {days} days")
    elif endpoint["unused"] is None and counts and days and not endpoint["hits"]:
        details.append(f"no hit, but the log is shorter than {days} days")
    if endpoint["deprecated"]:
        details.append("deprecated")
    if endpoint["unknown_fields"]:
        details.append("clients send unknown fields: " + ", ".join(endpoint["unknown_fields"]))
    return _row(cells, "; ".join(filter(None, details)), _MARKS[endpoint["standing"]])


def _findings(result: Values) -> Table:
    columns = (
        Column("operation", is_code=True),
        Column("in"),
        Column("name", is_code=True),
        Column("what"),
        Column("why"),
        Column("requests", is_number=True),
    )
    rows = [
        _row(
            [
                _operation_name(endpoint),
                finding["where"],
                finding["path"] or "(all of it)",
                _word(finding["kind"]),
                finding["detail"],
                "" if finding["hits"] is None else number_text(finding["hits"]),
            ],
            mark="weak" if finding["kind"] in _WEAK else "",
        )
        for endpoint in result["endpoints"]
        for finding in endpoint["findings"]
    ]
    note = "what one side has and the other has not, by the names that clients use"
    return Table("Parameters and fields", columns, tuple(rows), note)


def _undocumented(result: Values) -> Table:
    columns = (
        Column("paths", is_code=True),
        Column("standing"),
        Column("requests", is_number=True),
        Column("last hit"),
        Column("rpc", is_code=True),
    )
    rows = tuple(
        _row(
            [
                f"{each['http_method']} {each['pattern']}",
                _word(each["standing"]),
                number_text(each["hits"]),
                each["last_hit"] or "",
                each["rpc"] or "",
            ],
            mark=_MARKS[each["standing"]],
        )
        for each in result["undocumented"]
    )
    title = "Requests" if result["api"] is None else "Requests that no operation tells of"
    return Table(title, columns, rows)


def _without_operation(result: Values) -> Table:
    columns = (Column("binding", is_code=True), Column("rpc", is_code=True))
    rows = [_row([each["binding"], each["rpc"]]) for each in result["without_operation"]]
    return Table("Bindings without an operation", columns, tuple(rows))


def _notes(result: Values) -> Table:
    rows = tuple(_row([note]) for note in result["notes"])
    return Table("Notes", (Column("what could not be taken as written"),), rows)


def _row(cells: Sequence[str], detail: str = "", mark: str = "") -> Row:
    return Row(tuple(map(visible, cells)), visible(detail), mark)


def _operation_name(endpoint: Values) -> str:
    return f"{endpoint['http_method']} {endpoint['path']}"


def _word(name: str) -> str:
    return _WORDS.get(name, name)
