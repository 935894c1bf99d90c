"""What `update` makes of every way in which a template and a project can part."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from update import trees
from update.trees import BINARY, Lab, Text, commit, git, lab, put, read_tree, text, times, to_crlf

from ptscaffold.cli import app as cli
from ptscaffold.errors import PendingError, ProvenanceError, PtscaffoldError, UsageError
from ptscaffold.layers.history import History
from ptscaffold.project.conflicts import continue_update, undo_update
from ptscaffold.project.git import make_patch
from ptscaffold.project.guard import locked
from ptscaffold.project.journal import FOLDER
from ptscaffold.project.record import RECORD
from ptscaffold.project.show import check, edits
from ptscaffold.project.update import Update, add, remove

Act = Callable[[Path], object]


@dataclass(frozen=True, kw_only=True)
class Case:
    """A change of the template, one of the project, and what comes of both.

    `after` holds the files that the update changes; all others stay. `said` is the summary.
    """

    template: Mapping[str, Text] = field(default_factory=dict)
    template_act: Act = field(default=lambda root: None)
    yours: Mapping[str, Text] = field(default_factory=dict)
    yours_act: Act = field(default=lambda project: None)
    after: Mapping[str, Text] = field(default_factory=dict)
    said: Mapping[str, str]
    executable: Mapping[str, bool] = field(default_factory=dict)

    @property
    def conflicts(self) -> list[str]:
        return [path for path, said in self.said.items() if said.startswith("conflict")]

    @property
    def aside(self) -> bool:
        return any(said.startswith("aside") for said in self.said.values())


NOTES = "base/notes.txt"
MINE, THEIRS = text({2: "mine\n"}), text({11: "theirs\n"})
MOVED = 'label = "Base"\nhelp = "what all have"\n[renames]\n"notes.txt" = "docs/notes.md"\n'
RENAMED: Mapping[str, Text] = {
    "base/layer.toml": MOVED,
    NOTES: None,
    "base/docs/notes.md": text(),
}
RENAMED_AND_CHANGED: Mapping[str, Text] = {**RENAMED, "base/docs/notes.md": THEIRS}
CLASH = """\
<<<<<<< yours
mine
=======
theirs
>>>>>>> template 2.0
"""

CASES: dict[str, Case] = {
    "nothing changed": Case(said={}),
    "clean": Case(
        template={NOTES: THEIRS},
        after={"notes.txt": THEIRS},
        said={"notes.txt": "updated: you had not changed it"},
    ),
    "only you changed it": Case(yours={"notes.txt": MINE}, said={}),
    "new file": Case(
        template={"base/deep/er/new.txt": "new\n"},
        after={"deep/er/new.txt": "new\n"},
        said={"deep/er/new.txt": "added: new in the template"},
    ),
    "merged": Case(
        template={NOTES: THEIRS},
        yours={"notes.txt": MINE},
        after={"notes.txt": text({2: "mine\n", 11: "theirs\n"})},
        said={"notes.txt": "merged: both changed it"},
    ),
    "conflict": Case(
        template={NOTES: text({5: "theirs\n"})},
        yours={"notes.txt": text({5: "mine\n"})},
        after={"notes.txt": text({5: CLASH})},
        said={"notes.txt": "conflict: both changed the same lines: 1 place"},
    ),
    "conflict in two places, another file merged": Case(
        template={
            NOTES: text({2: "theirs\n", 11: "theirs\n"}),
            "domains/x/src/__package__/data.py": THEIRS,
        },
        yours={"notes.txt": text({2: "mine\n", 11: "mine\n"}), "src/toy/data.py": MINE},
        after={
            "notes.txt": text({2: CLASH, 11: CLASH}),
            "src/toy/data.py": text({2: "mine\n", 11: "theirs\n"}),
        },
        said={
            "notes.txt": "conflict: both changed the same lines: 2 places",
            "src/toy/data.py": "merged: both changed it",
        },
    ),
    "same change on both sides": Case(
        template={NOTES: THEIRS},
        yours={"notes.txt": THEIRS},
        said={"notes.txt": "same: you have it already"},
    ),
    "the same change and one more": Case(
        template={NOTES: THEIRS},
        yours={"notes.txt": text({2: "mine\n", 11: "theirs\n"})},
        after={"notes.txt": text({2: "mine\n", 11: "theirs\n"})},
        said={"notes.txt": "merged: both changed it"},
    ),
    "deleted by you": Case(
        template={NOTES: THEIRS},
        yours={"notes.txt": None},
        said={"notes.txt": "kept: you deleted it"},
    ),
    "deleted by you, unchanged in the template": Case(yours={"notes.txt": None}, said={}),
    "deleted by the template": Case(
        template={NOTES: None},
        after={"notes.txt": None},
        said={"notes.txt": "removed: the template dropped it"},
    ),
    "deleted by the template with its folders": Case(
        template={"base/old/deep/only.txt": None},
        after={"old/deep/only.txt": None},
        said={"old/deep/only.txt": "removed: the template dropped it"},
    ),
    "deleted by the template, a file of yours in its folder": Case(
        template={"base/old/deep/only.txt": None},
        yours={"old/deep/mine.txt": "mine\n"},
        after={"old/deep/only.txt": None},
        said={"old/deep/only.txt": "removed: the template dropped it"},
    ),
    "deleted by the template, edited by you": Case(
        template={NOTES: None},
        yours={"notes.txt": MINE},
        said={"notes.txt": "kept: the template dropped it, you changed it"},
    ),
    "deleted by both": Case(
        template={NOTES: None},
        yours={"notes.txt": None},
        said={"notes.txt": "kept: you deleted it, and so did the template"},
    ),
    "renamed": Case(
        template=RENAMED,
        after={"notes.txt": None, "docs/notes.md": text()},
        said={"docs/notes.md": "updated: renamed"},
    ),
    "renamed out of a folder": Case(
        template={
            "base/layer.toml": MOVED.replace("notes.txt", "old/deep/only.txt"),
            "base/old/deep/only.txt": None,
            "base/docs/notes.md": "only\n",
        },
        after={"old/deep/only.txt": None, "docs/notes.md": "only\n"},
        said={"docs/notes.md": "updated: renamed"},
    ),
    "renamed and changed": Case(
        template=RENAMED_AND_CHANGED,
        after={"notes.txt": None, "docs/notes.md": THEIRS},
        said={"docs/notes.md": "updated: renamed; you had not changed it"},
    ),
    "renamed, edited by you": Case(
        template=RENAMED,
        yours={"notes.txt": MINE},
        after={"notes.txt": None, "docs/notes.md": MINE},
        said={"docs/notes.md": "updated: renamed, with your edits"},
    ),
    "renamed and changed, edited by you": Case(
        template=RENAMED_AND_CHANGED,
        yours={"notes.txt": MINE},
        after={"notes.txt": None, "docs/notes.md": text({2: "mine\n", 11: "theirs\n"})},
        said={"docs/notes.md": "merged: renamed; both changed it"},
    ),
    "renamed and changed, the same lines edited by you": Case(
        template=RENAMED_AND_CHANGED,
        yours={"notes.txt": text({11: "mine\n"})},
        after={"notes.txt": None, "docs/notes.md": text({11: CLASH})},
        said={"docs/notes.md": "conflict: renamed; both changed the same lines: 1 place"},
    ),
    "renamed and changed, and by you before": Case(
        template=RENAMED_AND_CHANGED,
        yours={"notes.txt": None, "docs/notes.md": MINE},
        after={"docs/notes.md": text({2: "mine\n", 11: "theirs\n"})},
        said={"docs/notes.md": "merged: both changed it"},
    ),
    "renamed, deleted by you": Case(
        template=RENAMED,
        yours={"notes.txt": None},
        said={"docs/notes.md": "kept: you deleted it"},
    ),
    "renamed, both names there": Case(
        template=RENAMED,
        yours={"docs/notes.md": "mine\n"},
        after={"docs/notes.md.new": text()},
        said={
            "docs/notes.md": "aside: notes.txt is now called so, but you have one of your own: "
            "yours stays, the template's is docs/notes.md.new"
        },
    ),
    "renamed, the new name is the same file": Case(
        template=RENAMED_AND_CHANGED,
        yours={"docs/other.md": ""},
        yours_act=lambda project: os.link(project / "notes.txt", project / "docs/notes.md"),
        after={"notes.txt": None, "docs/notes.md": THEIRS},
        said={"docs/notes.md": "updated: renamed; you had not changed it"},
    ),
    "two files renamed to one": Case(
        template={
            "base/layer.toml": MOVED + '"tail.txt" = "docs/notes.md"\n',
            NOTES: None,
            "base/tail.txt": None,
            "base/docs/notes.md": text(),
        },
        after={"notes.txt": None, "tail.txt": None, "docs/notes.md": text()},
        said={
            "docs/notes.md": "updated: renamed",
            "tail.txt": "removed: the template dropped it",
        },
    ),
    "renamed in a circle, and dropped": Case(
        template={
            "base/layer.toml": MOVED + '"docs/notes.md" = "notes.txt"\n',
            NOTES: None,
        },
        after={"notes.txt": None},
        said={"notes.txt": "removed: the template dropped it"},
    ),
    "mode changed by the template": Case(
        template_act=lambda root: (root / NOTES).chmod(0o755),
        yours={"notes.txt": MINE},
        after={"notes.txt": MINE},
        said={"notes.txt": "updated: its mode only"},
        executable={"notes.txt": True},
    ),
    "mode and lines changed by the template": Case(
        template={"base/run.sh": "#!/bin/bash\n"},
        template_act=lambda root: (root / "base/run.sh").chmod(0o644),
        after={"run.sh": "#!/bin/bash\n"},
        said={"run.sh": "updated: you had not changed it"},
        executable={"run.sh": False},
    ),
    "mode changed by you": Case(
        template={NOTES: THEIRS},
        yours_act=lambda project: (project / "notes.txt").chmod(0o755),
        after={"notes.txt": THEIRS},
        said={"notes.txt": "updated: you had not changed it"},
        executable={"notes.txt": True},
    ),
    "binary": Case(
        template={"base/logo.png": BINARY + b"2"},
        after={"logo.png": BINARY + b"2"},
        said={"logo.png": "updated: you had not changed it"},
    ),
    "binary, both changed it": Case(
        template={"base/logo.png": BINARY + b"2"},
        yours={"logo.png": BINARY + b"mine"},
        after={"logo.png.new": BINARY + b"2"},
        said={
            "logo.png": "aside: both changed it, and it is no text: yours stays, "
            "the template's is logo.png.new"
        },
    ),
    "text that became binary": Case(
        template={NOTES: BINARY},
        yours={"notes.txt": MINE},
        after={"notes.txt.new": BINARY},
        said={
            "notes.txt": "aside: both changed it, and it is no text: yours stays, "
            "the template's is notes.txt.new"
        },
    ),
    "no final newline, yours": Case(
        template={NOTES: THEIRS},
        yours={"notes.txt": text().removesuffix("\n")},
        after={"notes.txt": text({11: "<<<<<<< yours\nline 11\nline 12\n=======\ntheirs\nline 12\n"
                                  ">>>>>>> template 2.0\n", 12: ""})},
        said={"notes.txt": "conflict: both changed the same lines: 1 place"},
    ),
    "no final newline, yours, and a change far away": Case(
        template={NOTES: text({2: "theirs\n"})},
        yours={"notes.txt": text().removesuffix("\n")},
        after={"notes.txt": text({2: "theirs\n"}).removesuffix("\n")},
        said={"notes.txt": "merged: both changed it"},
    ),
    "no final newline in the template any more": Case(
        template={NOTES: text().removesuffix("\n")},
        yours={"notes.txt": MINE},
        after={"notes.txt": MINE.removesuffix("\n")},
        said={"notes.txt": "merged: both changed it"},
    ),
    "no final newline in the old template": Case(
        template={"base/tail.txt": "first\nlast\n"},
        after={"tail.txt": "first\nlast\n"},
        said={"tail.txt": "updated: you had not changed it"},
    ),
    "no final newline, lines added by both": Case(
        template={"base/tail.txt": "first\nlast\ntheirs"},
        yours={"tail.txt": "first\nlast\nmine"},
        after={"tail.txt": f"first\nlast\n{CLASH}"},
        said={"tail.txt": "conflict: both changed the same lines: 1 place"},
    ),
    "markers of git in your text": Case(
        template={NOTES: THEIRS},
        yours={"notes.txt": text({2: "<<<<<<< HEAD\n=======\n>>>>>>> branch\n"})},
        after={
            "notes.txt": text({2: "<<<<<<< HEAD\n=======\n>>>>>>> branch\n", 11: "theirs\n"})
        },
        said={"notes.txt": "merged: both changed it"},
    ),
    "markers of git in your text, and a conflict": Case(
        template={NOTES: text({11: "theirs\n"})},
        yours={"notes.txt": text({2: "<<<<<<< HEAD\n", 11: "mine\n"})},
        after={"notes.txt": text({2: "<<<<<<< HEAD\n", 11: CLASH})},
        said={"notes.txt": "conflict: both changed the same lines: 1 place"},
    ),
    "your file where the new template brings one": Case(
        template={"base/extra.txt": "theirs\n"},
        yours={"extra.txt": "mine\n"},
        after={"extra.txt.new": "theirs\n"},
        said={
            "extra.txt": "aside: the template brings it too: yours stays, "
            "the template's is extra.txt.new"
        },
    ),
    "your file is the one that the new template brings": Case(
        template={"base/extra.txt": "theirs\n"},
        yours={"extra.txt": "theirs\n"},
        said={"extra.txt": "same: you have it already"},
    ),
    "your file, and the name beside it is taken": Case(
        template={"base/extra.txt": "theirs\n", "base/extra.txt.new.2": "also\n"},
        yours={"extra.txt": "mine\n", "extra.txt.new": "mine too\n"},
        after={"extra.txt.new.3": "theirs\n", "extra.txt.new.2": "also\n"},
        said={
            "extra.txt": "aside: the template brings it too: yours stays, "
            "the template's is extra.txt.new.3",
            "extra.txt.new.2": "added: new in the template",
        },
    ),
    "a link in place of a file": Case(
        template={NOTES: THEIRS},
        yours={"notes.txt": None, "real.txt": "mine\n"},
        yours_act=lambda project: (project / "notes.txt").symlink_to("real.txt"),
        after={"notes.txt.new": THEIRS},
        said={"notes.txt": "aside: a link stands there; the template's is notes.txt.new"},
    ),
    "a link in place of a file that is dropped": Case(
        template={NOTES: None},
        yours={"notes.txt": None},
        yours_act=lambda project: (project / "notes.txt").symlink_to("real.txt"),
        said={"notes.txt": "kept: dropped, but a link stands there"},
    ),
    "a link in place of a folder": Case(
        template={"base/old/deep/only.txt": "theirs\n", "base/old/new.txt": "new\n"},
        yours_act=lambda project: (
            (project / "old").rename(project / "elsewhere"),
            (project / "old").symlink_to("elsewhere"),
        ),
        after={"old__deep__only.txt.new": "theirs\n", "old__new.txt.new": "new\n"},
        said={
            "old/deep/only.txt": "aside: old is a link; the template's is old__deep__only.txt.new",
            "old/new.txt": "aside: old is a link; the template's is old__new.txt.new",
        },
    ),
    "a folder in place of a file": Case(
        template={NOTES: THEIRS},
        yours={"notes.txt": None, "notes.txt/mine.txt": "mine\n"},
        after={"notes.txt.new": THEIRS},
        said={"notes.txt": "aside: a folder stands there; the template's is notes.txt.new"},
    ),
    "a file in place of a folder": Case(
        template={"base/old/deep/only.txt": "theirs\n"},
        yours={"old/deep/only.txt": None},
        yours_act=lambda project: (
            shutil.rmtree(project / "old"),
            (project / "old").write_text("mine\n"),
        ),
        after={"old__deep__only.txt.new": "theirs\n"},
        said={
            "old/deep/only.txt": "aside: old is no folder; "
            "the template's is old__deep__only.txt.new"
        },
    ),
    "the template turns a file into a folder": Case(
        template={NOTES: None, "base/notes.txt/a.txt": "a\n"},
        after={"notes.txt": None, "notes.txt/a.txt": "a\n"},
        said={
            "notes.txt": "removed: the template dropped it",
            "notes.txt/a.txt": "added: new in the template",
        },
    ),
    "the template turns a folder into a file": Case(
        template={"base/old/deep/only.txt": None},
        template_act=lambda root: (
            shutil.rmtree(root / "base/old"),
            put(root, {"base/old": "f\n"}),
        ),
        after={"old/deep/only.txt": None, "old": "f\n"},
        said={
            "old": "added: new in the template",
            "old/deep/only.txt": "removed: the template dropped it",
        },
    ),
    "a feature dropped": Case(
        template={"features/f/layer.toml": None, "features/f/docker/f.txt": None},
        template_act=lambda root: shutil.rmtree(root / "features"),
        after={"docker/f.txt": None},
        said={"docker/f.txt": "removed: the template dropped it"},
    ),
    "a feature dropped that you edited": Case(
        template_act=lambda root: shutil.rmtree(root / "features"),
        yours={"docker/f.txt": MINE},
        said={"docker/f.txt": "kept: the template dropped it, you changed it"},
    ),
    "not UTF-8": Case(
        template={NOTES: text({11: "theirs\n"}).encode() + b"\xff\n"},
        yours={"notes.txt": b"\xe4\n" + text().encode()},
        after={"notes.txt": b"\xe4\n" + text({11: "theirs\n"}).encode() + b"\xff\n"},
        said={"notes.txt": "merged: both changed it"},
    ),
    "empty files": Case(
        template={"base/src/__package__/__init__.py": None, "base/src/__package__/more.py": ""},
        after={"src/toy/__init__.py": None, "src/toy/more.py": ""},
        said={
            "src/toy/__init__.py": "removed: the template dropped it",
            "src/toy/more.py": "added: new in the template",
        },
    ),
}  # fmt: skip

every_case = pytest.mark.parametrize(
    "case", [pytest.param(c, id=name) for name, c in CASES.items()]
)
conflicts_only = pytest.mark.parametrize(
    "case", [pytest.param(c, id=name) for name, c in CASES.items() if c.conflicts]
)


def prepare(folder: Path, case: Case) -> Lab:
    """A project edited as the case says, and a template that has gone on."""
    made = lab(folder).make()
    put(made.project, case.yours)
    case.yours_act(made.project)
    made = made.change("2.0", case.template)
    case.template_act(made.history.root)
    return made


def said(done: Update) -> dict[str, str]:
    return {change.path: f"{change.kind}: {change.why}" for change in done.changes}


def expected(before: trees.Tree, case: Case) -> trees.Tree:
    after = dict(before)
    for path, content in case.after.items():
        if content is None:
            del after[path]
            continue
        data = content.encode() if isinstance(content, str) else content
        after[path] = (data, before.get(path, (b"", False))[1])
    for path, executable in case.executable.items():
        after[path] = (after[path][0], executable)
    return after


@every_case
def test_update(tmp_path: Path, case: Case) -> None:
    made = prepare(tmp_path, case)
    before = read_tree(made.project)
    done = made.update()
    assert said(done) == dict(case.said)
    assert list(done.conflicts) == case.conflicts
    assert done.wants_you == bool(case.conflicts or case.aside)
    after = read_tree(made.project)
    wanted = expected(before, case)
    if case.conflicts:
        after = {path: file for path, file in after.items() if not path.startswith(FOLDER)}
    else:
        features = ("f",) if (made.history.root / "features").is_dir() else ()
        wanted[RECORD] = (made.record(features=features), False)
    assert after == wanted


@every_case
def test_a_dry_run_writes_nothing_and_its_patch_does_the_same(tmp_path: Path, case: Case) -> None:
    made = prepare(tmp_path, case)
    before = times(made.project)
    planned = made.update(dry_run=True)
    patch = make_patch(planned.deltas())
    assert times(made.project) == before
    patched = trees.copy(made.project, tmp_path / "patched")
    assert said(made.update()) == said(planned)
    if patch:
        git(patched, "init", "--quiet")
        git(patched, "apply", "--whitespace=nowarn", "-", given=patch)
    after = read_tree(made.project)
    assert read_tree(patched) == {p: f for p, f in after.items() if not p.startswith(FOLDER)}


@every_case
def test_a_second_update_has_nothing_to_do(tmp_path: Path, case: Case) -> None:
    made = prepare(tmp_path, case)
    for path in made.update().conflicts:
        put(made.project, {path: "resolved\n"})
    if case.conflicts:
        assert continue_update(made.project).files == case.conflicts
    before = times(made.project)
    again = made.update()
    assert again.changes == ()
    assert times(made.project) == before
    assert check(made.project, history=made.history).problems == ()


@every_case
def test_a_checkout_with_other_line_endings_keeps_them(tmp_path: Path, case: Case) -> None:
    plain = prepare(tmp_path / "plain", case)
    made = prepare(tmp_path / "crlf", case)
    to_crlf(made.project)
    before = read_tree(made.project)
    mine = {path for path, (data, _) in before.items() if b"\r\n" in data and b"\0" not in data}
    assert said(made.update()) == said(plain.update())
    for path, (data, executable) in read_tree(plain.project).items():
        if path == RECORD or path.startswith(FOLDER):
            continue
        found = read_tree(made.project)[path]
        assert (found[0].replace(b"\r\n", b"\n"), found[1]) == (
            data.replace(b"\r\n", b"\n"), executable,
        )  # fmt: skip
        if path in mine:
            assert found[0].count(b"\n") == found[0].count(b"\r\n")


@conflicts_only
def test_a_conflict_waits_for_a_person(tmp_path: Path, case: Case) -> None:
    made = prepare(tmp_path, case)
    record = (made.project / RECORD).read_bytes()
    made.update()
    assert (made.project / RECORD).read_bytes() == record
    pending = times(made.project)
    for act in (made.update, lambda: check(made.project), lambda: edits(made.project)):
        with pytest.raises(PendingError, match="waits for you: conflicts in"):
            act()
    with pytest.raises(PendingError, match=f"{case.conflicts[0]} still has conflict markers"):
        continue_update(made.project)
    assert times(made.project) == pending
    for path in case.conflicts:
        put(made.project, {path: text({1: "<<<<<<< HEAD\n"})})
    assert continue_update(made.project).files == case.conflicts
    assert (made.project / RECORD).read_bytes() == made.record()
    assert not (made.project / FOLDER).exists()
    with pytest.raises(UsageError, match="no update to continue"):
        continue_update(made.project)


@conflicts_only
def test_abort_goes_back_byte_for_byte(tmp_path: Path, case: Case) -> None:
    made = prepare(tmp_path, case)
    (made.project / "empty").mkdir()
    before = read_tree(made.project)
    made.update()
    path = case.conflicts[0]
    put(made.project, {path: "half resolved\n"})
    assert undo_update(made.project).kept == [f"what you changed since is kept as {path}.yours"]
    assert read_tree(made.project) == {**before, f"{path}.yours": (b"half resolved\n", False)}
    with pytest.raises(UsageError, match="no update to abort"):
        undo_update(made.project)


@every_case
def test_diff_gives_a_patch_that_can_be_undone(tmp_path: Path, case: Case) -> None:
    made = prepare(tmp_path, case)
    if any(path.endswith("@") for path in read_tree(made.project)):
        for link in [p for p in made.project.rglob("*") if p.is_symlink()]:
            link.unlink()
    if (made.project / "notes.txt").is_dir() or (made.project / "old").is_file():
        return  # what git cannot undo: another kind of thing has the place of a file
    mine = read_tree(made.project).keys() - trees.files_of(lab(tmp_path / "old").history).keys()
    patch = make_patch(edits(made.project, made.history))
    if patch:
        git(made.project, "init", "--quiet")
        git(made.project, "apply", "-R", "--whitespace=nowarn", "-", given=patch)
    after = {path: file for path, file in read_tree(made.project).items() if path not in mine}
    assert after == trees.files_of(lab(tmp_path / "again").history)


def test_diff_of_a_checkout_with_other_line_endings_can_be_undone(tmp_path: Path) -> None:
    made = lab(tmp_path).make()
    to_crlf(made.project)
    before = read_tree(made.project)
    assert edits(made.project, made.history) == []
    put(made.project, {"notes.txt": MINE.replace("\n", "\r\n")})
    patch = make_patch(edits(made.project, made.history))
    assert patch.count(b"\n+") == 2
    git(made.project, "init", "--quiet")
    git(made.project, "apply", "-R", "--whitespace=nowarn", "-", given=patch)
    assert read_tree(made.project) == before


MANIFEST = 'label = "{}"\nhelp = "{}"\n'
STYLE_A, STYLE_B, FEATURE = (
    f"{path}/layer.toml" for path in ("styles/a", "styles/b", "features/f")
)


def moved_on(folder: Path) -> Lab:
    """A project with edits that merge, and a template that has gone on."""
    return prepare(folder, CASES["merged"])


def test_no_git_repository_is_needed(tmp_path: Path) -> None:
    made = moved_on(tmp_path)
    assert not (tmp_path / ".git").exists()
    assert said(made.update()) == dict(CASES["merged"].said)


def test_a_lock_file_is_no_uncommitted_change(tmp_path: Path) -> None:
    made = prepare(tmp_path, CASES["clean"])
    put(made.project, {"uv.lock": "one\n"})
    commit(made.project)
    put(made.project, {"uv.lock": "every uv run may write it\n"})
    made.update()
    assert (made.project / "notes.txt").read_text() == THEIRS
    assert (made.project / "uv.lock").read_text() == "every uv run may write it\n"


def test_a_dirty_tree_is_refused(tmp_path: Path) -> None:
    made = prepare(tmp_path, CASES["clean"])
    commit(made.project)
    put(made.project, {"tail.txt": "dirty\n"})
    before = read_tree(made.project)
    with pytest.raises(PtscaffoldError, match=r"uncommitted changes here: tail\.txt") as caught:
        made.update()
    assert "--force" in caught.value.hint
    assert read_tree(made.project) == before
    made.update(dry_run=True)
    made.update(force=True)
    assert (made.project / "notes.txt").read_text() == THEIRS
    assert (made.project / "tail.txt").read_text() == "dirty\n"


def test_untracked_files_are_no_dirt(tmp_path: Path) -> None:
    made = prepare(tmp_path, CASES["clean"])
    commit(made.project)
    put(made.project, {"untracked.txt": "mine\n"})
    made.update()
    assert git(made.project, "status", "--porcelain").splitlines() == [
        " M .ptscaffold.toml",
        " M notes.txt",
        "?? untracked.txt",
    ]


@pytest.mark.parametrize("below", ["", "deep/er"])
@pytest.mark.parametrize("end", [continue_update, undo_update])
def test_git_sees_an_open_conflict_as_one_until_it_ends(
    tmp_path: Path, below: str, end: Callable[[Path], object]
) -> None:
    made = prepare(tmp_path / below, CASES["conflict"])
    commit(tmp_path)
    made.update()
    place = f"{below}/toy/notes.txt".removeprefix("/")
    assert git(tmp_path, "status", "--porcelain", "toy", below or ".").splitlines() == [
        f"UU {place}"
    ]
    versions = [git(tmp_path, "show", f":{stage}:{place}") for stage in (1, 2, 3)]
    assert versions == [text(), text({5: "mine\n"}), text({5: "theirs\n"})]
    put(made.project, {"notes.txt": text({5: "both\n"})})
    if end is continue_update:
        end(made.project)
        changed = [" M .ptscaffold.toml", " M notes.txt"]
    else:
        put(made.project, {"notes.txt": (tmp_path / place).read_text()})
        end(made.project)
        changed = ["?? notes.txt.yours"]
    said = git(made.project, "status", "--porcelain", ".").splitlines()
    assert [line.replace(f"{below}/toy/".removeprefix("/"), "") for line in said] == changed


def test_a_conflict_in_a_file_that_git_does_not_track_is_none_of_its(tmp_path: Path) -> None:
    made = prepare(tmp_path, CASES["conflict"])
    put(made.project, {".gitignore": "notes.txt\n"})
    commit(made.project)
    made.update()
    assert git(made.project, "status", "--porcelain") == ""


def test_dirt_elsewhere_in_a_monorepo_is_no_matter(tmp_path: Path) -> None:
    made = prepare(tmp_path, CASES["merged"])
    put(tmp_path, {"other/file.txt": "one\n"})
    commit(tmp_path)
    put(tmp_path, {"other/file.txt": "two\n"})
    assert said(made.update()) == dict(CASES["merged"].said)


@pytest.mark.parametrize("how", ["shallow", "squashed"])
def test_the_history_of_the_project_is_no_matter(tmp_path: Path, how: str) -> None:
    made = prepare(tmp_path, CASES["merged"])
    commit(made.project)
    commit(made.project)
    if how == "shallow":
        clone = tmp_path / "clone"
        git(tmp_path, "clone", "--quiet", "--depth=1", made.project.as_uri(), str(clone))
    else:
        clone = made.project
        shutil.rmtree(clone / ".git")
        commit(clone)
    done = Lab(made.history, clone).update()
    assert said(done) == dict(CASES["merged"].said)
    assert (clone / "notes.txt").read_text() == text({2: "mine\n", 11: "theirs\n"})


def test_a_project_that_was_moved_and_renamed(tmp_path: Path) -> None:
    made = moved_on(tmp_path)
    new = tmp_path / "elsewhere" / "another"
    new.parent.mkdir()
    made.project.rename(new)
    assert said(Lab(made.history, new).update()) == dict(CASES["merged"].said)


def test_a_project_behind_a_link(tmp_path: Path) -> None:
    made = prepare(tmp_path, CASES["conflict"])
    before = read_tree(made.project)
    (tmp_path / "link").symlink_to(made.project)
    linked = Lab(made.history, tmp_path / "link")
    assert linked.update().conflicts == ("notes.txt",)
    undo_update(linked.project)
    assert read_tree(made.project) == before


def test_a_folder_in_the_project_is_not_the_project(tmp_path: Path) -> None:
    made = moved_on(tmp_path)
    with pytest.raises(UsageError, match="is no ptscaffold project") as caught:
        Lab(made.history, made.project / "src").update()
    assert caught.value.hint == f"the project is {made.project}"


def test_another_name_moves_the_package_with_its_edits(tmp_path: Path) -> None:
    made = lab(tmp_path).make()
    put(made.project, {"src/toy/config.py": MINE, "src/toy/own.py": "mine\n"})
    put(made.project, {"src/toy/__pycache__/own.pyc": b"\0"})
    done = made.update("name=robot")
    (note,) = done.notes
    assert note.startswith("src/toy/own.py is yours and stays: move it to src/robot/")
    after = trees.files_of(made.history, name="robot")
    after["src/robot/config.py"] = (MINE.encode(), False)
    after["src/toy/own.py"] = (b"mine\n", False)
    after["src/toy/__pycache__/own.pyc"] = (b"\0", False)
    assert read_tree(made.project) == after


def test_two_updates_in_a_row_and_one_that_skips(tmp_path: Path) -> None:
    first = lab(tmp_path).make()
    put(first.project, {"notes.txt": MINE})
    skipping = trees.copy(first.project, tmp_path / "skipping")
    second = first.change("2.0", {NOTES: text({6: "second\n"}), "base/two.txt": "two\n"})
    second.update()
    third = second.change("3.0", {NOTES: text({6: "second\n", 11: "third\n"})})
    third.update()
    assert (first.project / "notes.txt").read_text() == text(
        {2: "mine\n", 6: "second\n", 11: "third\n"}
    )
    Lab(third.history, skipping).update()
    assert read_tree(skipping) == read_tree(first.project)


@pytest.mark.parametrize("steps", [("2.0", "3.0"), ("3.0",)])
def test_a_chain_of_renames(tmp_path: Path, steps: tuple[str, ...]) -> None:
    made = lab(tmp_path).make()
    put(made.project, {"notes.txt": MINE})
    for version in ("2.0", "3.0"):
        if version == "2.0":
            made = made.change(version, RENAMED)
        else:
            manifest = MOVED + '"docs/notes.md" = "docs/last.md"\n'
            made = made.change(
                version,
                {
                    "base/layer.toml": manifest,
                    "base/docs/notes.md": None,
                    "base/docs/last.md": THEIRS,
                },
            )
        if version in steps:
            made.update()
    tree = read_tree(made.project)
    assert tree["docs/last.md"][0].decode() == text({2: "mine\n", 11: "theirs\n"})
    assert {"notes.txt", "docs/notes.md"}.isdisjoint(tree)


def test_add_and_remove_are_each_other_s_opposite(tmp_path: Path) -> None:
    made = lab(tmp_path).make(features=())
    before = read_tree(made.project)
    assert said(add(made.project, ["f"], history=made.history)) == {
        "docker/f.txt": "added: new in the template"
    }
    assert read_tree(made.project) == trees.files_of(made.history)
    with pytest.raises(UsageError, match="has the feature 'f' already"):
        add(made.project, ["f"], history=made.history)
    remove(made.project, ["f"], history=made.history)
    assert read_tree(made.project) == before
    with pytest.raises(UsageError, match="unknown feature of this project 'f'"):
        remove(made.project, ["f"], history=made.history)


def test_an_edited_file_of_a_removed_feature_is_kept(tmp_path: Path) -> None:
    made = lab(tmp_path).make()
    put(made.project, {"docker/f.txt": MINE})
    assert said(remove(made.project, ["f"], history=made.history)) == {
        "docker/f.txt": "kept: the template dropped it, you changed it"
    }
    assert (made.project / "docker/f.txt").read_text() == MINE


def test_another_style_keeps_an_edited_file_beside_the_new_one(tmp_path: Path) -> None:
    made = lab(tmp_path).make()
    put(made.project, {"src/toy/train.py": MINE, "src/toy/data.py": MINE, "src/toy/loop.py": MINE})
    done = made.update("style=b")
    assert done.wants_you
    assert said(done) == {
        "README.md": "updated: you had not changed it",
        "src/toy/train.py": "aside: replaced; yours is kept as src/toy/train.py.a",
        "src/toy/loop.py": "kept: the template dropped it, you changed it",
    }
    tree = read_tree(made.project)
    for path in ("src/toy/train.py.a", "src/toy/data.py", "src/toy/loop.py"):
        assert tree[path][0].decode() == MINE
    assert tree["src/toy/train.py"][0].decode() == text({1: "style b\n"})
    made.update("style=a")
    assert read_tree(made.project)["src/toy/train.py"][0].decode() == text({1: "style a\n"})


def test_a_style_under_its_new_name(tmp_path: Path) -> None:
    made = lab(tmp_path).make().change("2.0")
    root = made.history.root
    (root / "styles/a").rename(root / "styles/c")
    put(root, {"styles/c/layer.toml": MANIFEST.format("A", "style a") + 'formerly = ["a"]\n'})
    put(made.project, {"src/toy/train.py": MINE})
    done = made.update()
    assert done.notes == ("style a is now called c",)
    assert done.new.answers.style == "c"
    assert (made.project / "src/toy/train.py").read_text() == MINE


def test_a_style_that_is_gone(tmp_path: Path) -> None:
    made = lab(tmp_path).make().change("2.0")
    shutil.rmtree(made.history.root / "styles/a")
    before = times(made.project)
    with pytest.raises(UsageError, match="unknown style 'a'"):
        made.update()
    assert times(made.project) == before


def test_a_new_answer_has_its_default(tmp_path: Path) -> None:
    made = lab(tmp_path).make()
    manifest = MANIFEST.format("A", "style a") + '[answers]\ndepth = "3"\n'
    made = made.change("2.0", {STYLE_A: manifest, "styles/a/depth.txt.jinja": "{{ depth }}\n"})
    made.update()
    assert (made.project / "depth.txt").read_text() == "3\n"
    made.update("depth=4")
    assert (made.project / "depth.txt").read_text() == "4\n"
    assert 'depth = "4"' in (made.project / RECORD).read_text()
    with pytest.raises(UsageError, match="unknown answer 'deep'"):
        made.update("deep=4")
    done = made.update("style=b")
    assert done.notes == ("answer depth is no longer asked for",)
    assert not (made.project / "depth.txt").exists()


def test_a_renamed_answer_keeps_its_value(tmp_path: Path) -> None:
    made = lab(tmp_path)
    asked = MANIFEST.format("A", "style a") + '[answers]\ndepth = "3"\n'
    put(made.history.root, {STYLE_A: asked, "styles/a/depth.txt.jinja": "{{ depth }}\n"})
    made = Lab(History(made.history.root, "1.1"), made.project).make(depth="5")
    asked = asked.replace("depth", "layer_count") + '[renamed-answers]\ndepth = "layer_count"\n'
    template = {STYLE_A: asked, "styles/a/depth.txt.jinja": "{{ layer_count }} layers\n"}
    made = made.change("2.0", template)
    assert made.update().notes == ("answer depth is now called layer_count",)
    assert (made.project / "depth.txt").read_text() == "5 layers\n"


RECORDS: dict[str, tuple[Callable[[str], str], type[PtscaffoldError], str]] = {
    "no TOML": (lambda record: "][", PtscaffoldError, "cannot read"),
    "no answers": (
        lambda record: record.replace("[answers]", "[others]"),
        PtscaffoldError,
        "answers is missing",
    ),
    "features that are no list": (
        lambda record: record.replace('features = ["f"]', 'features = "f"'),
        PtscaffoldError,
        "features must hold texts",
    ),
    "no features": (
        lambda record: record.replace('features = ["f"]', ""),
        PtscaffoldError,
        "features is missing",
    ),
    "a style that the template lacks": (
        lambda record: record.replace('style = "a"', 'style = "z"'),
        ProvenanceError,
        "is wrong: unknown style 'z'",
    ),
    "an answer that was edited": (
        lambda record: record.replace('name = "toy"', 'name = "robot"'),
        ProvenanceError,
        "does not give what .ptscaffold.toml recorded: README.md, src/robot",
    ),
    "a hash that was edited": (
        lambda record: record.replace('"notes.txt" = "', '"notes.txt" = "0'),
        ProvenanceError,
        "does not give what .ptscaffold.toml recorded: notes.txt",
    ),
    "an unknown version": (
        lambda record: record.replace('template-version = "1.0"', 'template-version = "9.9"'),
        ProvenanceError,
        "does not know template version 9.9",
    ),
}


@pytest.mark.parametrize("name", RECORDS)
def test_a_record_that_is_not_true(tmp_path: Path, name: str) -> None:
    edit, error, message = RECORDS[name]
    made = moved_on(tmp_path)
    record = made.project / RECORD
    record.write_text(edit(record.read_text()))
    before = times(made.project)
    for act in (
        lambda: made.update(force=True),
        lambda: add(made.project, ["f2"], history=made.history),
        lambda: edits(made.project, made.history),
    ):
        with pytest.raises(error, match=message.replace(".", r"\.")):
            act()
    assert times(made.project) == before
    if error is ProvenanceError:
        problems = [problem for problem, _ in check(made.project, history=made.history).problems]
        assert any(message in problem for problem in problems)


def test_check_tells_what_was_edited_and_what_is_locked(tmp_path: Path) -> None:
    made = lab(tmp_path).make()
    put(made.project, {"notes.txt": MINE, "tail.txt": None})
    found = check(made.project, history=made.history)
    assert (found.edited, found.deleted, found.problems) == (("notes.txt",), ("tail.txt",), ())
    found = check(made.project, ["*.txt"], history=made.history)
    assert [problem for problem, _ in found.problems] == [
        "notes.txt is locked, but was edited",
        "tail.txt is locked, but was deleted",
    ]


def test_a_second_process_has_to_wait(tmp_path: Path) -> None:
    made = moved_on(tmp_path)
    before = read_tree(made.project)
    child = os.fork()
    if child == 0:
        with locked(made.project):
            (tmp_path / "locked").touch()
            while not (tmp_path / "done").exists():
                time.sleep(0.01)
        os._exit(0)
    try:
        while not (tmp_path / "locked").exists():
            time.sleep(0.01)
        with pytest.raises(PtscaffoldError, match="another ptscaffold is at work in"):
            made.update()
        assert said(made.update(dry_run=True)) == dict(CASES["merged"].said)
        assert read_tree(made.project) == before
    finally:
        (tmp_path / "done").touch()
        os.waitpid(child, 0)
    made.update()


def test_a_folder_of_somebody_else_is_not_taken_for_a_journal(tmp_path: Path) -> None:
    made = moved_on(tmp_path)
    put(made.project, {f"{FOLDER}/mine.txt": "mine\n"})
    before = read_tree(made.project)
    with pytest.raises(PtscaffoldError, match="is in the way"):
        made.update()
    assert read_tree(made.project) == before


@dataclass(frozen=True)
class Line:
    """The command line in this process, on a project and its template."""

    made: Lab
    capsys: pytest.CaptureFixture[str]

    def __call__(self, *arguments: str) -> tuple[int, str, str]:
        code = cli.run(list(arguments))
        return code, *self.capsys.readouterr()


@pytest.fixture
def line(
    tmp_path: Path,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Line:
    made = prepare(tmp_path, CASES[request.param])
    monkeypatch.chdir(made.project)
    monkeypatch.setattr("ptscaffold.project.update.History", lambda: made.history)
    monkeypatch.setattr("ptscaffold.project.show.History", lambda: made.history)
    monkeypatch.setattr("ptscaffold.cli.console.as_keyboard_interrupt", lambda: None)
    return Line(made, capsys)


@pytest.mark.parametrize("line", ["merged"], indirect=True)
def test_the_command_merges(line: Line) -> None:
    code, out, err = line("check")
    assert (code, out) == (3, "")
    assert "made from template 1.0, the newest is 2.0 (ptscaffold update)" in err
    code, out, err = line("update", "--diff")
    assert code == 0
    assert "diff --git a/notes.txt b/notes.txt\n" in out
    assert err.endswith("Nothing written.\n")
    assert line("update") == (0, "", (
        ".: template 1.0 -> 2.0\n"
        "  merged    notes.txt  both changed it\n"
        "1 file, 11 more as they were\n"
    ))  # fmt: skip
    assert line("update") == (0, "", ".: template 2.0, nothing to do\n")
    code, out, err = line("check", "--json")
    assert (code, json.loads(out)["problems"]) == (0, [])


@pytest.mark.parametrize("line", ["conflict"], indirect=True)
def test_the_command_waits_for_conflicts(line: Line) -> None:
    before = read_tree(line.made.project)
    code, out, _ = line("update", "--json")
    assert (code, json.loads(out)["conflicts"]) == (3, ["notes.txt"])
    code, out, err = line("update", "--json")
    assert (code, json.loads(out)["exit_code"]) == (3, 3)
    assert "ptscaffold update --continue, or --abort to go back" in err
    code, out, err = line("update", "--continue")
    assert (code, out) == (3, "")
    assert "notes.txt still has conflict markers" in err
    assert line("update", "--abort") == (0, "", ".: back to before the update\n")
    assert read_tree(line.made.project) == before
    line("update")
    put(line.made.project, {"notes.txt": MINE})
    assert line("update", "--continue") == (0, "", ".: update done (1 file resolved)\n")
    assert line("update", "--continue", "--abort")[0] == 2


@pytest.mark.parametrize("line", ["binary, both changed it"], indirect=True)
def test_the_command_wants_you_for_a_file_aside(line: Line) -> None:
    code, out, err = line("update")
    assert (code, out) == (3, "")
    assert "aside     logo.png  both changed it, and it is no text" in err
    assert line("check")[0] == 0


def test_the_command_prints_a_patch_byte_for_byte(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    made = prepare(tmp_path, CASES["not UTF-8"])
    monkeypatch.setattr("ptscaffold.project.update.History", lambda: made.history)
    monkeypatch.setattr("ptscaffold.cli.console.as_keyboard_interrupt", lambda: None)
    assert cli.run(["update", "--diff", str(made.project)]) == 0
    assert b"\n+\xff\n" in capsysbinary.readouterr().out


LONG = text(count=30)
SHORT = text(count=12)


@pytest.mark.parametrize(
    ("path", "before", "after", "kind"),
    [
        ("long.py", LONG, text(dict.fromkeys(range(1, 23), "new\n"), 30), "aside"),
        ("long.py", LONG, text(dict.fromkeys(range(1, 20), "new\n"), 30), "merged"),
        ("long.md", LONG, text(dict.fromkeys(range(1, 23), "new\n"), 30), "merged"),
        ("short.py", SHORT, text(dict.fromkeys(range(1, 11), "new\n")), "merged"),
    ],
)
def test_what_is_written_anew_is_not_merged(
    path: str, before: str, after: str, kind: str, tmp_path: Path
) -> None:
    mine = before + "mine\n"
    project = lab(tmp_path).change("1.5", {f"base/{path}": before}).make()
    put(project.project, {path: mine})
    done = project.change("2.0", {f"base/{path}": after}).update()
    assert {change.path: change.kind for change in done.changes} == {path: kind}
    if kind == "aside":
        assert (project.project / path).read_text() == after
        assert (project.project / f"{path}.yours").read_text() == mine
