"""Only one process works on a project; where a system has no locks, work goes on."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import filelock  # it asks for the system when it is imported, which must be the real one
import pytest

from ptscaffold.errors import PtscaffoldError
from ptscaffold.project.guard import locked, scratch, sweep

HOLD = """\
import sys
from pathlib import Path
import filelock
from ptscaffold.project.guard import locked
sys.platform = sys.argv[2]
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture(params=["linux", "win32"])
def system(
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
) -> str:
    """One that locks folders, and one that locks files alone, in a folder for that."""
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path_factory.mktemp("local")))
    monkeypatch.setattr("sys.platform", request.param)
    return str(request.param)


def test_another_process_is_refused_until_the_first_ends(tmp_path: Path, system: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path), system],
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


def test_the_same_thread_may_lock_again_and_keeps_the_first_lock(
    tmp_path: Path, system: str
) -> None:
    with locked(tmp_path):
        with locked(tmp_path):
            pass
        code = [sys.executable, "-c", HOLD, str(tmp_path), system]
        done = subprocess.run(code, stdin=subprocess.DEVNULL, capture_output=True, check=False)
        assert b"another ptscaffold is at work" in done.stderr


def test_the_folder_of_a_run_that_lives_is_not_swept(tmp_path: Path, system: str) -> None:
    with scratch(tmp_path, "net") as folder:
        sweep(tmp_path)
        assert folder.is_dir()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_left_to_whoever_reads_it(
    tmp_path: Path, system: str
) -> None:
    with locked(tmp_path / "gone"):
        pass


def test_without_locks_work_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, system: str
) -> None:
    def no_locks(*_: object) -> None:
        raise OSError("not supported")

    monkeypatch.setattr("fcntl.flock", no_locks)
    monkeypatch.setattr(filelock.FileLock, "acquire", no_locks)
    with locked(tmp_path):
        pass
