"""What can go wrong beside a bad request, and how client text is quoted in a message."""

import json
from typing import Final

from proxy.errors import ProxyError

#: Longest piece of client text that a message repeats, in characters.
EXCERPT: Final = 40


class DecodeFailure(ProxyError):
    """A message from an upstream is not valid, or holds a value that has no JSON form."""


class UnknownType(DecodeFailure):
    """A `google.protobuf.Any` holds a type that the descriptor pool does not know."""

    def __init__(self, type_url: str) -> None:
        super().__init__(f"the type {excerpt(type_url)} of an Any is not known")
        self.type_url = type_url


def cut(text: str) -> str:
    r"""*text* without its end when it is long, and with everything unprintable escaped.

    >>> cut("a\nb" + "c" * 100)
    'a\\nbccccccccccccccccccccccccccccccccccccc...'
    """
    shown = json.dumps(text[:EXCERPT])[1:-1]
    return shown + "..." if len(text) > EXCERPT else shown


def joined(path: str, name: str) -> str:
    """The path one field further down."""
    return f"{path}.{name}" if path else name


def excerpt(text: str) -> str:
    """*text* in double quotes, cut and escaped as `cut` does."""
    return f'"{cut(text)}"'
