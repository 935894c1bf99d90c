"""Every command of the documents runs, in the order of its page.

Those of README.md and CONTRIBUTING.md in a copy of the checkout, those of a page of the site in a
folder of its own, in which a project called digits is made before if the page does not make it.
Commands in a project are those of the READMEs of projects, which `tests/cells` runs.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from docs.layouts import lay_out
from fitting import fitting

from ptscaffold.cli import app as cli
from ptscaffold.layers.catalogue import Catalogue
from ptscaffold.trial.checks import commands_of

ROOT = Path(__file__).parents[2]
LEFT_OUT = shutil.ignore_patterns(".*", "__pycache__", "demo", "dist", "build", "pictures")
CREATE = "ptscaffold new digits --domain vision --style lightning"
PAGES = sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))
IN_PROJECT = re.compile(r"uv (run|sync)\b|[A-Z_]+=\S+ uv run ")


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


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The commands of the READMEs of all projects, with every feature they can have."""
    found, catalogue = set(), Catalogue()
    for domain in catalogue.names("domains"):
        for style in catalogue.choices("styles"):
            folder = tmp_path_factory.mktemp("known") / "digits"
            words = ["new", str(folder), "--domain", domain, "--style", style.name]
            for feature in fitting(catalogue, domain, style.name):
                words += ["--feature", feature]
            assert cli.run(words) == 0
            found |= set(commands_of((folder / "README.md").read_text(encoding="utf-8")))
    return found


def path_of(*first: Path) -> str:
    return os.pathsep.join([*map(str, first), str(Path(sys.executable).parent), os.environ["PATH"]])


def blocks(document: str, language: str = "bash") -> list[list[str]]:
    """The commands of each shell block, without the remarks behind them."""
    text = (ROOT / document).read_text(encoding="utf-8")
    found = re.findall(rf"^ *```{language}\n(.*?)^ *```", text, re.DOTALL | re.MULTILINE)
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

    Of `ptscaffold test` the projects are made, and one that is there is installed and linted.
    """
    if f"\t{command}\n" in (ROOT / "Makefile").read_text(encoding="utf-8"):
        return "true"  # a line of `make test`
    if command.startswith("ptscaffold test") and "--only" not in command:
        return f"{command} --only {'lint' if command.endswith(' digits') else 'new'}"
    if command.startswith("pytest "):
        return f"{command} --collect-only -q"
    return (
        command.replace("make ", "make --dry-run ", 1) if command.startswith("make ") else command
    )


def follow(document: str, folder: Path, known: set[str]) -> None:
    """Run a document as somebody who reads it from the top."""
    promised: list[str] = []
    for block in blocks(document):
        if promised and block == promised:
            promised = []  # the next steps, as printed: tests/cells runs them
            continue
        assert not promised, f"`new` ends with {promised}"
        for command in block:
            if IN_PROJECT.match(command):
                assert command in known, f"{document}: no README of a project has {command}"
                continue
            done = run(quick(command), folder)
            assert done.returncode == 0, f"$ {command}\n{done.stdout}\n{done.stderr}"
            if command == CREATE:
                after = done.stderr.partition("Next:")[2]
                promised = [line.strip() for line in after.splitlines() if line.strip()]
    assert not promised


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md"])
def test_every_command_runs(document: str, checkout: Path, known: set[str]) -> None:
    follow(document, checkout, known)


@pytest.mark.parametrize("page", PAGES)
def test_every_command_of_a_page_runs(page: str, tmp_path: Path, known: set[str]) -> None:
    place = tmp_path / "place"
    shutil.copytree(ROOT / "docs/example-pack", place / "docs/example-pack", ignore=LEFT_OUT)
    if not any(command.startswith(CREATE) for block in blocks(page) for command in block):
        assert run(CREATE, place).returncode == 0
    if page == "docs/from-elsewhere.md":
        lay_out(place)
    follow(page, place, known)


def test_what_cannot_run_here_is_spelled_right() -> None:
    """Blocks marked `sh` want a network, a GPU or a cluster: their syntax, and flags that exist."""
    text = "".join(
        (domain.folder / "src/__package__/config.py").read_text(encoding="utf-8")
        for domain in Catalogue().choices("domains")
    )
    flags = {"--" + name.replace("_", "-") for name in re.findall(r"^    (\w+): ", text, re.M)}
    seen = 0
    for document in ("README.md", *PAGES):
        for block in blocks(document, "sh"):
            done = run(f"bash -n -c {shlex.quote(chr(10).join(block))}", ROOT)
            assert done.returncode == 0, f"{document}: {done.stderr}"
            for words in (line.split() for line in block if "digits.train" in line):
                assert {word for word in words if word.startswith("--")} <= flags, words
                seen += 1
    assert seen >= 5


def test_the_reader_runs_what_was_installed(checkout: Path) -> None:
    """README.md installs with pip: the commands after it are not those of the checkout."""
    assert blocks("README.md")[0][0] == "python -m pip install ."
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
