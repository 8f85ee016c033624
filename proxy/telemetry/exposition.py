"""A tally in the words of Prometheus: its text format 0.0.4, or OpenMetrics 1.0.

Belongs here: the two formats. Does not: the numbers (`tally`).

The text is made on the event loop, which answers no request meanwhile. Thousands of lines are
usual, so they are made from parts that are the same for all samples of a family, which takes a
tenth of the time that the encoders of `prometheus_client` take.
"""

from collections.abc import Iterator
from itertools import accumulate
from typing import Final

from proxy.telemetry.tally import Family, Kind, Labels, Sample, Tally

_TEXT: Final = "text/plain; version=0.0.4; charset=utf-8"
_OPEN: Final = "application/openmetrics-text; version=1.0.0; charset=utf-8"

_IN_QUOTES: Final = str.maketrans({"\\": "\\\\", "\n": "\\n", '"': '\\"'})
_IN_HELP: Final = str.maketrans({"\\": "\\\\", "\n": "\\n"})


def encode(tally: Tally, accept: str) -> tuple[str, bytes]:
    """The content type and text, in the format that *accept*, a header's value, asks for."""
    is_open = "application/openmetrics-text" in accept
    text = "".join(_family(family, is_open) for family in tally.families.values())
    if is_open:
        return _OPEN, f"{text}# EOF\n".encode()
    return _TEXT, text.encode()


def _family(family: Family, is_open: bool) -> str:
    definition = family.definition
    samples = _histograms(family) if definition.kind is Kind.HISTOGRAM else _values(family)
    help_text = definition.documentation.translate(_IN_QUOTES if is_open else _IN_HELP)
    name = definition.name if is_open else _sample_name(family)
    return f"# HELP {name} {help_text}\n# TYPE {name} {definition.kind}\n{''.join(samples)}"


def _sample_name(family: Family) -> str:
    definition = family.definition
    return f"{definition.name}_total" if definition.kind is Kind.COUNTER else definition.name


def _values(family: Family) -> Iterator[str]:
    name = _sample_name(family)
    for labels, (value,) in family.samples.items():
        inside = _labels(family, labels)
        yield f"{name}{{{inside}}} {float(value)}\n" if inside else f"{name} {float(value)}\n"


def _histograms(family: Family) -> Iterator[str]:
    bounds = [f'le="{bound}"}} ' for bound in (*map(float, family.definition.bounds), "+Inf")]
    for labels, sample in family.samples.items():
        yield _histogram(family.definition.name, _labels(family, labels), bounds, sample)


def _histogram(name: str, inside: str, bounds: list[str], sample: Sample) -> str:
    """The buckets as Prometheus counts them, each with all that are below it; count and sum."""
    bucket = f"{name}_bucket{{{inside}," if inside else f"{name}_bucket{{"
    totals = list(accumulate(map(float, sample[:-1])))
    lines = [f"{bucket}{le}{total}\n" for le, total in zip(bounds, totals, strict=True)]
    braced = f"{{{inside}}}" if inside else ""
    lines.append(f"{name}_count{braced} {totals[-1]}\n{name}_sum{braced} {float(sample[-1])}\n")
    return "".join(lines)


def _labels(family: Family, values: Labels) -> str:
    pairs = zip(family.definition.labels, values, strict=True)
    return ",".join([f'{name}="{value.translate(_IN_QUOTES)}"' for name, value in pairs])
