"""Writing many files of a project as one: all of them, or none.

While it writes, and as long as conflicts are open, the project holds `.ptscaffold-update/`: every
file as it was before, and what is under way. A run that dies leaves it behind, and the next command
puts everything back; only one that died while it ended an update is ended.
"""

from __future__ import annotations

import errno
import filecmp
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ptscaffold.errors import PtscaffoldError, WriteError
from ptscaffold.interrupts import deferred
from ptscaffold.lock import locked
from ptscaffold.merge import free_name
from ptscaffold.staging import copy_file, stage_file, sync

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from ptscaffold.merge import Content

__all__ = ["FOLDER", "Pending", "abort", "before", "finish", "pending", "recover", "write_files"]

FOLDER: Final = ".ptscaffold-update"
_JOURNAL: Final = "journal.json"


@dataclass(frozen=True, kw_only=True)
class Pending:
    """What a journal says: the files it holds, and, when it waits for a person, the conflicts."""

    files: Sequence[Mapping[str, Any]]
    folders: Sequence[str] = ()  # those that were not there before
    conflicts: Sequence[str] = ()
    record: str = ""
    finished: str = ""  # where the record goes, once the conflicts are resolved
    aborted: bool = False

    @property
    def waits(self) -> bool:
        return bool(self.conflicts) and not self.finished and not self.aborted


def write_files(
    project: Path,
    writes: Mapping[str, Content | None],
    *,
    conflicts: Sequence[str] = (),
    record: str = "",
) -> None:
    """Write or, with None, remove files in their order; WriteError with everything put back.

    With `conflicts` the journal stays: `finish` writes `record` and drops it, `abort` goes back.
    """
    with locked(project), deferred() as check_interrupt:
        if os.path.lexists(project / FOLDER):
            raise PtscaffoldError(
                f"{project / FOLDER} is in the way",
                hint="ptscaffold update --continue or --abort ends what it holds; or move it away",
            )
        try:
            _stage(project, writes, record)
            for number, (path, content) in enumerate(writes.items()):
                check_interrupt()
                _put(project, path, None if content is None else _kept(project, "after", number))
            check_interrupt()
            if conflicts:
                _note(project, conflicts=list(conflicts))
            else:
                _drop(project)
        except BaseException as error:
            with _explained(project, "put back", "the next ptscaffold command tries it again"):
                _go_back(project)
            if isinstance(error, OSError):
                raise _refused(project, "write", error, "nothing was changed") from error
            raise


def pending(project: Path) -> Pending | None:
    """What is under way in a project, or None."""
    path = project / FOLDER / _JOURNAL
    try:
        if path.parent.is_symlink():
            raise ValueError(f"{FOLDER} is a link")
        found = Pending(**json.loads(path.read_text(encoding="utf-8")))
        for inside in (*(entry["path"] for entry in found.files), *found.folders, found.finished):
            if Path(inside).is_absolute() or ".." in Path(inside).parts or Path(inside).drive:
                raise ValueError(f"{inside} is outside of the project")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise PtscaffoldError(
            f"cannot read {path}: {error}",
            hint=f"{project / FOLDER / 'before'} holds the files as they were; put them back",
        ) from error
    return found


def recover(project: Path) -> str | None:
    """Settle what a run that died has left half-done; says what was done, if anything."""
    if not os.path.lexists(project / FOLDER) and not os.path.lexists(_scratch(project)):
        return None
    with locked(project), deferred():
        found = pending(project)
        _remove_scratch(project)
        if found is None or found.waits:
            return None
        with _explained(project, "put back", "then run the command again"):
            if found.finished:
                _advance(project, found)
                return "the update that was being ended when it was cut short is done"
            kept = [] if found.aborted else _set_aside(project, found)
            _go_back(project)
    text = "an update was cut short; all files are as they were before it"
    return text + "".join(f"; what you changed since is kept as {name}" for name in kept)


def before(project: Path, found: Pending) -> dict[str, bytes]:
    """The files that an update has changed, as they were."""
    return {
        entry["path"]: _kept(project, "before", number).read_bytes()
        for number, entry in enumerate(found.files)
        if entry["before"] and entry["after"] is not None
    }


def finish(project: Path, record_path: str) -> None:
    """Write the record of an update whose conflicts are resolved, and drop its journal."""
    with locked(project), deferred(), _explained(project, "write", "then run it again"):
        _note(project, finished=record_path)
        found = pending(project)
        assert found is not None
        _advance(project, found)


def abort(project: Path) -> None:
    """Put every file back, byte for byte."""
    with locked(project), deferred(), _explained(project, "put back", "then run it again"):
        _note(project, aborted=True)
        _go_back(project)


