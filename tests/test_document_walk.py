"""The pages that are a story go as they are written, from their first block to their last."""

import shutil
from pathlib import Path

import pytest

from proxy.example.files import folder
from tests.document_examples import WALKS, blocks
from tests.document_walk import Walk


@pytest.mark.parametrize("page", WALKS, ids=lambda page: page.stem)
async def test_a_page_goes_as_it_is_shown(page: Path, tmp_path: Path) -> None:
    shutil.copytree(folder("proto"), tmp_path / "proto")
    (tmp_path / "example").mkdir()
    shutil.copy(folder("mappings") / "cloud_v4.yaml", tmp_path / "example")
    with Walk(tmp_path) as walk:
        for block in blocks(page):
            await walk.do(block)
