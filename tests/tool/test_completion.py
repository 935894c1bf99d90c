"""Completion, in the shells that are installed: what each offers at a place of a command."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tool.conftest import Run

import ptscaffold
from ptscaffold.cli.options import ASKED
from ptscaffold.project.journal import FOLDER

SHELLS = {name: shutil.which(name) for name in ("bash", "fish", "zsh")}

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there are no such shells there")

BASH = """\
eval "$(ptscaffold completion bash)"
COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
_ptscaffold_completion ptscaffold
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
FISH = "ptscaffold completion fish | source; complete -C {line}"
ZSH = """\
PS1= ; autoload -Uz compinit; compinit -u -D; eval "$(ptscaffold completion zsh)"; echo rea""dy
"""

PLACES = [
    ("", "new list show update add remove diff check export doctor test completion"),
    ("new --domain ", "vision text"),
    ("new --domain vision --style l", "lightning"),
    ("new --eng", "--engine"),
    ("new x --engine ", "cookiecutter copier"),
    ("new --pack more --feature ", "docker ours serve"),
    ("new --preset ", "team"),
    ("add --project digits ", "serve"),
    ("remove --project digits ", "docker"),
    ("show domains/", "domains/text domains/vision"),
    ("test --matrix p", "pairwise"),
    ("test --only tr", "train"),
    ("completion f", "fish"),
    ("new --pack nowhere --domain v", ""),
    ("nwe --dom", ""),
]


@pytest.fixture
def shell(installed: Path, run: Run, work: Path, tmp_path: Path) -> dict[str, str]:
    """An environment with the program on the path; the folder has a project, a pack, a preset."""
    run("new", "digits", "--domain", "vision", "--style", "plain", "--feature", "docker")
    layer = work / "more/features/ours/layer.toml"
    layer.parent.mkdir(parents=True)
    layer.write_text('label = "Ours"\nhelp = "it\'s (`ours`) [all]"\n')
    preset = tmp_path / "config/ptscaffold/presets/team.toml"
    preset.parent.mkdir(parents=True)
    preset.write_text("")
    program = tmp_path / "bin/ptscaffold"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m ptscaffold "$@"\n')
    program.chmod(0o755)
    return {
        **os.environ,
        "PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(installed),
        "HOME": str(tmp_path),
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
        "TERM": "dumb",
    }


def said(command: list[str], env: dict[str, str], work: Path) -> str:
    done = subprocess.run(command, cwd=work, env=env, capture_output=True, text=True, timeout=60)
    assert done.stderr == ""
    return done.stdout


@pytest.mark.parametrize(("typed", "offered"), PLACES)
def test_bash(shell: dict[str, str], work: Path, typed: str, offered: str) -> None:
    *words, last = f"ptscaffold {typed}".split(" ")
    script = BASH.format(words=shlex.join([*words, last]))
    found = said(["bash", "--norc", "-c", script], shell, work).split()
    assert sorted(found) == sorted(offered.split())


@pytest.mark.skipif(SHELLS["fish"] is None, reason="fish is not installed")
@pytest.mark.parametrize(("typed", "offered"), [place for place in PLACES if place[1]])
def test_fish(shell: dict[str, str], work: Path, typed: str, offered: str) -> None:
    script = FISH.format(line=shlex.quote(f"ptscaffold {typed}"))
    lines = said(["fish", "--no-config", "-c", script], shell, work).splitlines()
    assert sorted(line.partition("\t")[0] for line in lines) == sorted(offered.split())
    if "--feature" in typed:
        assert "docker\tan image" in lines


@pytest.mark.skipif(SHELLS["zsh"] is None, reason="zsh is not installed")
def test_zsh(shell: dict[str, str], work: Path) -> None:
    import pty

    ours, theirs = pty.openpty()
    command = ["zsh", "-f", "-i"]
    env = {**shell, "TERM": "xterm"}
    child = subprocess.Popen(command, cwd=work, env=env, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    try:
        os.write(ours, ZSH.encode())
        read_until(ours, "ready")
        for typed, until in (
            ("new --domain ", r"text +-- text classification\s+vision +-- image classification"),
            ("new --domain v", "vision "),
            ("new --pack more --feature ", r"ours +-- it.*ours"),
            ("diff di", "digits/"),
        ):
            os.write(ours, f"ptscaffold {typed}\t".encode())
            read_until(ours, until)
            os.write(ours, b"\x15")  # a line of its own for the next
    finally:
        child.kill()
        child.wait()
        os.close(ours)


def read_until(terminal: int, pattern: str) -> None:
    text, end = "", time.monotonic() + 30
    while not re.search(pattern, text):
        assert time.monotonic() < end, text
        text += re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", os.read(terminal, 4096).decode())


def test_powershell_asks_by_variables(shell: dict[str, str], work: Path) -> None:
    """As its script does; the answer is a value and a phrase with colons between them."""
    script = said(["ptscaffold", "completion", "powershell"], shell, work)
    assert "Register-ArgumentCompleter -Native -CommandName ptscaffold" in script
    asked = dict.fromkeys(re.findall(r"^ *\$Env:(\w+) = ", script, re.M), "")
    assert len(asked) == 3
    asked |= {
        "_PTSCAFFOLD_COMPLETE": "complete_powershell",
        "_TYPER_COMPLETE_WORD_TO_COMPLETE": "l",
    }
    asked |= {"_TYPER_COMPLETE_ARGS": "ptscaffold new --style l"}
    assert said(["ptscaffold"], shell | asked, work) == "lightning:::a LightningModule\n"


def test_completing_does_nothing_else(shell: dict[str, str], work: Path) -> None:
    """Not even look after a run that has died, as every other command does."""
    (work / "digits" / FOLDER).mkdir()
    for typed in ("update digits --to ", "--version "):
        asked = {"COMP_WORDS": f"ptscaffold {typed}", "COMP_CWORD": str(typed.count(" ") + 1)}
        out = said(["ptscaffold"], shell | asked | {ASKED: "complete_bash"}, work)
        assert out.split()[0] in (ptscaffold.__version__, "new")


def test_a_shell_that_is_not_known(run: Run) -> None:
    ran = run("completion", "bsh")
    assert (ran.code, ran.out) == (2, "")
    assert "unknown shell 'bsh' (bash, zsh, fish, powershell). Did you mean 'bash'?" in ran.err
