"""Percent-decoding of path segments, path variables and query text, always strict.

Belongs here: raw text to text, once. Does not: splitting a path (`routing.trie`) or a query
(`transcoding.query`). Splitting comes first, on the encoded text (http.proto), so that an escaped
separator never separates.

A broken escape, bytes that are no UTF-8 and a NUL are refused: each of them means different
things to different servers, and none of them can be said in a protobuf string that every
backend reads alike.
"""

import re
from enum import Enum
from string import ascii_lowercase, ascii_uppercase
from typing import Final
from urllib.parse import unquote_to_bytes


class PercentError(ValueError):
    """Percent-encoded text that cannot be decoded. The message says what is wrong, for clients."""


class Unescape(Enum):
    """What is decoded in a variable of several segments; one of a single segment always is whole.

    `ALL_EXCEPT_SLASH` is what http.proto says of `HttpRule` and what we do unless told otherwise;
    `ALL_EXCEPT_RESERVED` is its older wording, the default of the C++ transcoder and Envoy.
    """

    ALL_EXCEPT_SLASH = "all_except_slash"
    ALL_EXCEPT_RESERVED = "all_except_reserved"
    ALL = "all"

    def with_full_expansion(self, fully_decode_reserved_expansion: bool) -> "Unescape":
        """The setting as `google.api.Http.fully_decode_reserved_expansion` changes it.

        http.proto: when true, everything is decoded but `%2F`, which stays where the variable is
        of several segments; so it lifts `ALL_EXCEPT_RESERVED` and changes nothing else.

        >>> Unescape.ALL_EXCEPT_RESERVED.with_full_expansion(True)
        <Unescape.ALL_EXCEPT_SLASH: 'all_except_slash'>
        """
        if fully_decode_reserved_expansion and self is Unescape.ALL_EXCEPT_RESERVED:
            return Unescape.ALL_EXCEPT_SLASH
        return self


#: The escapes that stay as written, hex digits in either case (RFC 6570 section 1.5, reserved).
_KEPT: Final[dict[Unescape, re.Pattern[str]]] = {
    Unescape.ALL_EXCEPT_SLASH: re.compile("%(?=2[fF])"),
    Unescape.ALL_EXCEPT_RESERVED: re.compile("%(?=2[13-46-9a-cA-CfF]|3[aAbBdDfF]|40|5[bBdD])"),
}

_LOWER: Final = str.maketrans(ascii_uppercase, ascii_lowercase)
_BAD_ESCAPE: Final = re.compile("%(?![0-9A-Fa-f]{2})")


def decode_segment(raw: str) -> str:
    """Decode a whole segment, or a variable of exactly one. Raises `PercentError`.

    >>> decode_segment("a%2Fb+c%20d")
    'a/b+c d'
    """
    text = raw if raw.isascii() and "%" not in raw else _decode(raw)
    if "\0" in text:
        raise PercentError("a NUL character is not allowed")
    return text


def decode_multi_segment(raw: str, unescape: Unescape = Unescape.ALL_EXCEPT_SLASH) -> str:
    """Decode a variable of several segments; escapes that are kept stay as written.

    >>> decode_multi_segment("zones/a%2fb/c%3Ad")
    'zones/a%2fb/c:d'
    >>> decode_multi_segment("zones/a%2fb/c%3Ad", Unescape.ALL_EXCEPT_RESERVED)
    'zones/a%2fb/c%3Ad'

    Raises `PercentError`.
    """
    kept = _KEPT.get(unescape)
    if kept is None or "%" not in raw:
        return decode_segment(raw)
    _refuse_bad_escape(raw)
    return decode_segment(kept.sub("%25", raw))


def decode_query(raw: str, *, plus_is_space: bool = True) -> str:
    """Decode a name or a value of a query string. Raises `PercentError`.

    >>> decode_query("a+b%2Bc")
    'a b+c'
    """
    return decode_segment(raw.replace("+", " ") if plus_is_space else raw)


def keep_bad_escapes(raw: str) -> str:
    """The same text with its broken escapes escaped, so that decoding leaves them as they are.

    >>> decode_segment(keep_bad_escapes("100%"))
    '100%'
    """
    return _BAD_ESCAPE.sub("%25", raw) if "%" in raw else raw


def literal_key(raw: str) -> str | None:
    """What a literal and a segment that stands for it have in common however they are escaped.

    None for a broken escape: no literal is spelled so. Bytes that are no UTF-8 are kept apart as
    surrogates, since a template may contain any escape.

    >>> literal_key("%66oo%2fbar") == literal_key("foo%2Fbar")
    True
    """
    if "%" not in raw:
        return raw
    if _BAD_ESCAPE.search(raw):
        return None
    return unquote_to_bytes(_octets(raw)).decode("utf-8", "surrogateescape")


def folded_key(raw: str) -> str | None:
    """As `literal_key`, without the case of ASCII letters: that of others depends on who asks.

    >>> folded_key("Z%4FNES") == folded_key("zones")
    True
    """
    key = literal_key(raw)
    return None if key is None else key.translate(_LOWER)


def _decode(raw: str) -> str:
    _refuse_bad_escape(raw)
    try:
        return unquote_to_bytes(_octets(raw)).decode("utf-8")
    except UnicodeError as error:
        raise PercentError("the text is not UTF-8") from error


def _refuse_bad_escape(raw: str) -> None:
    bad = _BAD_ESCAPE.search(raw)
    if bad:
        escape = raw[bad.start() : bad.start() + 3]
        raise PercentError(f"{escape!r} is no percent-encoding")


def _octets(raw: str) -> bytes:
    """The bytes that were sent: servers hand on what is no UTF-8 as lone surrogates."""
    return raw.encode("utf-8", "surrogateescape")
