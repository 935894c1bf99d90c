"""Applying a plan: the one module that writes.

A new project is written to a folder beside its destination and moved there in one step. A folder
that exists receives the missing files only. Whatever goes wrong, nothing half-made is left.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from ptscaffold.errors import DestinationError, WriteError
from ptscaffold.interrupts import deferred

if TYPE_CHECKING:
    from collections.abc import Callable

    from ptscaffold.plan import Plan, Survey
    from ptscaffold.render import File

__all__ = ["apply"]


def apply(plan: Plan, survey: Survey) -> None:
    """Write the missing files of a plan.

    Raises WriteError, DestinationError or KeyboardInterrupt with the disk as it was before.
    """
    with deferred() as check_interrupt:
        if os.path.lexists(plan.directory):
            _fill(plan, survey, check_interrupt)
        else:
            _create(plan, check_interrupt)


def _create(plan: Plan, check_interrupt: Callable[[], None]) -> None:
    """Write the whole project beside the first folder that is missing, then move it there."""
    top, below = _first_missing(plan.directory.absolute())
    staging = top.with_name(f".{top.name}.{os.urandom(4).hex()}.tmp")
    folder = staging / below
    try:
        for path, file in plan.files.items():
            check_interrupt()
            _write(folder / path, file)
        check_interrupt()
        _move(staging, top)
    except OSError as error:
        raise _explain(error, plan.directory) from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _fill(plan: Plan, survey: Survey, check_interrupt: Callable[[], None]) -> None:
    """Write the missing files into a folder that exists; on failure remove them again."""
    made: list[Path] = []
    try:
        for path in survey.missing:
            check_interrupt()
            _write(plan.directory / path, plan.files[path], made)
        check_interrupt()
    except BaseException as error:
        _remove(made)
        if isinstance(error, OSError):
            raise _explain(error, plan.directory) from error
        raise


def _first_missing(directory: Path) -> tuple[Path, Path]:
    """Split an absolute path at its topmost folder that does not exist yet."""
    top = directory
    while not os.path.lexists(top.parent):
        top = top.parent
    return top, directory.relative_to(top)


def _write(place: Path, file: File, made: list[Path] | None = None) -> None:
    """Write a file that must not exist yet and the folders above it; `made` notes all of them."""
    made = [] if made is None else made
    for folder in reversed(_missing_folders(place)):
        folder.mkdir()
        made.append(folder)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    # The mode is narrowed by the user's umask, as that of any file made by hand.
    descriptor = os.open(place, flags, 0o777 if file.mode & 0o100 else 0o666)
    made.append(place)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(file.data)


def _missing_folders(place: Path) -> list[Path]:
    """The folders above `place` that do not exist, the lowest first."""
    missing = []
    folder = place.parent
    while not folder.exists():
        missing.append(folder)
        folder = folder.parent
    return missing


def _move(staging: Path, top: Path) -> None:
    """Move the finished folder; fails when something has come to stand there in the meantime."""
    if os.path.lexists(top):
        raise DestinationError(f"{top} appeared while the project was being written")
    staging.rename(top)


def _remove(made: list[Path]) -> None:
    """Undo writes, newest first; a folder that someone else has put a file in stays."""
    for place in reversed(made):
        try:
            if place.is_dir():
                place.rmdir()
            else:
                place.unlink(missing_ok=True)
        except OSError:
            continue


def _explain(error: OSError, directory: Path) -> WriteError:
    return WriteError(f"cannot write {directory}: {error.strerror or error}")
