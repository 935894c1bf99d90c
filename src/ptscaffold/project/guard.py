"""One process at a time, and no interrupt between: what keeps a write from being cut short.

A project is locked by its folder, as long as the process lives that holds it; Ctrl-C and
termination are held back while files are being written.
"""

from __future__ import annotations

import hashlib
import os
import signal
import sys
import threading
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from ptscaffold.errors import PtscaffoldError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from types import FrameType

if sys.platform != "win32":
    import fcntl

__all__ = ["as_keyboard_interrupt", "deferred", "locked", "take"]

_SIGNALS = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
]


_held: set[tuple[Path, int]] = set()


@contextmanager
def locked(project: Path) -> Iterator[None]:
    """Keep other processes from writing a project; PtscaffoldError when one is about it.

    Taken again by the same thread it is the same lock. It leaves no file behind. Where the system
    has no such locks, as on some network disks, nothing is locked.
    """
    key = project.resolve(), threading.get_ident()
    release = None if key in _held else take(project)
    if release is None:
        yield
        return
    _held.add(key)
    try:
        yield
    finally:
        _held.remove(key)
        release()


def take(project: Path) -> Callable[[], None] | None:
    """Lock a folder until what is given is called; None where that is impossible."""
    if sys.platform == "win32":
        return _take_by_file(project)
    try:
        descriptor = os.open(project, os.O_RDONLY | os.O_DIRECTORY | os.O_NONBLOCK)
    except OSError:
        return None  # whoever reads the project next says what is wrong with it
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise _busy(project) from None
    except OSError:
        os.close(descriptor)
        return None
    return partial(os.close, descriptor)


def _take_by_file(project: Path) -> Callable[[], None] | None:
    """The same for a system that locks files alone: by one beside our key, named by the folder."""
    from filelock import FileLock, Timeout

    from ptscaffold.project.trust import state_folder

    name = hashlib.sha256(os.fsencode(project.resolve())).hexdigest()[:32]
    try:
        place = state_folder() / "locks" / name
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = FileLock(place, timeout=0)
        lock.acquire()
    except Timeout:
        raise _busy(project) from None
    except (OSError, RuntimeError):
        return None
    return lock.release


def _busy(project: Path) -> PtscaffoldError:
    hint = "run this again when it is done"
    return PtscaffoldError(f"another ptscaffold is at work in {project}", hint=hint)


def as_keyboard_interrupt() -> None:
    """Let termination and hang-up end the program as Ctrl-C does, unless ignored (nohup)."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    for number in _SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, interrupt)


@contextmanager
def deferred() -> Iterator[Callable[[], None]]:
    """Hold interrupts back; the function given raises KeyboardInterrupt if one has come.

    So no line of the block, and no line that cleans up after it, is ever cut short. One that comes
    too late for the block to stop is delivered after it. Outside the main thread, where Python
    delivers no signals, there is nothing to hold back.
    """
    arrived: list[int] = []
    stopped = False

    def remember(number: int, _frame: FrameType | None) -> None:
        arrived.append(number)

    def check() -> None:
        nonlocal stopped
        if arrived:
            stopped = True
            raise KeyboardInterrupt

    before: dict[int, Any] = {}
    if threading.current_thread() is threading.main_thread():
        for number in _SIGNALS:
            if signal.getsignal(number) not in (signal.SIG_IGN, None):
                before[number] = signal.signal(number, remember)
    try:
        yield check
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if arrived and not stopped:
        raise KeyboardInterrupt
