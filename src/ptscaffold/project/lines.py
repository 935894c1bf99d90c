"""Text in lines: their endings, merging by `git merge-file`, and patches that `git apply` takes."""

from __future__ import annotations

import base64
import hashlib
import tempfile
import zlib
from difflib import unified_diff
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from ptscaffold.errors import PtscaffoldError
from ptscaffold.layers.content import EXECUTABLE, Content, is_binary, is_crlf, with_endings_of
from ptscaffold.layers.git import run_git

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


__all__ = ["MARKERS", "YOURS", "Delta", "make_patch", "merge_text", "stat"]

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


class Delta(NamedTuple):
    """A file before and after; None where it is absent."""

    path: str
    before: Content | None
    after: Content | None


def make_patch(deltas: Iterable[Delta]) -> bytes:
    """All differences as one patch in git's form, with the bytes of the files."""
    return "".join(_patch(delta) for delta in deltas).encode("utf-8", "surrogateescape")


def stat(deltas: Iterable[Delta]) -> Mapping[str, tuple[int, int] | None]:
    """Lines added and removed by path; None for a file that is no text."""
    counts: dict[str, tuple[int, int] | None] = {}
    for delta in deltas:
        lines = _body(delta)
        counts[delta.path] = None
        if lines is not None:
            added = sum(line.startswith("+") for line in lines[2:])
            counts[delta.path] = added, sum(line.startswith("-") for line in lines[2:])
    return counts


def _patch(delta: Delta) -> str:
    path, before, after = delta
    lines = [f"diff --git a/{path} b/{path}\n"]
    if before is None and after is not None:
        lines.append(f"new file mode {_mode(after)}\n")
    elif after is None and before is not None:
        lines.append(f"deleted file mode {_mode(before)}\n")
    elif before and after and before.mode != after.mode:
        lines += [f"old mode {_mode(before)}\n", f"new mode {_mode(after)}\n"]
    body = _body(delta)
    if body is None:
        old, new = (b"" if side is None else side.data for side in (before, after))
        body = [] if old == new else _binary(old, new)
    return "".join([*lines, *body])


def _binary(old: bytes, new: bytes) -> list[str]:
    """What git takes for files that are no text: both of them, in base 85."""
    lines = [f"index {_blob(old)}..{_blob(new)}\n", "GIT binary patch\n"]
    for data in (new, old):
        packed = zlib.compress(data)
        lines.append(f"literal {len(data)}\n")
        for start in range(0, len(packed), 52):
            part = packed[start : start + 52]
            length = chr(len(part) + (64 if len(part) <= 26 else 70))
            lines.append(f"{length}{base64.b85encode(part, pad=True).decode()}\n")
        lines.append("\n")
    return lines


def _blob(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


def _mode(content: Content) -> str:
    return "100755" if content.mode == EXECUTABLE else "100644"


def _body(delta: Delta) -> list[str] | None:
    """The lines of a unified difference, None for a file that is no text."""
    path, before, after = delta
    sides = [b"" if side is None else side.data for side in (before, after)]
    if any(map(is_binary, sides)):
        return None
    old, new = (side.decode("utf-8", "surrogateescape").split("\n") for side in sides)
    names = [f"a/{path}" if before else "/dev/null", f"b/{path}" if after else "/dev/null"]
    found = unified_diff(_lines(old), _lines(new), names[0], names[1])
    lines = []
    for line in found:
        lines.append(line)
        if not line.endswith("\n"):
            lines[-1] += "\n\\ No newline at end of file\n"
    return lines


def _lines(parts: list[str]) -> list[str]:
    """Lines with their ends; the last part is what follows the last line break."""
    lines = [f"{part}\n" for part in parts[:-1]]
    return [*lines, parts[-1]] if parts[-1] else lines
