"""The API of the corpus, and configurations that shape it."""

import asyncio
from functools import cache
from pathlib import Path

from google.protobuf.descriptor import Descriptor

from proxy.cli.composition import attempt_load
from proxy.errors import Place
from proxy.routing.snapshot import Snapshot
from proxy.sources.protos import compile_folder
from proxy.transcoding.descriptors import Descriptors, merge_files

FOLDER = Path(__file__).parent
CONFIG = """version: 1
descriptors: [{proto_path: protos}]
upstreams: {shop: {target: "127.0.0.1:1", plaintext: true, services: ["*"]}}
"""


@cache
def descriptors() -> Descriptors:
    """The descriptors of `shop.proto`."""
    return merge_files(compile_folder(FOLDER, "shape", Place("tests")))


def message_type(name: str) -> Descriptor:
    """A message type of the package."""
    return descriptors().pool.FindMessageTypeByName(f"shop.v1.{name}")


def load(folder: Path, more: str) -> tuple[Snapshot | None, list[str]]:
    """The snapshot of a configuration with *more*, and all problems of it."""
    (folder / "protos").mkdir(exist_ok=True)
    (folder / "protos/shop.proto").write_text((FOLDER / "shop.proto").read_text())
    (folder / "cutover.yaml").write_text(CONFIG + more)
    loaded = asyncio.run(attempt_load(folder, {}, None, None))
    return loaded.snapshot, [str(problem) for problem in loaded.problems]
