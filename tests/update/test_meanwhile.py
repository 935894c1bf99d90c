"""Somebody writes to a project while an update does: no line that was saved is lost."""

from __future__ import annotations

import errno
import os
import random
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from update.cuts import DONE_ALL_THE_SAME, STOPPED, begun, disk_full, kill, renew, runs
from update.test_interrupted import TEMPLATE
from update.trees import Lab, copy, lab, put, read_tree, text

from ptscaffold.errors import PtscaffoldError, WriteError
from ptscaffold.project.show import check
from ptscaffold.project.update import _write as write_update

FOLDER = ".ptscaffold-update"
LINE = b"saved meanwhile\n"


@pytest.fixture
def made(tmp_path: Path) -> Lab:
    """A project that an update adds to, takes from, merges in, renames in, turns a file around in.

    `swap` was a file and becomes a folder, `docker/f.txt` the other way round.
    """
    made = lab(tmp_path).change("1.1", {"base/swap": "a file\n"}).make()
    put(made.project, {"notes.txt": text({2: "mine\n"}), "tail.txt": "mine\nfirst\nlast"})
    swaps = {"base/swap": None, "base/swap/inside.txt": "in a folder\n"}
    return made.change("2.0", {**TEMPLATE, **swaps, "base/new.txt": "new\n"})


def appended(path: Path) -> None:
    with path.open("ab") as stream:
        stream.write(b"\n" + LINE)


def saved(path: Path) -> None:
    """As editors do: a new file takes the place of the old one."""
    scratch = path.with_name(".saving")
    scratch.write_bytes(b"all that an editor holds\n" + LINE)
    scratch.rename(path)


def over_written(path: Path) -> None:
    path.write_bytes(LINE)


WAYS = {"appended": appended, "saved": saved, "over written": over_written}
PATHS = {
    "merged": "notes.txt",
    "renamed": "tail.txt",
    "the new name": "far/away/tail.txt",
    "dropped": "old/deep/only.txt",
    "new": "new.txt",
    "the record": ".ptscaffold.toml",
    "a file that becomes a folder": "swap",
    "in a folder that was a file": "swap/inside.txt",
}


def save(project: Path, path: str, way: Callable[[Path], None]) -> Callable[[], None]:
    """Save a file, if there is a folder to save it in; then say so."""

    def act() -> None:
        place = project / path
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            way(place)
        except OSError:
            return
        (project.parent / "said").touch()

    return act


def writing(made: Lab) -> Callable[[], object]:
    planned = made.update(dry_run=True)
    return lambda: write_update(planned)


def holds(project: Path, line: bytes) -> bool:
    return any(line in data for data, _ in read_tree(project).values())


@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)
def test_what_is_saved_at_any_moment_is_there_afterwards(made: Lab, path: str) -> None:
    act, said = writing(made), made.project.parent / "said"
    codes = set()
    for offset, way in enumerate(WAYS.values(), start=1):
        for code in runs(made.project, act, save(made.project, path, way), stride=11):
            codes.add(code)
            assert code in (STOPPED, DONE_ALL_THE_SAME)
            assert not (made.project / FOLDER).exists()
            if said.exists():
                said.unlink()
                assert holds(made.project, LINE), (offset, code)
    assert codes == {STOPPED, DONE_ALL_THE_SAME} or path in ("far/away/tail.txt", "swap/inside.txt")


