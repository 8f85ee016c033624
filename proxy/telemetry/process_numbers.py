"""What the system and the interpreter say about this process, as a tally.

The only module that knows `prometheus_client`.
"""

from typing import Final

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.metrics_core import Metric

from proxy.telemetry.names import PROCESS_GAUGES
from proxy.telemetry.tally import Definition, Kind, Merge, Tally


class ProcessNumbers:
    """Reads memory, processor time, descriptors and collections of garbage."""

    def __init__(self) -> None:
        self._registry: Final = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self._registry)

    def __repr__(self) -> str:
        return "ProcessNumbers()"

    def add_to(self, tally: Tally) -> None:
        """Read the numbers of now."""
        for metric in self._registry.collect():
            for sample in metric.samples:
                definition = _defined(metric, tuple(sample.labels))
                tally.put(definition, sample.labels.values(), sample.value)


def _defined(metric: Metric, labels: tuple[str, ...]) -> Definition:
    kind = Kind(metric.type)
    merge = PROCESS_GAUGES.get(metric.name, Merge.MAX) if kind is Kind.GAUGE else Merge.SUM
    return Definition(metric.name, metric.documentation, kind, labels, merge)
