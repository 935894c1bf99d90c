"""Answers as they were given: by flags, `--set key=value`, an answers file, a preset.

Each goes before what stands after it; the defaults come last, in `answers.py`.

A preset is a TOML file with a team's answers, packs and fixed values:

    packs = ["git+https://host/team/pack.git"]    # folders are relative to this file
    [answers]                                     # defaults; whoever makes a project may differ
    features = ["docker", "ci"]
    [locked.style]                                # may not differ
    value = "lightning"
    reason = "the platform team looks after Lightning only"
"""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, NamedTuple

from ptscaffold.errors import LayerError, UsageError, unknown
from ptscaffold.layers.catalogue import Catalogue, Pack, installed_packs, is_name
from ptscaffold.layers.git import is_address
from ptscaffold.layers.manifest import MOST_PROBLEMS, read_table, refuse_link

PRESETS: Final = "presets"  # the folder of those that have a name
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


@dataclass(frozen=True)
class Given:
    """Answers as given so far, with what is wrong about how they were given."""

    values: Mapping[str, Any]
    problems: tuple[str, ...] = ()
    origins: Mapping[str, str] = field(default_factory=dict)  # of keys that a layer may declare
    name: str | None = None  # of a project that is there, whoever has taken the name since

    def also(self, **values: Any) -> Given:
        return replace(self, values={**self.values, **values})


# Completes answers by asking a person.
Ask = Callable[[Given, Catalogue], Given]


def gather(
    flags: Mapping[str, Any], sets: Sequence[str], file: Path | None, preset: Preset | None = None
) -> Given:
    """Lay flags over `--set` over the answers file over a preset.

    Keys nobody knows become problems, as do answers that are not what the preset fixes.
    """
    problems: list[str] = []
    from_file = _read_file(file, problems) if file else {}
    from_sets = _read_sets(sets, problems)
    given = {key: value for key, value in flags.items() if value not in (None, ())}
    origins = {key: f"in {str(file)!r}" for key in from_file}
    origins |= dict.fromkeys(from_sets, "--set")
    values = {**from_file, **from_sets, **given}
    if preset is not None:
        origins = dict.fromkeys((*preset.answers, *preset.locked), f"in {preset.path}") | origins
        problems += against({key: values[key] for key in values.keys() - {"features"}}, preset)
        values = {**preset.answers, **values, **_fixed(values, preset)}
    return Given(values, tuple(problems), origins)


def against(values: Mapping[str, Any], preset: Preset) -> list[str]:
    """What was asked for in spite of what a preset fixes. Features may be more than those."""
    return [
        f"{key} is fixed to {_words(locked.value)} by the preset {preset.name} ({locked.reason}),"
        f" and cannot be {_words(values[key])}"
        for key, locked in preset.locked.items()
        if key in values
        and values[key] != locked.value
        and not (key == "features" and {*locked.value} <= {*values[key]})
    ]


def _words(value: Any) -> str:
    """A value as a person says it: features by their names."""
    return ", ".join(map(str, value)) or "none" if isinstance(value, list | tuple) else repr(value)


def _fixed(values: Mapping[str, Any], preset: Preset) -> dict[str, Any]:
    fixed: dict[str, Any] = {key: locked.value for key, locked in preset.locked.items()}
    if "features" in fixed:
        lists = (values.get("features", preset.answers.get("features", ())), fixed["features"])
        if all(isinstance(features, list | tuple) for features in lists):
            fixed["features"] = tuple(name for features in lists for name in features)
    return fixed


def _read_file(file: Path, problems: list[str]) -> dict[str, Any]:
    try:
        text = file.read_text(encoding="utf-8-sig")
        is_json = file.suffix.lower() == ".json"
        table = json.loads(text) if is_json else tomllib.loads(text)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        reason = "not UTF-8 text" if isinstance(error, UnicodeDecodeError) else reason
        problems.append(f"cannot read the answers file {str(file)!r}: {reason}")
        return {}
    if not isinstance(table, dict):
        problems.append(f"the answers file {str(file)!r} holds no table of answers")
        return {}
    return table


def _read_sets(sets: Sequence[str], problems: list[str]) -> dict[str, Any]:
    table: dict[str, Any] = {}
    for item in sets:
        key, equals, value = item.partition("=")
        if not equals:
            problems.append(f"--set {item!r} is not of the form key=value")
        elif key in table:
            problems.append(f"--set {key} is given twice")
        elif key == "features":
            table[key] = tuple(filter(None, (part.strip() for part in value.split(","))))
        else:
            table[key] = value
    return table


def find_preset(given: str, packs: Sequence[Pack]) -> Preset:
    """Read a preset by its file, or by its name in a pack or in the person's own folder.

    UsageError when there is none of that name, LayerError when the file is wrong.
    """
    with suppress(OSError, RuntimeError, ValueError):  # such as a name too long to ask for
        file = Path(given).expanduser()
        if file.is_file():
            return read_preset(file.resolve() if file.is_symlink() else file)
    known = presets(packs)
    if given not in known:
        raise UsageError(
            unknown("preset", given, "", known),
            hint=f"give a file, or a name of {PRESETS}/NAME.toml in a pack or in {_own_folder()}",
        )
    path, sources = known[given]
    own = path.is_symlink() and path.parent == _own_folder()
    return read_preset(path.resolve() if own else path, sources)


def presets(packs: Sequence[Pack]) -> dict[str, tuple[Path, tuple[str, ...]]]:
    """The presets that have a name, each with its file and the packs that belong to it."""
    known: dict[str, tuple[Path, tuple[str, ...]]] = {}
    places: list[tuple[Path, tuple[str, ...]]] = [(pack.root / PRESETS, ()) for pack in packs]
    places += [(root / PRESETS, (name,)) for name, root in installed_packs().items()]
    for folder, sources in [*places, (_own_folder(), ())]:
        if folder != _own_folder():
            refuse_link(folder)
        for path in sorted(folder.glob("*.toml")):
            known.setdefault(path.stem, (path, sources))
    return known


def read_preset(path: Path, packs: Sequence[str] = ()) -> Preset:
    """Read a preset file, which `packs` belong to as well; LayerError says all that is wrong."""
    table = read_table(path)
    strange = [key for key in table if key not in _KEYS]
    problems = [unknown("key", key, "", _KEYS) for key in strange[:MOST_PROBLEMS]]
    listed = table.get("packs", [])
    if not isinstance(listed, list) or not all(isinstance(source, str) for source in listed):
        problems.append("'packs' must be a list of strings")
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
    """A pack that a preset names: a folder counts from the preset's own, whether it is there."""
    with suppress(OSError, RuntimeError, ValueError):
        folder = os.path.normpath(path.parent / Path(source).expanduser())
        if not is_address(source) and (not is_name(source) or Path(folder).is_dir()):
            return folder
    return source


def _own_folder() -> Path:
    home = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(home, "ptscaffold", PRESETS)
