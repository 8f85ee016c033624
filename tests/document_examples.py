"""Fenced blocks of the documents: found, and the examples among them read.

Belongs here: Markdown to values. Does not: running anything (`tests.test_documents`).

A block's language says what it is; words after it are for us, since renderers ignore them:

- `exchange`: one request. Lines without a mark are the request line, headers and a body; `= RPC
  JSON` is the message that the RPC gets; `< …` is the answer: the status, for an error also what
  it says, then headers, then the body. What ends in `…` is a beginning.
- `yaml settings`: top-level keys of a configuration, with which the exchanges below it on the page
  are tried (`tests.test_settings_documents`); without one they are tried on the example as it is.
- `yaml FILE`, `proto FILE`: a file of the reader's own, `FILE` its path.
- `console`: commands after `$ `, each with what it prints; `…` stands for any lines.
- `sh`: commands alone.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
#: The page that moves an endpoint, which the README quotes.
WALK = ROOT / "docs" / "moving-an-endpoint.md"
#: The pages whose blocks are one story each: every block builds on those before it.
WALKS = (WALK, ROOT / "docs" / "shadowing.md")
PAGES = tuple(sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]))

_FENCE = re.compile(r"^```(\S*) *(.*)\n((?:.*\n)*?)```$", re.MULTILINE)
_HEADER = re.compile(r"([A-Za-z][A-Za-z0-9-]*): (.*)")
MORE = "…"


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, the words after that, its text and where it begins."""

    page: Path
    line: int
    language: str
    words: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.name}:{self.line}"


def blocks(page: Path, language: str = "") -> Iterator[Block]:
    """The fenced blocks of a page, of one language or of all."""
    text = page.read_text(encoding="utf-8")
    for match in _FENCE.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        block = Block(page, line, match[1], match[2].strip(), match[3])
        if language in ("", block.language):
            yield block


#: The word behind the language of a block with settings for the exchanges below it.
SETTINGS = "settings"


def exchanges(page: Path) -> Iterator[tuple[Block | None, Block]]:
    """The exchanges of a page, each with the settings that it is for, None for the example's."""
    settings = None
    for block in blocks(page):
        if block.words == SETTINGS:
            settings = block
        elif block.language == "exchange":
            yield settings, block


@dataclass(frozen=True)
class Message:
    """The message that an RPC gets."""

    rpc: str
    document: Any


@dataclass(frozen=True)
class Expected:
    """The answer that a client gets; *says* is the field and the message of an error."""

    status: int
    says: str
    headers: tuple[tuple[str, str], ...]
    body: str


@dataclass(frozen=True)
class Example:
    """One request with what becomes of it: at least one of *message* and *answer*."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: str
    message: Message | None
    answer: Expected | None


def parse_example(block: Block) -> Example:
    """Read an `exchange` block."""
    lines = block.text.splitlines()
    sent = [line for line in lines if not line.startswith(("= ", "< "))]
    message = [line[2:] for line in lines if line.startswith("= ")]
    answer = [line[2:] for line in lines if line.startswith("< ")]
    assert len(message) <= 1, f"{block}: two messages"
    assert message or answer, f"{block}: nothing is expected"
    method, target = sent[0].split(" ")
    headers, body = _split(sent[1:])
    return Example(
        method,
        target,
        headers,
        body,
        _message(message[0]) if message else None,
        _answer(answer) if answer else None,
    )


def _split(lines: list[str]) -> tuple[tuple[tuple[str, str], ...], str]:
    """The headers that begin *lines*, and the rest as a body."""
    headers = []
    for index, line in enumerate(lines):
        match = _HEADER.fullmatch(line)
        if match is None:
            return tuple(headers), "\n".join(lines[index:])
        headers.append((match[1], match[2]))
    return tuple(headers), ""


def _message(line: str) -> Message:
    rpc, _, document = line.partition(" ")
    return Message(rpc, json.loads(document))


def _answer(lines: list[str]) -> Expected:
    status, _, says = lines[0].partition(" ")
    headers, body = _split(lines[1:])
    return Expected(int(status), says, headers, body)


def is_as_shown(shown: str, real: str) -> bool:
    """Whether *real* is what *shown* says: the same, the same JSON, or what begins so.

    >>> is_as_shown("[…", "[{}]"), is_as_shown('{"a": 1}', '{"a":1}'), is_as_shown("a", "ab")
    (True, True, False)
    """
    if shown.endswith(MORE):
        return real.startswith(shown.removesuffix(MORE))
    if shown[:1] in ("{", "[") and real[:1] in ("{", "["):
        return bool(json.loads(shown) == json.loads(real))
    return shown == real


def commands(block: Block) -> Iterator[tuple[str, str]]:
    """The commands of a `console` block, each with what it prints."""
    for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
        command, _, output = part.partition("\n")
        yield command, output


def output_pattern(shown: str) -> re.Pattern[str]:
    """What a command may print: *shown*, with anything for `…`, any lines where it is alone.

    >>> bool(output_pattern("digest …\\n…\\n").fullmatch("digest 12\\na\\nb\\n"))
    True
    """
    return re.compile("".join(_line_pattern(line) for line in shown.splitlines()))


def _line_pattern(line: str) -> str:
    if line == MORE:
        return r"(?:.*\n)*"
    return ".*".join(map(re.escape, line.split(MORE))) + r"\n"


_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ +(.*)$", re.MULTILINE)


def links(page: Path) -> Iterator[str]:
    """The targets of the links of a page, but for those to other hosts."""
    text = _FENCE.sub("", page.read_text(encoding="utf-8"))
    return (target for target in _LINK.findall(text) if "://" not in target)


def anchors(page: Path) -> set[str]:
    """The anchors of the headings of a page, as GitHub makes them."""
    text = _FENCE.sub("", page.read_text(encoding="utf-8"))
    kept = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in _HEADING.findall(text))
    return {heading.replace(" ", "-") for heading in kept}


def table_rows(page: Path, heading: str) -> list[list[str]]:
    """The cells of all rows of the tables under a heading, heads and rules left out."""
    section = re.split(r"^## ", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    (text,) = (each for each in section if each.startswith(f"{heading}\n"))
    tables = re.findall(r"(?:^\|.*\|\n)+", text, re.MULTILINE)
    rows = [row for table in tables for row in table.splitlines()[2:]]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
