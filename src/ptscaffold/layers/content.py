"""The files of a project as they stand: links are not followed, sizes are bounded."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import stat
import sys
import tempfile
import time
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple, TypeAlias

from ptscaffold.errors import PtscaffoldError, raised_as

EXECUTABLE: Final = 0o755
REGULAR: Final = 0o644

TEMPORARY: Final = "ptscaffold-"  # what the names of our temporary folders begin with
LARGEST: Final = 100_000_000

_FLAGS: Final = (
    os.O_RDONLY
    | getattr(os, "O_BINARY", 0)
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NONBLOCK", 0)  # a named pipe would wait for its other end
)


@dataclass(frozen=True, slots=True)
class Content:
    """The bytes and the mode (0o644 or 0o755) of a file, and of a rendered one its layer."""

    data: bytes
    mode: int = REGULAR
    layer: str = field(default="", compare=False)


# Files by their path in a project or a layer, with "/" on every system.
Tree: TypeAlias = dict[str, Content]


class Obstacle(NamedTuple):
    """What stands where a file should be, and is none."""

    what: str


def own_folder(variable: str, windows: str, mac: str, other: str) -> Path:
    """Where programs keep what is theirs; RuntimeError when there is no home.

    These are platformdirs' places, whose import takes 5% of `new`.
    """
    if told := os.environ.get("LOCALAPPDATA" if sys.platform == "win32" else variable):
        return Path(told, "ptscaffold")
    places = {"win32": windows, "darwin": mac}
    return Path.home() / places.get(sys.platform, other) / "ptscaffold"


def is_link(status: os.stat_result) -> bool:
    """Whether an `lstat` is that of a link, or of what leads elsewhere on Windows."""
    reparse = getattr(stat, "FILE_ATTRIBUTE_REPARSE_POINT", 0)
    return stat.S_ISLNK(status.st_mode) or bool(getattr(status, "st_file_attributes", 0) & reparse)


def mode_of(status: os.stat_result) -> int:
    return EXECUTABLE if status.st_mode & 0o100 and os.name != "nt" else REGULAR


def digest(data: bytes) -> str:
    """The SHA-256 of a file, of text with line endings normalized: a CRLF checkout is no change."""
    lines = data if is_binary(data) else data.replace(b"\r\n", b"\n")
    return hashlib.sha256(lines).hexdigest()


def is_binary(data: bytes) -> bool:
    """Whether a file is no text, by the rule that git has: a zero byte near its start."""
    return b"\0" in data[:8000]


def text_of(data: bytes) -> str | None:
    """The text that a file holds, if it is one in UTF-8."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return None


def is_crlf(data: bytes) -> bool:
    """Whether every line ends as on Windows."""
    return b"\r\n" in data and data.count(b"\n") == data.count(b"\r\n") and not is_binary(data)


def with_endings_of(model: bytes, data: bytes) -> bytes:
    """The data with the line endings of another file, where that has those of Windows."""
    if not is_crlf(model) or is_binary(data):
        return data
    return data.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def read_plain(path: Path, most: int = LARGEST) -> Content:
    """Read a file; OSError for a link, for what is no file, and for more than `most` bytes."""
    if is_link(path.lstat()):
        raise OSError(errno.ELOOP, "it is a link", str(path))
    with os.fdopen(os.open(path, _FLAGS), "rb") as stream:
        status = os.fstat(stream.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "it is no regular file", str(path))
        data = stream.read(most + 1) if status.st_size <= most else b""
        if max(status.st_size, len(data)) > most:
            raise OSError(errno.EFBIG, f"it is larger than {most:,} bytes", str(path))
        return Content(data, mode_of(status))


def read_content(
    project: Path, path: str, removed: Collection[str] = ()
) -> Content | Obstacle | None:
    """A file of the project, `removed` left out; PtscaffoldError when it cannot be read."""
    place = project / path
    with raised_as(PtscaffoldError, f"cannot read {place}: ", hint="see to its permissions"):
        parts = path.split("/")
        for above in ("/".join(parts[:number]) for number in range(1, len(parts))):
            status = _status(project / above)
            if status is not None and is_link(status):
                return Obstacle(f"{above} is a link")
            if status is None or above in removed:
                return None
            if not stat.S_ISDIR(status.st_mode):
                return Obstacle(f"{above} is no folder")
        status = _status(place)
        if status is None or path in removed:
            return None
        if is_link(status):
            return Obstacle("a link stands there")
        if stat.S_ISDIR(status.st_mode):
            left = (p for p in place.rglob("*") if p.is_symlink() or not p.is_dir())
            gone = all(p.relative_to(project).as_posix() in removed for p in left)
            empty = not removed or not any(place.rglob("*"))
            return None if gone and not empty else Obstacle("a folder stands there")
        if not stat.S_ISREG(status.st_mode):
            return Obstacle("a pipe or a device stands there")
        if status.st_size > LARGEST:
            return Obstacle(f"a file of more than {LARGEST // 10**6} MB stands there")
        return read_plain(place)


def free_name(project: Path, path: str, taken: Collection[str] = ()) -> str:
    """The path, with a number behind it when it is taken."""
    name, number = path, 2
    while os.path.lexists(project / name) or name in taken:
        name, number = f"{path}.{number}", number + 1
    return name


def clear_old(folder: Path | None = None, pattern: str = f"{TEMPORARY}????????") -> None:
    """Remove the folders that runs which were killed have left: of this user, an hour old.

    Those of the system's own place for such, if no other is given.
    """
    folder = Path(tempfile.gettempdir()) if folder is None else folder
    with suppress(OSError):
        for path in folder.glob(pattern):
            status = path.lstat()
            ours = not hasattr(os, "geteuid") or status.st_uid == os.geteuid()
            if ours and stat.S_ISDIR(status.st_mode) and status.st_mtime < time.time() - 3600:
                shutil.rmtree(path, ignore_errors=True)


def _status(place: Path) -> os.stat_result | None:
    """What is known of a file; None when there is none. A folder that hides it is an OSError."""
    try:
        return place.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return None
