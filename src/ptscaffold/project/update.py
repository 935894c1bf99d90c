"""`update`, `add` and `remove`: bring a project to another version of its template, or to others
of its answers. One operation: render what was, render what shall be, merge three ways.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ptscaffold.errors import UsageError, in_project, unknown
from ptscaffold.layers.catalogue import Catalogue, Origin, keep, origins_of
from ptscaffold.layers.content import Content, read_content
from ptscaffold.layers.history import History
from ptscaffold.project import moves, state
from ptscaffold.project.apply import write_files
from ptscaffold.project.conflicts import mark_conflicts
from ptscaffold.project.git import Delta, ignored, refuse_dirty, refuse_sparse
from ptscaffold.project.guard import locked
from ptscaffold.project.merge import Change, merge_trees
from ptscaffold.project.record import RECORD, Record, write_record
from ptscaffold.project.state import Rendered
from ptscaffold.render.answers import defaulted, defaults_of, migrate, problems_of
from ptscaffold.render.given import Ask, Given, gather


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
    kept: tuple[str, ...] = ()  # what was changed meanwhile, and is kept beside

    @property
    def unchanged(self) -> int:
        return len(self.new.tree) - sum(change.path in self.new.tree for change in self.changes)

    @property
    def conflicts(self) -> tuple[str, ...]:
        return tuple(change.path for change in self.changes if change.kind == "conflict")

    @property
    def wants_you(self) -> bool:
        return bool(self.kept) or any(change.wants_you for change in self.changes)

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
            "kept": list(self.kept),
            "dry_run": self.dry_run,
        }


def update(
    project: Path,
    *,
    sets: Sequence[str] = (),
    more: Sequence[str] = (),
    fewer: Sequence[str] = (),
    ask: Ask | None = None,
    dry_run: bool = False,
    force: bool = False,
    history: History | None = None,
    packs: Sequence[str] = (),
    to: str | None = None,
    skip: str | None = None,
) -> Update:
    """Bring a project to the templates of this ptscaffold, or with `sets` to other answers.

    Other answers leave the version of the template as it is: one thing at a time, unless it is said
    `to` which version; the answers are for that one then. `packs` are where packs of the project
    stand now, or join it; with them packs are the newest, and the answers are for those. What the
    release `skip`, which must be the next one, has changed is left out. `more` and `fewer` features
    leave packs as they are, too. PendingError while conflicts of an earlier update are open,
    PtscaffoldError when git has uncommitted changes in the project and not `force`, WriteError with
    everything put back.
    """
    history = history or History()
    given = gather({}, sets, None)
    if given.problems:
        raise UsageError(*given.problems)
    with nullcontext() if dry_run else locked(project):
        record = state.open_project(project)
        others = bool(more or fewer)
        if others:
            given = given.also(features=_features(record.answers["features"], more, fewer))
        stays = others or (bool(sets) and to is None and skip is None)
        version = record.template_version if stays else to or history.version
        _check_versions(project, record.template_version, history, to, skip)
        state.refuse_against_preset(record, given.values)
        if not force:
            refuse_sparse(project, record.files)
        newest = None if others or (stays and not packs) else version
        way = state.catalogues(project, record, history, packs, newest=newest)
        with way as (before, after):
            old = state.recorded(record, before)
            if skip is not None:
                old = _left_out(project, record, history, skip, old, before)
            migrated, notes = migrate(old.answers.as_dict(), after, given, defaults_of(old.layers))
            if skip is not None:
                notes += (f"template {skip} is left out: what it has changed does not come",)
            migrated = replace(migrated, name=record.answers.get("name"))
            if ask is not None and not problems_of(migrated, after):
                migrated = ask(migrated, after)
            new = _rendered(project, record, migrated, version, after)
            notes += defaulted(migrated, new.answers, in_project(project, "update"))
            changes = merge_trees(
                old.tree,
                new.tree,
                project,
                label=f"template {version}",
                renames=moves.renames(old, new),
                replaced=moves.replaced(old.answers, new.answers),
            )
            origins = origins_of(after.packs, new.layers, project)
            notes += _notes(project, changes, old, new, record.packs, origins)
            if not dry_run:
                keep(pack for pack in after.packs if pack.name in origins)
        there = record.content
        done = Update(
            project=project,
            old=old,
            new=new,
            changes=tuple(moves.with_successors(changes, new)),
            notes=notes,
            dry_run=dry_run,
            record=write_record(new.answers, new.tree, version, origins, record),
            recorded=there,
        )
        if not dry_run and (done.changes or there is None or there.data != done.record):
            if not force:
                refuse_dirty(project)
            kept = _write(done)
            done = replace(done, notes=(*done.notes, *kept), kept=tuple(kept))
        return done


def add(project: Path, features: Sequence[str], **options: Any) -> Update:
    """Lay features on top of a project; options and errors are those of `update`.

    `ask` is what they ask for beside, as `new` does; else that has its default, which is said.
    """
    return update(project, more=features, **options)


def remove(project: Path, features: Sequence[str], **options: Any) -> Update:
    """Take features out of a project; options and errors are those of `update`."""
    return update(project, fewer=features, **options)


def _features(there: Sequence[str], more: Sequence[str], fewer: Sequence[str]) -> tuple[str, ...]:
    wrong = [f"the project has the feature {name!r} already" for name in more if name in there]
    unheard = [name for name in fewer if name not in there]
    wrong += [unknown("feature of this project", name, "", there) for name in unheard]
    if wrong:
        raise UsageError(*wrong, hint="ptscaffold show tells which features it has")
    return tuple(name for name in (*there, *more) if name not in fewer)


def _check_versions(
    project: Path, recorded: str, history: History, to: str | None, skip: str | None
) -> None:
    """UsageError for a version that is not known, and for a release to skip that is not next."""
    if to is None and skip is None:
        return
    known = [*dict.fromkeys([*history.releases(), history.version])]
    if to is not None and to not in known:
        raise UsageError(unknown("version", to, "--to", known))
    first = known.index(recorded) + 1 if recorded in known else len(known)
    coming = known[first : known.index(to or history.version) + 1]
    if skip is None or skip in coming[:1]:
        return
    if not coming:
        raise UsageError(f"no release comes after {recorded}, so that --skip has none to leave out")
    if skip not in coming:
        raise UsageError(unknown("coming release", skip, "--skip", coming))
    way = in_project(project, "update", "--to", coming[coming.index(skip) - 1])
    raise UsageError(
        f"--skip leaves out the next release, which is {coming[0]} and not {skip}",
        hint=f"take those before it first: {way}",
    )


def _notes(
    project: Path,
    changes: Sequence[Change],
    old: Rendered,
    new: Rendered,
    was: Mapping[str, Origin],
    origins: Mapping[str, Origin],
) -> tuple[str, ...]:
    """What there is to say beside what becomes of each file."""
    writes = {path: to for change in changes for path, to in change.writes.items()}
    unseen = ignored(project, [change.path for change in changes if change.kind == "added"])
    return (
        *moves.left_behind(old, new, project),
        *moves.lost_imports(writes, new, project),
        *moves.missed(writes, new, project),
        *(f"{path} is ignored by git: git add -f {path}" for path in unseen),
        *(
            f"pack {name} {was[name].shown} -> {origin.shown}"
            for name, origin in origins.items()
            if name in was and was[name][1:] != origin[1:]
        ),
    )


def _left_out(
    project: Path, record: Record, history: History, skip: str, made: Rendered, before: Catalogue
) -> Rendered:
    """The project as the release that is left out would have it, with the answers as they are."""
    with history.catalogue(skip, before.packs) as catalogue:
        given, _ = migrate(made.answers.as_dict(), catalogue, Given({}))
        return _rendered(project, record, given, skip, catalogue)


def _rendered(
    project: Path, record: Record, given: Given, version: str, catalogue: Catalogue
) -> Rendered:
    try:
        named = Given(given.values, name=record.answers.get("name"))
        return state.render(named, version, catalogue)
    except UsageError as error:
        hint = "ptscaffold list shows the names; add and remove take another folder by --project"
        packs = [pack for pack in catalogue.packs if pack.name in record.packs]
        newer = any(record.packs[pack.name].moved(pack) for pack in packs)
        if newer or version != record.template_version:
            where = state.from_elsewhere(project, record, packs)
            way = in_project(project, "update", "--to", version, *where, "--set")
            hint = f"give the answers for that version: {way} KEY=VALUE"
        raise UsageError(*error.problems, hint=hint) from error


def _write(done: Update) -> list[str]:
    """Write an update, the record last; says what was kept beside."""
    seen = {path: was for change in done.changes for path, was in change.seen.items()}
    kept = write_files(
        done.project,
        {**done.writes(), RECORD: Content(done.record)},
        {**seen, RECORD: done.recorded},
        conflicts=done.conflicts,
    )
    old, new = done.old.tree, done.new.tree
    sides = {path: (old[path].data, new[path].data) for path in done.conflicts if path in old}
    mark_conflicts(done.project, sides)
    return kept
