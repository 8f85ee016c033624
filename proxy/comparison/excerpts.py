"""What is shown of a value in a difference, one that is not there included.

Belongs here: `Excerpt`s of values. Does not: what of them may be kept (`gate.redaction`).
"""

import json
from typing import Final, TypeAlias

from proxy.comparison.documents import ABSENT, Excerpt
from proxy.comparison.notations import json_type
from proxy.comparison.reading import Ambiguous, Json
from proxy.transcoding.protojson.reader import has_surrogate


class Nothing:
    """No value: the member is not there."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "<Nothing>"


NOTHING: Final = Nothing()

Found: TypeAlias = "Json | Nothing"


def excerpt(value: Found) -> Excerpt:
    """What is shown of a value.

    >>> excerpt("a"), excerpt([b"1", b"2"])
    (Excerpt(type='string', length=1, text='"a"'), Excerpt(type='array', length=2, text=''))
    """
    if isinstance(value, Nothing):
        return ABSENT
    if isinstance(value, Ambiguous):
        return Excerpt("object", len(value.values), "")
    if isinstance(value, (dict, list)):
        return Excerpt(json_type(value), len(value), "")
    if isinstance(value, bytes):
        return Excerpt("number", len(value), value.decode())
    text = json.dumps(value, ensure_ascii=False)
    if not text.isascii() and has_surrogate(text):
        text = json.dumps(value)
    return Excerpt(json_type(value), len(value if isinstance(value, str) else text), text)
