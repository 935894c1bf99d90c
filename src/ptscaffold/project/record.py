"""`.ptscaffold.toml`: what a project was made from, so that it can follow its template.

It records the versions, every answer and the hash of every file as generated. Nothing in the
project reads it; deleting it cuts the tie.
"""

from __future__ import annotations

import codecs
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from ptscaffold import __version__
from ptscaffold.errors import PtscaffoldError, UsageError, in_project
from ptscaffold.layers.catalogue import Origin
from ptscaffold.layers.content import Content, Tree, digest, read_plain, with_endings_of
from ptscaffold.layers.git import is_commit
from ptscaffold.layers.names import leads_astray
from ptscaffold.render.answers import Answers
from ptscaffold.render.given import Locked, Preset
from ptscaffold.render.renderer import toml_value

RECORD: Final = ".ptscaffold.toml"
LARGEST: Final = 4_000_000  # bytes; one of 10,000 files has fewer

_CONFLICT: Final = re.compile(
    r"^<<<<<<< [^\n]*\n(.*?)(?:^\|{7} [^\n]*\n(.*?))?^=======\n(.*?)^>>>>>>> [^\n]*\n",
    re.MULTILINE | re.DOTALL,
)

_HEADER = """\
# What this project was made from; `ptscaffold show` reads it.
# Keep it to let the project follow its template, delete it to cut the tie.
"""


@dataclass(frozen=True, kw_only=True)
class Record:
    """The content of a `.ptscaffold.toml`.

    `locked` are patterns of files that the team does not want to be edited; see `ptscaffold check`.
    `preset` has the answers that one fixed when the project was made, as long as they stand there.
    `content` is the file as it was read.
    """

    tool_version: str
    template_version: str
    answers: Mapping[str, Any]
    files: Mapping[str, str]
    locked: tuple[str, ...] = ()
    packs: Mapping[str, Origin] = field(default_factory=dict)
    preset: Preset | None = None
    content: Content | None = field(default=None, compare=False, repr=False)


def write_record(
    answers: Answers,
    tree: Tree,
    template_version: str,
    packs: Mapping[str, Origin] = MappingProxyType({}),
    there: Record | None = None,
    preset: Preset | None = None,
) -> bytes:
    """The `.ptscaffold.toml` of a project that was generated as `tree`.

    What people wrote to the one that is `there` stays: comments, order, keys of their own.
    """
    record = Record(
        tool_version=__version__,
        template_version=template_version,
        answers=answers.as_dict(),
        files={path: digest(tree[path].data) for path in sorted(tree)},
        locked=there.locked if there else (),
        packs=packs,
        preset=there.preset if there else preset,
    )
    if there is None or there.content is None:
        return _plain(record)
    data = there.content.data
    if there == record:
        return data
    return _plain(record) if data == _plain(there) else rewritten(data, _plain(record))


def _plain(record: Record) -> bytes:
    """A record as ptscaffold alone writes it."""
    lines = [_HEADER, f"tool-version = {toml_value(record.tool_version)}"]
    lines += [f"template-version = {toml_value(record.template_version)}"]
    if record.locked:
        lines += [f"locked = {toml_value(list(record.locked))}"]
    lines += ["", "[answers]"]
    lines += [f"{key} = {toml_value(value)}" for key, value in record.answers.items()]
    for name, origin in sorted(record.packs.items()):
        said = origin._asdict().items()
        lines += ["", f"[packs.{name}]"]
        lines += [f"{key} = {toml_value(value)}" for key, value in said if value]
    if record.preset and record.preset.locked:
        lines += ["", "[preset]", f"name = {toml_value(record.preset.name)}"]
        for key, (value, reason) in record.preset.locked.items():
            lines += ["", f"[preset.locked.{key}]", f"value = {toml_value(value)}"]
            lines += [f"reason = {toml_value(reason)}"]
    lines += ["", "[files]"]
    lines += [f"{toml_value(path)} = {toml_value(key)}" for path, key in record.files.items()]
    return ("\n".join(lines) + "\n").encode()


def rewritten(there: bytes, fresh: bytes) -> bytes:
    """The record that is there with the values of a fresh one, but for `locked`."""
    import tomlkit

    try:
        document, values = tomlkit.parse(_text(there)), tomllib.loads(fresh.decode())
    except ValueError as error:
        hint = "restore the file from version control, then run it again"
        raise PtscaffoldError(f"cannot read {RECORD}: {error}", hint=hint) from error
    values.setdefault("packs", {})
    for name, origin in document.get("packs", {}).items():  # with keys that are a person's own
        if name in values["packs"]:
            own = {key: value for key, value in origin.items() if key not in Origin._fields}
            values["packs"][name] |= own
    for key in ("tool-version", "template-version"):
        document[key] = values[key]
    for name in ("answers", "packs", "files"):
        _adjust(document.setdefault(name, tomlkit.table(name == "packs")), values[name])
    if not document["packs"]:
        del document["packs"]
    text = tomlkit.dumps(document).rstrip("\n") + "\n"  # which a table that is gone leaves
    data = with_endings_of(there, text.encode())
    return codecs.BOM_UTF8 + data if there.startswith(codecs.BOM_UTF8) else data


