"""Every command that writes, killed from outside at any moment: before or after, and no rest."""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from update.cuts import renew
from update.test_interrupted import TEMPLATE
from update.trees import Lab, Text, Tree, copy, lab, put, read_tree, text

from ptscaffold.cli import app as cli
from ptscaffold.layers.catalogue import Catalogue

FOLDER = ".ptscaffold-update"
NEW = ["--domain", "x", "--style", "a"]


@dataclass(frozen=True)
class Act:
    """A command, what goes before it, and the one that follows; `@` is the project."""

    words: str
    first: str = ""
    then: str = "check @"


ACTS = [
    Act("new work/digits --domain x --style a", then="new other --domain x --style a"),
    Act("new toy --into mine --domain x --style a", then="check mine"),
    Act("update @"),
    Act("add g --project @"),
    Act("remove f --project @"),
    Act("update @ --record"),
    Act("update @ --continue", first="update @"),
    Act("update @ --abort", first="update @"),
]
G: dict[str, Text] = {
    "features/g/layer.toml": 'label = "G"\nhelp = "another"\n',
    "features/g/docker/g.txt": text(),
    "features/g/deep/er/g.txt": text(),
}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a project `toy` is that has a conflict with its update, and a folder to adopt."""
    monkeypatch.setattr("ptscaffold.cli.console.as_keyboard_interrupt", lambda: None)
    made = lab(tmp_path)
    made = Lab(made.history, tmp_path / "place/toy").change("1.1", G).make()
    put(made.project, {"notes.txt": text({2: "mine\n", 11: "mine\n"})})
    put(tmp_path, {"place/mine/README.md": "mine\n", "place/mine/src/toy/data.py": "mine\n"})
    made = made.change("2.0", TEMPLATE)
    for module in ("update", "show", "state"):
        monkeypatch.setattr(f"ptscaffold.project.{module}.History", lambda: made.history)
    catalogue = Catalogue(made.history.root)
    monkeypatch.setattr("ptscaffold.project.new.Catalogue", lambda **_: catalogue)
    monkeypatch.chdir(tmp_path / "place")
    return tmp_path / "place"


def run(line: str) -> int:
    return cli.run(line.replace("@", "toy").split())


def killed(act: Callable[[], object], seconds: float) -> float:
    """Act in another process and kill it after a time; how long it took, if it was not."""
    began = time.monotonic()
    child = os.fork()
    if not child:
        code = 1
        try:
            with Path(os.devnull).open("w") as nowhere:
                sys.stdout = sys.stderr = nowhere
                act()
            code = 0
        finally:
            os._exit(code)
    if seconds:
        time.sleep(seconds)
        os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return time.monotonic() - began


def state(place: Path) -> Tree:
    """What there is but for what waits, and which answers a record has."""
    return {p: f for p, f in read_tree(place).items() if FOLDER not in p.split("/")}


SEEDS = [pytest.param(n, marks=pytest.mark.nightly) if n else n for n in range(6)]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("act", ACTS, ids=lambda act: act.words.split(" --domain")[0])
def test_a_command_that_is_killed(place: Path, act: Act, seed: int) -> None:
    if act.first:
        assert run(act.first) == 3
        put(place, {"toy/notes.txt": "resolved\n"})
    original, before = copy(place, place.with_name("original")), state(place)
    took = killed(lambda: run(act.words), 0)
    after, chance, seen = state(place), random.Random(seed), set()
    for number in range(8):
        renew(place, original)
        os.chdir(place)
        killed(lambda: run(act.words), took * chance.uniform(0.1, 1.1))
        run(act.then)
        found = {p: f for p, f in state(place).items() if p.split("/")[0] != "other"}
        assert found in (before, after), number
        seen.add(found == after)
        assert not [p for p in place.rglob("*.tmp") if p.is_dir()], number
        run("update @ --abort")
        assert not list(place.rglob(f"*{FOLDER}*")), number
    assert seen
