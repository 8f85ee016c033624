"""The rows and fences of the architecture, read from the imports.

A module imports only from its own row's package and from rows below; some libraries have a fence.
"""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

PROXY = Path(__file__).parents[1] / "proxy"

#: From the top down; where modules of one row need each other, they have an order too. `example`
#: stands outside: a pair of hosts that the proxy knows nothing of.
ROWS: tuple[frozenset[str], ...] = (
    frozenset({"__main__"}),
    frozenset({"cli"}),
    frozenset({"supervisor"}),
    frozenset({"server", "admin"}),
    frozenset({"exchange"}),
    frozenset({"shadow"}),
    frozenset({"report"}),
    frozenset({"upstreams", "sources", "telemetry", "state", "evidence", "programs"}),
    frozenset({"children"}),
    frozenset({"inventory", "recordings", "shaping"}),
    frozenset({"routing"}),
    frozenset({"config"}),
    frozenset({"cutover"}),
    frozenset({"gate"}),
    frozenset({"comparison"}),
    frozenset({"shape"}),
    frozenset({"transcoding"}),
    frozenset({"errors"}),
    frozenset({"status"}),
)
#: base, core and policy
PURE = frozenset().union(*ROWS[ROWS.index(frozenset({"routing"})) :])

#: A library and the modules of `proxy` that may import it.
FENCES: dict[str, tuple[str, ...]] = {
    "aiohttp": ("server", "admin", "upstreams.rest", "example"),
    "grpc": ("upstreams.grpc", "sources.reflection", "sources.load", "cli.composition", "example"),
    "grpc_tools": (),
    # It takes long to load, and few targets name a server of their own.
    "dns": ("upstreams.dns_server",),
    "yaml": ("config",),
    "click": ("cli",),
    "uvloop": ("cli",),
    "pydantic": ("config",),
    "prometheus_client": ("telemetry",),
    "sqlite3": ("evidence",),
    "asyncpg": ("evidence",),
    "protovalidate": ("transcoding.validation",),
    "referencing": ("inventory",),
    "multipart": ("shape.bodies",),
    "jq": ("shape.programs", "programs.child_process"),
}

#: What a module of the pure rows must not reach for: tasks, clocks, environment, files, sockets.
IMPURE = frozenset(
    {
        *("asyncio", "threading", "subprocess", "socket", "select", "signal", "multiprocessing"),
        *("time", "os", "sys", "pathlib", "io", "tempfile", "shutil", "random", "secrets"),
    }
)


def modules() -> list[Path]:
    return sorted(PROXY.rglob("*.py"))


def name_of(path: Path) -> str:
    """The dotted name below `proxy`, "" for the package itself."""
    parts = path.relative_to(PROXY).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


@cache
def nodes_of(path: Path) -> tuple[ast.AST, ...]:
    return tuple(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))


def imports_of(path: Path) -> Iterator[str]:
    """Every module that *path* imports, wherever the statement stands."""
    for node in nodes_of(path):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def row_of(name: str) -> int | None:
    top = name.partition(".")[0]
    return next((index for index, row in enumerate(ROWS) if top in row), None)


def is_within(name: str, fence: str) -> bool:
    return name == fence or name.startswith(f"{fence}.")


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_imports_point_down(path: Path) -> None:
    name = name_of(path)
    row, top = row_of(name), name.partition(".")[0]
    for imported in imports_of(path):
        if not imported.startswith("proxy.") or not name or top == "example":
            continue
        target = imported.removeprefix("proxy.").partition(".")[0]
        if target in (top, "__version__"):
            continue
        if target == "example":
            assert top == "cli", f"{name} imports the example"
            continue
        target_row = row_of(target)
        assert row is not None, f"{name} belongs to no row"
        assert target_row is not None, f"{name} imports {imported}, which belongs to no row"
        assert row < target_row, f"{name} -> {imported}"


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_the_example_knows_nothing_of_the_proxy(path: Path) -> None:
    if name_of(path).partition(".")[0] == "example":
        inside = [each for each in imports_of(path) if each.startswith("proxy.")]
        assert all(each.startswith("proxy.example") for each in inside), inside


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_libraries_stay_behind_their_fences(path: Path) -> None:
    name = name_of(path)
    for imported in imports_of(path):
        allowed = FENCES.get(imported.partition(".")[0])
        assert allowed is None or any(is_within(name, fence) for fence in allowed), (
            f"{name} imports {imported}"
        )


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_pure_rows_do_no_io_and_read_no_clock(path: Path) -> None:
    name = name_of(path)
    if name.partition(".")[0] not in PURE:
        return
    reached = {imported.partition(".")[0] for imported in imports_of(path)} & IMPURE
    assert not reached, f"{name} reaches for {reached}"
    calls = {
        node.func.id
        for node in nodes_of(path)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert "open" not in calls, f"{name} opens a file"


def test_every_top_level_module_belongs_to_a_row() -> None:
    tops = {name_of(path).partition(".")[0] for path in modules()} - {"", "example"}
    assert tops == frozenset().union(*ROWS)
