"""Whatever cuts an update short at whichever write: the project is as before, or as after."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from update import cuts
from update.cuts import (
    DONE_ALL_THE_SAME,
    KILLED,
    STOPPED,
    disk_full,
    interrupt,
    kill,
    renew,
    terminate,
)
from update.trees import Lab, Text, Tree, copy, lab, put, read_tree, text

from ptscaffold.cli import app as cli
from ptscaffold.errors import PendingError, WriteError
from ptscaffold.project.apply import pending, recover
from ptscaffold.project.conflicts import continue_update, undo_update
from ptscaffold.project.journal import FOLDER, Journal
from ptscaffold.project.show import check
from ptscaffold.project.update import _write as write_update

TEMPLATE: dict[str, Text] = {
    "base/layer.toml": (
        'label = "Base"\nhelp = "what all have"\n[renames]\n"tail.txt" = "far/away/tail.txt"\n'
    ),
    "base/notes.txt": text({11: "theirs\n"}),
    "base/tail.txt": None,
    "base/far/away/tail.txt": "first\nlast",
    "base/old/deep/only.txt": None,
    "base/run.sh": "#!/bin/bash\n",
}

State = tuple[Tree, Journal | None]


def state(project: Path) -> State:
    tree = {p: f for p, f in read_tree(project).items() if not p.startswith(f"{FOLDER}/")}
    return tree, pending(project)


def next_command(made: Lab) -> State:
    """What is there after the next command, which a conflict may well stop."""
    try:
        check(made.project, history=made.history)
    except PendingError:
        assert (made.project / FOLDER).is_dir()
    return state(made.project)


@pytest.fixture
def made(tmp_path: Path) -> Lab:
    """A project that an update adds to, takes from, merges in and renames in."""
    made = lab(tmp_path).make()
    put(made.project, {"notes.txt": text({2: "mine\n"}), "tail.txt": "mine\nfirst\nlast"})
    (made.project / "empty").mkdir()
    (made.project / "far").mkdir()
    return made.change("2.0", TEMPLATE)


@pytest.fixture
def conflicting(made: Lab) -> Lab:
    put(made.project, {"src/toy/data.py": text({5: "mine\n"})})
    put(made.history.root, {"domains/x/src/__package__/data.py": text({5: "theirs\n"})})
    return made


def runs(made: Lab, act: Callable[[Lab], object], fault: Callable[[], None], stride: int = 1
) -> Iterator[tuple[int, Lab]]:  # fmt: skip
    for code in cuts.runs(made.project, lambda: act(made), fault, stride):
        yield code, made


def after(made: Lab, act: Callable[[Lab], object]) -> State:
    original = copy(made.project, made.project.with_name("original"))
    act(made)
    done = state(made.project)
    renew(made.project, original)
    shutil.rmtree(original)
    return done


def writing(made: Lab) -> Callable[[Lab], object]:
    """The writing of an update, with all that comes before it done."""
    planned = made.update(dry_run=True)
    return lambda trial: write_update(replace(planned, project=trial.project))


def aborting(trial: Lab) -> None:
    undo_update(trial.project)


def continuing(trial: Lab) -> None:
    continue_update(trial.project)


def recovering(trial: Lab) -> None:
    recover(trial.project)


def conflict(made: Lab) -> Lab:
    """The project with a conflict that waits to be resolved, and is."""
    made.update()
    put(made.project, {"src/toy/data.py": "resolved\n"})
    return made


@pytest.mark.parametrize("name", ["made", "conflicting"])
def test_an_update_that_is_killed(name: str, request: pytest.FixtureRequest) -> None:
    made: Lab = request.getfixturevalue(name)
    act = writing(made)
    allowed = [state(made.project), after(made, act)]
    for code, trial in runs(made, act, kill):
        assert code == KILLED
        assert next_command(trial) in allowed


@pytest.mark.parametrize("fault", [disk_full, interrupt, terminate])
@pytest.mark.parametrize("name", ["made", "conflicting"])
def test_an_update_that_fails(
    name: str, fault: Callable[[], None], request: pytest.FixtureRequest
) -> None:
    made: Lab = request.getfixturevalue(name)
    act = writing(made)
    before, done = state(made.project), after(made, act)
    late = [DONE_ALL_THE_SAME] if fault is disk_full else [DONE_ALL_THE_SAME, STOPPED]
    for code, trial in runs(made, act, fault, stride=1 if fault is disk_full else 7):
        found = state(trial.project)
        assert (found == before and code == STOPPED) or (found == done and code in late)


@pytest.mark.parametrize("fault", [kill, disk_full, terminate])
@pytest.mark.parametrize("act", [aborting, continuing])
def test_an_end_that_is_cut_short(
    conflicting: Lab, act: Callable[[Lab], object], fault: Callable[[], None]
) -> None:
    original = state(conflicting.project)
    made = conflict(conflicting)
    allowed = [state(made.project), after(made, act)]
    kept = {"src/toy/data.py.yours": (b"resolved\n", False)} if act is aborting else {}
    assert (allowed[1] == ({**original[0], **kept}, None)) == (act is aborting)
    seen = set()
    for _, trial in runs(made, act, fault, stride=5 if fault is terminate else 1):
        found = next_command(trial)
        assert found in allowed
        seen.add(allowed.index(found))
    assert 1 in seen


@pytest.mark.parametrize("fault", [kill, disk_full])
def test_a_recovery_that_is_cut_short(made: Lab, fault: Callable[[], None]) -> None:
    act = writing(made)
    allowed, seen = [state(made.project), after(made, act)], set()
    for _, trial in runs(made, act, kill, stride=15):
        if (trial.project / FOLDER).exists():
            for _, again in runs(trial, recovering, fault):
                found = next_command(again)
                seen.add(allowed.index(found))
    assert seen == {0, 1}


def test_what_was_changed_after_a_kill_is_kept(made: Lab) -> None:
    act, kept = writing(made), 0
    for _, trial in runs(made, act, kill, stride=3):
        if not (trial.project / FOLDER).exists():
            continue
        put(trial.project, {"notes.txt": "changed since\n"})
        told = recover(trial.project)
        assert told is not None
        if "kept as notes.txt.yours" in told:
            assert (trial.project / "notes.txt.yours").read_text() == "changed since\n"
            kept += 1
        else:
            assert (trial.project / "notes.txt").read_text() == "changed since\n"
    assert kept


def test_a_folder_that_gave_way_is_said(made: Lab) -> None:
    """What cannot be put back is not given up: the next command tries again."""
    before, act = state(made.project), writing(made)
    for _, trial in runs(made, act, kill, stride=5):
        gone = trial.project / "old"
        if not (trial.project / FOLDER).exists() or gone.exists():
            continue
        gone.write_text("in the way\n")
        with pytest.raises(WriteError, match="cannot put back"):
            recover(trial.project)
        gone.unlink()
        assert next_command(trial) == before
        return
    pytest.fail("no step at which the folder is gone")


def test_the_command_says_that_it_put_something_back(
    made: Lab, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("ptscaffold.project.show.History", lambda: made.history)
    monkeypatch.setattr("ptscaffold.cli.console.as_keyboard_interrupt", lambda: None)
    for _, trial in runs(made, writing(made), kill, stride=7):
        if (trial.project / FOLDER).exists():
            assert cli.run(["check", str(trial.project)]) == 3
            said = capsys.readouterr().err
            text = f"{trial.project}: an update was cut short; all files are as they were before it"
            assert said.startswith(text)
            assert cli.run(["check", str(trial.project)]) == 3
            assert "cut short" not in capsys.readouterr().err
            return
    pytest.fail("no step at which there is something to put back")
