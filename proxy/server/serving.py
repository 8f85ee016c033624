"""What the front end serves with at one time, as one value that is swapped whole.

Belongs here: the exchange of one snapshot with the limits that came with it, and the count of the
requests that began with it. Does not: how any of that is made, or closed when it has ended (`cli`).
"""

from collections.abc import Callable
from dataclasses import dataclass

from proxy.exchange.exchange import Exchange
from proxy.exchange.observer import Observer
from proxy.server.protocol import ConnectionLimits, HeaderLimits
from proxy.server.reading import ReadLimits


def _ignore() -> None:
    """What is called of a serving that nobody waits for the end of."""


@dataclass(slots=True, eq=False)
class Serving:
    """One generation of what requests are served with.

    Nothing of it changes but *inflight*, the requests that began with it and have not ended: a
    request keeps the serving it began with, and a connection the limits it was made with.
    *on_idle* is called once, when the serving has been replaced and its last request has ended;
    it must neither block nor raise.
    """

    exchange: Exchange
    observer: Observer
    header_limits: HeaderLimits
    read_limits: ReadLimits
    connection_limits: ConnectionLimits
    on_idle: Callable[[], None] = _ignore
    inflight: int = 0
    is_retired: bool = False

    def entered(self) -> None:
        """Count a request in."""
        self.inflight += 1

    def left(self) -> None:
        """Count a request out."""
        self.inflight -= 1
        if self.is_retired and not self.inflight:
            self.on_idle()

    def retire(self) -> None:
        """Note that no request will begin with it any more. A second call does nothing."""
        if self.is_retired:
            return
        self.is_retired = True
        if not self.inflight:
            self.on_idle()
