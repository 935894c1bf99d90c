"""Layers: the folders that a project is made of, and the manifest in each.

A layer mirrors the tree it adds to a project and holds a `layer.toml`. Where a folder stands says
what it is: `base`, `domains/<name>`, `styles/<name>`, `features/<name>`. The layers of packs join
those of the tool; the `base` of a pack called acme is the layer `base/acme`.
"""

from __future__ import annotations

import keyword
import re
import stat
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from itertools import product
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from ptscaffold.errors import LayerError, unknown
from ptscaffold.layers.content import Content, mode_of

MANIFEST: Final = "layer.toml"

# What one layer of a folder is called.
KINDS: Final = MappingProxyType({"domains": "domain", "styles": "style", "features": "feature"})

LONGEST_TABLE: Final = 64_000  # bytes; ours have 5,000
MOST_DOTS: Final = 100  # in a line: the time that TOML takes grows with the square of a key's parts
MOST_PROBLEMS: Final = 20  # of one sort that are told
LONGEST_NAME: Final = 100  # characters
LONGEST_ANSWER: Final = 4_000  # characters

_NAME = re.compile(r"[a-z][a-z0-9-]*")
_LAYER = re.compile(r"(domains|styles|features)/[a-z][a-z0-9-]*")
_ANSWER = re.compile(r"[a-z][a-z0-9_]*")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")  # a terminal would obey them

# What templates see beside the answers that layers declare.
_TAKEN: Final = frozenset(
    {"name", "description", "domain", "style", "features", "package", "tool_version"}
    | {"dependencies", "dev_dependencies", "layers", "domain_layer", "style_layer"}
    # What Jinja would not take for an answer, or not for that answer.
    | {*keyword.kwlist, "true", "false", "none", "loop", "self", "caller", "varargs", "kwargs"}
    | {"recursive", "taken_names", "name_pattern", "text_pattern", "now"}
)


@dataclass(frozen=True, kw_only=True)
class Layer:
    """One manifest. `path` is `base`, `<kind>/<name>` or `base/<pack>`, `folder` has its files."""

    path: str
    folder: Path
    label: str
    help: str
    summary: str = ""
    order: int = 100
    dependencies: tuple[str, ...] = ()
    dev_dependencies: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()
    conflicts: tuple[str, ...] = ()
    overrides: tuple[str, ...] = ()
    needs: Mapping[str, str] = field(default_factory=dict)  # by kind, what its templates take of it
    only: Mapping[str, str] = field(default_factory=dict)  # files laid over certain layers alone
    renames: Mapping[str, str] = field(default_factory=dict)
    moved: Mapping[str, str] = field(default_factory=dict)  # dropped files: what does their work
    formerly: tuple[str, ...] = ()
    answers: Mapping[str, str] = field(default_factory=dict)
    renamed_answers: Mapping[str, str] = field(default_factory=dict)
    next_steps: tuple[str, ...] = ()
    readme: Mapping[str, str] = field(default_factory=dict)
    pyproject: Mapping[str, str] = field(default_factory=dict)
    test: Mapping[str, str] = field(default_factory=dict)  # for `ptscaffold test` alone
    field: str = "other"  # of a domain; last, for it hides the function above

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]


def read_layer(folder: Path, path: str) -> Layer:
    """Read `folder`/layer.toml strictly: LayerError names the file and every key that is wrong."""
    manifest = folder / MANIFEST
    refuse_link(folder)
    if not manifest.exists():
        raise LayerError(f"layer {path} has no {MANIFEST}", hint=f"write {manifest}")
    table = read_table(manifest)
    problems = _check_manifest(path, table)
    if problems:
        raise LayerError(*(f"{manifest}: {problem}" for problem in problems))
    values = {key.replace("-", "_"): _frozen(value) for key, value in table.items()}
    return Layer(path=path, folder=folder, **values)


def number_of(layers: Sequence[Layer], key: str) -> float | None:
    """A number of [test], as the uppermost layer has it that has one; LayerError for other text."""
    for layer in reversed(layers):
        if key in layer.test:
            try:
                return float(layer.test[key])
            except ValueError:
                what = f"{key} in [test] is no number: {layer.test[key]!r}"
                raise LayerError(f"{layer.folder / MANIFEST}: {what}") from None
    return None


@dataclass(frozen=True)
class Goal:
    """The metric that `evaluate` ends with, and the worst that it may be after the first run."""

    metric: str
    bound: float
    kind: str  # floor, or ceiling where less is better

    def met(self, value: float) -> bool:
        return value >= self.bound if self.kind == "floor" else value <= self.bound


def goal_of(layers: Sequence[Layer]) -> Goal | None:
    """What [test] asks of the first run, as the uppermost layer says that asks."""
    named = [layer.test["metric"] for layer in layers if "metric" in layer.test]
    for layer in reversed(layers):
        for kind in ("floor", "ceiling"):
            bound = number_of([layer], kind)
            if bound is not None:
                return Goal(named[-1] if named else "accuracy", bound, kind)
    return None


