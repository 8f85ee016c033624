"""The override header: how a tester whom the operator trusts picks the side of a request.

Belongs here: whether a request's header is trusted, and what it says; taking it out of headers
that pass on. Does not: what an override outranks (`decision`).
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import blake2b
from hmac import compare_digest
from typing import Final

from proxy.cutover.stages import Side
from proxy.cutover.sticky import HeaderLookup

#: The header's name unless told otherwise.
DEFAULT_NAME: Final = "x-cutover-override"

_SIDES: Final = {side.value: side for side in (Side.LEGACY, Side.GRPC)}


@dataclass(frozen=True, slots=True)
class OverrideHeader:
    """The header *name* with the value `<side> <secret>`, as `grpc correct horse`.

    Raises `ValueError` for a secret that no header can carry as it is: empty, with white space
    at an end, or with a control character.
    """

    name: str
    secret: str = field(repr=False)
    _digest: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        secret = self.secret
        if not secret or secret != secret.strip() or not secret.isprintable():
            raise ValueError(
                "the secret of the override header must be printable text without space at its ends"
            )
        object.__setattr__(self, "_digest", _digest(secret))

    def side_of(self, headers: HeaderLookup) -> Side | None:
        """The side that *headers* name with the right secret, else None. Raises nothing.

        Every line of the header is looked at, so that a client cannot get in the way of a proxy
        in front that adds its own. Digests are compared, in constant time: neither the secret nor
        its length can be learned from how long that takes.
        """
        for line in headers.getall(self.name, ()):
            side, _, secret = line.partition(" ")
            if compare_digest(_digest(secret), self._digest) and side in _SIDES:
                return _SIDES[side]
        return None


def without_override(
    headers: Iterable[tuple[str, str]], name: str = DEFAULT_NAME
) -> list[tuple[str, str]]:
    """The *headers* without those of *name*, which no side is ever to see, trusted or not.

    >>> without_override([("X-Cutover-Override", "grpc s3cret"), ("Accept", "*/*")])
    [('Accept', '*/*')]
    """
    lower = name.lower()
    return [pair for pair in headers if pair[0].lower() != lower]


def _digest(secret: str) -> bytes:
    return blake2b(secret.encode("utf-8", "surrogateescape")).digest()
