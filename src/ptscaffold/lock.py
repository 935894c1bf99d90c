"""One process at a time: a lock on a project's folder that ends with the process that holds it."""

from __future__ import annotations

import os
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ptscaffold.errors import PtscaffoldError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

if sys.platform != "win32":
    import fcntl

__all__ = ["locked", "take"]

_held: set[tuple[Path, int]] = set()


@contextmanager
def locked(project: Path) -> Iterator[None]:
    """Keep other processes from writing a project; PtscaffoldError when one is about it.

    Taken again by the same thread it is the same lock. It leaves no file behind. Where the system
    has no such locks, on Windows and some network disks, nothing is locked.
    """
    key = project.resolve(), threading.get_ident()
    descriptor = None if key in _held else take(project)
    if descriptor is None:
        yield
        return
    _held.add(key)
    try:
        yield
    finally:
        _held.remove(key)
        os.close(descriptor)


def take(project: Path) -> int | None:
    """Lock a folder until the descriptor is closed; None where that is impossible."""
    if sys.platform == "win32":
        return None
    try:
        descriptor = os.open(project, os.O_RDONLY | os.O_DIRECTORY | os.O_NONBLOCK)
    except OSError:
        return None  # whoever reads the project next says what is wrong with it
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise PtscaffoldError(
            f"another ptscaffold is at work in {project}", hint="run this again when it is done"
        ) from None
    except OSError:
        os.close(descriptor)
        return None
    return descriptor
