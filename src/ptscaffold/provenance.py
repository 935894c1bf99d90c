"""`.ptscaffold.toml`: what a project was made from, so that it can follow its template.

It records the versions, every answer and the hash of every file as generated. Nothing in the
project reads it; deleting it cuts the tie.
"""

from __future__ import annotations

import hashlib
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from ptscaffold.errors import PtscaffoldError
from ptscaffold.quoting import toml_value

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ptscaffold.answers import Answers

__all__ = ["RECORD", "Record", "digest", "read_record", "write_record"]

RECORD: Final = ".ptscaffold.toml"

_HEADER = """\
# What this project was made from; `ptscaffold show` reads it.
# Keep it to let the project follow its template, delete it to cut the tie.
"""


@dataclass(frozen=True, kw_only=True)
class Record:
    """The content of a `.ptscaffold.toml`."""

    tool_version: str
    template_version: str
    answers: Mapping[str, Any]
    files: Mapping[str, str]


def digest(data: bytes) -> str:
    """The SHA-256 of a file with line endings normalized: a CRLF checkout is no change."""
    return hashlib.sha256(data.replace(b"\r\n", b"\n")).hexdigest()


def write_record(answers: Answers, files: Mapping[str, str], version: str) -> bytes:
    """The `.ptscaffold.toml` of a project whose files have the digests `files`."""
    lines = [_HEADER, f"tool-version = {toml_value(version)}"]
    lines += [f"template-version = {toml_value(version)}", "", "[answers]"]
    lines += [f"{key} = {toml_value(value)}" for key, value in answers.as_dict().items()]
    lines += ["", "[files]"]
    lines += [f"{toml_value(path)} = {toml_value(files[path])}" for path in sorted(files)]
    return ("\n".join(lines) + "\n").encode()


def read_record(folder: Path) -> Record:
    """Read the record of the project in `folder`; PtscaffoldError when it is damaged."""
    path = folder / RECORD
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        return Record(
            tool_version=str(table["tool-version"]),
            template_version=str(table["template-version"]),
            answers=dict(table["answers"]),
            files=dict(table["files"]),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = f"{error.args[0]} is missing" if isinstance(error, KeyError) else error
        raise PtscaffoldError(
            f"cannot read {path}: {reason}", hint="restore the file from version control"
        ) from error
