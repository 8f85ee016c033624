"""Entity tags and the conditions of requests on them (RFC 9110 §8.8.3, §13).

Belongs here: tags as text, `If-None-Match` and `If-Match`. Does not: where a tag comes from
(`outcomes`), compressing (`exchange`).

A strong tag names the bytes of one representation, and a gzipped one has other bytes. So its tag
gets a suffix, which is taken off again when clients send the tag back: to make it weak instead
would make every later `If-Match` fail, since that asks for strong tags.
"""

import re
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from hashlib import blake2b
from typing import Final

_OPAQUE: Final = r'"[!#-~]*"'
_TAG: Final = re.compile(rf"(?:W/)?{_OPAQUE}")
_LIST: Final = re.compile(rf"[ \t,]*(?:W/)?{_OPAQUE}(?:[ \t]*,[ \t,]*(?:W/)?{_OPAQUE})*[ \t,]*")
_BARE: Final = re.compile(r"[!#-~]+")
_WEAK: Final = "W/"
#: What the tag of a gzipped representation ends in.
CODED: Final = "--gzip"
#: Bytes of a digest of a body, and of a tag from anywhere.
_DIGEST_BYTES: Final = 16
MAX_TAG_BYTES: Final = 512
ANY: Final = "*"


def tag_of(text: str, *, weak: bool = False) -> str | None:
    """*text* as an entity tag: as it is, or in quotation marks; None if it can be none.

    >>> tag_of("abc"), tag_of('W/"abc"'), tag_of("abc", weak=True), tag_of("a b")
    ('"abc"', 'W/"abc"', 'W/"abc"', None)
    """
    if len(text) > MAX_TAG_BYTES:
        return None
    if not _TAG.fullmatch(text):
        if not _BARE.fullmatch(text):
            return None
        text = f'"{text}"'
    return f"{_WEAK}{text}" if weak and not text.startswith(_WEAK) else text


def digest_tag(body: bytes, *, weak: bool = False) -> str:
    """The tag of a body by its bytes."""
    digest = urlsafe_b64encode(blake2b(body, digest_size=_DIGEST_BYTES).digest())
    return f'{_WEAK if weak else ""}"{digest.rstrip(b"=").decode()}"'


def coded(tag: str) -> str | None:
    """The tag of the gzipped form of what *tag* names; None if it has none that differs.

    >>> coded('"a"'), coded('W/"a"'), coded('"a--gzip"')
    ('"a--gzip"', 'W/"a"', None)
    """
    if tag.startswith(_WEAK):
        return tag
    return None if tag.endswith(f'{CODED}"') else f'{tag[:-1]}{CODED}"'


def plain(tag: str) -> str:
    """What *tag* names without content coding; the other way round from `coded`.

    >>> plain('"a--gzip"'), plain('W/"a--gzip"')
    ('"a"', 'W/"a"')
    """
    return f'{tag[: -len(CODED) - 1]}"' if tag.endswith(f'{CODED}"') else tag


def tags_in(values: Sequence[str]) -> list[str]:
    """The tags of `If-Match` or `If-None-Match`, ["*"] for any.

    Values that are no list of tags are as if they had not come: empty.

    >>> tags_in(['"a", W/"b"']), tags_in(["*"]), tags_in(['"a', "x"])
    (['"a"', 'W/"b"'], ['*'], [])
    """
    text = ", ".join(values)
    if text.strip() == ANY:
        return [ANY]
    return _TAG.findall(text) if _LIST.fullmatch(text) else []


def known_tag(sent: Sequence[str], tag: str) -> str | None:
    """The tag that says to a client with the tags *sent* that what it has is *tag*, or None.

    The comparison is weak (RFC 9110 §13.1.2). A client that has the gzipped form is told its tag:
    by that it knows which of its copies is meant.

    >>> known_tag(['"b"', '"a--gzip"'], '"a"'), known_tag(["*"], '"a"'), known_tag(['"b"'], '"a"')
    ('"a--gzip"', '"a"', None)
    """
    if sent == [ANY]:
        return tag
    opaque, coded_tag = tag.removeprefix(_WEAK), coded(tag)
    for each in sent:
        if each == coded_tag:
            return each
        if each.removeprefix(_WEAK) == opaque or plain(each).removeprefix(_WEAK) == opaque:
            return tag
    return None


def is_weak(tag: str) -> bool:
    """Whether a tag is weak: `If-Match` never holds for one (RFC 9110 §13.1.1)."""
    return tag.startswith(_WEAK)
