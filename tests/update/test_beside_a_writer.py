"""Somebody works in a project while commands run, by all that a person can do: no line is lost."""

from __future__ import annotations

import ctypes
import os
import random
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
from update.cuts import begun
from update.test_interrupted import TEMPLATE
from update.trees import Lab, copy, lab, put, read_tree, text

from ptscaffold.cli import app as cli
from ptscaffold.layers.content import Content, read_content

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="files are exchanged in one step")

FOLDER = ".ptscaffold-update"
NAMES = [
    *("notes.txt", "tail.txt", "far/away/tail.txt", "new.txt", "run.sh", "run.sh.yours"),
    *("src/toy/data.py", "src/toy/train.py", "src/toy/own.py", "src/other/own.py"),
    *("docker/f.txt", "docker/g.txt", "old/deep/only.txt", "old/deep/mine.txt", "swap"),
    *("swap/inside.txt", "swap/mine.txt", "notes.txt.yours", "notes.txt.new", "docker"),
]
NOREPLACE, EXCHANGE = 1, 2


def move(source: Path, to: Path, how: int) -> None:
    """Rename in one step: to a name that is free, or in exchange for what has it."""
    names = os.fsencode(source), os.fsencode(to)
    if ctypes.CDLL(None, use_errno=True).renameat2(-100, names[0], -100, names[1], how):
        raise OSError(ctypes.get_errno(), "cannot move", str(source))


class Somebody:
    """Writes lines, renames and removes; what they throw away themselves is in `bin`."""

    def __init__(self, project: Path, away: Path, number: int) -> None:
        self.project, self.bin = project, away
        self.chance = random.Random(number)
        self.count = 0

    def work_for_ever(self, told: int) -> None:
        ways = [self.append] * 5 + [self.save] * 5 + [self.create] * 4
        ways += [self.remove, self.rename, self.rename, self.rename_folder]
        while True:
            self.count += 1
            line = f"line {self.count} of somebody\n"
            with suppress(OSError, UnicodeDecodeError):
                if self.chance.choice(ways)(self.place(), line):
                    os.write(told, line.encode())
            time.sleep(self.chance.random() * 0.002)

    def place(self) -> Path:
        return self.project / self.chance.choice(NAMES)

    def append(self, place: Path, line: str) -> bool:
        flags = os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW
        with os.fdopen(os.open(place, flags), "a") as stream:
            if self.chance.random() < 0.2:
                time.sleep(self.chance.random() * 0.01)
            stream.write(f"\n{line}")
        return True

    def save(self, place: Path, line: str) -> bool:
        """As editors do, but that what they write over is not lost to the test."""
        fresh = self.bin / f"saving-{self.count}"
        fresh.write_text(f"{place.read_text()}\n{line}")
        move(fresh, place, EXCHANGE)
        return True

    def create(self, place: Path, line: str) -> bool:
        place.parent.mkdir(parents=True, exist_ok=True)
        with place.open("x") as stream:
            stream.write(line)
        return True

    def remove(self, place: Path, _: str) -> bool:
        place.rename(self.bin / f"removed-{self.count}")
        return False

    def rename(self, place: Path, _: str) -> bool:
        move(place, self.place(), NOREPLACE)
        return False

    def rename_folder(self, _: Path, __: str) -> bool:
        names = self.chance.sample(["old", "older", "src/toy", "src/other", "docker", "far"], 2)
        move(self.project / names[0], self.project / names[1], NOREPLACE)
        return False


def lines_in(folder: Path) -> set[bytes]:
    """The lines of all files, but for those that an update has set aside for itself."""
    found: set[bytes] = set()
    for path, (data, _) in read_tree(folder).items():
        if path.split("/")[0] != FOLDER:
            found |= set(data.splitlines())
    return found


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """A project whose update has a conflict, merges, renames, drops, and turns files around."""
    monkeypatch.setattr("ptscaffold.cli.console.as_keyboard_interrupt", lambda: None)
    made = lab(tmp_path).change("1.1", {"base/swap": "a file\n"}).make()
    own = {"notes.txt": text({2: "mine\n"}), "src/toy/train.py": text({5: "mine\n"})}
    put(made.project, {**own, "src/toy/own.py": "own\n"})
    more = {"styles/a/src/__package__/train.py": text({5: "theirs\n"}), "base/new.txt": "new\n"}
    swaps = {"base/swap": None, "base/swap/inside.txt": "in a folder\n"}
    changed = made.change("2.0", {**TEMPLATE, **swaps, **more})
    monkeypatch.setattr("ptscaffold.project.update.History", lambda: changed.history)
    monkeypatch.setattr("ptscaffold.project.show.History", lambda: changed.history)
    return changed


def resolve(project: Path, away: Path) -> None:
    """Take what both sides have, in files that are there."""
    for number, path in enumerate(NAMES):
        there = read_content(project, path)
        if isinstance(there, Content) and b"<<<<<<<" in there.data:
            kept = [x for x in there.data.splitlines(True) if x[:7] not in MARKS]
            fresh = away / f"resolving-{number}-{time.monotonic_ns()}"
            fresh.write_bytes(b"".join(kept))
            with suppress(OSError):
                move(fresh, project / path, EXCHANGE)


MARKS = (b"<<<<<<<", b"=======", b">>>>>>>")
SEEDS = [pytest.param(n, marks=pytest.mark.nightly) if n > 1 else n for n in range(20)]


COMMANDS = [["update"], ["update", "--set", "style=b"], ["update", "--set", "style=a"]]
COMMANDS += [["add", "f"], ["remove", "f"]]


@pytest.mark.parametrize("seed", SEEDS)
def test_every_line_is_there_afterwards(
    made: Lab, tmp_path: Path, seed: int, capsys: pytest.CaptureFixture[str]
) -> None:
    codes, told = set(), 0
    for number in range(seed * 12, seed * 12 + 12):
        away = tmp_path / str(number)
        away.mkdir()
        project = copy(made.project, away.with_name(f"toy-{number}") / "toy")
        chance = random.Random(-number)
        ended = begun(Somebody(project, away, number).work_for_ever)
        said = []
        for _ in range(8):
            command = chance.choice(COMMANDS)
            if (project / FOLDER).exists():
                resolve(project, away)
                command = ["update", chance.choice(["--continue", "--continue", "--abort"])]
            place = [] if command[0] == "update" else ["--project"]
            code = cli.run([*command, *place, str(project)])
            said.append((command, code, capsys.readouterr().err))
            assert code in range(4), said[-1]
            codes.add((command[-1], code))
        lines = ended()
        told += len(lines)
        assert set(lines) - lines_in(project) - lines_in(away) == set(), (number, said)
        assert cli.run(["check", str(project)]) in (0, 1, 3), number
        assert list(project.rglob(f"*{FOLDER}.*")) == [], number
    assert told > 20
    assert {code for _, code in codes} & {0, 3}
