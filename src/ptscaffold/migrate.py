"""Recorded answers, brought to what the templates of another version ask for.

A layer that was renamed says so in `formerly`, an answer in `renamed-answers`; what is new has its
default in `answers`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ptscaffold.answers import FLAGS, declared_answers

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ptscaffold.given import Given
    from ptscaffold.layers import Catalogue

__all__ = ["migrate"]

_KINDS = {"domain": "domains", "style": "styles"}


def migrate(
    recorded: Mapping[str, Any], catalogue: Catalogue, told: Given
) -> tuple[Given, tuple[str, ...]]:
    """The answers for `catalogue`, and a sentence for each that came to mean something else.

    `told` are answers that are new, among which None stands for the default.
    """
    values, notes = dict(recorded), []
    for key, kind in _KINDS.items():
        if (new := _renamed(kind, str(values.get(key)), catalogue)) is not None:
            notes.append(f"{key} {values[key]} is now called {new}")
            values[key] = new
    # What a person chooses anew and does not go together is an error, which names both
    kept = {f"{kind}/{values.get(key)}" for key, kind in _KINDS.items() if key not in told.values}
    features = []
    for feature in values.get("features", ()):
        new = _renamed("features", feature, catalogue)
        if new is not None:
            notes.append(f"feature {feature} is now called {new}")
        elif feature not in catalogue.names("features"):
            notes.append(f"feature {feature} is no longer in the template")
            continue
        name = new or feature
        at_odds = sorted(kept.intersection(catalogue.layer(f"features/{name}").conflicts))
        if at_odds and "features" not in told.values:
            notes.append(f"feature {name} no longer goes with {at_odds[0]}: it is left out")
            continue
        features.append(name)
    values = {**values, "features": tuple(features), **told.values}
    for key, new in _renamed_answers(values, catalogue).items():
        if key in values and key not in FLAGS:
            notes.append(f"answer {key} is now called {new}")
            values[new] = values.pop(key)
    known = {*FLAGS, *declared_answers(values, catalogue)}
    for key in sorted(values.keys() - known - told.values.keys()):
        notes.append(f"answer {key} is no longer asked for")
        del values[key]
    return replace(told, values=values), tuple(notes)


def _renamed(kind: str, name: str, catalogue: Catalogue) -> str | None:
    """What a layer that is not there any more is called today; None when nothing says so."""
    if name in catalogue.names(kind):
        return None
    return next((layer.name for layer in catalogue.choices(kind) if name in layer.formerly), None)


def _renamed_answers(values: Mapping[str, Any], catalogue: Catalogue) -> dict[str, str]:
    paths = [base.path for base in catalogue.bases()]
    paths += [f"{kind}/{values[key]}" for key, kind in _KINDS.items() if key in values]
    paths += [f"features/{feature}" for feature in values["features"]]
    there = set(catalogue.paths())
    renamed: dict[str, str] = {}
    for path in paths:
        if path in there:
            renamed |= catalogue.layer(path).renamed_answers
    return renamed
