"""What the admin port shows and does, as the composition root hands it over.

Belongs here: the seam between the admin port and the service. Does not: anything of HTTP.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from proxy.exchange.control import Control
from proxy.exchange.recording import Recorder
from proxy.routing.snapshot import Snapshot
from proxy.shadow.reporting import Reporter
from proxy.telemetry.metrics import Metrics

#: Each check by name, with what is wrong, or "" when nothing is.
Checks = Callable[[], dict[str, str]]


class Reload(Protocol):
    """Reads the folder again; gives the result as JSON values.

    With *force* it may take from clients what they have. `result` is `applied`, `unchanged` or
    `refused`.
    """

    async def __call__(self, *, force: bool, who: str, reason: str) -> dict[str, Any]:
        """Reload now, in all processes of the service."""
        ...


@dataclass(slots=True)
class Operations:
    """The service, as operators know it. *snapshot* is the one in force; a reload replaces it.

    *readiness* is asked anew each time. *configuration* tells what is shown beside the
    configuration itself: generations, and the last reload. *reporter* tells of mirrors, *recorder*
    records.
    """

    snapshot: Snapshot
    metrics: Metrics
    control: Control
    readiness: Checks
    reload: Reload
    configuration: Callable[[], dict[str, Any]] = dict
    reporter: Reporter | None = None
    recorder: Recorder | None = None
