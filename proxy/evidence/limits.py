"""How much evidence is kept. What comes beyond a cap is counted, never kept."""

from dataclasses import dataclass
from typing import Final

_DAY_S: Final = 24 * 3600.0

#: Comparisons of one client that the gate counts per hour: more say nothing new of the route.
CLIENT_COMPARISONS_PER_HOUR: Final = 20
#: Examples of one kind of difference at one path: a sample of all, and the newest.
RESERVOIR: Final = 5
#: One example, in bytes of its stored form.
EXAMPLE_BYTES: Final = 4 << 10


@dataclass(frozen=True, slots=True)
class EvidenceLimits:
    """Caps of one store. Those on rows hold for each epoch of each route.

    *max_bytes* is of the database file, without its write-ahead log; a PostgreSQL server's disk is
    its operators'. Evidence that was not added to for *retention_s* seconds goes, and examples
    after *examples_ttl_s*.

    *clients* is how many can be told apart at one time: far more than any gate asks for.
    """

    max_bytes: int = 256 << 20
    retention_s: float = 30 * _DAY_S
    examples_ttl_s: float = 7 * _DAY_S
    clients: int = 50_000
    shapes: int = 10_000
    fields: int = 5_000
    differences: int = 512
    #: Clients can make up the names in these, so they have a room of their own.
    request_differences: int = 128
    rules: int = 1_000
    #: Of all routes.
    examples: int = 4_096
    #: Of one route: the present one and a few to look back at.
    epochs: int = 5
