"""The bucket of a sticky key: the number that a percent is compared with.

Belongs here: the hash, which is a contract with every other process, version and tool that wants
to know where a client goes (`tests/vectors/bucket.json`). Does not: where keys come from
(`sticky`).
"""

from hashlib import blake2b
from typing import Final

#: Buckets there are; one is 0.01 %, the finest step of a percent.
BUCKETS: Final = 10_000

#: The version of the hash. Another formula needs another prefix, and moves every client.
_PREFIX: Final = "cutover-1\0"


def bucket(group: str, key: str) -> int:
    r"""The bucket of *key* in *group*, 0 to 9,999; gRPC has those below the percent's basis points.

    A key that is in at some percent is in at every higher one, since its bucket never changes.
    The group salts the hash: routes of one group decide alike, groups independently of each other.
    Eight bytes of digest leave a bias of less than 10^-15 between buckets.

    *group* has no NUL (`Canary` refuses it), so that no two pairs are hashed as the same bytes.
    Text goes in as UTF-8; bytes that are none come from the wire as lone surrogates, and go in as
    they were sent. Raises `UnicodeEncodeError` for a surrogate that stands for no byte, which no
    request can bring about.

    >>> bucket("records", "user-1"), bucket("zones", "user-1"), bucket("records", "caf\udce9")
    (9844, 5403, 6683)
    """
    text = f"{_PREFIX}{group}\0{key}".encode("utf-8", "surrogateescape")
    return int.from_bytes(blake2b(text, digest_size=8).digest(), "big") % BUCKETS
