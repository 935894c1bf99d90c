"""Answers as they were given: by flags, `--set key=value`, an answers file, a preset.

Each goes before what stands after it; the defaults come last, in `answers.py`.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ptscaffold.layers.packs import Preset


@dataclass(frozen=True)
class Given:
    """Answers as given so far, with what is wrong about how they were given."""

    values: Mapping[str, Any]
    problems: tuple[str, ...] = ()
    origins: Mapping[str, str] = field(default_factory=dict)  # of keys that a layer may declare
    name: str | None = None  # of a project that is there, whoever has taken the name since

    def also(self, **values: Any) -> Given:
        return replace(self, values={**self.values, **values})


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
