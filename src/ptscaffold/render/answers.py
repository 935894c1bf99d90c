"""Answers: what was given, completed with defaults and checked all at once.

Recorded ones are brought to what the templates of another version ask for: a layer that was renamed
says so in `formerly`, an answer in `renamed-answers`; what is new has its default in `answers`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Final

from ptscaffold.errors import UsageError, unknown
from ptscaffold.layers.catalogue import Catalogue
from ptscaffold.layers.manifest import KINDS, LONGEST_ANSWER, Layer, refuse_lacking
from ptscaffold.layers.names import check_name, normalize, package_name
from ptscaffold.render.given import Given

# Each answer, and how to give it on the command line.
FLAGS: Final[Mapping[str, str]] = {
    "domain": "--domain",
    "style": "--style",
    "features": "--feature",
    "name": "NAME",
    "description": "--set description=TEXT",
}

_KIND_OF: Final = {"domain": "domains", "style": "styles", "features": "features"}


@dataclass(frozen=True, kw_only=True)
class Answers:
    """Everything that decides what a project looks like."""

    name: str
    description: str
    domain: str
    style: str
    features: tuple[str, ...] = ()
    more: Mapping[str, str] = field(default_factory=dict)  # answers that layers declare

    @property
    def package(self) -> str:
        return package_name(self.name)

    def as_dict(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "description": self.description,
            "domain": self.domain,
            "style": self.style,
            "features": list(self.features),
            **self.more,
        }


def problems_of(given: Given, catalogue: Catalogue) -> list[str]:
    """Everything that is wrong with the answers that are there; a missing one is no problem yet."""
    values = given.values
    problems = list(given.problems)
    declared = declared_answers(values, catalogue)
    for key, value in values.items():
        if key == "features":
            continue
        if key not in FLAGS and key not in declared:
            where = given.origins.get(key, "")
            problems.append(unknown("answer", key, where, [*FLAGS, *declared]))
        elif not isinstance(value, str):
            problems.append(f"{key} must be text, not {value!r}")
        elif key in _KIND_OF:
            problems += _unknown_choice(key, value, catalogue)
        elif key == "name":
            imports = None if value == given.name else imports_of(chosen(values, catalogue))
            problems += filter(None, [check_name(value, imports)])
        else:
            problems += _unprintable(key, value)
    features = values.get("features", ())
    if isinstance(features, list | tuple) and all(isinstance(f, str) for f in features):
        problems += [p for name in features for p in _unknown_choice("features", name, catalogue)]
    else:
        problems.append(f"features must be a list of names, not {features!r}")
    return problems or _clashes(values, catalogue)


def complete(given: Given, catalogue: Catalogue) -> Answers:
    """Fill in the defaults; UsageError lists everything that is bad or missing, at once."""
    problems = problems_of(given, catalogue)
    for key in ("domain", "style"):
        if key not in given.values:
            choices = [layer.name for layer in catalogue.choices(_KIND_OF[key])]
            problems.append(f"{FLAGS[key]} is missing ({', '.join(choices)})")
    if problems:
        raise UsageError(
            *problems,
            hint="see ptscaffold list, then ptscaffold new NAME --domain DOMAIN --style STYLE",
        )
    values = dict(given.values)
    values.setdefault("name", f"{values['domain']}-{values['style']}")
    values["features"] = tuple(sorted(set(values.get("features", ()))))
    defaults = defaults_of(chosen(values, catalogue))
    values.setdefault("description", defaults.pop("description"))
    more = {key: values.pop(key, default) for key, default in defaults.items()}
    return Answers(**values, more=more)


def defaults_of(layers: Sequence[Layer]) -> dict[str, str]:
    """What the answers are that nobody gives: those that layers declare, and the description.

    It is `Image classification (Lightning)`, when a domain and a style are among the layers.
    """
    found = {key: value for layer in layers for key, value in layer.answers.items()}
    kinds = {layer.path.partition("/")[0]: layer for layer in layers}
    if {"domains", "styles"} <= kinds.keys():
        what = kinds["domains"].help
        found["description"] = f"{what[:1].upper()}{what[1:]} ({kinds['styles'].label})"
    return found


def select_layers(answers: Answers, catalogue: Catalogue) -> tuple[Layer, ...]:
    """The layers of a project in the order they are laid; LayerError when one lacks something."""
    layers = tuple(chosen(answers.as_dict(), catalogue))
    refuse_lacking(layers)
    return layers


def declared_answers(values: Mapping[str, Any], catalogue: Catalogue) -> dict[str, str]:
    """The answers that the chosen layers declare, with their defaults."""
    return {k: v for layer in chosen(values, catalogue) for k, v in layer.answers.items()}


def _unknown_choice(key: str, value: str, catalogue: Catalogue) -> list[str]:
    kind = _KIND_OF[key]
    if value in catalogue.names(kind):
        return []
    choices = (layer.name for layer in catalogue.choices(kind))
    return [unknown(KINDS[kind], value, FLAGS[key], choices)]


def _clashes(values: Mapping[str, Any], catalogue: Catalogue) -> list[str]:
    """What the chosen layers say about each other: one requires an absent one, or excludes one."""
    chosen = [f"{_KIND_OF[key]}/{values[key]}" for key in ("domain", "style") if key in values]
    chosen += [f"features/{feature}" for feature in sorted(set(values.get("features", ())))]
    problems = []
    for layer in map(catalogue.layer, chosen):
        for other in layer.requires:
            kind, _, name = other.partition("/")
            if other != "base" and name not in (known := catalogue.names(kind)):
                why = unknown(KINDS[kind], name, "", sorted(known))
                problems.append(f"{layer.path} requires {other}: {why}")
                continue
            decided = kind == "features" or any(path.startswith(f"{kind}/") for path in chosen)
            if other not in chosen and decided and other != "base":
                problems.append(f"{layer.path} requires {other}: add --{KINDS[kind]} {name}")
    return problems + conflicts_of([catalogue.layer(path) for path in chosen])


def conflicts_of(layers: Iterable[Layer]) -> list[str]:
    """What layers exclude each other, a sentence for each that names another one."""
    there = {layer.path: layer for layer in layers}
    return [
        f"{layer.path} does not go with {other}: leave out one of them"
        for layer in there.values()
        for other in layer.conflicts
        if other in there
    ]


def _unprintable(key: str, value: str) -> list[str]:
    if len(value) > LONGEST_ANSWER:
        return [f"{key} has more than {LONGEST_ANSWER:,} characters"]
    if any("\ud800" <= character <= "\udfff" for character in value):
        return [f"{key} is not valid UTF-8 text"]
    control = any((c < " " and c not in "\n\t") or c == "\x7f" for c in value)
    return [f"{key} holds a control character"] if control else []


def imports_of(layers: Iterable[Layer]) -> frozenset[str]:
    """The import names of what layers bring."""
    brought = (r for layer in layers for r in (*layer.dependencies, *layer.dev_dependencies))
    return frozenset(map(normalize, brought))


def chosen(values: Mapping[str, Any], catalogue: Catalogue) -> list[Layer]:
    """The layers that answers name, as far as they are chosen and exist, as they are laid.

    Base, domain, style, the bases of packs, features in their order.
    """
    found: dict[str, list[Layer]] = {}
    for key, kind in _KIND_OF.items():
        names = values.get(key, ())
        names = names if isinstance(names, list | tuple) else [names]
        known = (n for n in names if isinstance(n, str) and n in catalogue.names(kind))
        found[kind] = [catalogue.layer(f"{kind}/{name}") for name in known]
    base, *more = catalogue.bases()
    return [base, *found["domains"], *found["styles"], *more, *found["features"]]


def migrate(
    recorded: Mapping[str, Any],
    catalogue: Catalogue,
    told: Given,
    defaults: Mapping[str, str] = MappingProxyType({}),
) -> tuple[Given, tuple[str, ...]]:
    """The answers for `catalogue`, and a sentence for each that came to mean something else.

    `told` are answers that are new. One that still is what the `defaults` were, and so was never
    chosen, follows the new default.
    """
    values, notes = dict(recorded), []
    unchosen = {key for key, default in defaults.items() if values.get(key) == default}
    for key in ("domain", "style"):
        if (new := _renamed(_KIND_OF[key], str(values.get(key)), catalogue)) is not None:
            notes.append(f"{key} {values[key]} is now called {new}")
            values[key] = new
    # What a person chooses anew and does not go together is an error, which names both
    asked = {"domain", "style"} - told.values.keys()
    kept = {f"{_KIND_OF[key]}/{values.get(key)}" for key in asked}
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
    values["features"] = tuple(features)
    renamed: dict[str, str] = {}
    for layer in chosen({**values, **told.values}, catalogue):
        renamed |= {key: new for key, new in layer.renamed_answers.items() if key not in FLAGS}
    # Who has the new one already may have another answer of the old name: that is none to rename.
    while moved := [k for k in renamed if k in values and renamed[k] not in values]:
        new = renamed.pop(moved[0])
        notes.append(f"answer {moved[0]} is now called {new}")
        values[new] = values.pop(moved[0])
        unchosen |= {new} if moved[0] in unchosen else set()
    values |= told.values
    known = {*FLAGS, *declared_answers(values, catalogue)}
    for key in sorted(values.keys() - known - told.values.keys()):
        notes.append(f"answer {key} is no longer asked for")
        del values[key]
    fresh = defaults_of(chosen(values, catalogue))
    for key in sorted((unchosen & values.keys() & fresh.keys()) - told.values.keys()):
        if values[key] != fresh[key] and not (
            key == "description" and told.values.keys() & {"domain", "style"}
        ):
            notes.append(f"{key} was never chosen and follows the new default, {fresh[key]!r}")
        values[key] = fresh[key]
    return replace(told, values=values), tuple(notes)


def defaulted(given: Given, answers: Answers, update: str) -> tuple[str, ...]:
    """A sentence for each answer of layers that was not given, with the command that gives it."""
    return tuple(
        f"{key} is asked for now and has its default, {value!r} ({update} --set {key}=TEXT)"
        for key, value in answers.more.items()
        if key not in given.values
    )


def _renamed(kind: str, name: str, catalogue: Catalogue) -> str | None:
    """What a layer that is not there any more is called today; None when nothing says so."""
    if name in catalogue.names(kind):
        return None
    return next((layer.name for layer in catalogue.choices(kind) if name in layer.formerly), None)
