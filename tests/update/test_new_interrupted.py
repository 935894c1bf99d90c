"""`new`, `new --into`, `add` and `remove` that are killed: before or after, and nothing is left."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from update.cuts import DONE, disk_full, kill, runs
from update.trees import Lab, lab, put, read_tree

from ptscaffold.cli import app as cli
from ptscaffold.layers.catalogue import Catalogue
from ptscaffold.layers.content import clear_old
from ptscaffold.project.guard import locked, scratch, sweep
from ptscaffold.project.new import Request, create
from ptscaffold.project.show import check
from ptscaffold.project.update import add, remove

RECORD = ".ptscaffold.toml"


@pytest.fixture
def made(tmp_path: Path) -> Lab:
    """Templates, and a folder to make projects in."""
    made = lab(tmp_path)
    made.project.mkdir()
    return made


def new(made: Lab, name: str, into: Path | None = None) -> None:
    given = Request(domain="x", style="a", sets=(f"name={name}",), into=into)
    create(given, catalogue=Catalogue(made.history.root))


def making(made: Lab, place: str) -> Callable[[], None]:
    def act() -> None:
        os.chdir(made.project)
        new(made, place)

    return act


@pytest.mark.parametrize("place", ["digits", "work/deep/digits"])
def test_new_that_is_killed_leaves_a_project_or_nothing(made: Lab, place: str) -> None:
    for _ in runs(made.project, making(made, place), kill, stride=3):
        # The last step is the one that moves it: before that there is nothing.
        assert not (made.project / place).exists()
        child = os.fork()
        if not child:
            code = DONE + 1
            try:
                making(made, "another")()
                code = DONE
            finally:
                os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == DONE
        assert [p.name for p in made.project.iterdir()] == ["another"]


def test_new_into_that_is_killed_is_undone(made: Lab) -> None:
    put(made.project, {"README.md": "mine\n", "src/toy/data.py": "mine\n", "own.txt": "mine\n"})
    before = read_tree(made.project)
    seen = set()
    new(made, "toy", made.project)
    after = read_tree(made.project)
    for path in after.keys() - before.keys():
        (made.project / path).unlink()
    for folder in sorted((p for p in made.project.rglob("*") if p.is_dir()), reverse=True):
        if not any(folder.iterdir()):
            folder.rmdir()
    assert read_tree(made.project) == before
    for _ in runs(made.project, lambda: new(made, "toy", made.project), kill, 2):
        # Never a record without its files, at no moment.
        if (made.project / RECORD).exists():
            assert after.keys() <= read_tree(made.project).keys()
        cli.run(["check", str(made.project)])
        found = read_tree(made.project)
        assert found in (before, after)
        seen.add(found == after)
    assert seen == {True, False}


def test_new_again_says_that_it_put_something_back(
    made: Lab, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("ptscaffold.cli.console.as_keyboard_interrupt", lambda: None)
    catalogue = Catalogue(made.history.root)
    monkeypatch.setattr("ptscaffold.project.new.Catalogue", lambda **_: catalogue)
    words = ["new", "--into", str(made.project), "--domain", "x", "--style", "a"]
    for _ in runs(made.project, lambda: new(made, "toy", made.project), kill, stride=9):
        half = (made.project / ".ptscaffold-update").exists()
        whole = (made.project / RECORD).exists() and not half
        assert cli.run(words) == 0
        said = capsys.readouterr().err
        assert ("cut short" in said) == half
        assert ("(0 files)" in said) == whole or half
        assert (made.project / RECORD).exists()
        assert not (made.project / ".ptscaffold-update").exists()


@pytest.mark.parametrize("act", [add, remove])
@pytest.mark.parametrize("fault", [kill, disk_full])
def test_features_come_and_go_whole(
    made: Lab, act: Callable[..., object], fault: Callable[[], None]
) -> None:
    made.make(features=("f",) if act is remove else ())
    before = read_tree(made.project)
    given = ("f",) if act is add else ()
    after = read_tree(
        Lab(made.history, made.project.parent / "other/toy").make(features=given).project
    )
    for _ in runs(made.project, lambda: act(made.project, ["f"], history=made.history), fault, 2):
        assert check(made.project, history=made.history).problems == ()
        assert read_tree(made.project) in (before, after)


def test_a_folder_of_a_run_that_lives_is_left_alone(tmp_path: Path) -> None:
    child = os.fork()
    if not child:
        with scratch(tmp_path, ".digits") as folder:
            (folder / "half").write_text("half\n")
            while not (tmp_path / "enough").exists():
                time.sleep(0.005)
        os._exit(0)
    while not list(tmp_path.glob("*/half")):
        time.sleep(0.005)
    sweep(tmp_path)
    assert list(tmp_path.glob("*/half"))
    (tmp_path / "enough").touch()
    os.waitpid(child, 0)
    assert [p.name for p in tmp_path.iterdir()] == ["enough"]


def test_a_folder_that_died_is_swept_and_no_other(tmp_path: Path) -> None:
    child = os.fork()
    if not child:
        with scratch(tmp_path, ".digits") as folder:
            (folder / "half").write_text("half\n")
            os._exit(1)
    os.waitpid(child, 0)
    (ours,) = tmp_path.iterdir()
    names = [f".digits.{'0' * 48}.tmp", ".digits.12345678.tmp", f"x{ours.name}", ".digits.tmp"]
    names += [ours.name[:-5] + ("0" if ours.name[-5] != "0" else "1") + ".tmp"]
    for name in names:
        put(tmp_path, {f"{name}/stays": "theirs\n"})
    put(tmp_path, {f"deeper/{ours.name}/stays": "ours elsewhere is not ours here\n"})
    sweep(tmp_path)
    sweep(tmp_path / "deeper")
    assert {p.name for p in tmp_path.iterdir()} == {*names, "deeper"}
    assert (tmp_path / "deeper" / ours.name / "stays").exists()


def test_a_link_of_our_name_is_not_followed(tmp_path: Path) -> None:
    with scratch(tmp_path, ".digits") as folder:
        name = folder.name
    put(tmp_path, {"outside/stays": "theirs\n"})
    (tmp_path / name).symlink_to(tmp_path / "outside")
    sweep(tmp_path)
    assert (tmp_path / "outside/stays").exists()


@pytest.mark.parametrize("age", [0, 7200])
def test_without_locks_only_what_is_old_is_swept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, age: int
) -> None:
    monkeypatch.setattr("ptscaffold.project.guard.take", lambda _: None)
    with scratch(tmp_path, ".digits") as folder:
        name = folder.name
    (tmp_path / name).mkdir()
    os.utime(tmp_path / name, (time.time() - age, time.time() - age))
    sweep(tmp_path)
    assert (tmp_path / name).exists() == (age == 0)


def test_a_sweep_between_making_and_locking_is_made_good(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mkdir, swept = Path.mkdir, []

    def made_and_swept(self: Path, *arguments: int, **options: bool) -> None:
        mkdir(self, *arguments, **options)
        if not swept:
            swept.append(self)
            sweep(tmp_path)

    monkeypatch.setattr(Path, "mkdir", made_and_swept)
    with scratch(tmp_path, ".digits") as folder:
        assert folder.is_dir()
        assert swept != [folder]
        with locked(folder):
            pass


def test_what_is_old_and_ours_goes_from_where_temporary_folders_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    names = {
        "ptscaffold-abcd1234": 7200,
        "ptscaffold-efgh5678": 0,
        "ptscaffold-test-abcd1234": 7200,
    }
    for name, age in names.items():
        put(tmp_path, {f"{name}/yours": "mine\n"})
        os.utime(tmp_path / name, (time.time() - age, time.time() - age))
    put(tmp_path, {"outside/stays": "theirs\n"})
    (tmp_path / "ptscaffold-link0000").symlink_to(tmp_path / "outside")
    clear_old()
    gone = {"ptscaffold-abcd1234"}
    assert {p.name for p in tmp_path.iterdir()} == {*names, "outside", "ptscaffold-link0000"} - gone
    assert (tmp_path / "outside/stays").exists()
