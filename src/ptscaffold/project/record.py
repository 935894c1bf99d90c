"""`.ptscaffold.toml`: what a project was made from, so that it can follow its template.

It records the versions, every answer and the hash of every file as generated. Nothing in the
project reads it; deleting it cuts the tie.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from ptscaffold import __version__
from ptscaffold.errors import PtscaffoldError, UsageError
from ptscaffold.layers.content import Content, digest, read_plain
from ptscaffold.layers.names import leads_astray
from ptscaffold.layers.packs import Origin
from ptscaffold.render.quoting import toml_value

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from ptscaffold.render.answers import Answers
    from ptscaffold.render.renderer import Tree


__all__ = ["RECORD", "Record", "check_is_project", "read_record", "write_record"]

RECORD: Final = ".ptscaffold.toml"
LARGEST: Final = 4_000_000  # bytes; one of 10,000 files has fewer

_HEADER = """\
# What this project was made from; `ptscaffold show` reads it.
# Keep it to let the project follow its template, delete it to cut the tie.
"""


@dataclass(frozen=True, kw_only=True)
class Record:
    """The content of a `.ptscaffold.toml`.

    `locked` are patterns of files that the team does not want to be edited; see `ptscaffold check`.
    `content` is the file as it was read.
    """

    tool_version: str
    template_version: str
    answers: Mapping[str, Any]
    files: Mapping[str, str]
    locked: tuple[str, ...] = ()
    packs: Mapping[str, Origin] = field(default_factory=dict)
    content: Content | None = field(default=None, compare=False, repr=False)


def write_record(
    answers: Answers,
    tree: Tree,
    template_version: str,
    locked: Sequence[str] = (),
    packs: Mapping[str, Origin] = MappingProxyType({}),
) -> bytes:
    """The `.ptscaffold.toml` of a project that was generated as `tree`."""
    lines = [_HEADER, f"tool-version = {toml_value(__version__)}"]
    lines += [f"template-version = {toml_value(template_version)}"]
    if locked:
        lines += [f"locked = {toml_value(list(locked))}"]
    lines += ["", "[answers]"]
    lines += [f"{key} = {toml_value(value)}" for key, value in answers.as_dict().items()]
    for name, (source, version) in sorted(packs.items()):
        lines += ["", f"[packs.{name}]"]
        lines += [f"source = {toml_value(source)}", f"version = {toml_value(version)}"]
    lines += ["", "[files]"]
    for path in sorted(tree):
        lines.append(f"{toml_value(path)} = {toml_value(digest(tree[path].data))}")
    return ("\n".join(lines) + "\n").encode()


def read_record(folder: Path) -> Record:
    """Read the record of the project in `folder`; PtscaffoldError when it is damaged."""
    path = folder / RECORD
    try:
        content = read_plain(path, LARGEST)
        table = tomllib.loads(content.data.decode().replace("\r\n", "\n"))
        tool, template = str(table["tool-version"]), str(table["template-version"])
        answers, files = dict(table["answers"]), dict(table["files"])
        if astray := [path for path in files if leads_astray(path)]:
            raise ValueError(f"{astray[0]!r} is no file of a project")
        return Record(
            tool_version=tool,
            template_version=template,
            answers={**answers, "features": _texts(answers["features"], "features")},
            files=dict(zip(files, _texts(list(files.values()), "files"), strict=True)),
            locked=tuple(_texts(table.get("locked", []), "locked")),
            packs={
                name: Origin(*_texts([pack["source"], pack["version"]], "packs"))
                for name, pack in dict(table.get("packs", {})).items()
            },
            content=content,
        )
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        reason = f"{error.args[0]} is missing" if isinstance(error, KeyError) else error
        reason = (isinstance(error, OSError) and error.strerror) or reason
        raise PtscaffoldError(
            f"cannot read {path}: {reason}", hint="restore the file from version control"
        ) from error


def _texts(value: Any, what: str) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ValueError(f"{what} must hold texts")
    return value


def check_is_project(project: Path) -> None:
    """UsageError when a folder has no record."""
    if not (project / RECORD).is_file():
        above = [p for p in project.resolve().parents if (p / RECORD).is_file()]
        raise UsageError(
            f"{project.resolve()} is no ptscaffold project: it has no {RECORD}",
            hint=f"the project is {above[0]}" if above else "name the folder of the project",
        )
