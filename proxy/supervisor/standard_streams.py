"""The three descriptors that every program takes for granted.

Belongs here: that they are there. Does not: what is written to them (`telemetry`).
"""

import os
from typing import Final

STDOUT: Final = 1
STDERR: Final = 2


def fill_standard_streams() -> None:
    """Open what was closed for us of stdin, stdout and stderr; what is written there is lost.

    The next file or socket would get its number, and be written to as if it were the stream.
    """
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= STDERR:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)
