"""Three-way merging of a project: what the template was, what it is now, what a person made of it.

Pure but for `git merge-file`: reads the project, writes nothing. No line of a person's is lost. A
file that both changed is merged; where that is impossible, both versions stay.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from ptscaffold.errors import PtscaffoldError
from ptscaffold.provenance import digest, is_binary
from ptscaffold.sources import EXECUTABLE, REGULAR

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ptscaffold.render import File, Tree

__all__ = ["MARKERS", "Change", "Content", "Kind", "merge_trees", "read_content"]

# What happened to a file. `conflict` holds markers, `aside` has a second version beside it: both
# want a person.
Kind = Literal["added", "updated", "merged", "conflict", "aside", "removed", "kept", "same"]

YOURS: Final = "yours"
MARKERS: Final = (f"<<<<<<< {YOURS}\n", ">>>>>>> template")


class Content(NamedTuple):
    """The bytes and the mode (0o644 or 0o755) of a file."""

    data: bytes
    mode: int = REGULAR


@dataclass(frozen=True, kw_only=True)
class Change:
    """What an update does to one file of the template, and why.

    `writes` are files to write, or with None to remove. `formerly` is the path before a rename.
    """

    path: str
    kind: Kind
    why: str
    writes: Mapping[str, Content | None]
    formerly: str | None = None

    @property
    def wants_you(self) -> bool:
        return self.kind in ("conflict", "aside")


@dataclass(frozen=True, kw_only=True)
class Sides:
    """One file: in the old template, in the new one, in the project. None where it is absent."""

    old: Content | None
    new: Content | None
    yours: Content | None

    @property
    def untouched(self) -> bool:
        return _alike(self.yours, self.old)


def merge_trees(
    old: Tree,
    new: Tree,
    project: Path,
    *,
    label: str,
    renames: Mapping[str, str],
    replaced: Callable[[File, File], str | None],
) -> list[Change]:
    """Every file that the template changed, with what becomes of it in the project.

    `label` names the new template in conflict markers. `renames` leads from old paths to new ones.
    `replaced` gives, for a file that another layer now provides for the same purpose, the name by
    which an edited one is kept beside it.
    """
    changes = []
    formerly = {to: path for path, to in renames.items()}
    for path in sorted((old.keys() | new.keys()) - renames.keys()):
        before = old.get(formerly.get(path, path))
        after = new.get(path)
        if path not in formerly and before and after and before[:2] == after[:2]:
            continue
        keep_as = replaced(before, after) if before and after else None
        if path in formerly:
            changes.append(_renamed(formerly[path], path, before, after, project, label))
            continue
        yours = read_content(project, path)
        if isinstance(yours, Obstacle):
            changes.append(_obstructed(path, _content(after), yours, project))
            continue
        sides = Sides(old=_content(before), new=_content(after), yours=yours)
        changes.append(_settle(path, sides, project, label, keep_as))
    return changes


class Obstacle(NamedTuple):
    """What stands where a file should be, and is none."""

    what: str


def read_content(project: Path, path: str) -> Content | Obstacle | None:
    """A file of the project; links are not followed, since they may lead out of it."""
    place = project
    for part in path.split("/")[:-1]:
        place = place / part
        if place.is_symlink():
            return Obstacle(f"{place.relative_to(project)} is a link")
        if not os.path.lexists(place):
            return None
        if not place.is_dir():
            return Obstacle(f"{place.relative_to(project)} is no folder")
    place = project / path
    if not os.path.lexists(place):
        return None
    if place.is_symlink() or not place.is_file():
        return Obstacle("a link stands there" if place.is_symlink() else "a folder stands there")
    mode = EXECUTABLE if place.stat().st_mode & 0o100 and os.name != "nt" else REGULAR
    return Content(place.read_bytes(), mode)


def _content(file: File | None) -> Content | None:
    return None if file is None else Content(file.data, file.mode)


def _alike(a: Content | None, b: Content | None) -> bool:
    """Whether two files have the same lines, whatever their line endings."""
    return a is not None and b is not None and digest(a.data) == digest(b.data)


def _settle(path: str, sides: Sides, project: Path, label: str, keep_as: str | None) -> Change:
    """Decide on a file that the template has changed."""
    old, new, yours = sides.old, sides.new, sides.yours

    def change(kind: Kind, why: str, **writes: Content | None) -> Change:
        return Change(
            path=path, kind=kind, why=why, writes={path: writes["file"]} if writes else {}
        )

    if yours is None:
        if old is None:
            return change("added", "new in the template", file=new)
        return change("kept", "you deleted it" + ("" if new else ", and so did the template"))
    if new is None:
        if sides.untouched:
            return change("removed", "the template dropped it", file=None)
        return change("kept", "the template dropped it, you changed it")
    if _alike(yours, new) and _mode(sides) == yours.mode:
        return change("same", "you have it already")
    if sides.untouched or _alike(yours, new):
        return change("updated", "you had not changed it", file=_like(yours, new, _mode(sides)))
    if old is None:
        return _beside(path, new, project, "the template brings it too")
    if _alike(old, new):  # only the mode differs
        return change("updated", "its mode only", file=Content(yours.data, _mode(sides)))
    if keep_as is not None:
        kept = free_name(project, f"{path}.{keep_as}")
        writes = {path: _like(yours, new, new.mode), kept: yours}
        why = f"replaced; yours is kept as {kept}"
        return Change(path=path, kind="aside", why=why, writes=writes)
    if any(is_binary(side.data) for side in (old, new, yours)):
        return _beside(path, new, project, "both changed it, and it is no text")
    text, conflicts = _merge_text(yours.data, old.data, new.data, label)
    merged = Content(text, _mode(sides))
    if conflicts:
        places = "1 place" if conflicts == 1 else f"{conflicts} places"
        return change("conflict", f"both changed the same lines: {places}", file=merged)
    return change("merged", "both changed it", file=merged)


def _renamed(
    old_path: str, path: str, before: File | None, after: File | None, project: Path, label: str
) -> Change:
    """Carry a file to its new name, with what was changed in it."""
    here, there = read_content(project, old_path), read_content(project, path)
    for found in (here, there):
        if isinstance(found, Obstacle):
            return _obstructed(path, _content(after), found, project)
    assert not isinstance(here, Obstacle)
    assert not isinstance(there, Obstacle)
    new = _content(after)
    assert new is not None
    if here is not None and there is not None:  # a file of the person's own has the new name
        return replace(
            _beside(path, new, project, f"{old_path} is now called so; both are yours"),
            formerly=old_path,
        )
    moved = here or there
    settled = _settle(path, Sides(old=_content(before), new=new, yours=moved), project, label, None)
    if here is None:
        return replace(settled, formerly=old_path)
    writes = {old_path: None, path: here, **settled.writes}
    kind: Kind = "updated" if settled.kind == "same" else settled.kind
    why = "renamed" if settled.kind == "same" else f"renamed; {settled.why}"
    return replace(settled, kind=kind, why=why, writes=writes, formerly=old_path)


def _obstructed(path: str, new: Content | None, obstacle: Obstacle, project: Path) -> Change:
    if new is None:
        return Change(path=path, kind="kept", why=f"dropped, but {obstacle.what}", writes={})
    name = free_name(project, f"{path.replace('/', '__')}.new")
    why = f"{obstacle.what}; the template's is {name}"
    return Change(path=path, kind="aside", why=why, writes={name: new})


def _beside(path: str, new: Content, project: Path, why: str) -> Change:
    """Leave the person's file alone and put the template's beside it."""
    name = free_name(project, f"{path}.new")
    text = f"{why}: yours stays, the template's is {name}"
    return Change(path=path, kind="aside", why=text, writes={name: new})


def free_name(project: Path, path: str) -> str:
    """The path, with a number behind it when it is taken."""
    name, number = path, 2
    while os.path.lexists(project / name):
        name, number = f"{path}.{number}", number + 1
    return name


def _mode(sides: Sides) -> int:
    """The new mode: the template's where it changes it, else the one the file has."""
    assert sides.new is not None
    assert sides.yours is not None
    if sides.old is not None and sides.old.mode == sides.new.mode:
        return sides.yours.mode
    return sides.new.mode


