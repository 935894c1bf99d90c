"""What has another place in a new template: files that were renamed, moved on, replaced."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ptscaffold.layers.content import Obstacle, read_content
from ptscaffold.layers.files import target

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ptscaffold.project.state import Rendered
    from ptscaffold.render.answers import Answers
    from ptscaffold.render.renderer import File

__all__ = ["left_behind", "renames", "replaced"]


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
    for path in old.tree:
        parts = path.split("/")
        if old.answers.package != new.answers.package and parts[0] == "src":
            parts = [new.answers.package if p == old.answers.package else p for p in parts]
        to = "/".join(parts)
        seen = {to}
        while to in declared and to not in new.tree and declared[to] not in seen:
            to = declared[to]
            seen.add(to)
        arrives = to in new.tree and to not in old.tree and to not in found.values()
        if arrives and path not in new.tree:
            found[path] = to
    return found


def left_behind(old: Rendered, new: Rendered, project: Path) -> tuple[str, ...]:
    """What to say of a person's own files in a package whose template's files have moved on."""
    before, after = (f"src/{rendered.answers.package}" for rendered in (old, new))
    if before == after or isinstance(read_content(project, f"{before}/__init__.py"), Obstacle):
        return ()
    found = (p.relative_to(project) for p in sorted((project / before).rglob("*")) if p.is_file())
    own = [p.as_posix() for p in found if "__pycache__" not in p.parts]
    return tuple(
        f"{path} is yours and stays: move it to {after}/ and mend its imports"
        for path in own
        if path not in old.tree
    )


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
