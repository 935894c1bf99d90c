"""Writing many files of a project as one: all of them, or none.

While it writes, and as long as conflicts are open, the project holds `.ptscaffold-update/`: every
file as it was before, and what is under way. A run that dies leaves it behind, and the next command
puts everything back.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ptscaffold.errors import PtscaffoldError, WriteError
from ptscaffold.interrupts import deferred
from ptscaffold.sources import EXECUTABLE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ptscaffold.merge import Content

__all__ = ["FOLDER", "Pending", "abort", "finish", "pending", "recover", "write_files"]

FOLDER: Final = ".ptscaffold-update"
_JOURNAL: Final = "journal.json"


@dataclass(frozen=True, kw_only=True)
class Pending:
    """What a journal says: the files it holds, and, when it waits for a person, the conflicts."""

    files: Sequence[Mapping[str, Any]]
    conflicts: tuple[str, ...] = ()
    record: str = ""
    notes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def waits(self) -> bool:
        return bool(self.conflicts)


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
    with deferred() as check_interrupt:
        try:
            _stage(project, writes, record)
            for number, (path, content) in enumerate(writes.items()):
                check_interrupt()
                _put(project, path, None if content is None else _after(project, number))
            check_interrupt()
            if conflicts:
                _mark(project, conflicts)
            else:
                _drop(project)
        except BaseException as error:
            _go_back(project)
            if isinstance(error, OSError):
                reason = error.strerror or error
                raise WriteError(
                    f"cannot write {project}: {reason}",
                    hint="free some space or see to the permissions; nothing was changed",
                ) from error
            raise


def pending(project: Path) -> Pending | None:
    """What is under way in a project, or None."""
    path = project / FOLDER / _JOURNAL
    try:
        return Pending(**json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError) as error:
        raise PtscaffoldError(
            f"cannot read {path}: {error}",
            hint=f"{project / FOLDER / 'before'} holds the files as they were; put them back",
        ) from error


def recover(project: Path) -> bool:
    """Put back what a run that died has left half-written; whether there was such a run."""
    found = pending(project)
    _remove_scratch(project)
    if found is None or found.waits:
        return False
    _go_back(project)
    return True


def finish(project: Path, record_path: str) -> None:
    """Write the record of an update whose conflicts are resolved, and drop its journal."""
    found = pending(project)
    assert found is not None
    with deferred():
        scratch = project / FOLDER / "record"
        scratch.write_text(found.record, encoding="utf-8", newline="\n")
        scratch.replace(project / record_path)
        _drop(project)


def abort(project: Path) -> None:
    """Put every file back, byte for byte."""
    with deferred():
        _go_back(project)


def _stage(project: Path, writes: Mapping[str, Content | None], record: str) -> None:
    """Write everything into the journal's folder; the last step, a rename, makes it count."""
    _remove_scratch(project)
    scratch = _scratch(project)
    for name in ("before", "after"):
        (scratch / name).mkdir(parents=True)
    (scratch / ".gitignore").write_text("*\n", encoding="utf-8")
    files = []
    for number, (path, content) in enumerate(writes.items()):
        place = project / path
        there = os.path.lexists(place)
        files.append({"path": path, "before": there})
        if there:
            shutil.copy2(place, scratch / "before" / str(number))
        if content is not None:
            _stage_file(scratch / "after" / str(number), content, place if there else None)
    _write_journal(scratch, {"files": files, "record": record})
    scratch.rename(project / FOLDER)
    _sync_folder(project)


def _stage_file(staged: Path, content: Content, replaced: Path | None) -> None:
    descriptor = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0))
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content.data)
        stream.flush()
        os.fsync(stream.fileno())
    # A file keeps the permissions it has; a new one gets those of any file made by hand.
    mode = 0o666 & ~_umask() if replaced is None else replaced.stat().st_mode & 0o7777
    executable = mode | (mode & 0o444) >> 2
    staged.chmod(executable if content.mode == EXECUTABLE else mode & ~0o111)


def _umask() -> int:
    current = os.umask(0o022)
    os.umask(current)
    return current


def _put(project: Path, path: str, staged: Path | None) -> None:
    """Move a staged file to its place, or remove what is there with the folders left empty."""
    place = project / path
    if staged is not None:
        place.parent.mkdir(parents=True, exist_ok=True)
        staged.replace(place)
        return
    place.unlink(missing_ok=True)
    for folder in place.parents:
        if folder == project:
            break
        try:
            folder.rmdir()
        except OSError:  # not empty
            break


def _go_back(project: Path) -> None:
    """Put back what the journal holds, as often as it takes, and drop it."""
    found = pending(project)
    if found is not None:
        for number, entry in reversed(list(enumerate(found.files))):
            copy = None
            if entry["before"]:
                copy = project / FOLDER / "back"
                shutil.copy2(project / FOLDER / "before" / str(number), copy)
            _put(project, entry["path"], copy)
        _drop(project)
    _remove_scratch(project)


def _mark(project: Path, conflicts: Sequence[str]) -> None:
    table = json.loads((project / FOLDER / _JOURNAL).read_text(encoding="utf-8"))
    _write_journal(project / FOLDER, {**table, "conflicts": list(conflicts)})


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


def _after(project: Path, number: int) -> Path:
    return project / FOLDER / "after" / str(number)


def _scratch(project: Path) -> Path:
    return project / f"{FOLDER}.tmp"


def _remove_scratch(project: Path) -> None:
    shutil.rmtree(_scratch(project), ignore_errors=True)


def _sync_folder(folder: Path) -> None:
    with contextlib.suppress(OSError):  # Windows has no such thing
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
