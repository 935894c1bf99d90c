"""One process at a time, no interrupt between, and files that do not count before they are whole.

A project is locked by its folder, as long as the process lives that holds it; Ctrl-C and
termination are held back while files are being written.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any, Final

from ptscaffold.errors import PtscaffoldError
from ptscaffold.layers.content import EXECUTABLE, Content
from ptscaffold.project.trust import fits, seal

if sys.platform != "win32":
    import fcntl

_SIGNALS = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
]

_held: set[tuple[Path, int]] = set()

# Of a folder, something random, and the seal of both: nobody else can give it such a name.
_SCRATCH: Final = re.compile(r"(.+)\.([0-9a-f]{16})([0-9a-f]{32})\.tmp", re.DOTALL)
_PATIENCE: Final = 3600.0  # seconds; a run that is alive where nothing can be locked is younger
_NO_LINKS: Final = frozenset({errno.EPERM, errno.EACCES, errno.EMLINK, errno.ENOSYS}) | {
    errno.ENOTSUP,
    errno.EOPNOTSUPP,
}


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


def stage_file(staged: Path, content: Content, *, durable: bool = True) -> None:
    """Write a file that must not exist yet, with the mode that one made by hand has."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    descriptor = os.open(staged, flags, 0o777 if content.mode == EXECUTABLE else 0o666)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content.data)
        if durable:
            stream.flush()
            os.fsync(stream.fileno())


def place_new(staged: Path, place: Path, without_links: Path) -> None:
    """Move a file to where none is; FileExistsError, with both as they were, where one is.

    On a disk that has no links, an empty file holds the place for a moment; `without_links` is a
    file made before that, to tell what a run that died there has left.
    """
    if os.name == "nt":
        staged.rename(place)
        return
    try:
        os.link(staged, place)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        without_links.touch()
        os.close(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL))
        staged.replace(place)
    else:
        staged.unlink()


def sync(path: Path) -> None:
    with suppress(OSError):  # Windows cannot do it to a folder
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextmanager
def scratch(parent: Path, stem: str) -> Iterator[Path]:
    """A new folder, removed in the end unless it was moved; its lock says that the run lives."""
    with ExitStack() as stack:
        folder = _made(parent, stem, stack)
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        yield folder


def discard(folder: Path) -> None:
    """Remove a folder with its content. A rename is what counts; what it leaves is rubbish."""
    rubbish = folder.with_name(_sealed(folder.parent, folder.name))
    folder.rename(rubbish)
    shutil.rmtree(rubbish, ignore_errors=True)


def sweep(parent: Path) -> None:
    """Remove the scratch folders that runs which died have left; only what is certainly ours."""
    for folder in _scratch_folders(parent):
        try:
            release = take(folder)
        except PtscaffoldError:
            continue
        with suppress(OSError):
            if release is not None or folder.stat().st_mtime < time.time() - _PATIENCE:
                shutil.rmtree(folder, ignore_errors=True)
        if release is not None:
            release()


def _made(parent: Path, stem: str, stack: ExitStack) -> Path:
    """Make and lock a folder; again, if a `sweep` came in between."""
    for _ in range(100):
        folder = parent / _sealed(parent, stem)
        folder.mkdir()
        with suppress(PtscaffoldError):
            stack.enter_context(locked(folder))
            if folder.is_dir():
                return folder
    raise OSError(errno.EBUSY, "cannot keep a folder", str(parent))


def _scratch_folders(parent: Path) -> list[Path]:
    folders = []
    with suppress(OSError), os.scandir(parent) as entries:
        for entry in entries:
            match = _SCRATCH.fullmatch(entry.name)
            ours = match and fits(_named(parent, match[1], match[2]), match[3])
            if ours and entry.is_dir(follow_symlinks=False):
                folders.append(parent / entry.name)
    return folders


def _sealed(parent: Path, stem: str) -> str:
    stem, chance = stem[:100], os.urandom(8).hex()
    return f"{stem}.{chance}{seal(_named(parent, stem, chance))[:32]}.tmp"


def _named(parent: Path, stem: str, chance: str) -> bytes:
    words = ("scratch", str(parent.resolve()), stem, chance)
    return b"\0".join(os.fsencode(word) for word in words)
