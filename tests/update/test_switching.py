"""Branches are switched, changes stashed and committed while an update waits: nothing is lost."""

from __future__ import annotations

import os
import random
import subprocess
from collections import Counter
from pathlib import Path

import pytest
from update.trees import Lab, commit, git, lab, lines_of, put, read_tree, text

from ptscaffold.cli import app as cli

FOLDER = ".ptscaffold-update"
RECORD = ".ptscaffold.toml"
PATHS = ["notes.txt", "tail.txt", "src/toy/data.py", "mine.txt"]
ENDS = [["update", "--continue"], ["update", "--abort"]]
COMMANDS = [*ENDS, ["update"], ["update", "--force"], ["add", "f"], ["remove", "f"], ["check"]]


class Walk:
    """What a person does, at random; every line that they write is one of its own."""

    def __init__(self, project: Path, number: int) -> None:
        self.project, self.chance, self.count = project, random.Random(number), 0

    def step(self) -> list[str]:
        """Do something; gives the words of a command of ours, when it was one."""
        way = self.chance.choice([self.edit, self.edit, self.resolve, self.git, self.git, None])
        if way is not None:
            way()
            return []
        return self.chance.choice(COMMANDS)

    def edit(self) -> None:
        path = self.chance.choice(PATHS)
        place = self.project / path
        self.count += 1
        lines = place.read_text().splitlines(True) if place.exists() else []
        lines.insert(self.chance.randrange(len(lines) + 1), f"line {self.count} of mine\n")
        put(self.project, {path: "".join(lines)})

    def resolve(self) -> None:
        for path in PATHS:
            place = self.project / path
            if place.exists():
                kept = [x for x in place.read_text().splitlines(True) if x[:7] not in MARKS]
                put(self.project, {path: "".join(kept)})

    def git(self) -> None:
        branch = self.chance.choice(["main", "other"])
        words = self.chance.choice(
            [["stash"], ["stash", "pop"], ["switch", branch], ["switch", branch], ["add", "-A"],
             ["switch", "--detach"], ["commit", "-am", "state"], ["merge", "--no-edit", branch],
             ["merge", "--abort"], ["stash", "--include-untracked"]]
        )  # fmt: skip
        settings = ["-c", "user.name=x", "-c", "user.email=x@localhost"]
        subprocess.run(["git", *settings, *words], cwd=self.project, capture_output=True)


MARKS = ("<<<<<<<", "=======", ">>>>>>>", "|||||||")


def mine(project: Path) -> Counter[bytes]:
    """The lines of the person's, wherever they stand but in what an update has set aside."""
    found: Counter[bytes] = Counter()
    for path, (data, _) in read_tree(project).items():
        if path.split("/")[0] != FOLDER:
            found += Counter({x: n for x, n in lines_of(data).items() if b" of mine" in x})
    return found


def version(project: Path) -> str:
    record = project / RECORD
    lines = record.read_text().splitlines() if record.exists() else []
    found = [line for line in lines if line.startswith("template-version")]
    return found[0] if found else ""


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """A project in git, on two branches, whose update brings a conflict and a new file."""
    monkeypatch.setattr("ptscaffold.cli.console.as_keyboard_interrupt", lambda: None)
    made = lab(tmp_path).make()
    git(made.project, "init", "--quiet", "--initial-branch", "main")
    put(made.project, {"notes.txt": text({1: "line 0 of mine\n"})})
    commit(made.project)
    git(made.project, "branch", "other")
    changed = {"base/notes.txt": text({1: "theirs\n"}), "base/new.txt": "new\n"}
    changed["base/tail.txt"] = "first\nlast\ntheirs\n"
    made = made.change("2.0", changed)
    for module in ("update", "show"):
        monkeypatch.setattr(f"ptscaffold.project.{module}.History", lambda: made.history)
    return made


SEEDS = [pytest.param(n, marks=pytest.mark.nightly) if n not in (0, 3) else n for n in range(20)]


@pytest.mark.parametrize("seed", SEEDS)
def test_no_command_loses_a_line_or_says_what_is_not_so(
    made: Lab, tmp_path: Path, seed: int, capsys: pytest.CaptureFixture[str]
) -> None:
    os.chdir(tmp_path)
    project = made.project
    walk, ended = Walk(project, seed), Counter[str]()
    for number in range(120):
        words = walk.step()
        if not words:
            continue
        before, old = mine(project), version(project)
        journal = project / FOLDER / "journal"
        brings = not journal.exists() or b'"new.txt"' in journal.read_bytes()
        place = ["--project"] if words[0] in ("add", "remove") else []
        code = cli.run([*words, *place, str(project)])
        said = capsys.readouterr().err
        ended[f"{' '.join(words)} {code}"] += 1
        assert code in range(4), (number, words, said)
        after = mine(project)
        if words[-1] != "--abort":  # which takes back what others had merged twice
            assert before - after == Counter(), (number, words, said)
        assert before.keys() <= after.keys(), (number, words, said)
        if version(project) != old and words[0] == "update":
            assert code in (0, 3), (number, words, said)
            told = not brings or "new.txt is as it was before the update" in said
            assert told or (project / "new.txt").exists(), (number, words, said)
    assert ended.total() > 5
