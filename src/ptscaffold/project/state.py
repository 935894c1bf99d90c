"""A project that exists: what it was made from, and whether something is under way in it."""

from __future__ import annotations

import os
import re
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, NamedTuple

from ptscaffold import __version__
from ptscaffold.errors import PackError, PendingError, ProvenanceError, UsageError, in_project
from ptscaffold.layers.catalogue import Catalogue
from ptscaffold.layers.content import Content, Obstacle, digest, read_content
from ptscaffold.layers.fetch import is_address, public
from ptscaffold.layers.history import packs_at
from ptscaffold.layers.packs import Origin, Pack, installed_packs, open_pack, open_packs
from ptscaffold.project.apply import abort, before, finish, pending, recover
from ptscaffold.project.journal import FOLDER
from ptscaffold.project.lines import MARKERS
from ptscaffold.project.record import RECORD, Record, check_is_project, read_record, rewritten
from ptscaffold.project.repository import branch_of, has_stash, in_repository, way_back
from ptscaffold.project.trust import allow, is_allowed
from ptscaffold.render.answers import complete, select_layers
from ptscaffold.render.given import Given
from ptscaffold.render.renderer import Renderer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from ptscaffold.layers.history import History
    from ptscaffold.layers.manifest import Layer
    from ptscaffold.project.journal import Entry, Journal
    from ptscaffold.render.answers import Answers
    from ptscaffold.render.renderer import Tree


__all__ = ["Ended", "Rendered", "as_recorded", "catalogues", "continue_update", "open_project"]
__all__ += ["packs_of", "recorded", "render", "undo_update"]


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
    record = read_record(project, settle=settle)
    if _numbers(record.tool_version) > _numbers(__version__):
        raise ProvenanceError(
            f"{project / RECORD} was written by ptscaffold {record.tool_version},"
            f" and this is {__version__}",
            hint=f"uv tool install 'ptscaffold>={record.tool_version}', or by pip",
        )
    return record


def recorded(record: Record, catalogue: Catalogue) -> Rendered:
    """Render a project as it was generated; ProvenanceError when that is not what was recorded."""
    made = as_recorded(record, catalogue)
    found = {path: digest(file.data) for path, file in made.tree.items()}
    if found != record.files:
        differing = sorted(
            path
            for path in found.keys() | record.files.keys()
            if found.get(path) != record.files.get(path)
        )
        shown = ", ".join(differing[:5]) + (" ..." if len(differing) > 5 else "")
        what = _who_gives(differing, made, catalogue) or f"template {record.template_version}"
        raise ProvenanceError(
            f"{what} does not give what {RECORD} recorded: {shown}",
            hint="after a merge of two branches, or when a pack was changed without a new version:"
            f" ptscaffold update --record; otherwise restore {RECORD} from version control",
        )
    return made


def as_recorded(record: Record, catalogue: Catalogue) -> Rendered:
    """Render a project from the answers and the version that are recorded."""
    try:
        return render(Given(record.answers), record.template_version, catalogue)
    except UsageError as error:
        raise ProvenanceError(
            *(f"{RECORD} is wrong: {problem}" for problem in error.problems)
        ) from error


def _who_gives(paths: Sequence[str], made: Rendered, catalogue: Catalogue) -> str:
    """The pack that all these files are of, if it is one."""
    owners = {made.tree[path].layer for path in paths if path in made.tree}
    folders = [layer.folder for layer in made.layers if layer.path in owners]
    for pack in catalogue.packs:
        if folders and all(folder.is_relative_to(pack.root) for folder in folders):
            return f"the pack {pack.name} {pack.version} ({pack.source})"
    return ""


def render(given: Given, version: str, catalogue: Catalogue) -> Rendered:
    """Render a project from answers, in which None stands for the default."""
    values = {key: value for key, value in given.values.items() if value is not None}
    answers = complete(Given(values), catalogue)
    layers = select_layers(answers, catalogue)
    return Rendered(version, answers, layers, Renderer().render(answers, layers, version))


