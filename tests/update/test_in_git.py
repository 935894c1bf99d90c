"""Ways in which people use git around an update: parts of a project, other branches, submodules."""

from __future__ import annotations

import subprocess
import tomllib
from pathlib import Path

import pytest
from update.trees import Lab, commit, git, lab, put, text

from ptscaffold.cli import app as cli
from ptscaffold.errors import PendingError, PtscaffoldError, UsageError
from ptscaffold.project.conflicts import continue_update
from ptscaffold.project.git import make_patch
from ptscaffold.project.record import RECORD, read_record
from ptscaffold.project.show import check, edits
from ptscaffold.project.state import record_anew
from ptscaffold.project.update import add, remove, update

THEIRS = {"base/notes.txt": text({1: "theirs\n"}), "base/tail.txt": "new\n"}


@pytest.fixture
def made(tmp_path: Path) -> Lab:
    """A project in git, and a newer template of which one line is in conflict with the project."""
    made = lab(tmp_path).make()
    put(made.project, {"notes.txt": text({1: "mine\n"})})
    git(made.project, "init", "--quiet", "--initial-branch", "main")
    commit(made.project)
    return made.change("2.0", THEIRS)


def test_what_a_sparse_checkout_leaves_out_is_not_deleted(made: Lab) -> None:
    git(made.project, "sparse-checkout", "set", "--cone", "src")
    git(made.project, "sparse-checkout", "reapply")
    assert not (made.project / "docker").exists()
    with pytest.raises(PtscaffoldError, match=r"sparse checkout of git leaves out docker/f\.txt"):
        made.update()
    assert check(made.project, history=made.history).deleted == ()
    git(made.project, "sparse-checkout", "disable")
    assert made.update().conflicts == ("notes.txt",)


def test_what_git_ignores_is_said(made: Lab) -> None:
    put(made.project, {"notes.txt": text(), ".gitignore": "new.*\n"})
    commit(made.project)
    done = made.change("2.1", {"base/new.txt": "new\n", "base/other.txt": "new\n"}).update()
    assert done.notes == ("new.txt is ignored by git: git add -f new.txt",)


def resolve(made: Lab) -> None:
    assert made.update().conflicts == ("notes.txt",)
    put(made.project, {"notes.txt": text({1: "resolved\n"})})


@pytest.mark.parametrize("way", [("switch", "-qc", "fresh"), ("switch", "--quiet", "--detach")])
def test_what_was_resolved_and_committed_elsewhere_is_continued(
    made: Lab, way: tuple[str, ...]
) -> None:
    resolve(made)
    git(made.project, *way)
    with pytest.raises(PendingError, match="begun on branch main, and this is another one"):
        continue_update(made.project)  # not yet
    commit(made.project)
    assert continue_update(made.project).files == ["notes.txt"]
    assert read_record(made.project).template_version == "2.0"


def test_a_branch_that_goes_its_own_way_is_another_one(made: Lab) -> None:
    resolve(made)
    git(made.project, "add", "notes.txt")
    git(made.project, "stash")
    git(made.project, "switch", "-qc", "fresh")
    put(made.project, {"notes.txt": "of the other branch\n"})
    commit(made.project)
    with pytest.raises(PendingError, match="this is another one"):
        continue_update(made.project)


@pytest.mark.parametrize("way", ["merge", "diff3", "zdiff3"])
def test_markers_that_git_writes_anew_are_markers(made: Lab, way: str) -> None:
    assert made.update().conflicts == ("notes.txt",)
    git(made.project, "-c", f"merge.conflictStyle={way}", "checkout", "-m", "notes.txt")
    assert "<<<<<<< ours" in (made.project / "notes.txt").read_text()
    with pytest.raises(PendingError, match=r"notes\.txt still has conflict markers"):
        continue_update(made.project)


def test_conflicts_of_a_submodule_are_told_to_git(made: Lab, tmp_path: Path) -> None:
    above = tmp_path / "above"
    git(tmp_path, "init", "--quiet", str(above))
    git(above, "-c", "protocol.file.allow=always", "submodule", "add", str(made.project), "toy")
    update(above / "toy", history=made.history)
    assert git(above / "toy", "status", "--porcelain", "notes.txt").startswith("UU ")


