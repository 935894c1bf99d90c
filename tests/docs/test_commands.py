"""Every command of README.md and CONTRIBUTING.md runs, in order, in a copy of the checkout."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LEFT_OUT = shutil.ignore_patterns(".*", "__pycache__", "demo", "dist", "build", "pictures")
CREATE = "ptscaffold new digits --domain vision --style lightning"


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a clone holds, with an environment of its own for what the reader installs."""
    folder = tmp_path_factory.mktemp("docs") / "checkout"
    shutil.copytree(ROOT, folder, ignore=LEFT_OUT)
    shutil.copytree(ROOT / ".github", folder / ".github")
    # Outside of a repository ruff does not see that the environment ignores itself
    assert run("git init --quiet", folder).returncode == 0
    done = run(f"uv venv --quiet --seed --python {shlex.quote(sys.executable)} .reader", folder)
    assert done.returncode == 0, done.stderr
    return folder


def path_of(*first: Path) -> str:
    return os.pathsep.join([*map(str, first), str(Path(sys.executable).parent), os.environ["PATH"]])


def blocks(document: str) -> list[list[str]]:
    """The commands of each shell block, without the remarks behind them."""
    text = (ROOT / document).read_text(encoding="utf-8")
    found = re.findall(r"^```bash\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    lines = [
        [re.sub(r"\s+# .*", "", line).strip() for line in block.splitlines()] for block in found
    ]
    return [[line for line in block if line] for block in lines]


def run(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a command as a reader in the checkout does: what they installed comes first."""
    kept = {k: v for k, v in os.environ.items() if k not in ("VIRTUAL_ENV", "PYTHONPATH")}
    return subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env={**kept, "PATH": path_of(folder / ".reader/bin")},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )


def quick(command: str) -> str:
    """Take out of a command what other tests do: the tests themselves, and what `make` would do.

    Of `ptscaffold test` the projects are made, and a project that is there is installed and linted.
    """
    if command.startswith("ptscaffold test") and "--only" not in command:
        return f"{command} --only {'lint' if command.endswith(' digits') else 'new'}"
    if command.startswith("pytest "):
        return f"{command} --collect-only -q"
    return (
        command.replace("make ", "make --dry-run ", 1) if command.startswith("make ") else command
    )


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md"])
def test_every_command_runs(document: str, checkout: Path) -> None:
    promised: list[str] = []
    for block in blocks(document):
        if promised and block == promised:
            promised = []  # the next steps, as printed: tests/cells runs them
            continue
        assert not promised, f"`new` ends with {promised}"
        for command in block:
            done = run(quick(command), checkout)
            assert done.returncode == 0, f"$ {command}\n{done.stdout}\n{done.stderr}"
            if command == CREATE:
                after = done.stderr.partition("Next:")[2]
                promised = [line.strip() for line in after.splitlines() if line.strip()]
    assert not promised


def test_the_reader_runs_what_was_installed(checkout: Path) -> None:
    """README.md installs with pip: the commands after it are not those of the checkout."""
    assert blocks("README.md")[1][0] == "python -m pip install ."
    if not (checkout / ".reader/bin/ptscaffold").exists():
        assert run("python -m pip install .", checkout).returncode == 0
    where = run("python -c 'import ptscaffold; print(ptscaffold.__file__)'", checkout).stdout
    assert Path(where.strip()).is_relative_to(checkout / ".reader")


def test_make_demo_does_what_the_picture_shows(checkout: Path) -> None:
    recipe = run("make --dry-run demo", checkout).stdout
    assert "ptscaffold new --domain vision --style lightning" in recipe
    assert "uv run python -m vision_lightning.train" in recipe
    assert "tensorboard --logdir runs" in recipe
    assert "pytest" in run("make --dry-run test", checkout).stdout
