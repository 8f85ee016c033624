"""Where comparisons are made: small ones at once, large ones in the helper process.

Belongs here: that choice, and what comparisons cost the event loop. Does not: what is compared.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from proxy.comparison.comparator import Comparator
from proxy.comparison.documents import Comparison, Document
from proxy.shadow.helper import Helper

#: Bytes of both bodies up to which a pair is compared on the event loop: no longer than it takes
#: to answer a few requests.
INLINE_BYTES: Final = 16 << 10


class Comparing:
    """Compares pairs; *charge* is told the processor seconds that each took on the event loop.

    *cpu_clock* gives the processor seconds of the calling thread.
    """

    def __init__(
        self,
        helper: Helper,
        charge: Callable[[float], None],
        *,
        cpu_clock: Callable[[], float] = time.thread_time,
    ) -> None:
        self._helper = helper
        self._charge = charge
        self._cpu_clock = cpu_clock
        #: Pairs that were compared on the event loop, and by the helper.
        self.inline = 0
        self.helped = 0

    def __repr__(self) -> str:
        return f"<Comparing inline={self.inline} helped={self.helped} {self._helper!r}>"

    @contextmanager
    def charged(self) -> Iterator[None]:
        """Charge what is done within."""
        began_s = self._cpu_clock()
        try:
            yield
        finally:
            self._charge(self._cpu_clock() - began_s)

    async def compare(self, comparator: Comparator, legacy: Document, grpc: Document) -> Comparison:
        """What *comparator* says of a pair; an obstacle in it where it can say nothing."""
        if len(legacy.body) + len(grpc.body) > INLINE_BYTES:
            self.helped += 1
            return await self._helper.compare(comparator, legacy, grpc)
        self.inline += 1
        with self.charged():
            return comparator.compare(legacy, grpc)
