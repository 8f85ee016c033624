"""The page on errors names every format and every hole."""

import re
from typing import get_args

import yaml

from proxy.config.dialects import DIALECTS
from proxy.config.error_dialect import ErrorDialect
from proxy.shape.errors.options import ErrorFormat
from proxy.shape.errors.template import OF_BODIES
from tests.document_examples import ROOT, table_rows

PAGE = ROOT / "docs" / "errors.md"


def first_cells(heading: str) -> list[str]:
    return [
        name for row in table_rows(PAGE, heading) for name in re.findall(r"`([\w.-]+)`", row[0])
    ]


def test_every_format_is_described() -> None:
    assert first_cells("Formats") == list(get_args(ErrorFormat))


def test_every_hole_is_described() -> None:
    assert set(first_cells("A form of your own")) == OF_BODIES | {"metadata.KEY"}


def test_the_table_of_dialects_is_that_of_the_code() -> None:
    rows = table_rows(ROOT / "docs" / "dialects.md", "Errors")
    shown = {row[0].strip("`"): [cell.strip("`") for cell in row[1:]] for row in rows}
    assert shown.keys() == ErrorDialect.model_fields.keys()
    for key, (spec, *cells) in shown.items():
        assert yaml.safe_load(spec) == ErrorDialect.model_fields[key].default
        peers = [each.get(key) for name, each in DIALECTS.items() if name != "spec"]
        assert [yaml.safe_load(cell) if cell else None for cell in cells] == peers