def _adjust(table: Any, values: Mapping[str, Any]) -> None:
    """Give a table other values, and leave those alone that are the same."""
    for key in [key for key in table if key not in values]:
        del table[key]
    for key, value in values.items():
        if isinstance(value, dict) and key in table:
            _adjust(table[key], value)
        elif table.get(key) != value:
            table[key] = value


def _text(data: bytes) -> str:
    return data.decode("utf-8-sig").replace("\r\n", "\n")


def settled(data: bytes, base: bytes = b"") -> bytes:
    """A record that git could not merge, with the features and packs of both sides.

    What the `base`, or what git says of it, has and one side has not was removed. ValueError when
    something else differs, between which a person has to choose.
    """
    import tomlkit

    text = _text(data)
    ours, before, theirs = (tomllib.loads(_CONFLICT.sub(rf"\{n}", text)) for n in (1, 2, 3))
    if base:
        before = tomllib.loads(_text(base))
    sides = [{**s["answers"], "template-version": s["template-version"]} for s in (ours, theirs)]
    found = [set(side.pop("features")) for side in sides]
    removed = set(before["answers"].get("features", ())) - (found[0] & found[1])
    features = sorted((found[0] | found[1]) - removed)
    for key in sides[0].keys() | sides[1].keys():
        if sides[0].get(key) != sides[1].get(key):
            raise ValueError(f"the branches that were merged differ in {key}: choose one by hand")
    document = tomlkit.parse(_CONFLICT.sub(r"\1", text))
    document["answers"]["features"] = features
    for name, origin in theirs.get("packs", {}).items():
        document.setdefault("packs", tomlkit.table(is_super_table=True)).setdefault(name, origin)
    return tomlkit.dumps(document).encode()


def read_record(folder: Path, *, settle: bool = False) -> Record:
    """Read the record of the project in `folder`; PtscaffoldError when it is damaged.

    To `settle` it is to take the features of both sides where a merge of git has left it open.
    """
    path = folder / RECORD
    hint = "restore the file from version control"
    try:
        content = read_plain(path, LARGEST)
        data = content.data
        if _CONFLICT.search(_text(data)):
            hint = f"{in_project(folder, 'update', '--record')} takes the features of both sides"
            if not settle:
                raise ValueError("git has left conflict markers in it")
            hint = "choose between the sides by hand, then run it again"
            from ptscaffold.project.git import merge_base  # not for `new`

            data = settled(data, merge_base(folder, RECORD))
            content = Content(data, content.mode)
        table = tomllib.loads(_text(data))
        tool, template = str(table["tool-version"]), str(table["template-version"])
        answers, files = dict(table["answers"]), dict(table["files"])
        if astray := [path for path in files if leads_astray(path)]:
            raise ValueError(f"{astray[0]!r} is no file of a project")
        packs = {}
        for name, pack in dict(table.get("packs", {})).items():
            known = [pack["source"], pack["version"]]
            known += [pack.get(key, "") for key in ("commit", "digest")]
            packs[name] = Origin(*_texts(known, "packs"))
        for _, _, commit, key in packs.values():
            if not all(is_commit(text) for text in (commit, key) if text):
                raise ValueError(f"{commit or key!r} is no commit or digest")
        preset = _preset(table["preset"]) if "preset" in table else None
        return Record(
            tool_version=tool,
            template_version=template,
            answers={**answers, "features": _texts(answers["features"], "features")},
            files=dict(zip(files, _texts(list(files.values()), "files"), strict=True)),
            locked=tuple(_texts(table.get("locked", []), "locked")),
            packs=packs,
            preset=preset,
            content=content,
        )
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        reason = f"{error.args[0]} is missing" if isinstance(error, KeyError) else error
        reason = (isinstance(error, OSError) and error.strerror) or reason
        raise PtscaffoldError(f"cannot read {path}: {reason}", hint=hint) from error


def _preset(table: Mapping[str, Any]) -> Preset:
    locked = {}
    for key, fixed in dict(table.get("locked", {})).items():
        value = fixed["value"]
        _texts([key, fixed["reason"], *([value] if isinstance(value, str) else value)], "preset")
        if not key.isidentifier() or not key.isascii():
            raise ValueError(f"preset.locked.{key} is no answer")
        locked[key] = Locked(value, fixed["reason"])
    return Preset(Path(f"{table['name']}.toml"), locked=locked)


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
