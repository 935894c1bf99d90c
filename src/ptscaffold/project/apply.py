"""The one module that writes to projects: all of a plan or nothing, whatever cuts it short.

A new project is written to a folder beside its destination and moved there in one step. Files of a
folder that exists are exchanged one by one, by a journal that takes it back or ends it; the record
of what the project was made from comes last.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from ptscaffold.errors import DestinationError, PtscaffoldError, WriteError, raised_as
from ptscaffold.layers.content import Content, clear_old, read_plain
from ptscaffold.project.exchange import Exchange
from ptscaffold.project.guard import deferred, locked, scratch, stage_file, sweep
from ptscaffold.project.journal import FOLDER, Journal, note, put_last, read_journal, start, waiting
from ptscaffold.project.plan import Plan, Survey
from ptscaffold.project.record import RECORD, rewritten


def apply(plan: Plan, survey: Survey) -> None:
    """Write the missing files of a plan.

    Raises WriteError, DestinationError or KeyboardInterrupt with the disk as it was before.
    """
    paths = sorted(survey.missing, key=lambda path: path == RECORD)
    writes = {path: plan.files[path] for path in paths}
    if os.path.lexists(plan.directory):
        write_files(plan.directory, writes)
    else:
        _create(plan.directory, writes)


def write_files(
    project: Path,
    writes: Mapping[str, Content | None],
    seen: Mapping[str, Content | None] | None = None,
    *,
    conflicts: Sequence[str] = (),
) -> list[str]:
    """Write or, with None, remove files in their order; says which lines were kept beside.

    `seen` are the files as they were when this was decided, None or left out where there was none:
    WriteError, with everything put back, when one is not so any more. With `conflicts` the last
    file waits, and the journal stays: `finish` writes that file, `abort` goes back.
    """
    if not writes:
        return []
    with locked(project), deferred() as check_interrupt:
        if read_journal(project) is not None:
            raise PtscaffoldError(
                f"{project / FOLDER} is in the way",
                hint="ptscaffold update --continue or --abort ends what it holds",
            )
        sweep(project)
        clear_old()
        with _explained(project, "write", "nothing was changed"):
            journal = start(project, writes, seen or {}, conflicts)
        exchange = Exchange(project, journal)
        try:
            for number in range(len(writes) - bool(conflicts)):
                check_interrupt()
                exchange.put(number)
            check_interrupt()
            journal = note(project, journal, "waiting" if conflicts else "ending")
        except BaseException as error:
            _take_back(exchange, error)
            raise
        if not conflicts:
            with suppress(OSError):  # all is written; the next command sweeps up
                exchange.end()
    return exchange.kept


def pending(project: Path) -> Journal | None:
    """The update that waits in a project for a person, or None."""
    journal = read_journal(project)
    return journal if journal is not None and journal.waits else None


def recover(project: Path) -> str | None:
    """Settle what a run that died has left half-done; says what was done, if anything."""
    journal = read_journal(project)
    if journal is None or journal.waits:
        sweep(project)
        return None
    with locked(project), deferred():
        journal = read_journal(project)
        if journal is None or journal.waits:
            return None
        exchange = Exchange(project, journal)
        with _explained(project, "put back", "then run the command again"):
            if journal.state == "ending":
                exchange.end()
                text = "what was being ended when it was cut short is done"
            else:
                exchange.back()
                text = "an update was cut short; all files are as they were before it"
        sweep(project)
    return "; ".join([text, *exchange.kept])


def finish(project: Path) -> list[str]:
    """Write the record of an update whose conflicts are resolved; says what was kept beside.

    Where the one that is there was edited since, it keeps that and has the values of the other.
    """
    with locked(project), deferred(), _explained(project, "write", "then run it again"):
        journal = read_journal(project)
        assert journal is not None
        there, waited = read_plain(project / RECORD), waiting(project, journal)
        edited = not journal.files[-1].was(there)
        data = rewritten(there.data, waited.data) if edited else waited.data
        journal = put_last(project, journal, there, Content(data, waited.mode))
        exchange = Exchange(project, note(project, journal, "ending"))
        exchange.end()
    return exchange.kept


def abort(project: Path) -> list[str]:
    """Put every file back, byte for byte; says what was kept beside."""
    with locked(project), deferred(), _explained(project, "put back", "then run it again"):
        journal = read_journal(project)
        assert journal is not None
        exchange = Exchange(project, note(project, journal, "aborting"))
        exchange.back()
    return exchange.kept


def _take_back(exchange: Exchange, error: BaseException) -> None:
    """Put everything back after an error; a WriteError that says so takes the place of some."""
    project = exchange.project
    with _explained(project, "put back", "the next ptscaffold command tries it again"):
        exchange.back()
    with _explained(project, "write", "nothing was changed"):
        if isinstance(error, OSError):
            raise error
    if isinstance(error, WriteError):
        told = "; ".join([*error.problems, "everything is as it was before", *exchange.kept])
        raise WriteError(told, hint=error.hint) from error


def _create(directory: Path, writes: Mapping[str, Content]) -> None:
    """Write the whole project beside the first folder that is missing, then move it there."""
    top = directory.absolute()
    while not os.path.lexists(top.parent):
        top = top.parent
    below = directory.absolute().relative_to(top)
    sweep(top.parent)
    with (
        raised_as(WriteError, f"cannot write {directory}: "),
        deferred() as check_interrupt,
        scratch(top.parent, f".{top.name}") as folder,
    ):
        (folder / below).mkdir(parents=True, exist_ok=True)
        made = {folder / below}
        for path, content in writes.items():
            check_interrupt()
            place = folder / below / path
            if place.parent not in made:
                place.parent.mkdir(parents=True, exist_ok=True)
                made.add(place.parent)
            stage_file(place, content, durable=False)
        check_interrupt()
        if os.path.lexists(top):
            raise DestinationError(f"{top} appeared while the project was being written")
        folder.rename(top)


@contextmanager
def _explained(project: Path, what: str, then: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        way = "free some space or see to the permissions"
        if error.errno == errno.EBUSY:
            way = "it is mounted on its own: unmount it, or mount the folder that it is in"
        problem = f"cannot {what} {error.filename or project}: {error.strerror or error}"
        raise WriteError(problem, hint=f"{way}; {then}") from error
