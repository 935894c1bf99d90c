"""What this user wrote on this machine, told from what somebody else has put there.

A folder of ours carries a seal: an HMAC with a random key that no project holds. Where the key
cannot be kept, one of this process takes its place, and no later process believes the seal.
"""

from __future__ import annotations

import hmac
import os
import stat
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Final

from ptscaffold.layers.catalogue import installed_packs
from ptscaffold.layers.content import own_folder, read_plain
from ptscaffold.layers.git import is_address, repository_of

_BYTES: Final = 32
_LARGEST: Final = 1_000_000


def seal(data: bytes, project: Path | None = None) -> str:
    """The seal of some bytes; a key that lies in the `project` they are for is no key."""
    return hmac.digest(_key(project, make=True), data, "sha256").hex()


def fits(data: bytes, mark: str, project: Path | None = None) -> bool:
    """Whether `seal` gave this seal for these bytes, or one that begins so: half is enough.

    Who has no key yet has sealed nothing, and gets none for it.
    """
    whole = hmac.digest(_key(project, make=False), data, "sha256").hex()[: max(len(mark), 32)]
    return hmac.compare_digest(whole.encode(), mark.encode())


def allow(source: str, project: Path) -> None:
    """Remember that this user has given a pack by its source: a project may name it from now on."""
    if is_allowed(source, project):
        return
    with suppress(OSError, RuntimeError):
        mark = seal(_subject(source), project)
        place = state_folder() / "packs"
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with place.open("a", encoding="ascii") as stream:
            stream.write(f"{mark}\n")


def is_allowed(source: str, project: Path) -> bool:
    """Whether this user has given a pack before; one that is installed has been chosen so."""
    if not is_address(source) and source in installed_packs():
        return True
    try:
        marks = read_plain(state_folder() / "packs", _LARGEST).data.decode("ascii").split()
    except (OSError, RuntimeError, ValueError):
        return False
    subject = _subject(source)
    return any(fits(subject, mark, project) for mark in marks)


def _subject(source: str) -> bytes:
    """A repository, or a folder, in which sense a source is given or not."""
    if is_address(source):
        return b"pack\0" + os.fsencode(repository_of(source))
    return b"pack\0" + os.fsencode(Path(source).expanduser().resolve())


def _key(project: Path | None, *, make: bool) -> bytes:
    try:
        place = state_folder() / "key"
        inside = project is not None and place.resolve().is_relative_to(project.resolve())
        return _of_this_process() if inside or not place.is_absolute() else _kept(place, make)
    except (OSError, RuntimeError):  # RuntimeError: there is no home
        return _of_this_process()


@cache
def _of_this_process() -> bytes:
    return os.urandom(_BYTES)


@cache
def _kept(place: Path, make: bool) -> bytes:
    """The key in a file, made if there is none and it is to be; OSError when that is impossible."""
    if make and not os.path.lexists(place):
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        own = place.with_name(f"key.{os.urandom(8).hex()}")
        descriptor = os.open(own, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(os.urandom(_BYTES))
                stream.flush()
                os.fsync(descriptor)
            try:
                os.link(own, place)  # whole or not at all, and of two processes that of the first
            except FileExistsError:
                pass
            except OSError:  # a disk without links
                own.rename(place)
        finally:
            own.unlink(missing_ok=True)
    if os.name != "nt":
        status = place.lstat()
        if status.st_uid != os.geteuid() or stat.S_IMODE(status.st_mode) & 0o077:
            raise PermissionError(f"{place} is not ours alone")
    key = read_plain(place, _BYTES).data
    if len(key) != _BYTES:
        raise OSError(f"{place} is no key")
    return key


def state_folder() -> Path:
    """Where the key is, and which packs this user has given."""
    mac = "Library/Application Support"
    return own_folder("XDG_STATE_HOME", "AppData/Local", mac, ".local/state")
