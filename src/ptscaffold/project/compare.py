"""`diff` and `check`: how a project stands to its template. Nothing is written."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from ptscaffold.errors import ProvenanceError, in_project
from ptscaffold.layers.content import Content, Obstacle, digest, read_content, with_endings_of
from ptscaffold.layers.history import History
from ptscaffold.project.lines import Delta
from ptscaffold.project.state import catalogues, open_project, recorded

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ptscaffold.layers.catalogue import Catalogue
    from ptscaffold.project.record import Record
    from ptscaffold.render.renderer import Tree

__all__ = ["Report", "check", "edits"]


@dataclass(frozen=True, kw_only=True)
class Report:
    """What `check` found. `problems` want somebody to do something, each with the way out."""

    project: Path
    version: str
    newest: str
    edited: tuple[str, ...]
    deleted: tuple[str, ...]
    problems: tuple[tuple[str, str], ...]

    def as_dict(self) -> dict[str, Any]:
        return {
            "project": str(self.project),
            "template_version": self.version,
            "newest_version": self.newest,
            "edited": list(self.edited),
            "deleted": list(self.deleted),
            "problems": [{"problem": what, "fix": fix} for what, fix in self.problems],
        }


def edits(project: Path, history: History | None = None, packs: Sequence[str] = ()) -> list[Delta]:
    """What the project changed against the template that it was made from."""
    history = history or History()
    record = open_project(project)
    with catalogues(project, record, history, packs) as (catalogue, _):
        tree = recorded(record, catalogue).tree
    return _edits(project, tree)


def check(
    project: Path,
    locked: Sequence[str] = (),
    history: History | None = None,
    packs: Sequence[str] = (),
) -> Report:
    """Find out whether a project is current, what it was made from, and its locked files unedited.

    `locked` are patterns of paths beside those of `.ptscaffold.toml`, such as `.github/*`; a star
    stands for any text, slashes included.
    """
    history = history or History()
    record = open_project(project)
    problems: list[tuple[str, str]] = []
    edited: list[str] = []
    deleted: list[str] = []
    # Of a version that is not known, an update to an older one would be the wrong advice.
    if record.template_version != history.version and record.template_version in history.releases():
        problems.append((
            f"made from template {record.template_version}, the newest is {history.version}",
            in_project(project, "update"),
        ))  # fmt: skip
    try:
        with catalogues(
            project, record, history, packs, newest=history.version, online=bool(packs)
        ) as (
            catalogue,
            newest,
        ):
            problems += _older_packs(project, record, newest)
            recorded(record, catalogue)
    except ProvenanceError as error:
        problems.append((error.problems[0], error.hint))
    patterns = (*record.locked, *locked)
    for path, expected in record.files.items():
        found = read_content(project, path)
        if isinstance(found, Content) and digest(found.data) == expected:
            continue
        (deleted if found is None else edited).append(path)
        if any(fnmatchcase(path, pattern) for pattern in patterns):
            what = "deleted" if found is None else "edited"
            problems.append(
                (f"{path} is locked, but was {what}", f"{in_project(project, 'diff')} shows how")
            )
    return Report(
        project=project,
        version=record.template_version,
        newest=history.version,
        edited=tuple(edited),
        deleted=tuple(deleted),
        problems=tuple(problems),
    )


def _older_packs(project: Path, record: Record, newest: Catalogue) -> list[tuple[str, str]]:
    return [
        (
            f"made from {record.packs[pack.name].shown} of the pack {pack.name},"
            f" which is {pack.shown} now",
            in_project(project, "update"),
        )
        for pack in newest.packs
        if pack.name in record.packs and record.packs[pack.name].moved(pack)
    ]


def _edits(project: Path, tree: Tree) -> list[Delta]:
    deltas = []
    for path, file in tree.items():
        before, after = Content(file.data, file.mode), read_content(project, path)
        if isinstance(after, Obstacle):
            after = None
        if after is not None:  # else every line of a checkout with other line endings would differ
            before = Content(with_endings_of(after.data, file.data), file.mode)
        if after is None or digest(after.data) != digest(before.data) or after.mode != before.mode:
            deltas.append(Delta(path, before, after))
    return deltas