def _like(yours: Content, new: Content, mode: int) -> Content:
    """The new file with the line endings of the one that it replaces."""
    if _crlf(yours.data) and not is_binary(new.data):
        return Content(new.data.replace(b"\n", b"\r\n"), mode)
    return Content(new.data, mode)


def _crlf(data: bytes) -> bool:
    """Whether every line ends as on Windows."""
    return b"\r\n" in data and data.count(b"\n") == data.count(b"\r\n") and not is_binary(data)


def _merge_text(yours: bytes, old: bytes, new: bytes, label: str) -> tuple[bytes, int]:
    """Merge with git; gives the text and the number of conflicts, marked in it."""
    crlf = _crlf(yours)
    if crlf:
        yours = yours.replace(b"\r\n", b"\n")
    with tempfile.TemporaryDirectory(prefix="ptscaffold-") as folder:
        names = ["yours", "old", "new"]
        for name, data in zip(names, (yours, old, new), strict=True):
            Path(folder, name).write_bytes(data)
        # The person's settings would change the markers
        command = ["git", "-c", "merge.conflictStyle=merge", "merge-file", "--stdout", "--quiet"]
        for text in (YOURS, "template before", label):
            command += ["-L", text]
        try:
            done = subprocess.run([*command, *names], cwd=folder, capture_output=True, check=False)
        except OSError as error:
            raise PtscaffoldError(
                f"cannot run git: {error.strerror}", hint="install git; merging is its work"
            ) from error
    if not 0 <= done.returncode < 128:
        raise PtscaffoldError(f"git merge-file failed: {done.stderr.decode(errors='replace')}")
    merged = done.stdout.replace(b"\n", b"\r\n") if crlf else done.stdout
    return merged, done.returncode