@pytest.mark.parametrize("place", ["toy", "team/toy"])
@pytest.mark.parametrize("here", [False, True])
def test_the_command_for_a_deleted_module_brings_it_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, here: bool
) -> None:
    made = lab(tmp_path / place).make()
    top = tmp_path / place.partition("/")[0]
    (made.project / "src/toy/config.py").unlink()
    if "/" in place:
        git(top, "init", "--quiet")
    asks = "from .config import a\n"
    made = made.change("2.0", {"domains/x/src/__package__/data.py": asks + text()})
    monkeypatch.chdir(made.project if here else tmp_path)
    project = Path() if here else made.project.relative_to(tmp_path)
    (note,) = update(project, history=made.history, force=True).notes
    command = note.partition("you deleted it: ")[2]
    assert command.count("ptscaffold diff | ") == 1
    patch = tmp_path / "patch"
    patch.write_bytes(make_patch(edits(made.project, made.history)))
    command = command.replace("ptscaffold diff", f"cat {patch}")
    subprocess.run(command, shell=True, check=True)
    assert (made.project / "src/toy/config.py").read_text() == text()


def test_a_feature_that_one_branch_has_removed_does_not_come_back(made: Lab) -> None:
    put(made.history.root, {"features/g/layer.toml": 'label="G"\nhelp="g"\n'})
    made = made.change("3.0", {"features/g/g.txt": "g\n"})
    put(made.project, {"notes.txt": text()})
    commit(made.project)
    made.update()
    commit(made.project)
    git(made.project, "switch", "-qc", "other")
    remove(made.project, ["f"], history=made.history)
    commit(made.project)
    git(made.project, "switch", "--quiet", "main")
    add(made.project, ["g"], history=made.history)
    commit(made.project)
    with pytest.raises(AssertionError):
        git(made.project, "-c", "user.name=a", "-c", "user.email=a@b", "merge", "other")
    record_anew(made.project, history=made.history)
    assert read_record(made.project).answers["features"] == ["g"]
    assert check(made.project, history=made.history).deleted == ()


def locked(made: Lab, value: str) -> None:
    with (made.project / RECORD).open("a") as file:
        file.write(f'\n[preset]\nname = "team"\n[preset.locked.style]\nvalue = "{value}"\n')
        file.write('reason = "one for all"\n')


def test_what_a_preset_has_fixed_is_checked(made: Lab) -> None:
    locked(made, "b")
    said = "style is fixed to 'b' by the preset team (one for all), and cannot be 'a'"
    assert said in [problem for problem, _ in check(made.project, history=made.history).problems]
    with pytest.raises(UsageError, match="style is fixed to 'b'"):
        record_anew(made.project, history=made.history)


@pytest.mark.parametrize("pattern", ["docker/", "./docker/*", "docker/f.txt"])
def test_a_folder_and_a_path_from_here_are_patterns_too(made: Lab, pattern: str) -> None:
    put(made.project, {"docker/f.txt": "mine\n"})
    found = check(made.project, (pattern, "dockr/*"), history=made.history)
    assert "docker/f.txt is locked, but was edited" in dict(found.problems)
    assert found.idle == ("dockr/*",)


def test_a_record_that_is_damaged_while_an_update_waits_is_named(
    made: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    resolve(made)
    with (made.project / RECORD).open("a") as file:
        file.write("x = [\n")
    assert cli.run(["update", str(made.project), "--continue"]) == 1
    assert "error: cannot read .ptscaffold.toml: " in capsys.readouterr().err


def test_what_the_record_has_of_a_pack_beside_ours_stays(tmp_path: Path) -> None:
    made = lab(tmp_path).make(features=())
    put(tmp_path, {"acme/pack.toml": 'name = "acme"\nversion = "1"\n', "acme/base/a.txt": "a\n"})
    put(tmp_path, {"acme/base/layer.toml": 'label = "A"\nhelp = "a"\n'})
    update(made.project, history=made.history, packs=[str(tmp_path / "acme")])
    record = made.project / RECORD
    record.write_text(record.read_text().replace("[packs.acme]", '[packs.acme]\nnote = "ours"'))
    add(made.project, ["f"], history=made.history)
    assert tomllib.loads(record.read_text())["packs"]["acme"]["note"] == "ours"
