"""A tally in the words of Prometheus, and what `prometheus_client` knows of a process as a tally.

The only module that knows that library.
"""

from collections.abc import Iterable
from typing import Final

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from proxy.telemetry.names import PROCESS_GAUGES
from proxy.telemetry.tally import Definition, Family, Kind, Merge, Sample, Tally


class Exposition(Collector):
    """The families of a tally, for one of the library's encoders."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally

    def __repr__(self) -> str:
        return f"Exposition({self._tally!r})"

    def collect(self) -> Iterable[Metric]:
        """Each family that the tally has."""
        return map(_metric, self._tally.families.values())

    def encode(self, accept: str) -> tuple[str, bytes]:
        """The content type and text, in the format that *accept* asks for."""
        encode, content_type = choose_encoder(accept)
        return content_type, encode(self)


def _metric(family: Family) -> Metric:
    definition = family.definition
    if definition.kind is Kind.HISTOGRAM:
        return _histogram(family)
    make = CounterMetricFamily if definition.kind is Kind.COUNTER else GaugeMetricFamily
    metric = make(definition.name, definition.documentation, labels=definition.labels)
    for labels, (value,) in family.samples.items():
        metric.add_metric(list(labels), value)
    return metric


def _histogram(family: Family) -> Metric:
    definition = family.definition
    metric = HistogramMetricFamily(
        definition.name, definition.documentation, labels=definition.labels
    )
    for labels, sample in family.samples.items():
        metric.add_metric(list(labels), _cumulated(definition.bounds, sample), sample[-1])
    return metric


def _cumulated(bounds: tuple[float, ...], sample: Sample) -> list[tuple[str, float]]:
    """A histogram's buckets as Prometheus counts them: each with all that are below it."""
    total, buckets = 0.0, []
    names = (*map(str, bounds), "+Inf")
    for name, count in zip(names, sample[:-1], strict=True):
        total += count
        buckets.append((name, total))
    return buckets


class ProcessNumbers:
    """What the system and the interpreter say about this process."""

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
