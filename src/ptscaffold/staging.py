"""Files that are written to the disk before they count."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from typing import TYPE_CHECKING

from ptscaffold.sources import EXECUTABLE

if TYPE_CHECKING:
    from pathlib import Path

    from ptscaffold.merge import Content

__all__ = ["copy_file", "stage_file", "sync"]


def stage_file(staged: Path, content: Content, replaced: Path | None) -> None:
    """Write a file with the permissions of the one that it is to replace."""
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


def copy_file(path: Path, to: Path) -> None:
    shutil.copy2(path, to)
    sync(to)


def sync(path: Path) -> None:
    with suppress(OSError):  # Windows cannot do it to a folder
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
