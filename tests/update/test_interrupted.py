"""Whatever cuts an update short at whichever write: the project is as before, or as after."""

from __future__ import annotations

import errno
import functools
import io
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from update.trees import Lab, Text, Tree, copy, lab, put, read_tree, text

from ptscaffold import cli
from ptscaffold.compare import check
from ptscaffold.errors import PendingError, WriteError
from ptscaffold.interrupts import as_keyboard_interrupt
from ptscaffold.journal import FOLDER, Pending, pending, recover
from ptscaffold.project import continue_update, undo_update
from ptscaffold.update import _write as write_update

# What the journal's writes come down to. Each is one step before it and one after it.
PRIMITIVES = [
    (os, name)
    for name in ("open", "mkdir", "rename", "replace", "unlink", "rmdir", "chmod", "utime", "fsync")
]
PRIMITIVES += [(io, "open"), (shutil, "copyfile")]

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

DONE, STOPPED, DONE_ALL_THE_SAME, KILLED, STRANGE = range(5)

State = tuple[Tree, Pending | None]


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


def kill() -> None:
    os._exit(KILLED)


def disk_full() -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def terminate() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def act_in_child(act: Callable[[], object], fault: Callable[[], None], step: int) -> int:
    """Act in a process of its own, with a fault at one of its steps; tells how it ended."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    code = STRANGE
    try:
        as_keyboard_interrupt()
        count = 0

        def tick() -> None:
            nonlocal count
            count += 1
            if count == step:
                fault()

        for module, name in PRIMITIVES:
            setattr(module, name, _ticking(getattr(module, name), tick, fault is disk_full))
        try:
            act()
        except (WriteError, KeyboardInterrupt):
            code = STOPPED
        else:
            code = DONE_ALL_THE_SAME if count >= step else DONE
    finally:
        os._exit(code)


def _ticking(
    function: Callable[..., Any], tick: Callable[[], None], full: bool
) -> Callable[..., Any]:
    """The function with a step before and one behind it.

    A full disk stops what needs space, before it is done or with a file open and still empty.
    """

    @functools.wraps(function)
    def ticking(*arguments: Any, **options: Any) -> Any:
        writes = function.__name__ not in ("unlink", "rmdir")
        opens = function.__name__ == "open"
        if opens:
            mode = arguments[1] if len(arguments) > 1 else "r"
            writes = mode & os.O_WRONLY if isinstance(mode, int) else "w" in mode
        if writes or not full:
            tick()
        result = function(*arguments, **options)
        try:
            if (writes and opens) or not full:
                tick()
        except OSError:
            result.close() if hasattr(result, "close") else os.close(result)
            raise
        return result

    return ticking


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
    """Act on a copy of the project with a fault at the first step, the second, and so on."""
    step = 1
    while True:
        trial = Lab(made.history, copy(made.project, Path(f"{made.project}-{step}")))
        code = act_in_child(lambda trial=trial: act(trial), fault, step)
        assert code != STRANGE
        if code == DONE:
            break
        yield code, trial
        shutil.rmtree(trial.project)
        step += stride


def after(made: Lab, act: Callable[[Lab], object]) -> State:
    done = Lab(made.history, copy(made.project, made.project.with_name("done")))
    act(done)
    return state(done.project)


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
    assert (allowed[1] == original) == (act is aborting)
    seen = set()
    for _, trial in runs(made, act, fault, stride=5 if fault is terminate else 1):
        found = next_command(trial)
        assert found in allowed
        seen.add(allowed.index(found))
    assert 1 in seen


@pytest.mark.parametrize("fault", [kill, disk_full])
def test_a_recovery_that_is_cut_short(made: Lab, fault: Callable[[], None]) -> None:
    before, act = state(made.project), writing(made)
    for _, trial in runs(made, act, kill, stride=29):
        if (trial.project / FOLDER).exists():
            for _, again in runs(trial, recovering, fault):
                assert next_command(again) == before


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
    monkeypatch.setattr("ptscaffold.compare.History", lambda: made.history)
    monkeypatch.setattr("ptscaffold.console.as_keyboard_interrupt", lambda: None)
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
