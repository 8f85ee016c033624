"""The descriptors that every program takes for granted."""

import subprocess
import sys

import pytest

SCRIPT = """
import os
for each in {closed}:
    os.close(each)
from proxy.supervisor.standard_streams import fill_standard_streams
fill_standard_streams()
assert all(os.get_inheritable(each) for each in (0, 1, 2))
assert os.dup(0) > 2
"""


@pytest.mark.parametrize("closed", [(), (0,), (1, 2), (0, 1, 2)])
def test_what_was_closed_is_open_and_what_was_open_stays(closed: tuple[int, ...]) -> None:
    script = SCRIPT.format(closed=closed) + "os.write(1, b'said')\n"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == (b"" if 1 in closed else b"said")
