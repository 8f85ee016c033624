"""Run the official conformance suite: `python -m tests.conformance.check`.

Looks for the runner at $PROTOJSON_CONFORMANCE, else beside the repository. Where there is none,
or it cannot be fetched, says so and exits 0: the suite needs a runner that does not come with
Python. Exits 1 when a check that touches JSON fails, is skipped, or is missing.
"""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
RUNNER: Final = ROOT.parent / "shared" / "tools" / "protojson-conformance"
#: How many checks of the suite have JSON on one side or on both.
JSON_CHECKS: Final = 2762
#: What the start script says when the runner cannot be had here. It has the same exit status when
#: the testee breaks the run, so only these words excuse a run that did not happen.
UNAVAILABLE: Final = ("could not fetch", "is for Linux on x86-64", "runner does not start")
SUMMARY: Final = re.compile(
    r"CONFORMANCE SUITE (PASSED|FAILED): (\d+) successes, (\d+) skipped, "
    r"(\d+) expected failures, (\d+) unexpected failures"
)


class NotHere(Exception):
    """The runner cannot be had on this machine; the text says why."""


def runner() -> Path:
    """The runner's start script. A runner that is named must exist."""
    named = os.environ.get("PROTOJSON_CONFORMANCE")
    if named:
        return Path(named).resolve(strict=True)
    if not RUNNER.is_file():
        raise NotHere("there is no runner beside the repository; PROTOJSON_CONFORMANCE names one")
    return RUNNER


def include_folder(script: Path) -> str:
    """Where the runner's protos are. Fetches the runner when this is its first use."""
    found = subprocess.run([script, "--protos"], capture_output=True, text=True, check=False)
    if found.returncode:
        raise NotHere(found.stderr.strip())
    return found.stdout.strip()


def problems(output: str, status: int, tallies: list[int]) -> list[str]:
    """What is wrong with a run, as lines for people; nothing when all is well.

    *tallies* are the numbers of requests that touched JSON, one from each start of the testee.
    The first suite of a run is the one of binary and JSON; the one of text format follows.
    """
    suites = SUMMARY.findall(output)
    if not suites:
        return [f"the runner ended with status {status} and without a summary"]
    verdict, successes, skipped, expected, unexpected = suites[0]
    found = []
    if status or verdict != "PASSED" or int(unexpected):
        found.append(f"{unexpected} checks failed (exit status {status})")
    if int(skipped):
        found.append(f"{skipped} checks were skipped")
    if int(expected):
        found.append(f"{expected} failures were expected; there must be none")
    touched = max(tallies, default=0)
    if min(touched, int(successes)) < JSON_CHECKS:
        found.append(f"only {touched} checks touched JSON; there are {JSON_CHECKS}")
    return found


def run(script: Path, include: str) -> tuple[str, int, list[int]]:
    """One run of both suites: its output, its exit status and the testee's tallies."""
    with tempfile.TemporaryDirectory() as folder:
        tally = Path(folder, "tally")
        testee = [sys.executable, "-m", "tests.conformance", include, str(tally)]
        ended = subprocess.run(
            [script, "--maximum-edition", "2023", "--", *testee],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        lines = tally.read_text(encoding="ascii").split() if tally.exists() else []
    if ended.returncode and any(words in ended.stdout for words in UNAVAILABLE):
        raise NotHere(ended.stdout.strip())
    return ended.stdout, ended.returncode, [int(line) for line in lines]


def main() -> int:
    try:
        script = runner()
        output, status, tallies = run(script, include_folder(script))
    except NotHere as reason:
        say(f"conformance: not run: {reason}")
        return 0
    found = problems(output, status, tallies)
    if found:
        say(output, *(f"conformance: {problem}" for problem in found))
        return 1
    say(f"conformance: all {max(tallies):,} checks that touch JSON succeeded")
    return 0


def say(*lines: str) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))


if __name__ == "__main__":
    sys.exit(main())
