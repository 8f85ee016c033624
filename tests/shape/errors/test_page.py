"""The page on errors names every format and every hole."""

import re
from typing import get_args

from proxy.shape.errors.options import ErrorFormat
from proxy.shape.errors.template import OF_BODIES, OF_ELEMENTS
from tests.document_examples import ROOT, table_rows

PAGE = ROOT / "docs" / "errors.md"


def first_cells(heading: str) -> list[str]:
    return [
        name for row in table_rows(PAGE, heading) for name in re.findall(r"`([\w.-]+)`", row[0])
    ]


def test_every_format_is_described() -> None:
    assert first_cells("Formats") == list(get_args(ErrorFormat))


def test_every_hole_is_described() -> None:
    assert set(first_cells("A form of your own")) == OF_BODIES | OF_ELEMENTS | {"metadata.KEY"}
