"""Only one process works on a project; where a system has no locks, work goes on."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ptscaffold.errors import PtscaffoldError
from ptscaffold.project.guard import locked

HOLD = """\
import sys
from pathlib import Path
from ptscaffold.project.guard import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_another_process_is_refused_until_the_first_ends(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with (
            pytest.raises(PtscaffoldError, match="another ptscaffold is at work"),
            locked(tmp_path),
        ):
            pass
        other.communicate("")
    with locked(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []


def test_the_same_thread_may_lock_again_and_keeps_the_first_lock(tmp_path: Path) -> None:
    with locked(tmp_path):
        with locked(tmp_path):
            pass
        code = [sys.executable, "-c", HOLD, str(tmp_path)]
        done = subprocess.run(code, stdin=subprocess.DEVNULL, capture_output=True, check=False)
        assert b"another ptscaffold is at work" in done.stderr


def test_a_folder_that_is_not_there_is_left_to_whoever_reads_it(tmp_path: Path) -> None:
    with locked(tmp_path / "gone"):
        pass


@pytest.mark.parametrize("system", ["linux", "win32"])
def test_without_locks_work_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, system: str
) -> None:
    def no_locks(_descriptor: int, _operation: int) -> None:
        raise OSError("not supported")

    monkeypatch.setattr("fcntl.flock", no_locks)
    monkeypatch.setattr("sys.platform", system)
    with locked(tmp_path):
        pass
