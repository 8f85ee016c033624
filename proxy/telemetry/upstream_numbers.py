"""What the upstreams count themselves: read when the metrics are, and kept when they are gone.

Belongs here: adding up the upstreams of one name. Does not: what is counted per request
(`metrics`), the texts (`names`).
"""

from collections.abc import Callable
from dataclasses import dataclass

from proxy.telemetry import names
from proxy.telemetry.tally import Tally


@dataclass(frozen=True, slots=True)
class UpstreamReading:
    """The numbers of an upstream at one moment.

    *inflight* are the calls that are open, *refused* those for which there was no room, *retried*
    the retries that were made and *unretried* those that the budget refused. *addresses* is None
    for an upstream that has one for good. After *is_closed* none of them changes.
    """

    inflight: int
    refused: int
    retried: int = 0
    unretried: int = 0
    addresses: int | None = None
    is_closed: bool = False


Read = Callable[[], UpstreamReading]


class UpstreamNumbers:
    """All upstreams of the process. Several may have one name: a reload replaces them one by one.

    Counters of those that are closed are kept, since a counter must not fall.
    """

    def __init__(self) -> None:
        self._reads: dict[str, list[Read]] = {}
        self._past: dict[str, UpstreamReading] = {}

    def __repr__(self) -> str:
        return f"UpstreamNumbers({sum(map(len, self._reads.values()))} of {list(self._past)})"

    def add(self, name: str, read: Read) -> None:
        """Show an upstream called *name*, which *read* gives the numbers of."""
        self._past.setdefault(name, UpstreamReading(0, 0))
        # Here too, lest those that are closed pile up where nobody reads metrics.
        self._read(name)
        self._reads.setdefault(name, []).append(read)

    def _read(self, name: str) -> list[UpstreamReading]:
        """The numbers of the open upstreams called *name*; those of closed ones are put aside."""
        readings = [(read, read()) for read in self._reads.get(name, ())]
        for _, reading in readings:
            if reading.is_closed:
                self._past[name] = _sum(self._past[name], reading)
        self._reads[name] = [read for read, reading in readings if not reading.is_closed]
        return [reading for _, reading in readings if not reading.is_closed]

    def add_to(self, tally: Tally) -> None:
        """Read the numbers of now."""
        for name in self._past:
            open_ones = self._read(name)
            total = self._past[name]
            for reading in open_ones:
                total = _sum(total, reading)
            tally.put(names.UPSTREAM_REFUSED, (name,), total.refused)
            if open_ones:
                inflight = sum(reading.inflight for reading in open_ones)
                tally.put(names.UPSTREAM_INFLIGHT, (name,), inflight)
            # That of the newest: the others are on their way out.
            if open_ones and open_ones[-1].addresses is not None:
                tally.put(names.UPSTREAM_ADDRESSES, (name,), open_ones[-1].addresses)
            if total.addresses is not None:
                tally.put(names.UPSTREAM_RETRIES, (name, "made"), total.retried)
                tally.put(names.UPSTREAM_RETRIES, (name, "refused"), total.unretried)


def _sum(one: UpstreamReading, other: UpstreamReading) -> UpstreamReading:
    """The counters of both."""
    return UpstreamReading(
        0,
        one.refused + other.refused,
        one.retried + other.retried,
        one.unretried + other.unretried,
        other.addresses,
    )
