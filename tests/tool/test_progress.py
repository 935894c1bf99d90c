"""What lasts is said on a terminal, in a line that makes room for other text; nowhere else."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from tool.test_process import _drain

from ptscaffold.cli.console import say, step

GIT = shutil.which("git")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def watch(monkeypatch: pytest.MonkeyPatch, **environment: str) -> Terminal:
    monkeypatch.delenv("CI", raising=False)
    for name, value in {"TERM": "xterm", "COLUMNS": "24", **environment}.items():
        monkeypatch.setenv(name, value)
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    return terminal


def test_a_line_is_written_anew_while_steps_last(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = watch(monkeypatch)
    with step("install"):
        with step("a check with a long name"):
            time.sleep(0.6)
        say("one has ended")
        time.sleep(0.4)
    time.sleep(0.4)
    shown = terminal.getvalue().split("\r")
    assert shown[0] == "install 0 s, a check wi"
    assert set(shown[1::2]) == {" " * 23, " " * 11}
    assert any(text.startswith("one has ended\ninstall ") for text in shown)
    assert shown[-1] == "", "the line is gone at the end"


def test_one_step_after_the_other_has_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    watch(monkeypatch)
    before = threading.active_count()
    for number in range(5):
        with step(f"step {number}"):
            assert threading.active_count() == before + 1
    time.sleep(0.6)
    assert threading.active_count() == before


@pytest.mark.parametrize(("name", "value"), [("TERM", "dumb"), ("CI", "1")])
def test_nobody_watches(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    terminal = watch(monkeypatch, **{name: value})
    with step("install"):
        time.sleep(0.4)
    assert terminal.getvalue() == ""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no pseudo-terminal there")
def test_fetching_a_pack_is_watched(installed: Path, work: Path, tmp_path: Path) -> None:
    import pty

    pack = tmp_path / "pack"
    layer = pack / "features/ours/layer.toml"
    layer.parent.mkdir(parents=True)
    layer.write_text('label = "Ours"\nhelp = "ours"\n')
    commit = "git add . && git -c user.name=a -c user.email=a@b commit -qm 1"
    subprocess.run(f"git init -q && {commit}", shell=True, cwd=pack, check=True)
    slow = tmp_path / "bin/git"
    slow.parent.mkdir()
    slow.write_text(f'#!/bin/sh\nsleep 0.3\nexec {GIT} "$@"\n')
    slow.chmod(0o755)
    ours, theirs = pty.openpty()
    child = subprocess.Popen(
        [sys.executable, "-m", "ptscaffold", "list", "--pack", f"git+file://{pack}"],
        cwd=work,
        env={
            **os.environ,
            "CI": "",
            "PATH": f"{slow.parent}{os.pathsep}{os.defpath}",
            "PYTHONPATH": str(installed),
            "XDG_CACHE_HOME": str(tmp_path / "cache"),
            "TERM": "xterm",
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=theirs,
        text=True,
    )
    os.close(theirs)
    assert "ours" in child.communicate(timeout=60)[0]
    talk = _drain(ours)
    assert child.returncode == 0
    assert talk.startswith("fetching file:///")
    assert talk.rstrip("\r").rpartition("\r")[2].strip() == ""
