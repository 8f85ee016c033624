"""What a short run is held to."""

from collections.abc import Iterable

from bench.figures import Figure


def missed(figures: Iterable[Figure]) -> list[str]:
    """The counts that are not as they must be.

    Figures with a unit, times and ratios of them, are for a machine with nothing else to do:
    `./run bench reliability` judges those.
    """
    found = list(figures)
    assert sum(figure.target is not None and not figure.unit for figure in found) > 1
    return [
        f"{figure.name}: {figure.value:g}" for figure in found if not figure.unit and not figure.ok
    ]
