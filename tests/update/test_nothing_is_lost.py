"""For any edits of a person and any changes of a template: no line of the person's goes missing."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from hypothesis import event, given, seed, settings
from hypothesis import strategies as st
from update.trees import Lab, Text, lab, missing, put, read_tree, to_crlf

from ptscaffold.project.conflicts import undo_update
from ptscaffold.project.journal import FOLDER
from ptscaffold.project.record import RECORD

# Each file of the template that is changed, and what it is called in the project.
FILES = {
    "base/notes.txt": "notes.txt",
    "base/tail.txt": "tail.txt",
    "styles/a/src/__package__/train.py": "src/toy/train.py",
}
NEW_NAMES = ["docs/one.md", "docs/two.md", "three.txt", "src/toy/four.py", "notes.txt.new"]


@dataclass(frozen=True)
class Edit:
    """One change of one file: of a line of it, of its name, or of all of it."""

    file: int
    what: str
    place: int
    text: str

    def of_lines(self, content: str) -> str:
        lines = content.splitlines(keepends=True) or [""]
        place = self.place % len(lines)
        if self.what == "insert":
            lines.insert(place, f"{self.text}\n")
        elif self.what == "delete":
            del lines[place]
        elif self.what == "change":
            lines[place] = f"{self.text}\n"
        elif self.what == "duplicate":
            lines.insert(place, f"{lines[place].removesuffix(chr(10))}\n")
        elif self.what == "unterminate":
            return content.removesuffix("\n")
        elif self.what == "append":
            return content + self.text
        return "".join(lines)


LINES = ["insert", "delete", "change", "duplicate", "unterminate", "append"]
# Each person's edits are of lines for the most part, a template also drops and renames a lot.
MINE = [*LINES, *LINES, "drop", "rename", "create"]
THEIRS = [*LINES, "drop", "drop", "rename", "rename", "create"]


def edits(whose: str, what: list[str]) -> st.SearchStrategy[list[Edit]]:
    one = st.builds(
        Edit,
        st.integers(0, len(FILES) - 1),
        st.sampled_from(what),
        st.integers(0, 11),
        st.sampled_from([f"{whose} {n}" for n in range(3)] + ["both", "line 3", ""]),
    )
    return st.lists(one, min_size=1, max_size=6)


def change_project(project: Path, changes: list[Edit], *, crlf: bool) -> None:
    paths = list(FILES.values())
    for edit in changes:
        path, new = paths[edit.file], NEW_NAMES[edit.place % len(NEW_NAMES)]
        place = project / path
        if edit.what == "create":
            put(project, {new: f"{edit.text}\nmy own\n"})
        elif not place.exists():
            continue
        elif edit.what == "drop":
            place.unlink()
        elif edit.what == "rename":
            put(project, {new: place.read_bytes()})
            place.unlink()
        else:
            put(project, {path: edit.of_lines(place.read_text())})
    if crlf:
        to_crlf(project)


def next_version(made: Lab, changes: list[Edit]) -> Lab:
    root = made.history.root
    files: dict[str, Text] = {source: (root / source).read_text() for source in FILES}
    renames = {}
    for edit in changes:
        source, new = list(FILES)[edit.file], NEW_NAMES[edit.place % len(NEW_NAMES)]
        content = files[source]
        target = f"base/{new.replace('src/toy', 'src/__package__')}"
        if edit.what == "create" and target not in files:
            files[target] = f"{edit.text}\ntheir own\n"
        elif content is None:
            continue
        elif edit.what == "drop":
            files[source] = None
        elif edit.what == "rename" and target not in files:
            files[source], files[target] = None, content
            renames[FILES[source].replace("src/toy", "src/__package__")] = target[5:]
        elif edit.what in LINES:
            assert isinstance(content, str)
            files[source] = edit.of_lines(content)
    table = "".join(f'"{old}" = "{new}"\n' for old, new in renames.items())
    manifest = f'label = "Base"\nhelp = "what all have"\n[renames]\n{table}'
    return made.change("2.0", {**files, "base/layer.toml": manifest})


@seed(1)
@settings(deadline=None, max_examples=200, database=None)
@given(edits("mine", MINE), edits("theirs", THEIRS), st.booleans(), st.sampled_from([0, 0, 0, 1]))
def test_no_line_of_a_person_is_lost(
    mine: list[Edit], theirs: list[Edit], crlf: bool, restyle: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        made = lab(Path(folder)).make()
        recorded = read_tree(made.project)
        change_project(made.project, mine, crlf=crlf)
        yours = read_tree(made.project)
        if restyle:
            done = made.update("style=b")
        else:
            made = next_version(made, theirs)
            done = made.update()
        after = {p: f for p, f in read_tree(made.project).items() if not p.startswith(FOLDER)}
        for change in done.changes:
            event(change.kind)
            for name in change.writes.keys() - {change.path, change.formerly}:
                assert name in change.why
        assert missing(recorded, yours, after, done) == {}
        assert (after[RECORD] == yours[RECORD]) == bool(done.conflicts)
        for path in yours.keys() - after.keys():
            assert any(c.formerly == path or c.kind == "removed" for c in done.changes)
        if done.conflicts:
            undo_update(made.project)
            assert read_tree(made.project) == yours
