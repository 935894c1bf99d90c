"""`update`, `add` and `remove`: bring a project to another version of its template, or to others
of its answers. One operation: render what was, render what shall be, merge three ways.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ptscaffold.aftermath import left_behind, lost_imports, missed, with_successors
from ptscaffold.answers import default_description
from ptscaffold.apply import write_files
from ptscaffold.content import Content, read_content
from ptscaffold.errors import UsageError, unknown
from ptscaffold.git import branch_of, refuse_dirty
from ptscaffold.given import Given, gather
from ptscaffold.history import History
from ptscaffold.lock import locked
from ptscaffold.merge import Change, merge_trees
from ptscaffold.migrate import migrate
from ptscaffold.packs import origins_of
from ptscaffold.patch import Delta
from ptscaffold.project import Rendered, catalogues, open_project, recorded, render
from ptscaffold.provenance import RECORD, Record, write_record
from ptscaffold.sources import target

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ptscaffold.answers import Answers
    from ptscaffold.layers import Catalogue
    from ptscaffold.render import File

__all__ = ["Update", "add", "remove", "update"]


@dataclass(frozen=True, kw_only=True)
class Update:
    """What `update` did to a project, or on a dry run would do."""

    project: Path
    old: Rendered
    new: Rendered
    changes: tuple[Change, ...]
    notes: tuple[str, ...]
    dry_run: bool
    record: bytes
    recorded: Content | None = None  # the record that is there

    @property
    def unchanged(self) -> int:
        return len(self.new.tree) - sum(change.path in self.new.tree for change in self.changes)

    @property
    def conflicts(self) -> tuple[str, ...]:
        return tuple(change.path for change in self.changes if change.kind == "conflict")

    @property
    def wants_you(self) -> bool:
        return any(change.wants_you for change in self.changes)

    def writes(self) -> dict[str, Content | None]:
        """Files to write or remove, without the record."""
        writes = [item for change in self.changes for item in change.writes.items()]
        # What goes makes room for what comes: a folder for a file, a file for a folder.
        return dict(sorted(writes, key=lambda item: item[1] is not None))

    def deltas(self) -> list[Delta]:
        """What the files of the project become, one by one; with conflicts, but the record."""
        found = []
        writes = self.writes() | ({} if self.conflicts else {RECORD: Content(self.record)})
        for path, after in writes.items():
            there = read_content(self.project, path)
            before = there if isinstance(there, Content) else None
            if before != after:
                found.append(Delta(path, before, after))
        return found

    def as_dict(self) -> dict[str, Any]:
        return {
            "project": str(self.project),
            "from": {"version": self.old.version, "answers": self.old.answers.as_dict()},
            "to": {"version": self.new.version, "answers": self.new.answers.as_dict()},
            "files": [
                {"path": c.path, "what": c.kind, "why": c.why, "formerly": c.formerly}
                for c in self.changes
            ],
            "unchanged": self.unchanged,
            "conflicts": list(self.conflicts),
            "notes": list(self.notes),
            "dry_run": self.dry_run,
        }


def update(
    project: Path,
    *,
    sets: Sequence[str] = (),
    dry_run: bool = False,
    force: bool = False,
    history: History | None = None,
    packs: Sequence[str] = (),
) -> Update:
    """Bring a project to the templates of this ptscaffold, or with `sets` to other answers.

    Other answers leave the version of the template as it is: one thing at a time. `packs` are where
    packs of the project stand now, or join it. PendingError while conflicts of an earlier update
    are open, PtscaffoldError when git has uncommitted changes in the project and not `force`,
    WriteError with everything put back.
    """
    history = history or History()
    given = gather({}, sets, None)
    if given.problems:
        raise UsageError(*given.problems)
    with nullcontext() if dry_run else locked(project):
        record = open_project(project)
        way = catalogues(project, record, history, packs, newest=not sets)
        version = record.template_version if sets else history.version
        return _follow(project, record, version, given, way, dry_run=dry_run, force=force)


def add(
    project: Path,
    features: Sequence[str],
    *,
    history: History | None = None,
    packs: Sequence[str] = (),
    **options: bool,
) -> Update:
    """Lay features on top of a project; raises what `update` raises."""

    def chosen(there: Sequence[str]) -> list[str]:
        if doubled := [feature for feature in features if feature in there]:
            raise UsageError(*(f"the project has the feature {name!r} already" for name in doubled))
        return [*there, *features]

    return _with_features(project, chosen, history, packs, **options)


def remove(
    project: Path,
    features: Sequence[str],
    *,
    history: History | None = None,
    packs: Sequence[str] = (),
    **options: bool,
) -> Update:
    """Take features out of a project; raises what `update` raises."""

    def chosen(there: Sequence[str]) -> list[str]:
        if missing := [feature for feature in features if feature not in there]:
            problems = [unknown("feature of this project", name, "", there) for name in missing]
            raise UsageError(*problems, hint="ptscaffold show tells which features it has")
        return [feature for feature in there if feature not in features]

    return _with_features(project, chosen, history, packs, **options)


def _with_features(
    project: Path,
    chosen: Callable[[Sequence[str]], Sequence[str]],
    history: History | None,
    packs: Sequence[str],
    **options: bool,
) -> Update:
    with nullcontext() if options.get("dry_run") else locked(project):
        record = open_project(project)
        given = Given({"features": tuple(chosen(record.answers["features"]))})
        way = catalogues(project, record, history or History(), packs)
        return _follow(project, record, record.template_version, given, way, **options)


def _follow(
    project: Path,
    record: Record,
    version: str,
    given: Given,
    way: AbstractContextManager[tuple[Catalogue, Catalogue]],
    *,
    dry_run: bool = False,
    force: bool = False,
) -> Update:
    """Render both sides, merge, and unless it is a dry run write."""
    with way as (before, after):
        old = recorded(record, before)
        migrated, notes = migrate(record.answers, after, given.also(**_told(old, given)))
        new = _rendered(migrated, version, after)
        changes = merge_trees(
            old.tree,
            new.tree,
            project,
            label=f"template {version}",
            renames=_renames(old, new),
            replaced=_replaced(old.answers, new.answers),
        )
        changes = with_successors(changes, new)
        notes += left_behind(old, new, project) + lost_imports(changes, new, project)
        notes += missed(changes, new, project)
        origins = origins_of(after.packs, new.layers, project)
    done = Update(
        project=project,
        old=old,
        new=new,
        changes=tuple(changes),
        notes=notes,
        dry_run=dry_run,
        record=write_record(new.answers, new.tree, version, record.locked, origins),
        recorded=record.content,
    )
    there = record.content
    if not dry_run and (done.changes or there is None or there.data != done.record):
        if not force:
            refuse_dirty(project)
        done = replace(done, notes=(*done.notes, *_write(done)))
    return done


def _told(old: Rendered, given: Given) -> dict[str, Any]:
    """The new answers; a description that nobody wrote follows the domain and the style."""
    values = dict(given.values)
    _, domain, style, *_ = old.layers
    if old.answers.description == default_description(domain, style) and values.keys() & {
        "domain",
        "style",
    }:
        values.setdefault("description", None)
    return values


def _rendered(given: Given, version: str, catalogue: Catalogue) -> Rendered:
    try:
        return render(given, version, catalogue)
    except UsageError as error:
        hint = "ptscaffold list shows the names; add and remove take another folder by --project"
        raise UsageError(*error.problems, hint=hint) from error


def _write(done: Update) -> list[str]:
    """Write an update, the record last; says what was kept beside."""
    seen = {path: was for change in done.changes for path, was in change.seen.items()}
    return write_files(
        done.project,
        {**done.writes(), RECORD: Content(done.record)},
        {**seen, RECORD: done.recorded},
        conflicts=done.conflicts,
        branch=branch_of(done.project) if done.conflicts else "",
    )


def _renames(old: Rendered, new: Rendered) -> dict[str, str]:
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


def _replaced(old: Answers, new: Answers) -> Callable[[File, File], str | None]:
    """How to name an edited file whose layer another one takes the place of: `train.py.plain`."""
    swapped = {
        f"{kind}/{getattr(old, key)}": getattr(old, key)
        for key, kind in (("domain", "domains"), ("style", "styles"))
        if getattr(old, key) != getattr(new, key)
    }

    def name(before: File, after: File) -> str | None:
        return swapped.get(before.layer) if before.layer != after.layer else None

    return name
