"""What git does with texts: merging, and patches that `git apply` takes."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from ptscaffold.errors import PtscaffoldError, raised_as
from ptscaffold.layers.content import TEMPORARY, Content, is_crlf, with_endings_of
from ptscaffold.layers.files import write_tree
from ptscaffold.layers.git import run_git

YOURS: Final = "yours"
MARKERS: Final = (f"<<<<<<< {YOURS}", ">>>>>>> template")


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
    with tempfile.TemporaryDirectory(prefix=TEMPORARY) as folder:
        names = ["yours", "old", "new"]
        for name, data in zip(names, sides, strict=True):
            Path(folder, name).write_bytes(data)
        command = ["merge-file", "--stdout", "--quiet"]
        for text in (YOURS, "template before", label):
            command += ["-L", text]
        merged, conflicts = _ran([*command, *names], Path(folder), 128)
    return with_endings_of(yours, merged), conflicts


class Delta(NamedTuple):
    """A file before and after; None where it is absent."""

    path: str
    before: Content | None
    after: Content | None


def make_patch(deltas: Sequence[Delta]) -> bytes:
    """All differences as one patch that `git apply` takes."""
    return _compared(deltas, "--binary", "--full-index")


def stat(deltas: Sequence[Delta]) -> dict[str, tuple[int, int] | None]:
    """Lines added and removed by path; None for a file that is no text."""
    counts: dict[str, tuple[int, int] | None] = {}
    words = iter(_compared(deltas, "--numstat", "-z").decode(errors="surrogateescape").split("\0"))
    for counted, old, new in zip(words, words, words, strict=False):
        added, removed, _ = counted.split("\t")
        path = (old if new == "/dev/null" else new)[2:]
        counts[path] = None if added == "-" else (int(added), int(removed))
    return counts


def _compared(deltas: Sequence[Delta], *options: str) -> bytes:
    """What `git diff` says of the files before and after."""
    if not deltas:
        return b""
    with tempfile.TemporaryDirectory(prefix=TEMPORARY) as folder:
        for number, side in enumerate("ab", 1):
            place = Path(folder, side)
            place.mkdir()
            write_tree(place, {d.path: there for d in deltas if (there := d[number])})
        command = ["diff", "--no-index", "--no-prefix", "--no-renames", "--no-color", *options]
        return _ran([*command, "--no-ext-diff", "--no-textconv", "a", "b"], Path(folder), 2)[0]


def _ran(arguments: Sequence[str], folder: Path, worst: int) -> tuple[bytes, int]:
    """Run git on files in a folder; PtscaffoldError when there is no git, or it fails."""
    # Neither a person's settings nor those of a repository around the folder have a say.
    settings = ["merge.conflictStyle=merge", "core.autocrlf=false", "core.attributesFile=/dev/null"]
    alone = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "GIT_ATTR_NOSYSTEM": "1"}
    alone["GIT_CEILING_DIRECTORIES"] = str(folder.resolve().parent)
    with raised_as(PtscaffoldError, "cannot run git: ", hint="install git; merging is its work"):
        done = run_git(arguments, folder.resolve(), settings, b"", **alone)
    if not 0 <= done.returncode < worst:
        said = done.stderr.decode(errors="replace")
        raise PtscaffoldError(f"git {arguments[0]} failed: {said}")
    return done.stdout, done.returncode
