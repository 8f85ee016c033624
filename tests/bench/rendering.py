"""What a table looks like in a log."""

from io import StringIO

from rich.console import Console
from rich.table import Table


def rendered(table: Table) -> str:
    output = StringIO()
    Console(file=output, width=200).print(table)
    return output.getvalue()
