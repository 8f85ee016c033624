"""Numbers as people read them: shares in percent, counts, durations and times.

Belongs here: rounding and units, the same in every reason and report. Does not: what is said.
"""

from datetime import UTC, datetime
from math import ceil, floor, log10
from typing import Final

_MINUTE_S: Final = 60.0
_HOUR_S: Final = 3600.0
_DAY_S: Final = 86_400.0
#: Guards rounding up and down against the last bit of a product, as of 0.07 * 100.
_ROUNDING: Final = 1e-9


def share_text(share: float) -> str:
    """A share in percent, to the nearest of at least three digits.

    >>> share_text(0.001), share_text(0.95), share_text(1 / 3), share_text(0.0000123)
    ('0.1 %', '95 %', '33.33 %', '0.00123 %')
    """
    percent = share * 100
    return f"{_plain(round(percent, _decimals(percent)), _decimals(percent))} %"


def at_most_text(share: float) -> str:
    """A share in percent, rounded up: what is above a limit never reads as if it kept it.

    >>> at_most_text(0.0010001), at_most_text(0.07)
    ('0.101 %', '7 %')
    """
    percent, decimals = share * 100, _decimals(share * 100)
    return f"{_plain(ceil(percent * 10**decimals - _ROUNDING) / 10**decimals, decimals)} %"


def at_least_text(share: float) -> str:
    """A share in percent, rounded down: what is below a limit never reads as if it had it.

    >>> at_least_text(0.89999)
    '89.99 %'
    """
    percent, decimals = share * 100, _decimals(share * 100)
    return f"{_plain(floor(percent * 10**decimals + _ROUNDING) / 10**decimals, decimals)} %"


def number_text(number: int) -> str:
    """A count with its thousands apart.

    >>> number_text(4741)
    '4,741'
    """
    return f"{number:,}"


def duration_text(seconds: float) -> str:
    """A duration in the unit that suits it, rounded down.

    >>> duration_text(0.0119), duration_text(1.19), duration_text(90), duration_text(86_399)
    ('11.9ms', '1.19s', '90s', '23.9h')
    >>> duration_text(86_400), duration_text(7 * 86_400), duration_text(5400)
    ('24h', '7d', '90m')
    """
    if seconds < 1:
        return f"{_floored(seconds * 1000, 2)}ms"
    if seconds < 2 * _MINUTE_S:
        return f"{_floored(seconds, 2)}s"
    if seconds < 2 * _HOUR_S:
        return f"{_floored(seconds / _MINUTE_S, 0)}m"
    if seconds < 3 * _DAY_S:
        return f"{_floored(seconds / _HOUR_S, 1)}h"
    return f"{_floored(seconds / _DAY_S, 1)}d"


def time_text(at_s: float) -> str:
    """A time of the Unix clock, as RFC 3339 in UTC and whole seconds.

    >>> time_text(1_780_000_000.9)
    '2026-05-28T20:26:40Z'
    """
    return datetime.fromtimestamp(int(at_s), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _decimals(percent: float) -> int:
    """Two, or as many as show three digits of a small number."""
    return max(2, 2 - floor(log10(percent))) if 0 < percent < 1 else 2


def _plain(value: float, decimals: int) -> str:
    text = f"{value:.{decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _floored(value: float, decimals: int) -> str:
    return _plain(floor(value * 10**decimals + _ROUNDING) / 10**decimals, decimals)
