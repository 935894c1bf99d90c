"""Presets: a team's answers, packs and fixed values, in one TOML file.

packs = ["git+https://host/team/pack.git"]        # folders are relative to this file
[answers]                                         # defaults; whoever makes a project may differ
features = ["docker", "ci"]
[locked.style]                                    # may not differ
value = "lightning"
reason = "the platform team looks after Lightning only"
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ptscaffold.errors import LayerError, UsageError, unknown
from ptscaffold.layers.fetch import is_address
from ptscaffold.layers.manifest import read_table, refuse_link
from ptscaffold.layers.packs import installed_packs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ptscaffold.layers.packs import Pack

__all__ = ["Locked", "Preset", "find_preset", "read_preset"]

FOLDER: Final = "presets"
_KEYS: Final = ("answers", "locked", "packs")


class Locked(NamedTuple):
    """A value that the answers must have, and why."""

    value: str | list[str]
    reason: str


@dataclass(frozen=True)
class Preset:
    """What a preset file says."""

    path: Path
    packs: tuple[str, ...] = ()
    answers: Mapping[str, Any] = field(default_factory=dict)
    locked: Mapping[str, Locked] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.path.stem


def find_preset(given: str, packs: Sequence[Pack]) -> Preset:
    """Read a preset by its file, or by its name in a pack or in the person's own folder.

    UsageError when there is none of that name, LayerError when the file is wrong.
    """
    with suppress(OSError, RuntimeError, ValueError):  # such as a name too long to ask for
        file = Path(given).expanduser()
        if file.is_file():
            return read_preset(file.resolve() if file.is_symlink() else file)
    known: dict[str, tuple[Path, tuple[str, ...]]] = {}
    for folder, sources in _folders(packs):
        if folder != _own_folder():
            refuse_link(folder)
        for path in sorted(folder.glob("*.toml")):
            known.setdefault(path.stem, (path, sources))
    if given not in known:
        raise UsageError(
            unknown("preset", given, "", known),
            hint=f"give a file, or a name of {FOLDER}/NAME.toml in a pack or in {_own_folder()}",
        )
    path, sources = known[given]
    own = path.is_symlink() and path.parent == _own_folder()
    return read_preset(path.resolve() if own else path, sources)


def read_preset(path: Path, packs: Sequence[str] = ()) -> Preset:
    """Read a preset file, which `packs` belong to as well; LayerError says all that is wrong."""
    table = read_table(path)
    problems = [unknown("key", key, "", _KEYS) for key in table if key not in _KEYS][:20]
    listed = table.get("packs", [])
    if not isinstance(listed, list) or not all(isinstance(source, str) for source in listed):
        problems.append("'packs' must be a list of strings")
        listed = []
    tables = {key: table.get(key, {}) for key in ("answers", "locked")}
    problems += [f"{key!r} must be a table" for key in tables if not isinstance(tables[key], dict)]
    locked = tables["locked"] if isinstance(tables["locked"], dict) else {}
    for key, entry in locked.items():
        if not isinstance(entry, dict) or entry.keys() != {"value", "reason"}:
            problems.append(f"'locked.{key}' must be a table of value and reason")
    if problems:
        raise LayerError(*(f"{path}: {problem}" for problem in problems), hint="fix the preset")
    return Preset(
        path,
        (*packs, *(_beside(path, source) for source in listed)),
        tables["answers"],
        {key: Locked(entry["value"], str(entry["reason"])) for key, entry in locked.items()},
    )


def _beside(path: Path, source: str) -> str:
    with suppress(OSError, RuntimeError, ValueError):
        folder = os.path.normpath(path.parent / Path(source).expanduser())
        if not is_address(source) and Path(folder).is_dir():
            return folder
    return source


def _folders(packs: Sequence[Pack]) -> list[tuple[Path, tuple[str, ...]]]:
    """The folders that presets are looked for in, each with the packs that they belong to."""
    found: list[tuple[Path, tuple[str, ...]]] = [(pack.root / FOLDER, ()) for pack in packs]
    found += [(root / FOLDER, (name,)) for name, root in installed_packs().items()]
    return [*found, (_own_folder(), ())]


def _own_folder() -> Path:
    home = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(home, "ptscaffold", FOLDER)
