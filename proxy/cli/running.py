"""What a process that serves does, be it the only one or a worker among several."""

import gc
from typing import Final

from proxy.cli.conduct import Deeds
from proxy.cli.service import Service

#: Seconds that the last lines of the access log may take to be written.
LOG_CLOSE_S: Final = 2.0
#: Allocations between two young collections: a request makes about a hundred objects that are
#: freed by their counts, so the default of 700 collects every few requests and finds nothing.
_GC_THRESHOLD: Final = 20_000


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
