"""A share of gRPC as people read it.

Belongs here: basis points to text. Does not: what a file may say of a percentage (`config`).
"""

from typing import Final

#: Basis points of one percent.
POINTS_PER_PERCENT: Final = 100
#: All of a route's clients, in basis points.
WHOLE: Final = 100 * POINTS_PER_PERCENT


def percent_text(basis_points: int) -> str:
    """The percentage of *basis_points*, exactly and without needless digits.

    >>> percent_text(500), percent_text(25), percent_text(10_000), percent_text(1210)
    ('5 %', '0.25 %', '100 %', '12.1 %')
    """
    whole, rest = divmod(basis_points, POINTS_PER_PERCENT)
    digits = f"{whole}.{rest:02}".rstrip("0").rstrip(".")
    return f"{digits} %"
