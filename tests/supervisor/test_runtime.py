"""The directory that the processes of a service share, and the limit on open files."""

import resource
from pathlib import Path

from proxy.supervisor.open_files import allow_all_open_files
from proxy.supervisor.runtime import RuntimeDirectory, tally_name
from proxy.telemetry.shared import SharedTallies
from proxy.telemetry.tally import Tally


def test_it_is_private_and_goes_with_all_that_is_in_it(tmp_path: Path) -> None:
    runtime = RuntimeDirectory.make([tmp_path])
    assert runtime.path.parent == tmp_path
    assert runtime.path.stat().st_mode & 0o777 == 0o700
    runtime.log_lock.write_bytes(b"")
    runtime.remove()
    assert not runtime.path.exists()
    runtime.remove()


def test_it_is_elsewhere_when_its_place_takes_nothing(tmp_path: Path) -> None:
    runtime = RuntimeDirectory.make([tmp_path / "nowhere"])
    assert runtime.path.is_dir()
    assert runtime.path.parent != tmp_path
    runtime.remove()


def test_what_somebody_has_removed_is_made_anew(tmp_path: Path) -> None:
    runtime = RuntimeDirectory.make([tmp_path])
    runtime.restore()
    runtime.path.rmdir()
    runtime.restore()
    assert runtime.path.stat().st_mode & 0o777 == 0o700


def test_the_last_worker_whose_parent_is_gone_removes_it(tmp_path: Path) -> None:
    runtime = RuntimeDirectory.make([tmp_path])
    for name in ("parent", tally_name(1), tally_name(2)):
        SharedTallies(runtime.path, name).write(Tally())
    runtime.abandon(tally_name(2))
    assert runtime.path.exists()
    runtime.abandon(tally_name(1))
    assert not runtime.path.exists()


def test_every_file_that_the_system_allows_may_be_open() -> None:
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        assert allow_all_open_files() == resource.getrlimit(resource.RLIMIT_NOFILE)[0] == limits[1]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