def _stage(project: Path, writes: Mapping[str, Content | None], record: str) -> None:
    """Write everything into the journal's folder; the last step, a rename, makes it count."""
    _remove_scratch(project)
    scratch = _scratch(project)
    for folder in (scratch, scratch / "before", scratch / "after"):
        folder.mkdir()
    (scratch / ".gitignore").write_text("*\n", encoding="utf-8")
    files, folders = [], set()
    for number, (path, content) in enumerate(writes.items()):
        place = _inside(project, path)
        there = place.is_symlink() or place.is_file()
        if there:
            copy_file(place, scratch / "before" / str(number))
        if content is not None:
            stage_file(scratch / "after" / str(number), content, place if there else None)
            parents = Path(path).parents
            folders |= {p.as_posix() for p in parents if not (project / p).is_dir()}
        after = None if content is None else _digest(content.data)
        files.append({"path": path, "before": there, "after": after})
    _write_journal(scratch, {"files": files, "folders": sorted(folders), "record": record})
    scratch.rename(project / FOLDER)
    sync(project)


def _put(
    project: Path, path: str, staged: Path | None, made: Collection[str] | None = None
) -> None:
    """Move a staged file to its place, or remove what is there with the folders left empty.

    Of these only the ones in `made`, if that is given.
    """
    place = _inside(project, path)
    if staged is not None:
        place.parent.mkdir(parents=True, exist_ok=True)
        staged.replace(place)
        return
    place.unlink(missing_ok=True)
    for folder in Path(path).parents[:-1]:
        if made is not None and folder.as_posix() not in made:
            break
        try:
            (project / folder).rmdir()
        except OSError:  # not empty, or gone
            break


def _inside(project: Path, path: str) -> Path:
    """A place in the project; OSError when a link on the way may lead out of it."""
    for folder in Path(path).parents[:-1]:
        if (project / folder).is_symlink():
            raise OSError(errno.ELOOP, f"{folder} is a link")
    return project / path


def _go_back(project: Path) -> None:
    """Put back what the journal holds and drop it; where that was cut short, do the rest."""
    found = pending(project)
    if found is not None:
        for number, entry in reversed(list(enumerate(found.files))):
            copy = _kept(project, "before", number)
            if not entry["before"]:
                with suppress(NotADirectoryError):  # a file that is back already
                    _put(project, entry["path"], None, found.folders)
            elif copy.exists() and not _same(_inside(project, entry["path"]), copy):
                _put(project, entry["path"], copy)
        _drop(project)
    _remove_scratch(project)


def _same(place: Path, copy: Path) -> bool:
    """Whether a file needs no putting back: where it cannot be written, it was not written."""
    if place.is_symlink() or not place.is_file():
        return False
    return place.stat().st_mode == copy.stat().st_mode and filecmp.cmp(place, copy, shallow=False)


def _set_aside(project: Path, found: Pending) -> list[str]:
    """Keep what somebody changed after a run had died, before it is put back."""
    names = []
    for number, entry in enumerate(found.files):
        place, copy = _inside(project, entry["path"]), _kept(project, "before", number)
        if not place.is_file() or (entry["before"] and not copy.exists()):
            continue
        known = {entry.get("after"), _digest(copy.read_bytes()) if entry["before"] else None}
        if _digest(place.read_bytes()) not in known:
            names.append(free_name(project, f"{entry['path']}.yours"))
            place.rename(project / names[-1])
    return names


def _advance(project: Path, found: Pending) -> None:
    scratch = project / FOLDER / "record"
    scratch.write_text(found.record, encoding="utf-8", newline="\n")
    scratch.replace(project / found.finished)
    _drop(project)


def _note(project: Path, **what: Any) -> None:
    """Add to what the journal says, in one step."""
    table = json.loads((project / FOLDER / _JOURNAL).read_text(encoding="utf-8"))
    _write_journal(project / FOLDER, {**table, **what})


def _write_journal(folder: Path, table: Mapping[str, Any]) -> None:
    scratch = folder / f"{_JOURNAL}.tmp"
    with scratch.open("w", encoding="utf-8") as stream:
        json.dump(table, stream, indent=2)
        stream.flush()
        os.fsync(stream.fileno())
    scratch.replace(folder / _JOURNAL)


def _drop(project: Path) -> None:
    """Forget the journal. The rename is what counts; what it leaves is rubbish."""
    _remove_scratch(project)
    (project / FOLDER).rename(_scratch(project))
    _remove_scratch(project)


def _kept(project: Path, which: str, number: int) -> Path:
    return project / FOLDER / which / str(number)


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _scratch(project: Path) -> Path:
    return project / f"{FOLDER}.tmp"


def _remove_scratch(project: Path) -> None:
    shutil.rmtree(_scratch(project), ignore_errors=True)


@contextmanager
def _explained(project: Path, what: str, then: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise _refused(project, what, error, then) from error


def _refused(project: Path, what: str, error: OSError, then: str) -> WriteError:
    reason = error.strerror or error
    hint = f"free some space or see to the permissions; {then}"
    return WriteError(f"cannot {what} {error.filename or project}: {reason}", hint=hint)
