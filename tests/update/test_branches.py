"""An update that waits belongs to the branch that it was begun on; what came since is kept."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from update.trees import Lab, commit, git, lab, put, read_tree, text

from ptscaffold.cli import app as cli
from ptscaffold.errors import PendingError
from ptscaffold.project.conflicts import continue_update, undo_update

ENDS = [continue_update, undo_update]


@pytest.fixture
def made(tmp_path: Path) -> Lab:
    """A project in git, in which an update waits on the branch main, its conflict resolved."""
    made = lab(tmp_path).make()
    put(made.project, {"notes.txt": text({1: "mine\n"})})
    git(made.project, "init", "--quiet", "--initial-branch", "main")
    commit(made.project)
    git(made.project, "branch", "other")
    changed = {"base/notes.txt": text({1: "theirs\n"}), "base/tail.txt": "new\n"}
    changed |= {"base/new.txt": "new\n", "base/run.sh": "#!/bin/bash\n"}
    made = made.change("2.0", changed)
    assert made.update().conflicts == ("notes.txt",)
    put(made.project, {"notes.txt": text({1: "resolved\n"})})
    git(made.project, "add", "notes.txt")
    return made


def stashed(made: Lab) -> None:
    git(made.project, "stash")
    git(made.project, "switch", "--quiet", "other")


def carried(made: Lab) -> None:
    git(made.project, "switch", "--quiet", "other")


def edited_there(made: Lab) -> None:
    stashed(made)
    put(made.project, {"notes.txt": "of the other branch\n", "tail.txt": "this too\n"})


def detached(made: Lab) -> None:
    git(made.project, "switch", "--quiet", "--detach")


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("leave", [stashed, carried, edited_there, detached])
def test_on_another_branch_nothing_is_done(
    made: Lab, leave: Callable[[Lab], None], end: Callable[[Path], object]
) -> None:
    leave(made)
    before = read_tree(made.project)
    with pytest.raises(PendingError, match="begun on branch main, and this is another") as caught:
        end(made.project)
    assert caught.value.hint == "git switch main first; nothing was changed"
    assert read_tree(made.project) == before


def test_the_way_back_is_the_one_that_is_named(made: Lab) -> None:
    stashed(made)
    git(made.project, "switch", "main")
    git(made.project, "stash", "pop")
    assert continue_update(made.project).files == ["notes.txt"]
    assert (made.project / ".ptscaffold.toml").read_bytes() == made.record()


def test_a_commit_without_a_branch_is_named_too(made: Lab) -> None:
    undo_update(made.project)
    git(made.project, "reset", "--quiet", "--hard")
    (made.project / "notes.txt.yours").unlink()
    detached(made)
    made.update()
    git(made.project, "add", "--all")
    first = git(made.project, "rev-parse", "HEAD").strip()
    git(made.project, "switch", "--quiet", "main")
    with pytest.raises(PendingError, match=f"commit {first[:12]}") as caught:
        continue_update(made.project)
    assert caught.value.hint.startswith(f"git switch --detach {first[:12]} first")


@pytest.mark.parametrize("end", ENDS)
def test_what_git_has_put_aside_is_not_taken_for_undone(
    made: Lab, end: Callable[[Path], object]
) -> None:
    git(made.project, "stash")
    before = read_tree(made.project)
    with pytest.raises(PendingError, match="as they were before the update") as caught:
        end(made.project)
    assert "git stash pop" in caught.value.hint
    assert read_tree(made.project) == before
    git(made.project, "stash", "pop")
    assert continue_update(made.project).files == ["notes.txt"]


@pytest.mark.parametrize("back", [("checkout", "HEAD", "--", "."), ("reset", "--quiet", "--hard")])
def test_what_was_thrown_away_is_not_continued_but_ended(made: Lab, back: tuple[str, ...]) -> None:
    git(made.project, *back)
    with pytest.raises(PendingError, match="nothing to continue"):
        continue_update(made.project)
    assert undo_update(made.project).kept == []
    assert git(made.project, "status", "--porcelain") == ""


def test_a_new_file_that_is_not_wanted_is_no_reason_to_stop(tmp_path: Path) -> None:
    made = lab(tmp_path).make()
    put(made.project, {"notes.txt": text({1: "mine\n"})})
    changed = {"base/notes.txt": text({1: "theirs\n"}), "base/new.txt": "new\n"}
    made = made.change("2.0", changed)
    made.update()
    put(made.project, {"notes.txt": text({1: "mine\n"})})
    (made.project / "new.txt").unlink()
    told = "new.txt is as it was before the update: that counts as your choice"
    assert continue_update(made.project).kept == [told]


def test_what_half_a_stash_has_taken_is_said(made: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    git(made.project, "checkout", "HEAD", "--", "tail.txt")
    assert cli.run(["update", str(made.project), "--continue"]) == 3
    said = "tail.txt is as it was before the update: that counts as your choice"
    assert said in capsys.readouterr().err


def test_abort_keeps_what_was_written_since(
    made: Lab, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("ptscaffold.cli.console.as_keyboard_interrupt", lambda: None)
    put(made.project, {"tail.txt": "new\nand mine\n"})
    assert cli.run(["update", str(made.project), "--abort"]) == 3
    assert capsys.readouterr().err.splitlines() == [
        f"{made.project}: back to before the update",
        "  what you changed since is kept as tail.txt.yours",
        "  what you changed since is kept as notes.txt.yours",
    ]
    assert (made.project / "tail.txt.yours").read_text() == "new\nand mine\n"
    assert (made.project / "notes.txt.yours").read_text() == text({1: "resolved\n"})
    assert git(made.project, "diff", "HEAD") == ""


def test_a_record_that_was_edited_since_keeps_that(made: Lab) -> None:
    record = made.project / ".ptscaffold.toml"
    edited = record.read_bytes() + b"# a line of mine\n"
    record.write_bytes(edited)
    done = continue_update(made.project)
    assert done.kept == []
    data = record.read_text()
    assert tomllib.loads(data) == tomllib.loads(made.record().decode())
    assert "# a line of mine\n" in data
    assert made.update().changes == ()
    assert record.read_text() == data


def test_a_repository_that_is_gone_is_in_nobody_s_way(made: Lab) -> None:
    (made.project / ".git").rename(made.project.parent / "git")
    assert continue_update(made.project).files == ["notes.txt"]
