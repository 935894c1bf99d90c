"""Files that are written before they count, and put where nothing stands."""

from __future__ import annotations

import errno
import os
import re
import shutil
import time
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Final

from ptscaffold.errors import PtscaffoldError
from ptscaffold.layers.content import EXECUTABLE
from ptscaffold.project.guard import locked, take
from ptscaffold.project.trust import fits, seal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ptscaffold.layers.content import Content

__all__ = ["discard", "place_new", "scratch", "stage_file", "sweep", "sync"]

# Of a folder, something random, and the seal of both: nobody else can give it such a name.
_SCRATCH: Final = re.compile(r"(.+)\.([0-9a-f]{16})([0-9a-f]{32})\.tmp", re.DOTALL)
_PATIENCE: Final = 3600.0  # seconds; a run that is alive where nothing can be locked is younger

_NO_LINKS: Final = frozenset({errno.EPERM, errno.EACCES, errno.EMLINK, errno.ENOSYS}) | {
    errno.ENOTSUP,
    errno.EOPNOTSUPP,
}


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
    try:
        with os.scandir(parent) as entries:
            found = [e.name for e in entries if e.name.endswith(".tmp")]
    except OSError:
        return []
    folders = []
    for name in found:
        match = _SCRATCH.fullmatch(name)
        if match and fits(_named(parent, match[1], match[2]), match[3]):
            folders.append(parent / name)
    return [folder for folder in folders if folder.is_dir() and not folder.is_symlink()]


def _sealed(parent: Path, stem: str) -> str:
    stem, chance = stem[:100], os.urandom(8).hex()
    return f"{stem}.{chance}{seal(_named(parent, stem, chance))[:32]}.tmp"


def _named(parent: Path, stem: str, chance: str) -> bytes:
    words = ("scratch", str(parent.resolve()), stem, chance)
    return b"\0".join(os.fsencode(word) for word in words)
