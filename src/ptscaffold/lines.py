"""The lines of text files: their endings, and merging them with `git merge-file`."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Final

from ptscaffold.errors import PtscaffoldError
from ptscaffold.git import run_git
from ptscaffold.provenance import is_binary

__all__ = ["MARKERS", "YOURS", "is_crlf", "merge_text", "with_endings_of"]

YOURS: Final = "yours"
MARKERS: Final = (f"<<<<<<< {YOURS}", ">>>>>>> template")


def is_crlf(data: bytes) -> bool:
    """Whether every line ends as on Windows."""
    return b"\r\n" in data and data.count(b"\n") == data.count(b"\r\n") and not is_binary(data)


def with_endings_of(model: bytes, data: bytes) -> bytes:
    """The data with the line endings of another file, where that has those of Windows."""
    if not is_crlf(model) or is_binary(data):
        return data
    return data.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def merge_text(yours: bytes, old: bytes, new: bytes, label: str) -> tuple[bytes, int]:
    """Merge with git; gives the text and the number of conflicts, marked in it.

    The result has the line endings of `yours`; where these are mixed, a line with another ending
    is another line.
    """
    plain = yours.replace(b"\r\n", b"\n")
    if is_crlf(yours) or plain == yours:
        sides = plain, old.replace(b"\r\n", b"\n"), new.replace(b"\r\n", b"\n")
    else:
        sides = yours, old, new
    with tempfile.TemporaryDirectory(prefix="ptscaffold-") as folder:
        names = ["yours", "old", "new"]
        for name, data in zip(names, sides, strict=True):
            Path(folder, name).write_bytes(data)
        # The person's settings would change the markers
        command = ["merge-file", "--stdout", "--quiet"]
        for text in (YOURS, "template before", label):
            command += ["-L", text]
        try:
            done = run_git([*command, *names], Path(folder), ["merge.conflictStyle=merge"])
        except OSError as error:
            raise PtscaffoldError(
                f"cannot run git: {error.strerror}", hint="install git; merging is its work"
            ) from error
    if not 0 <= done.returncode < 128:
        raise PtscaffoldError(f"git merge-file failed: {done.stderr.decode(errors='replace')}")
    return with_endings_of(yours, done.stdout), done.returncode
