"""Putting files in the place of others, one by one, so that nothing that anybody wrote is lost.

The present file is moved away and compared with what the merge has read; only then the new one is
placed, where nothing may stand. What is there and does not fit stays, or is kept beside.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
import time
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Final

from ptscaffold.errors import WriteError
from ptscaffold.layers.content import Content, free_name, is_link, read_plain
from ptscaffold.project.guard import discard, place_new, stage_file
from ptscaffold.project.journal import FOLDER, KINDS, Entry, Journal, digest_of

if sys.platform != "win32":
    import fcntl

_PATIENCE: Final = 0.5  # seconds that a program which is just writing a file has to close it


@dataclass(frozen=True)
class Exchange:
    """The files of one journal; `kept` says what was kept beside."""

    project: Path
    journal: Journal
    kept: list[str] = field(default_factory=list)

    def put(self, number: int) -> None:
        """Put a file to its place; WriteError when it is not what the merge has read."""
        entry = self.journal.files[number]
        place = self._place(entry.path)
        if entry.before is not None:
            try:
                moved = self._take(place, "before", number)
            except FileNotFoundError:
                raise _changed(entry.path, "was removed") from None
            content = _content(moved)
            if content is None or not entry.was(content):
                raise _changed(entry.path, "was changed")
        if entry.after is None:
            self._tidy(entry.path)  # what comes may be a file where these folders were
            return
        try:
            self._bring(number, place)
        except (FileExistsError, IsADirectoryError):
            raise _changed(entry.path, "appeared") from None

    def back(self) -> None:
        """Put back what was there before; where that was cut short, do the rest."""
        for number, entry in reversed(list(enumerate(self.journal.files))):
            self._undo(number, entry)
        self._drop(made=self.journal.folders)

    def end(self) -> None:
        """Place the record, if it has waited, and drop the journal."""
        number = len(self.journal.files) - 1
        if self._staged(number) is not None:
            place = self._place(self.journal.files[number].path)
            self._release(place)
            if os.path.lexists(place):
                self._take(place, "undone" if self._find("before", number) else "before", number)
            self._bring(number, place)
        self._drop()

    def _undo(self, number: int, entry: Entry) -> None:
        original = self._find("before", number)
        try:
            place = self._place(entry.path)
        except OSError:
            if original is None:
                return  # nothing of ours can be there
            raise
        staged = self._staged(number)
        if entry.before is not None and original is None:
            return  # not moved yet, or back already
        self._release(place)
        placed = entry.after is None or staged is None
        if placed and os.path.lexists(place) and self._find("undone", number) is None:
            taken = self._take(place, "undone", number)
            if _digest(taken) not in (entry.before, entry.after):
                self._keep(taken, entry.path, "yours")
        if original is None:
            self._tidy(entry.path, self.journal.folders)
            return
        place.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._move(original, place)
        except FileExistsError:
            if not (place.is_file() and _digest(place) == _digest(original)):
                self._keep(original, entry.path, "before")

    def _take(self, place: Path, kind: str, number: int) -> Path:
        """Move away what stands in a place, to the journal or on another disk beside it."""
        inside, beside = self._asides(kind, number)
        try:
            place.rename(inside)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            place.rename(beside)
            return beside
        return inside

    def _bring(self, number: int, place: Path) -> None:
        """Place a staged file, with the permissions of the one that it replaces."""
        staged, replaced = self._staged(number), self._find("before", number)
        assert staged is not None
        if replaced is not None:
            mode, new = replaced.lstat().st_mode & 0o777, staged.stat().st_mode
            staged.chmod(mode | (mode & 0o444) >> 2 if new & 0o100 else mode & ~0o111)
        place.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._move(staged, place)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            beside = self._asides("after", number)[1]
            beside.unlink(missing_ok=True)
            stage_file(beside, read_plain(staged))
            beside.chmod(staged.stat().st_mode & 0o777)
            staged.unlink()
            self._move(beside, place)

    def _keep(self, path: Path, name: str, suffix: str) -> None:
        """Keep what somebody wrote beside the file that it is of."""
        free = free_name(self.project, f"{name}.{suffix}")
        place = self._place(free)
        place.parent.mkdir(parents=True, exist_ok=True)
        if any(path.samefile(p) for p in place.parent.glob(f"*.{suffix}*") if p.is_file()):
            path.unlink()  # it was cut short when it was kept already
            return
        self._move(path, place)
        whose = "what you changed since" if suffix == "yours" else f"{name} as it was"
        self.kept.append(f"{whose} is kept as {free}")

    def _move(self, path: Path, place: Path) -> None:
        """Move what was moved away, whatever it is, to where nothing is."""
        if stat.S_ISREG(path.lstat().st_mode):
            place_new(path, place, self._without_links)
        elif os.path.lexists(place):
            raise FileExistsError(errno.EEXIST, "something stands there", str(place))
        else:
            path.rename(place)

    def _release(self, place: Path) -> None:
        """Remove what held a place, on a disk without links, for a file that did not come."""
        held = _content(place) if self._without_links.exists() else None
        if held is not None and not held.data:
            place.unlink()

    def _drop(self, made: Sequence[str] = ()) -> None:
        """Forget the journal, but not what was written to the files that it holds meanwhile."""
        for number, entry in enumerate(self.journal.files):
            for kind in ("before", "undone"):
                found = self._find(kind, number)
                known = (entry.before, entry.after)
                if found and (_is_written(found) or _digest(found) not in known):
                    self._keep(found, entry.path, "yours")
            for kind in KINDS:
                with suppress(OSError):
                    self._asides(kind, number)[1].unlink()
            if not made and entry.after is None:
                self._tidy(entry.path)
        for folder in sorted(made, reverse=True):
            with suppress(OSError):  # not empty, or gone
                self._place(f"{folder}/x").parent.rmdir()
        discard(self.project / FOLDER)

    def _staged(self, number: int) -> Path | None:
        """A file that has not been placed yet; one that has, but was not let go, is let go."""
        staged = self._find("after", number)
        if staged is None:
            return None
        place = self._place(self.journal.files[number].path)
        if os.path.lexists(place) and os.path.samestat(place.lstat(), staged.lstat()):
            staged.unlink()
            return None
        return staged

    def _find(self, kind: str, number: int) -> Path | None:
        return next(filter(os.path.lexists, self._asides(kind, number)), None)

    def _asides(self, kind: str, number: int) -> tuple[Path, Path]:
        """Where a file is moved to: into the journal, or where that is another disk, beside."""
        journal = self.journal
        name = f"{FOLDER}.{journal.number}.{kind}.{number}"
        inside = self.project / FOLDER / kind / str(number)
        try:
            return inside, self._place(journal.files[number].path).with_name(name)
        except OSError:
            return inside, inside  # nothing can be beside what is not there

    @property
    def _without_links(self) -> Path:
        return self.project / FOLDER / "without-links"

    def _place(self, path: str) -> Path:
        """A place in the project; OSError when there are no plain folders on the way."""
        for above in list(PurePosixPath(path).parents)[-2::-1]:
            place = self.project / above
            if os.path.lexists(place):
                if is_link(place.lstat()):
                    raise OSError(errno.ELOOP, "it is a link", str(place))
                if not place.is_dir():
                    raise OSError(errno.ENOTDIR, "it is no folder", str(place))
        return self.project / path

    def _tidy(self, path: str, made: Collection[str] | None = None) -> None:
        """Remove the folders that a file has left empty, if given only those `made` for it."""
        for above in list(PurePosixPath(path).parents)[:-1]:
            try:
                if made is None or str(above) in made:
                    (self.project / above).rmdir()
            except OSError:  # not empty
                break


def _changed(path: str, what: str) -> WriteError:
    return WriteError(f"{path} {what} while it was about to be written", hint="run it again")


def _digest(path: Path) -> str:
    content = _content(path)
    return "" if content is None else digest_of(content.data)


def _content(path: Path) -> Content | None:
    """A file; None for what is none, or too large for one of ours."""
    try:
        return read_plain(path)
    except OSError:
        return None


def _is_written(path: Path) -> bool:
    """Whether a program still has a file open to write to it, where the system tells."""
    if sys.platform == "win32" or not hasattr(fcntl, "F_SETLEASE"):
        return False
    if not stat.S_ISREG(path.lstat().st_mode):
        return False
    until = time.monotonic() + _PATIENCE
    with suppress(OSError), path.open("rb") as stream:
        while time.monotonic() < until:
            try:
                fcntl.fcntl(stream, fcntl.F_SETLEASE, fcntl.F_RDLCK)
            except BlockingIOError:
                time.sleep(0.01)
            else:
                return False
        return True
    return False