def test_an_update_that_was_disturbed_says_which_file_and_can_be_run_again(
    made: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned = made.update(dry_run=True)
    before = read_tree(made.project)
    put(made.project, {"run.sh": "#!/bin/dash\n"})
    with pytest.raises(WriteError, match=r"run\.sh was changed while .* as it was before$") as no:
        write_update(planned)
    assert no.value.hint == "run it again"
    assert read_tree(made.project) == {**before, "run.sh": (b"#!/bin/dash\n", True)}
    made.update()
    assert (made.project / "new.txt").exists()


CHANGES: dict[str, Callable[[Path], object]] = {
    "was changed": lambda p: (p / "run.sh").write_text("mine\n"),
    "was removed": lambda p: (p / "run.sh").unlink(),
    "is a folder now": lambda p: ((p / "run.sh").unlink(), (p / "run.sh").mkdir()),
    "is a link now": lambda p: ((p / "run.sh").unlink(), (p / "run.sh").symlink_to("notes.txt")),
    "is a pipe now": lambda p: ((p / "run.sh").unlink(), os.mkfifo(p / "run.sh")),
    "can be run no more": lambda p: (p / "run.sh").chmod(0o644),
    "appeared": lambda p: (p / "new.txt").write_text("mine\n"),
    "appeared, empty": lambda p: (p / "new.txt").touch(),
    "appeared, a link": lambda p: (p / "new.txt").symlink_to("/dev/null"),
    "appeared, a folder": lambda p: put(p, {"new.txt/mine": "mine\n"}),
    "was changed, and is dropped": lambda p: (p / "old/deep/only.txt").write_text("mine\n"),
    "has its folder no more": lambda p: (p / "old").rename(p / "older"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_what_does_not_fit_any_more_is_left_as_it_is(
    made: Lab, change: Callable[[Path], object]
) -> None:
    planned = made.update(dry_run=True)
    change(made.project)
    before = read_tree(made.project)
    with pytest.raises(WriteError):
        write_update(planned)
    assert read_tree(made.project) == before
    assert not (made.project / FOLDER).exists()


def at(monkeypatch: pytest.MonkeyPatch, moment: str, path: Path, act: Callable[[], None]) -> None:
    """Do something just before or just after a file is moved away."""
    rename = Path.rename

    def renamed(self: Path, target: Any) -> Path:
        here = self == path
        if here and moment == "before":
            act()
        done = rename(self, target)
        if here and moment == "after":
            act()
        return done

    monkeypatch.setattr(Path, "rename", renamed)


def test_what_is_saved_in_the_gap_stays_and_what_was_there_is_kept(
    made: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned, notes = made.update(dry_run=True), made.project / "notes.txt"
    before = notes.read_bytes()
    at(monkeypatch, "after", notes, lambda: over_written(notes))
    with pytest.raises(WriteError, match=r"notes\.txt appeared .* is kept as notes\.txt\.before$"):
        write_update(planned)
    assert notes.read_bytes() == LINE
    assert (made.project / "notes.txt.before").read_bytes() == before


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not tell who has a file open")
@pytest.mark.parametrize("closes", [True, False])
def test_a_file_that_is_open_is_written_to_for_longer(made: Lab, closes: bool) -> None:
    """A program that has opened a file writes to it wherever it has been moved."""
    notes = made.project / "notes.txt"
    child = os.fork()
    if not child:
        with notes.open("ab") as stream:
            (made.project.parent / "opened").touch()
            while not (made.project / "new.txt").exists():
                time.sleep(0.001)
            time.sleep(0.1 if closes else 1.5)
            stream.write(LINE)
        os._exit(0)
    while not (made.project.parent / "opened").exists():
        time.sleep(0.001)
    done = made.update()
    os.waitpid(child, 0)
    assert "what you changed since is kept as notes.txt.yours" in done.notes
    assert done.wants_you
    assert (made.project / "notes.txt.yours").read_bytes().endswith(LINE)
    assert b"mine\n" in notes.read_bytes()


@pytest.fixture(params=["another disk", "no links"])
def disk(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Folders that are mounted from another disk, or a disk that has no links."""
    link, rename = os.link, os.rename

    def mounted(path: Any) -> bool:
        return any(part in ("src", "far", "old") for part in Path(path).parts)

    def refusing(move: Callable[..., None]) -> Callable[..., None]:
        def moved(source: Any, target: Any, **options: Any) -> None:
            if mounted(source) != mounted(target):
                raise OSError(errno.EXDEV, "Invalid cross-device link", str(source))
            move(source, target, **options)

        moved.__name__ = move.__name__
        return moved

    def no_link(source: Any, target: Any, **_: Any) -> None:
        if os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, "File exists", str(target))
        raise OSError(errno.EPERM, "Operation not permitted", str(source))

    no_link.__name__ = "link"
    if request.param == "another disk":
        monkeypatch.setattr(os, "link", refusing(link))
        monkeypatch.setattr(os, "rename", refusing(rename))
        monkeypatch.setattr(os, "replace", refusing(os.replace))
    else:
        monkeypatch.setattr(os, "link", no_link)
    return str(request.param)


def test_an_update_of_any_disk(made: Lab, disk: str) -> None:
    put(made.history.root, {"domains/x/src/__package__/data.py": text({5: "theirs\n"})})
    act, before = writing(made), read_tree(made.project)
    original = copy(made.project, made.project.with_name("original"))
    act()
    done = read_tree(made.project)
    assert done["src/toy/data.py"] == (text({5: "theirs\n"}).encode(), False)
    assert [p for p in done if FOLDER in p] == []
    assert "far/away/tail.txt" in done
    renew(made.project, original)
    for fault, stride in ((kill, 2), (disk_full, 5)):
        for _ in runs(made.project, act, fault, stride):
            try:
                made.update(dry_run=True)
            except PtscaffoldError as error:
                pytest.fail(str(error))
            found = read_tree(made.project)
            differing = [p for p in found.keys() | before.keys() if found.get(p) != before.get(p)]
            assert found in (before, done), differing
    for code in runs(made.project, act, save(made.project, "src/toy/data.py", appended), 7):
        assert code in (STOPPED, DONE_ALL_THE_SAME)
        assert holds(made.project, LINE)


def test_a_file_that_is_mounted_alone_is_named(made: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    rename = os.rename

    def busy(source: Any, target: Any) -> None:
        if Path(source).name == "notes.txt":
            raise OSError(errno.EBUSY, "Device or resource busy", str(source))
        rename(source, target)

    monkeypatch.setattr(os, "rename", busy)
    before = read_tree(made.project)
    with pytest.raises(WriteError, match=r"notes\.txt: Device or resource busy") as caught:
        made.update()
    assert "it is mounted on its own: unmount it" in caught.value.hint
    assert read_tree(made.project) == before


def test_a_folder_that_cannot_be_searched_is_no_deletion(
    made: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(made.history.root, {"domains/x/src/__package__/data.py": text({5: "theirs\n"})})
    before, lstat = read_tree(made.project), Path.lstat

    def refused(path: Path) -> os.stat_result:
        if path.parent == made.project / "src/toy":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return lstat(path)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "lstat", refused)
        for act in (made.update, lambda: check(made.project, history=made.history)):
            with pytest.raises(PtscaffoldError, match=r"cannot read .*src/toy/.*Permission denied"):
                act()
    assert read_tree(made.project) == before


# Another process, at random moments


def write_for_ever(project: Path, number: int, told: int) -> None:
    """Append lines to one file, save another as an editor does, and tell of each that is there."""
    chance = random.Random(number)
    lines: list[str] = []
    count = 0
    while True:
        count += 1
        line = f"{number} {count} of somebody"
        log, text_file = project / "style.txt", project / "src/toy/train.py"
        try:
            if chance.random() < 0.5:
                with log.open("a") as stream:
                    stream.write(f"\n{line}\n")
            else:
                lines.append(line)
                scratch = text_file.with_name(".train.py.swp")
                scratch.write_text("\n".join([text(), *lines, ""]))
                scratch.rename(text_file)
        except OSError:
            continue
        os.write(told, f"{line}\n".encode())
        time.sleep(chance.random() * 0.001)


def test_no_line_of_another_process_is_lost(made: Lab) -> None:
    """Updates hither and thither, while somebody writes what the two styles have each their own."""
    for style in ("a", "b"):
        put(made.history.root, {f"styles/{style}/style.txt": f"of style {style}\n"})
    made.update()
    original = copy(made.project, made.project.with_name("original"))
    told, said_no, done = 0, 0, 0
    for number in range(30):
        stop = begun(partial(write_for_ever, made.project, number))
        try:
            time.sleep(0.01)
            for setting in ("style=b", "style=a", "style=b"):
                try:
                    made.update(setting)
                    done += 1
                except PtscaffoldError as error:
                    assert "while it was about to be written" in str(error)  # noqa: PT017
                    said_no += 1
        finally:
            lines = stop()
        told += len(lines)
        whole = b"\n".join(data for data, _ in read_tree(made.project).values()).split(b"\n")
        assert set(lines) - set(whole) == set(), number
        assert not (made.project / FOLDER).exists()
        renew(made.project, original)
    assert told > 100
    assert done
    assert said_no
