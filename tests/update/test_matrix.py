"""What `update` makes of every way in which a template and a project can part."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from update import trees
from update.trees import BINARY, Lab, Text, git, lab, put, read_tree, text, times, to_crlf

from ptscaffold.compare import check, edits
from ptscaffold.errors import PendingError, UsageError
from ptscaffold.journal import FOLDER
from ptscaffold.patch import make_patch
from ptscaffold.project import continue_update, undo_update
from ptscaffold.provenance import RECORD
from ptscaffold.update import Update

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
        said={"docs/notes.md": "updated: renamed; its mode only"},
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
            "docs/notes.md": "aside: notes.txt is now called so; both are yours: yours stays, "
            "the template's is docs/notes.md.new"
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
    "another ending of lines in the template": Case(
        template={NOTES: text().replace("\n", "\r\n"), "base/tail.txt": "first\r\nlast"},
        yours={"notes.txt": MINE},
        after={"notes.txt": MINE},
        said={"notes.txt": "updated: its mode only", "tail.txt": "same: you have it already"},
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
        assert continue_update(made.project) == case.conflicts
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
    assert continue_update(made.project) == case.conflicts
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
    put(made.project, {case.conflicts[0]: "half resolved\n"})
    undo_update(made.project)
    assert read_tree(made.project) == before
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
