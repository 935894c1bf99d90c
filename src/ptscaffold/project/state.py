"""A project that exists: what it was made from, and whether something is under way in it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from ptscaffold import __version__
from ptscaffold.errors import PackError, PendingError, ProvenanceError, UsageError, in_project
from ptscaffold.layers.catalogue import (
    Catalogue,
    Origin,
    Pack,
    installed_packs,
    keep,
    open_pack,
    open_packs,
    origins_of,
    way_to,
)
from ptscaffold.layers.content import Content, Tree, digest, read_content, read_plain
from ptscaffold.layers.git import is_address, public
from ptscaffold.layers.history import History, packs_at
from ptscaffold.layers.manifest import Layer
from ptscaffold.project.apply import pending, recover, write_files
from ptscaffold.project.git import listed
from ptscaffold.project.guard import locked
from ptscaffold.project.record import RECORD, Record, check_is_project, read_record, write_record
from ptscaffold.project.trust import allow, is_allowed
from ptscaffold.render.answers import Answers, complete, select_layers
from ptscaffold.render.given import Given, against
from ptscaffold.render.renderer import Renderer


class Rendered(NamedTuple):
    """A project as its template gives it."""

    version: str
    answers: Answers
    layers: tuple[Layer, ...]
    tree: Tree


def open_project(project: Path, *, settle: bool = False) -> Record:
    """Read the record of a project that nothing is under way in; a half-written one is put back.

    `settle` is that of `read_record`.
    """
    recover(project)
    found = pending(project)
    if found is not None:
        raise PendingError(
            f"an update of {project} waits for you: conflicts in {', '.join(found.conflicts)}",
            hint=f"{in_project(project, 'update', '--continue')}, or --abort to go back",
        )
    check_is_project(project)
    return read_record(project, settle=settle)


def refuse_newer(project: Path, record: Record) -> None:
    """ProvenanceError when a newer ptscaffold wrote a record."""
    if (numbers := _numbers(record.tool_version)) > _numbers(__version__):
        wanted = ".".join(map(str, numbers))  # and nothing else that a stranger may have written
        raise ProvenanceError(
            f"{project / RECORD} was written by ptscaffold {record.tool_version},"
            f" and this is {__version__}",
            hint=f"uv tool install 'ptscaffold>={wanted}', or by pip",
        )


def refuse_against_preset(record: Record, values: Mapping[str, Any]) -> None:
    """UsageError when values differ from what a preset has fixed for a project."""
    if record.preset and (problems := against(values, record.preset)):
        hint = f"ask who keeps the preset; a lock is lifted in {RECORD}: [preset.locked.NAME]"
        raise UsageError(*problems, hint=hint)


def recorded(record: Record, catalogue: Catalogue) -> Rendered:
    """Render a project as it was generated; ProvenanceError when that is not what was recorded."""
    made = as_recorded(record, catalogue)
    found = {path: digest(file.data) for path, file in made.tree.items()}
    if found != record.files:
        differing = sorted({path for path, _ in found.items() ^ record.files.items()})
        what = _who_gives(differing, made, catalogue) or f"template {record.template_version}"
        raise ProvenanceError(
            f"{what} does not give what {RECORD} recorded: {listed(differing)}",
            hint="after a merge of two branches, or when a pack was changed without a new version:"
            f" ptscaffold update --record; otherwise restore {RECORD} from version control",
        )
    return made


def as_recorded(record: Record, catalogue: Catalogue) -> Rendered:
    """Render a project from the answers and the version that are recorded."""
    given = Given(record.answers, name=record.answers.get("name"))
    try:
        return render(given, record.template_version, catalogue)
    except UsageError as error:
        problems = (f"{RECORD} is wrong: {problem}" for problem in error.problems)
        raise ProvenanceError(*problems) from error


def from_elsewhere(project: Path, record: Record, packs: Sequence[Pack]) -> list[str]:
    """The flags that name packs which are not where a project records them."""
    moved = [p for p in packs if p.name in record.packs]
    moved = [p for p in moved if way_to(p, project) != record.packs[p.name].source]
    return [word for pack in moved for word in ("--pack", pack.source)]


def _who_gives(paths: Sequence[str], made: Rendered, catalogue: Catalogue) -> str:
    """The pack that all these files are of, if it is one."""
    owners = {made.tree[path].layer for path in paths if path in made.tree}
    folders = [layer.folder for layer in made.layers if layer.path in owners]
    for pack in catalogue.packs:
        if folders and all(folder.is_relative_to(pack.root) for folder in folders):
            return f"the pack {pack.name} {pack.version} ({pack.source})"
    return ""


def render(given: Given, version: str, catalogue: Catalogue) -> Rendered:
    answers = complete(given, catalogue)
    layers = select_layers(answers, catalogue)
    return Rendered(version, answers, layers, Renderer().render(answers, layers, version))


@contextmanager
def catalogues(
    project: Path,
    record: Record,
    history: History,
    packs: Sequence[str] = (),
    *,
    newest: str | None = None,
    online: bool = True,
    lenient: bool = False,
) -> Iterator[tuple[Catalogue, Catalogue]]:
    """The layers that a project was made from, and those that it may have now.

    The latter are of the version `newest` and of the newest packs, or the same and those of packs
    that join it. Only when `online` anything is fetched. When `lenient` a pack of which a version
    or commit is gone is taken as it is.
    """
    refuse_newer(project, record)
    with ExitStack() as stack:
        try:
            today = packs_of(project, record.packs, packs, then=newest is None, online=online)
        except PackError:
            if not lenient:
                raise
            today = packs_of(project, record.packs, packs)
        then = packs_at(today, record.packs, lenient=lenient, online=online)
        made_with = stack.enter_context(then)
        version = record.template_version
        before = stack.enter_context(history.catalogue(version, made_with))
        if newest is not None:
            yield before, stack.enter_context(history.catalogue(newest, today))
        else:
            joining = [pack for pack in today if pack.name not in record.packs]
            yield before, Catalogue(before.root, [*made_with, *joining])


def packs_of(
    project: Path,
    origins: Mapping[str, Origin],
    given: Sequence[str] = (),
    *,
    then: bool = False,
    online: bool = True,
) -> list[Pack]:
    """The packs that a project was made with, as they are now, and those that are `given`.

    `then` gives those of git as they were, as far as their commit is recorded. A given one takes
    the place of the recorded one of its name, wherever that was; a recorded one that this user has
    never given is not touched: the record may be that of a stranger.
    """
    packs = {pack.name: pack for pack in open_packs(given)}
    for source in given:
        allow(source, project)
    for name, (source, _, commit, _) in origins.items():
        if name in packs:
            continue
        place = _place_of(source, project)
        if not is_allowed(place, project):
            raise PackError(
                f"{RECORD} names the pack {name} from {public(place)}, which you have not used yet:"
                " it was not looked at",
                hint="where it has moved, --pack WHERE; if you trust it, once:"
                f" {in_project(project, 'diff', '--pack', place)}",
            )
        try:
            packs[name] = _opened(place, commit, then=then, online=online)
        except PackError as error:
            way = "" if online else f"{in_project(project, 'diff')} fetches it; or "
            way = way if is_address(place) else ""
            hint = f"{way}say where the pack {name} is now: --pack WHERE"
            raise PackError(*error.problems, hint=hint) from error
    return list(packs.values())


def _opened(place: str, commit: str, *, then: bool, online: bool) -> Pack:
    if not commit or online:
        return open_pack(place, commit if then else "", online=online)
    try:
        return open_pack(place, online=False)
    except PackError:  # only what it was has been fetched
        return open_pack(place, commit, online=False)


def _place_of(source: str, project: Path) -> str:
    """Where a recorded source is: a folder is told by the way that leads there from the project."""
    bare = "/" not in source and not source.startswith(".")
    if is_address(source) or (bare and source in installed_packs()):
        return source
    place = project / source
    return os.path.normpath(place) if not bare or place.is_dir() else source


def _numbers(version: str) -> list[int]:
    return [int(part) for part in re.findall(r"\d{1,9}", version)[:3]]


def record_anew(
    project: Path, *, history: History | None = None, packs: Sequence[str] = ()
) -> tuple[Rendered, list[str]]:
    """Write the record that the recorded answers and version give, and change nothing else.

    For what a merge of two branches has put together, or a pack that was changed under its version.
    Gives the files too that are not as the template has them although nobody has edited them.
    """
    with locked(project):
        seen = {RECORD: read_plain(project / RECORD)} if (project / RECORD).is_file() else {}
        record = open_project(project, settle=True)
        refuse_newer(project, record)
        refuse_against_preset(record, record.answers)
        way = catalogues(project, record, history or History(), packs, lenient=True)
        with way as (_, catalogue):
            made = as_recorded(record, catalogue)
            origins = origins_of(catalogue.packs, made.layers, project)
            keep(pack for pack in catalogue.packs if pack.name in origins)
        data = write_record(made.answers, made.tree, made.version, origins, record)
        write_files(project, {RECORD: Content(data)}, seen)
        return made, [path for path in made.tree if _is_behind(project, path, record, made)]


def _is_behind(project: Path, path: str, record: Record, made: Rendered) -> bool:
    """Whether a file is what the template gave before, or is not there yet."""
    there, was = read_content(project, path), record.files.get(path)
    now = digest(there.data) if isinstance(there, Content) else there
    return now == was != digest(made.tree[path].data)
