"""The text of the metrics, as the parsers of Prometheus' own library read it."""

import sys
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from prometheus_client import parser
from prometheus_client.openmetrics import parser as openmetrics

from proxy.telemetry.exposition import encode
from proxy.telemetry.tally import Definition, Kind, Merge, Tally

OPEN = "application/openmetrics-text; version=1.0.0"
ODD = 'a"b\\c\nd{}=,é'

Parse = Callable[[str], Iterable[Any]]
Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]

FORMATS = pytest.mark.parametrize(
    ("accept", "parse"),
    [
        ("", parser.text_string_to_metric_families),
        (f"text/plain;q=0.5, {OPEN}", openmetrics.text_string_to_metric_families),
    ],
)


def tally() -> Tally:
    tally = Tally()
    counter = Definition("requests", 'Says "all"\nof \\ it.', Kind.COUNTER, ("route", "odd"))
    tally.put(counter, ("a", ODD), 3)
    tally.put(counter, ("b", ""), 1e15 + 1)
    gauge = Definition("level", "A level.", Kind.GAUGE, ("which",), Merge.MAX)
    for which in ("inf", "-inf", "0.25"):
        tally.put(gauge, (which,), float(which))
    tally.put(Definition("up", "Without labels.", Kind.GAUGE), (), 1)
    tally.family(Definition("none", "No samples.", Kind.COUNTER))
    plain = Definition("lag_seconds", "How late.", Kind.HISTOGRAM, bounds=(0.1, 1.0))
    tally.put(plain, (), 1, 2, 3, 12.5)
    labelled = Definition("took_seconds", "How long.", Kind.HISTOGRAM, ("side",), bounds=(0.5,))
    tally.put(labelled, ("grpc",), 4, 0, 1.0)
    return tally


def parsed(accept: str, parse: Parse) -> tuple[dict[str, Any], Samples]:
    families = list(parse(encode(Tally.load(tally().dump()), accept)[1].decode()))
    samples = [sample for family in families for sample in family.samples]
    values = {(s.name, tuple(sorted(s.labels.items()))): s.value for s in samples}
    assert len(values) == len(samples)
    return {family.name: family for family in families}, values


@FORMATS
def test_every_number_is_read_as_it_was(accept: str, parse: Parse) -> None:
    _, values = parsed(accept, parse)
    assert values == {
        ("requests_total", (("odd", ODD), ("route", "a"))): 3,
        ("requests_total", (("odd", ""), ("route", "b"))): 1e15 + 1,
        ("level", (("which", "inf"),)): sys.float_info.max,
        ("level", (("which", "-inf"),)): -sys.float_info.max,
        ("level", (("which", "0.25"),)): 0.25,
        ("up", ()): 1,
        ("lag_seconds_bucket", (("le", "0.1"),)): 1,
        ("lag_seconds_bucket", (("le", "1.0"),)): 3,
        ("lag_seconds_bucket", (("le", "+Inf"),)): 6,
        ("lag_seconds_count", ()): 6,
        ("lag_seconds_sum", ()): 12.5,
        ("took_seconds_bucket", (("le", "0.5"), ("side", "grpc"))): 4,
        ("took_seconds_bucket", (("le", "+Inf"), ("side", "grpc"))): 4,
        ("took_seconds_count", (("side", "grpc"),)): 4,
        ("took_seconds_sum", (("side", "grpc"),)): 1,
    }


@FORMATS
def test_kinds_and_texts_are_told(accept: str, parse: Parse) -> None:
    families, _ = parsed(accept, parse)
    kinds = {name: family.type for name, family in families.items()}
    assert kinds == {
        "requests": "counter",
        "level": "gauge",
        "up": "gauge",
        "none": "counter",
        "lag_seconds": "histogram",
        "took_seconds": "histogram",
    }
    assert families["requests"].documentation == 'Says "all"\nof \\ it.'
