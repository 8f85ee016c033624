"""Signals as the end of a process."""

import signal
import subprocess
import sys

import pytest

SCRIPT = """
import signal
from proxy.supervisor.signals import end_by
signal.pthread_sigmask(signal.SIG_BLOCK, {blocked})
end_by(signal.SIGTERM)
"""


@pytest.mark.parametrize(
    ("blocked", "code"),
    [("()", -signal.SIGTERM), ("{signal.SIGTERM}", 128 + signal.SIGTERM)],
)
def test_it_ends_by_the_signal_and_else_by_itself(blocked: str, code: int) -> None:
    """One that is blocked ends a process as little as the first process of a container."""
    script = SCRIPT.format(blocked=blocked)
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == code