def refuse_lacking(layers: Sequence[Layer]) -> None:
    """LayerError for all that one layer `needs` of those of a kind, and that is not there."""
    problems = []
    for asking, layer in product(layers, layers):
        for need in asking.needs.get(layer.path.partition("/")[0], "").split():
            table, _, keys = need.partition(".")
            there = {"readme": layer.readme, "test": layer.test}.get(table, {})
            if there.keys().isdisjoint(names := keys.split("|")):
                problems.append(
                    f"{layer.folder / MANIFEST}: [{table}] has no {' or '.join(map(repr, names))},"
                    f" which the templates of {asking.path} need"
                )
    if problems:
        raise LayerError(*problems, hint=f"write it into that {MANIFEST}; a text may be empty")


def refuse_link(path: Path, label: str = "") -> None:
    if path.is_symlink():
        raise LayerError(f"{label or path} is a symbolic link; a layer holds plain files")


def read_plain(path: Path, longest: int, label: str = "") -> Content:
    """Read a file of a templates folder; LayerError for links, devices and oversize ones."""
    refuse_link(path, label)
    found = path.stat()
    if not stat.S_ISREG(found.st_mode):
        raise LayerError(f"{label or path} is not a plain file")
    if found.st_size > longest:
        size = f"{longest // 10**6} MB" if longest >= 10**6 else f"{longest // 1000} kB"
        raise LayerError(f"{label or path} is larger than {size}")
    return Content(path.read_bytes(), mode_of(found))


def read_table(path: Path) -> dict[str, Any]:
    """Read a TOML file of a templates folder; LayerError for links, oversize and broken ones."""
    try:
        text = read_plain(path, LONGEST_TABLE).data.decode("utf-8").replace("\r\n", "\n")
        for number, line in enumerate(text.split("\n"), 1):
            if line.count(".") > MOST_DOTS:
                raise LayerError(f"{path}:{number}: a line has more than {MOST_DOTS} dots")
        return tomllib.loads(text)
    except RecursionError as error:
        raise LayerError(f"{path}: it is nested too deeply") from error
    except (OSError, ValueError) as error:
        raise LayerError(f"{path}: {error}") from error


_SHAPES: Final[Mapping[str, str]] = {
    spec.name.replace("_", "-"): str(spec.type)
    for spec in fields(Layer)
    if spec.name not in ("path", "folder")
}


def _check_manifest(path: str, table: dict[str, Any]) -> list[str]:
    strange = [key for key in table if key not in _SHAPES]
    problems = [unknown("key", key, "", _SHAPES) for key in strange[:MOST_PROBLEMS]]
    if not all(_NAME.fullmatch(part) for part in path.split("/")):
        problems.append(f"{path!r} is no layer name: lower-case letters, digits and '-' only")
    for key in ("label", "help"):
        if not table.get(key):
            problems.append(f"{key!r} is missing")
    declared = table.get("answers", {})
    problems += [
        f"{key!r} cannot be the name of an answer"
        for key in (declared if isinstance(declared, dict) else ())
        if key in _TAKEN or not _ANSWER.fullmatch(key) or len(key) > LONGEST_NAME
    ][:MOST_PROBLEMS]
    for key, value in table.items():
        wanted = _wanted(_SHAPES.get(key, ""), value)
        if wanted:
            problems.append(f"{key!r} must be {wanted}")
        elif key in _SHAPES and any(_CONTROL.search(text) for text in _texts(value)):
            problems.append(f"{key!r} holds a control character")
    if not problems:
        problems += [
            f"'only' has {layer!r} for {file!r}, which is not the path of a layer"
            for file, layers in table.get("only", {}).items()
            for layer in layers.split() or [layers]
            if not _LAYER.fullmatch(layer)
        ][:MOST_PROBLEMS]
        problems += [
            f"{key!r} has {layer!r}, which is not the path of a layer"
            for key in ("requires", "conflicts")
            for layer in table.get(key, ())
            if not _LAYER.fullmatch(layer) and layer != "base"
        ][:MOST_PROBLEMS]
    if not problems and any(len(text) > LONGEST_ANSWER for text in declared.values()):
        problems.append(f"'answers' has a default of more than {LONGEST_ANSWER:,} characters")
    return problems


def _texts(value: Any) -> Iterable[str]:
    """The texts that a value of a manifest consists of."""
    if isinstance(value, dict):
        return (text for pair in value.items() for text in pair)
    return value if isinstance(value, list) else (str(value),)


def _wanted(shape: str, value: Any) -> str | None:
    """What a value should be for a field annotated with `shape`, or None when it is right."""
    if shape == "str":
        return None if isinstance(value, str) else "a string"
    if shape == "int":
        return None if type(value) is int else "a whole number"
    kind, items = (dict, "table") if shape.startswith("Mapping") else (list, "list")
    inside = value.values() if isinstance(value, dict) else value
    right = not shape or (isinstance(value, kind) and all(isinstance(i, str) for i in inside))
    pairs = value.items() if isinstance(value, dict) else ()
    named = next((f", and {key!r} is none" for key, i in pairs if not isinstance(i, str)), "")
    return None if right else f"a {items} of strings{named}"


def _frozen(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(value)
    return MappingProxyType(value) if isinstance(value, dict) else value
