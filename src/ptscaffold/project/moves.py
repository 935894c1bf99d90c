"""What has another place in a new template: files that were renamed, moved on, replaced."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ptscaffold.layers.content import Content, Obstacle, read_content
from ptscaffold.layers.files import target

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ptscaffold.project.state import Rendered
    from ptscaffold.render.answers import Answers
    from ptscaffold.render.renderer import File

__all__ = ["left_behind", "renames", "replaced"]


_MADE: Final = frozenset({"__pycache__", "node_modules", "runs", "build", "dist"})


def renames(old: Rendered, new: Rendered) -> dict[str, str]:
    """Old paths of files that have another one in the new template, by what its layers declare.

    A project of another name has its package elsewhere: that is a rename too.
    """
    declared = {
        target(path, new.answers.package): target(to, new.answers.package)
        for layer in new.layers
        for path, to in layer.renames.items()
    }
    found: dict[str, str] = {}
    left = {path: _place_in(path, old, new, declared) for path in old.tree}
    while arrived := [
        path
        for path, to in left.items()
        # What has the name in the old template must have another one now.
        if to != path and to in new.tree and (to not in old.tree or to in found)
    ]:
        for path in arrived:
            to = left.pop(path)
            if to not in found.values():
                found[path] = to
    return found


def _place_in(path: str, old: Rendered, new: Rendered, declared: Mapping[str, str]) -> str:
    """Where a file of the old template is in the new one, by its package and what is declared."""
    parts = path.split("/")
    if old.answers.package != new.answers.package and parts[0] == "src":
        parts = [new.answers.package if p == old.answers.package else p for p in parts]
    to, seen = "/".join(parts), set[str]()
    while to in declared and to not in seen and (not seen or to not in new.tree):
        seen.add(to)
        to = declared[to]
    return to


def left_behind(old: Rendered, new: Rendered, project: Path) -> tuple[str, ...]:
    """What to say of a person's own files in a package whose template's files have moved on."""
    before, after = (f"src/{rendered.answers.package}" for rendered in (old, new))
    if before == after or isinstance(read_content(project, f"{before}/__init__.py"), Obstacle):
        return ()
    own = [path for path in _files_below(project, before) if path not in old.tree]
    notes = [f"{path} is yours and stays: move it to {after}/ and mend its imports" for path in own]
    was, now = old.answers.package, new.answers.package
    imports = re.compile(rf"^\s*(?:from|import)\s[^#\n]*\b{was}\b".encode(), re.MULTILINE)
    for path in _files_below(project, "."):
        if path in old.tree or path in new.tree or path.startswith(f"{before}/"):
            continue
        there = read_content(project, path)
        if isinstance(there, Content) and imports.search(there.data):
            notes.append(f"{path} is yours and imports {was}, which is called {now} now")
    return tuple(notes)


def _files_below(project: Path, below: str) -> list[str]:
    """The files below a folder; in `.` those of Python, but for what is hidden or made by tools."""
    found = []
    for place, folders, names in os.walk(project / below):
        left_out = _MADE if below == "." else {"__pycache__"}
        folders[:] = [n for n in folders if n not in left_out and (below != "." or n[0] != ".")]
        here = Path(place).relative_to(project)
        found += [(here / n).as_posix() for n in names if below != "." or n.endswith(".py")]
    return sorted(found)


def replaced(old: Answers, new: Answers) -> Callable[[File, File], str | None]:
    """How to name an edited file whose layer another one takes the place of: `train.py.plain`."""
    swapped = {
        f"{kind}/{getattr(old, key)}": getattr(old, key)
        for key, kind in (("domain", "domains"), ("style", "styles"))
        if getattr(old, key) != getattr(new, key)
    }

    def name(before: File, after: File) -> str | None:
        return swapped.get(before.layer) if before.layer != after.layer else None

    return name
