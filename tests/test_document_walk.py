"""The page that moves an endpoint goes as it is written, from its first block to its last."""

import shutil
from pathlib import Path

from proxy.example.files import folder
from tests.document_examples import WALK, blocks
from tests.document_walk import Walk


async def test_an_endpoint_moves_as_it_is_shown(tmp_path: Path) -> None:
    shutil.copytree(folder("proto"), tmp_path / "proto")
    with Walk(tmp_path) as walk:
        for block in blocks(WALK):
            await walk.do(block)
