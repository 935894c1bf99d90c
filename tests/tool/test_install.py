"""`new --install` with stand-ins for uv, python and pip on PATH."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ptscaffold.errors import InstallError
from ptscaffold.project.new import install

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the stand-ins are shell scripts")

VISION = ("new", "digits", "--domain", "vision", "--style", "lightning", "--install")


def put_program(folder: Path, name: str, script: str) -> str:
    folder.mkdir(exist_ok=True)
    program = folder / name
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return f"{folder}{os.pathsep}/bin"


def test_uv_makes_the_environment(command: Callable, work: Path) -> None:
    path = put_program(
        work.parent / "bin", "uv", 'echo "$(basename "$PWD") $* [$VIRTUAL_ENV]"; touch synced'
    )
    done = command(*VISION, env={"PATH": path, "VIRTUAL_ENV": "/elsewhere"})
    assert done.returncode == 0
    assert done.stdout == "digits\n"
    assert done.stderr.splitlines()[0] == "digits sync []"
    assert "uv sync" not in done.stderr
    assert "Next:   cd digits\n        uv run python -m digits.train\n" in done.stderr
    assert (work / "digits/synced").is_file()


def test_without_uv_it_is_venv_and_pip(command: Callable, work: Path) -> None:
    script = (
        'echo "python3 $*"; mkdir -p .venv/bin\n'
        "printf '#!/bin/sh\\necho \".venv python $*\"\\n' > .venv/bin/python\n"
        "chmod +x .venv/bin/python"
    )
    path = put_program(work.parent / "bin", "python3", script)
    done = command(*VISION, env={"PATH": path})
    assert done.returncode == 0
    assert done.stderr.splitlines()[:2] == [
        "python3 -m venv .venv",
        ".venv python -m pip install -e .",
    ]
    assert "Next:   cd digits\n        .venv/bin/python -m digits.train\n" in done.stderr


def test_a_failure_leaves_the_project_and_names_the_command(command: Callable, work: Path) -> None:
    path = put_program(work.parent / "bin", "uv", "exit 7")
    done = command(*VISION, env={"PATH": path})
    assert done.returncode == 1
    assert done.stderr == (
        "error: uv sync failed (exit code 7); the project in digits is complete\n"
        "hint: cd digits && uv sync\n"
    )
    assert (work / "digits/README.md").is_file()


def test_no_python_at_all(command: Callable, work: Path) -> None:
    done = command(*VISION, env={"PATH": str(work)})
    assert done.returncode == 1
    assert "python3 -m venv .venv failed (No such file or directory)" in done.stderr


def test_install_as_a_library_call(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(
        "PATH", put_program(work.parent / "bin", "python3", "mkdir -p .venv/bin; touch made")
    )
    with pytest.raises(InstallError, match=r"\.venv/bin/python -m pip install -e \. failed"):
        install(work)
    assert (work / "made").is_file()
    put_program(work / ".venv/bin", "python", "exit 0")
    install(work)
    put_program(work / ".venv/bin", "python", "exit 3")
    with pytest.raises(InstallError, match="exit code 3"):
        install(work)