@contextmanager
def catalogues(
    project: Path,
    record: Record,
    history: History,
    packs: Sequence[str] = (),
    *,
    newest: bool = False,
    online: bool = True,
) -> Iterator[tuple[Catalogue, Catalogue]]:
    """The layers that a project was made from, and those that it may have now.

    The latter are of the `newest` versions, or the same and those of packs that join it. Only when
    `online` anything is fetched.
    """
    with ExitStack() as stack:
        today = packs_of(project, record.packs, packs, then=not newest, online=online)
        made_with = stack.enter_context(packs_at(today, record.packs, online=online))
        version = record.template_version
        before = stack.enter_context(history.catalogue(version, made_with))
        if newest:
            yield before, stack.enter_context(history.catalogue(history.version, today))
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
    for name, (source, _, commit) in origins.items():
        if name in packs:
            continue
        place = _place_of(source, project)
        if not is_allowed(place, project):
            raise PackError(
                f"{RECORD} names the pack {name} from {public(place)}, which you have not used yet:"
                " it was not looked at",
                hint=f"if you trust it, once: {in_project(project, 'diff', '--pack', place)}",
            )
        try:
            packs[name] = _opened(place, commit, then=then, online=online)
        except PackError as error:
            way = (
                ""
                if online or not is_address(place)
                else f"{in_project(project, 'diff')} fetches it; or "
            )
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


class Ended(NamedTuple):
    """How an update with conflicts was ended: the files it was about, and what was kept beside."""

    files: list[str]
    kept: list[str]


def continue_update(project: Path) -> Ended:
    """End an update whose conflicts are resolved; gives the files that had conflicts.

    PendingError on another branch of git, while markers are left, or when the other files were put
    back to what they were: the record would then tell of an update that is not there.
    """
    check_is_project(project)
    found = pending(project)
    if found is None:
        raise UsageError("there is no update to continue", hint="ptscaffold update starts one")
    _check_branch(project, found)
    was = before(project, found)
    left = [p for p in found.conflicts if _has_markers(project, p, was.get(p, b""))]
    if left:
        raise PendingError(
            *(f"{path} still has conflict markers" for path in left),
            hint="edit what stands between <<<<<<< and >>>>>>>, then"
            f" {in_project(project, 'update', '--continue')}",
        )
    others = [entry for entry in found.files[:-1] if entry.path not in found.conflicts]
    if others and _is_undone(project, others):
        way = in_project(project, "update", "--abort")
        raise PendingError(
            "the files are as they were before the update: there is nothing to continue",
            hint=f"git stash pop, if they are there; or {way}, then update again",
        )
    return Ended(list(found.conflicts), finish(project, rewritten))


def undo_update(project: Path) -> Ended:
    """Put every file back as it was before an update that has open conflicts; gives the files.

    PendingError on another branch of git, or when git has put the update's files aside.
    """
    check_is_project(project)
    found = pending(project)
    if found is None:
        raise UsageError("there is no update to abort", hint="use git to go back further")
    _check_branch(project, found)
    if _is_undone(project, found.files[:-1]) and has_stash(project):
        branch, _ = way_back(found.branch)
        raise PendingError(
            f"the files are as they were before the update of {branch}: git may have put it aside",
            hint="git stash pop, then --abort; if it is not there, remove"
            f" {project / FOLDER}, and all is as it was",
        )
    return Ended([entry.path for entry in found.files[:-1]], abort(project))


def _numbers(version: str) -> list[int]:
    return [int(part) for part in re.findall(r"\d{1,9}", version)[:3]]


def _check_branch(project: Path, found: Journal) -> None:
    """PendingError when the update that waits was begun on another branch."""
    if not found.branch or not in_repository(project) or branch_of(project) == found.branch:
        return
    branch, command = way_back(found.branch)
    raise PendingError(
        f"the update that waits was begun on {branch}, and this is another one",
        hint=f"{command} first; nothing was changed",
    )


def _is_undone(project: Path, entries: Sequence[Entry]) -> bool:
    """Whether all files are as they were before an update."""
    for entry in entries:
        there = read_content(project, entry.path)
        if isinstance(there, Obstacle) or (there is None) != (entry.before is None):
            return False
        if there is not None and not entry.was(there):
            return False
    return True


def _has_markers(project: Path, path: str, before: bytes) -> bool:
    """Whether a file holds a part of a conflict, the line in its middle included."""
    there = read_content(project, path)
    if not isinstance(there, Content):
        return False
    lines = there.data.replace(b"\r\n", b"\n").decode(errors="replace").split("\n")
    middle = b"\n=======\n" not in before.replace(b"\r\n", b"\n")
    return any(line.startswith(MARKERS) or (middle and line == "=======") for line in lines)
