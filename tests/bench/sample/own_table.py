from rich.table import Table

from bench.figures import Figure


def run():
    return [Figure("ratio", 1.0, "x")]


def table(figures):
    shown = Table(title="peers")
    shown.add_row(figures[0].name)
    return shown
