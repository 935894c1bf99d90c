"""What people do when they lose their way in an update: it says so, and costs nothing."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from update.trees import Lab, lab, put, read_tree, text

from ptscaffold.cli import app as cli
from ptscaffold.errors import PendingError, PtscaffoldError, UsageError, WriteError
from ptscaffold.project.conflicts import continue_update, undo_update
from ptscaffold.project.journal import FOLDER
from ptscaffold.project.show import check


@pytest.fixture
def made(tmp_path: Path) -> Lab:
    """A project in which an update has one conflict and changes a second file."""
    found = lab(tmp_path).make()
    put(found.project, {"notes.txt": text({1: "mine\n"})})
    return found.change("2.0", {"base/notes.txt": text({1: "theirs\n"}), "base/tail.txt": "new\n"})


def test_half_a_conflict_is_not_resolved(made: Lab) -> None:
    made.update()
    notes = made.project / "notes.txt"
    marked = notes.read_text().splitlines(keepends=True)
    notes.write_text("".join(line for line in marked if line[:7] not in ("<<<<<<<", ">>>>>>>")))
    with pytest.raises(PendingError, match=r"notes\.txt still has conflict markers"):
        continue_update(made.project)
    notes.write_text(text({1: "mine\n"}))  # one's own side is an answer
    assert continue_update(made.project).files == ["notes.txt"]


def test_an_underlined_heading_is_no_conflict(made: Lab) -> None:
    heading = text({1: "mine\n", 5: "Title\n=======\n"})
    put(made.project, {"notes.txt": heading})
    made.update()
    put(made.project, {"notes.txt": heading})
    assert continue_update(made.project).files == ["notes.txt"]


def test_a_heading_that_was_written_since_is_no_conflict(made: Lab) -> None:
    made.update()
    put(made.project, {"notes.txt": text({1: "Install\n=======\nboth\n"})})
    assert continue_update(made.project).files == ["notes.txt"]


def test_an_update_that_was_taken_back_by_hand_cannot_be_continued(made: Lab) -> None:
    before = read_tree(made.project)
    made.update()
    put(made.project, {name: before[name][0] for name in ("notes.txt", "tail.txt")})
    with pytest.raises(PendingError, match="as they were before the update") as caught:
        continue_update(made.project)
    assert f"ptscaffold update {made.project} --abort" in caught.value.hint
    undo_update(made.project)
    assert read_tree(made.project) == before


@pytest.mark.parametrize("end", [continue_update, undo_update])
def test_an_update_is_ended_in_the_project(made: Lab, end: Callable[[Path], object]) -> None:
    made.update()
    (made.project / "deep").mkdir()
    with pytest.raises(UsageError, match="is no ptscaffold project") as caught:
        end(made.project / "deep")
    assert caught.value.hint == f"the project is {made.project}"


def test_the_way_out_names_the_project(
    made: Lab, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(made.project.parent)
    monkeypatch.setattr("ptscaffold.project.update.History", lambda: made.history)
    monkeypatch.setattr("ptscaffold.cli.console.as_keyboard_interrupt", lambda: None)
    assert cli.run(["update", "toy"]) == 3
    assert "  ptscaffold update toy --continue " in capsys.readouterr().err
    assert cli.run(["update", "toy"]) == 3
    assert "hint: ptscaffold update toy --continue, or --abort" in capsys.readouterr().err
    assert cli.run(["update", "toy", "--abort"]) == 0


def test_a_file_is_no_project(made: Lab) -> None:
    with pytest.raises(UsageError, match="is no ptscaffold project"):
        check(made.project / "notes.txt", history=made.history)


def test_what_cannot_be_written_need_not_be_put_back(
    made: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = read_tree(made.project)
    rename = Path.rename

    def refuse(self: Path, target: Any) -> Path:
        if self.name == "tail.txt":
            raise PermissionError(13, "Permission denied", str(self))
        return rename(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", refuse)
        with pytest.raises(WriteError, match=r"cannot write .*tail\.txt: Permission denied"):
            made.update()
    assert read_tree(made.project) == before
    assert not (made.project / FOLDER).exists()


def test_a_file_that_cannot_be_read_is_named(made: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    read = os.open

    def refuse(path: Any, *arguments: Any, **options: Any) -> int:
        if path == made.project / "tail.txt":
            raise PermissionError(13, "Permission denied", str(path))
        return read(path, *arguments, **options)

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(PtscaffoldError, match=r"cannot read .*tail\.txt: Permission denied"):
        made.update()


def test_ctrl_c_is_one_word(
    made: Lab, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("ptscaffold.cli.console.as_keyboard_interrupt", lambda: None)
    monkeypatch.setattr("ptscaffold.cli.app._app_of", lambda _: interrupted)
    assert cli.run(["update", str(made.project)]) == 130
    assert capsys.readouterr().err == "interrupted\n"
