"""Three-way merging of a project: what the template was, what it is now, what a person made of it.

Pure but for `git merge-file`: reads the project, writes nothing. No line of a person's is lost. A
file that both changed is merged; where that is impossible, both versions stay.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, Literal

from ptscaffold.layers import content
from ptscaffold.layers.content import Content, Obstacle, Tree
from ptscaffold.layers.names import folded
from ptscaffold.project.git import merge_text

# What happened to a file. `conflict` holds markers, `aside` has a second version beside it: both
# want a person.
Kind = Literal["added", "updated", "merged", "conflict", "aside", "removed", "kept", "same"]

SHORTEST: Final = 20  # lines of a file that can count as written anew


@dataclass(frozen=True)
class Change:
    """What an update does to one file of the template, and why.

    `writes` are files to write, or with None to remove, `seen` is what was read of each of them,
    None where none is. `formerly` is the path before a rename.
    """

    path: str
    kind: Kind
    why: str
    writes: Mapping[str, Content | None]
    seen: Mapping[str, Content | None] = field(default_factory=dict)
    formerly: str | None = None

    @property
    def wants_you(self) -> bool:
        return self.kind in ("conflict", "aside")


@dataclass(frozen=True)
class Place:
    """The project, and what is decided about it so far."""

    project: Path
    label: str
    removed: set[str] = field(default_factory=set)
    taken: set[str] = field(default_factory=set)
    seen: dict[str, Content | None] = field(default_factory=dict)

    def read(self, path: str) -> Content | Obstacle | None:
        found = content.read_content(self.project, path, self.removed)
        if not isinstance(found, Obstacle):
            self.seen.setdefault(path, found)
        return found

    def free_name(self, path: str) -> str:
        name = content.free_name(self.project, path, self.taken)
        self.taken.add(name)
        return name


def merge_trees(
    old: Tree,
    new: Tree,
    project: Path,
    *,
    label: str,
    renames: Mapping[str, str],
    replaced: Callable[[Content, Content], str | None],
) -> list[Change]:
    """Every file that the template changed, with what becomes of it in the project.

    `label` names the new template in conflict markers. `renames` leads from old paths to new ones.
    `replaced` gives, for a file that another layer now provides for the same purpose, the name by
    which an edited one is kept beside it.
    """
    changes = []
    formerly = {to: path for path, to in renames.items()}
    place = Place(project, label, taken={*old, *new})
    # What is carried to another place makes room: its name may be used again, also for a folder.
    here = {path: place.read(path) for path in renames}
    place.removed.update(path for path, found in here.items() if isinstance(found, Content))
    dropped = old.keys() - new.keys() - renames.keys()
    # What goes comes first: a folder can take the place of a file, or a file that of a folder.
    for path in sorted(dropped | new.keys(), key=lambda p: (p in new, p)):
        before, after = None if path in renames else old.get(path), new.get(path)
        if path in formerly:
            was = formerly[path]
            change = _renamed(was, path, old[was], new[path], here[was], place)
        elif before and before == after:
            continue
        elif isinstance(yours := place.read(path), Obstacle):
            change = _obstructed(path, after, yours, place)
        else:
            keep_as = replaced(before, after) if before and after else None
            change = _settle(path, before, after, yours, place, keep_as)
        place.removed.update(gone for gone, to in change.writes.items() if to is None)
        seen = {written: place.seen.get(written) for written in change.writes}
        changes.append(replace(change, seen=seen))
    return sorted(changes, key=lambda change: change.path)


def _alike(a: Content | None, b: Content | None) -> bool:
    """Whether two files have the same lines, whatever their line endings."""
    return a is not None and b is not None and content.digest(a.data) == content.digest(b.data)


def _untouched(yours: Content, old: Content | None) -> bool:
    """Whether nobody has changed a line; a checkout with other line endings has not."""
    mixed = b"\r\n" in yours.data and not content.is_crlf(yours.data)
    return old is not None and (yours.data == old.data or (_alike(yours, old) and not mixed))


def _settle(
    path: str,
    old: Content | None,
    new: Content | None,
    yours: Content | None,
    place: Place,
    keep_as: str | None = None,
) -> Change:
    """Decide on a file that the template has changed; None where a side does not have it."""

    def change(kind: Kind, why: str, **writes: Content | None) -> Change:
        return Change(path, kind, why, {path: writes["file"]} if writes else {})

    if yours is None:
        if old is None:
            return change("added", "new in the template", file=new)
        return change("kept", "you deleted it" + ("" if new else ", and so did the template"))
    if new is None:
        if _untouched(yours, old):
            return change("removed", "the template dropped it", file=None)
        return change("kept", "the template dropped it, you changed it")
    # The template's where it changes it, else the one the file has.
    mode = yours.mode if old is not None and old.mode == new.mode else new.mode
    if old is not None and yours.data == old.data != new.data and _alike(old, new):
        return change("updated", "its line endings only", file=Content(new.data, mode))
    if _alike(yours, new) or _alike(old, new):
        if mode == yours.mode:
            return change("same", "you have it already")
        return change("updated", "its mode only", file=Content(yours.data, mode))
    if _untouched(yours, old):
        same = old is not None and yours.data == old.data
        file = Content(new.data, mode) if same else _like(yours, new, mode)
        return change("updated", "you had not changed it", file=file)
    if old is None:
        return _beside(path, new, place, "the template brings it too")
    if keep_as is not None:
        kept = place.free_name(f"{path}.{keep_as}")
        writes = {path: _like(yours, new, new.mode), kept: yours}
        return Change(path, "aside", f"replaced; yours is kept as {kept}", writes)
    if any(content.is_binary(side.data.replace(b"\r\n", b"\n")) for side in (old, new, yours)):
        return _beside(path, new, place, "both changed it, and it is no text")
    if not path.endswith(".md") and _written_anew(old.data, new.data):
        kept = place.free_name(f"{path}.yours")
        writes = {path: _like(yours, new, mode), kept: yours}
        why = f"the template has written it anew; yours is kept as {kept}"
        return Change(path, "aside", why, writes)
    text, conflicts = merge_text(yours.data, old.data, new.data, place.label)
    merged = Content(text, mode)
    if conflicts:
        places = "1 place" if conflicts == 1 else f"{conflicts} places"
        return change("conflict", f"both changed the same lines: {places}", file=merged)
    return change("merged", "both changed it", file=merged)


def _renamed(
    old_path: str,
    path: str,
    before: Content,
    new: Content,
    here: Content | Obstacle | None,
    place: Place,
) -> Change:
    """Carry a file to its new name, with what was changed in it."""
    there = place.read(path)
    for found in (here, there):
        if isinstance(found, Obstacle):
            place.removed.discard(old_path)
            return _obstructed(path, new, found, place)
    assert not isinstance(here, Obstacle)
    assert not isinstance(there, Obstacle)
    if here is not None and there is not None:
        if not (place.project / old_path).samefile(place.project / path):
            place.removed.discard(old_path)
            why = f"{old_path} is now called so, but you have one of your own"
            return replace(_beside(path, new, place, why), formerly=old_path)
        there = None
        if folded(old_path) == folded(path):  # one file, on a disk where case makes no difference
            place.seen[path] = None
    moved = here or there
    if moved is None and _written_anew(before.data, new.data):
        why = f"new in the template, where it had {old_path}, which you deleted"
        return Change(path, "added", why, {path: new})
    settled = _settle(path, before, new, moved, place)
    if here is None:
        return replace(settled, formerly=old_path)
    writes = {old_path: None, path: here, **settled.writes}
    kind: Kind = "updated" if settled.kind == "same" else settled.kind
    edited = "" if _alike(moved, before) else ", with your edits"
    why = f"renamed{edited}" if settled.kind == "same" else f"renamed; {settled.why}"
    return replace(settled, kind=kind, why=why, writes=writes, formerly=old_path)


def _obstructed(path: str, new: Content | None, obstacle: Obstacle, place: Place) -> Change:
    if new is None:
        return Change(path, "kept", f"dropped, but {obstacle.what}", {})
    name = place.free_name(f"{path.replace('/', '__')}.new")
    why = f"{obstacle.what}; the template's is {name}"
    return Change(path, "aside", why, {name: new})


def _beside(path: str, new: Content, place: Place, why: str) -> Change:
    """Leave the person's file alone and put the template's beside it."""
    name = place.free_name(f"{path}.new")
    text = f"{why}: yours stays, the template's is {name}"
    return Change(path, "aside", text, {name: new})


def _written_anew(old: bytes, new: bytes) -> bool:
    """Whether so little of a file is left that lines of it say nothing in the new one.

    A merge would put them between lines that have nothing to do with them, often without a
    conflict. Prose is merged, since a section stands for itself, and so are short files, whose
    conflicts are read at once.
    """
    before, after = (Counter(filter(bytes.strip, side.splitlines())) for side in (old, new))
    return before.total() >= SHORTEST and (before & after).total() < before.total() / 3


def _like(yours: Content, new: Content, mode: int) -> Content:
    """The new file with the line endings of the one that it replaces."""
    return Content(content.with_endings_of(yours.data, new.data), mode)
