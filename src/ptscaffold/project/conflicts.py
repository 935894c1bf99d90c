"""Conflicts of an update: told to git, and ended by a person, who resolves all or goes back."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from ptscaffold.errors import PendingError, UsageError, in_project
from ptscaffold.layers.content import Content, Obstacle, read_content, read_plain, with_endings_of
from ptscaffold.project import git
from ptscaffold.project.apply import abort, finish, pending
from ptscaffold.project.journal import FOLDER, Entry, Journal, digest_of
from ptscaffold.project.record import check_is_project


class Ended(NamedTuple):
    """How an update with conflicts was ended: the files it was about, and what is to be said."""

    files: list[str]
    kept: list[str]


def continue_update(project: Path) -> Ended:
    """End an update whose conflicts are resolved; gives the files that had conflicts.

    PendingError on another branch of git, while markers are left, or when the other files were put
    back to what they were: the record would then tell of an update that is not there. When some of
    them were, as by half a stash, it is said which.
    """
    found = _waiting(project, "continue", "ptscaffold update starts one")
    was = _before(project, found)
    left = [p for p in found.conflicts if _has_markers(project, p, was.get(p, b""))]
    if left:
        raise PendingError(
            *(f"{path} still has conflict markers" for path in left),
            hint="edit what stands between <<<<<<< and >>>>>>>, then"
            f" {in_project(project, 'update', '--continue')}",
        )
    others = [entry for entry in found.files[:-1] if entry.path not in found.conflicts]
    changed = [entry for entry in others if entry.before is not None]
    aside = _are_undone(project, found.files[:-1]) and git.has_stash(project)
    if aside or (changed and _are_undone(project, changed)):
        way = in_project(project, "update", "--abort")
        raise PendingError(
            "the files are as they were before the update: there is nothing to continue",
            hint=f"git stash pop, if they are there; or {way}, then update again",
        )
    undone = [entry.path for entry in others if _are_undone(project, [entry])]
    kept = [f"{path} is as it was before the update: that counts as your choice" for path in undone]
    kept += finish(project)
    unmark_conflicts(project, found.conflicts)
    return Ended(list(found.conflicts), kept)


def undo_update(project: Path) -> Ended:
    """Put every file back as it was before an update that has open conflicts; gives the files.

    PendingError on another branch of git, or when git has put the update's files aside.
    """
    found = _waiting(project, "abort", "use git to go back further")
    if _are_undone(project, found.files[:-1]) and git.has_stash(project):
        branch, _ = git.way_back(found.branch)
        raise PendingError(
            f"the files are as they were before the update of {branch}: git may have put it aside",
            hint="git stash pop, then --abort; if it is not there, remove"
            f" {project / FOLDER}, and all is as it was",
        )
    kept = abort(project)
    unmark_conflicts(project, found.conflicts)
    return Ended([entry.path for entry in found.files[:-1]], kept)


def _waiting(project: Path, what: str, hint: str) -> Journal:
    """The update that waits; PendingError when it was begun on another branch."""
    check_is_project(project)
    found = pending(project)
    if found is None:
        raise UsageError(f"there is no update to {what}", hint=hint)
    if not found.branch or not git.in_repository(project) or git.branch_of(project) == found.branch:
        return found
    files = found.files[:-1]
    done = all(_is_done(project, one) for one in files if one.path not in found.conflicts)
    if done and git.has_come_after(project, found.commit, [one.path for one in files]):
        return found  # it was committed, be it on a branch of its own
    branch, command = git.way_back(found.branch)
    raise PendingError(
        f"the update that waits was begun on {branch}, and this is another one",
        hint=f"{command} first; nothing was changed",
    )


def _before(project: Path, journal: Journal) -> dict[str, bytes]:
    """The files that an update has replaced, as they were."""
    found = {}
    for number, entry in enumerate(journal.files):
        if entry.before is not None and entry.after is not None:
            with suppress(OSError):
                data = read_plain(project / FOLDER / "before" / str(number)).data
                if digest_of(data) == entry.before:
                    found[entry.path] = data
    return found


def _are_undone(project: Path, entries: Sequence[Entry]) -> bool:
    """Whether files are as they were before an update.

    Those that it has added count only when they stand alone: a stash leaves them.
    """
    for entry in [entry for entry in entries if entry.before is not None] or entries:
        there = read_content(project, entry.path)
        if isinstance(there, Obstacle) or (there is None) != (entry.before is None):
            return False
        if there is not None and not entry.was(there):
            return False
    return True


def _is_done(project: Path, entry: Entry) -> bool:
    there = read_content(project, entry.path)
    return (digest_of(there.data) if isinstance(there, Content) else there) == entry.after


def _has_markers(project: Path, path: str, before: bytes) -> bool:
    """Whether a file holds what git wrote about a conflict, or half of it.

    A line in its middle underlines a heading too, unless what stands above it was there before.
    """
    there = read_content(project, path)
    if not isinstance(there, Content):
        return False
    lines = there.data.replace(b"\r\n", b"\n").decode(errors="replace").split("\n")
    was = before.replace(b"\r\n", b"\n").decode(errors="replace").split("\n")
    half = any(line == "=======" and above in was for above, line in pairwise(lines))
    marked = any(line.startswith(git.MARKERS) for line in lines)
    # Of any program that merges; one alone may be an example
    fresh = {line[:8] for line in lines if line not in was}
    return marked or {"<<<<<<< ", ">>>>>>> "} <= fresh or (half and "=======" not in was)


def mark_conflicts(project: Path, sides: Mapping[str, tuple[bytes, bytes]]) -> None:
    """Tell git's index of conflicts, so that editors show them; `sides` are base and theirs.

    In vain where git does not track the file, or is itself about a merge.
    """
    lines = []
    for path, (mode, digest, stage, name) in _entries(project, sides):
        blob = git.output(project, "cat-file", "blob", digest)
        made = (
            git.output(project, "hash-object", "-w", "--stdin", given=_like(blob, side))
            for side in sides[path]
        )
        base, theirs = (key.decode().strip() for key in made)
        if stage == "0" and base and theirs:
            lines += [f"0 {'0' * len(digest)}\t{name}"]
            staged = enumerate((base, digest, theirs), 1)
            lines += [f"{mode} {key} {number}\t{name}" for number, key in staged]
    _set_index(project, lines)


def unmark_conflicts(project: Path, paths: Collection[str]) -> None:
    """Forget what `mark_conflicts` has told, as far as nobody has settled it."""
    lines = []
    for _, (mode, digest, stage, name) in _entries(project, paths):
        if stage == "2":
            lines += [f"0 {'0' * len(digest)}\t{name}", f"{mode} {digest}\t{name}"]
    _set_index(project, lines)


def _entries(project: Path, paths: Collection[str]) -> list[tuple[str, list[str]]]:
    """What the index holds of files: each with mode, digest, stage and its name for git."""
    if not paths or not git.is_own(project):
        return []
    if git.output(project, "rev-parse", "--quiet", "--verify", "MERGE_HEAD"):
        return []
    prefix = os.fsdecode(git.output(project, "rev-parse", "--show-prefix")).rstrip("\n")
    asked = ["--literal-pathspecs", "ls-files", "--stage", "-z", "--full-name", "--", *paths]
    listed = git.output(project, *asked).decode(errors="surrogateescape").split("\0")
    rows = (line.partition("\t") for line in listed if line)
    return [(name.removeprefix(prefix), [*head.split(" "), name]) for head, _, name in rows]


def _set_index(project: Path, lines: Sequence[str]) -> None:
    if lines:  # in vain or not: git without its index is no worse off
        given = "".join(f"{line}\0" for line in lines).encode(errors="surrogateescape")
        git.output(project, "update-index", "-z", "--index-info", given=given)


def _like(blob: bytes, side: bytes) -> bytes:
    """The side of a conflict with the line endings that git keeps of the file."""
    return with_endings_of(blob, side if b"\r\n" in blob else side.replace(b"\r\n", b"\n"))
