"""What a process that serves does, be it the only one or a worker among several."""

import gc
from datetime import date
from typing import Final

import structlog

from proxy.cli.conduct import Deeds
from proxy.cli.service import Service
from proxy.routing.snapshot import Snapshot

_log: Final = structlog.get_logger("proxy")

#: Seconds that the last lines of the access log may take to be written.
LOG_CLOSE_S: Final = 2.0
#: Allocations between two young collections: a request makes about a hundred objects that are
#: freed by their counts, so the default of 700 collects every few requests and finds nothing.
_GC_THRESHOLD: Final = 20_000


def no_day() -> date:
    """The day by which a process that starts judges rules of comparison: none has expired.

    A rule expires by the calendar, not by anybody's change. A host that is started again after
    midnight, or loses a worker then, must come up: its clients know nothing of comparisons. The
    rule fails its route's gate instead, and `check` and every reload.
    """
    return date.min


def tell_expired(snapshot: Snapshot, today: date) -> None:
    """Log each rule of comparison whose last day is over."""
    for route in snapshot.routes:
        for rule, expires in route.expiries:
            if expires < today:
                told = {"route": route.name, "rule": rule, "expires": str(expires)}
                _log.error("a rule has expired: gate and reloads fail", **told)


def freeze_heap() -> None:
    """Take what was loaded out of the garbage collector's sight: it stays until the end.

    Before a fork it keeps the pages shared, which a collection would touch.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_GC_THRESHOLD)


def deeds_of(service: Service) -> Deeds:
    """What can be done with *service*."""

    def kill() -> None:
        service.control.kill("signal", "SIGUSR1")

    return Deeds(service.retire, service.reload, kill)
