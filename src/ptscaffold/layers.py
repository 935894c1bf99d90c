"""Layers: the folders that a project is made of, and the manifest in each.

A layer mirrors the tree it adds to a project and holds a `layer.toml`. Where a folder stands says
what it is: `base`, `domains/<name>`, `styles/<name>`, `features/<name>`.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field, fields
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from ptscaffold.errors import LayerError, unknown

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["KINDS", "MANIFEST", "Catalogue", "Layer", "read_layer", "templates_root"]

MANIFEST: Final = "layer.toml"

# What one layer of a folder is called.
KINDS: Final = MappingProxyType({"domains": "domain", "styles": "style", "features": "feature"})

_NAME = re.compile(r"[a-z][a-z0-9-]*")
_ANSWER = re.compile(r"[a-z][a-z0-9_]*")

# What templates see beside the answers that layers declare.
_TAKEN: Final = frozenset(
    {"name", "description", "domain", "style", "features", "package", "tool_version"}
    | {"dependencies", "dev_dependencies", "layers", "domain_layer", "style_layer"}
)


def templates_root() -> Path:
    """The folder of the built-in layers: in the installed package, or beside `src` in a clone."""
    package = Path(__file__).parent
    installed = package / "templates"
    return installed if installed.is_dir() else package.parents[1] / "templates"


@dataclass(frozen=True, kw_only=True)
class Layer:
    """One manifest. `path` is `base` or `<kind>/<name>`, `folder` is where its files are."""

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
    renames: Mapping[str, str] = field(default_factory=dict)
    formerly: tuple[str, ...] = ()
    answers: Mapping[str, str] = field(default_factory=dict)
    renamed_answers: Mapping[str, str] = field(default_factory=dict)
    next_steps: tuple[str, ...] = ()
    readme: Mapping[str, str] = field(default_factory=dict)
    pyproject: Mapping[str, str] = field(default_factory=dict)
    test: Mapping[str, str] = field(default_factory=dict)  # for `ptscaffold test` alone

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]


class Catalogue:
    """The layers under one templates folder, read when they are asked for and kept."""

    def __init__(self, root: Path | None = None) -> None:
        self.root = templates_root() if root is None else root
        if not (self.root / "base").is_dir():
            raise LayerError(f"no layers in {self.root}", hint="reinstall ptscaffold")
        self._layers: dict[str, Layer] = {}

    def names(self, kind: str) -> frozenset[str]:
        """The names of one kind (`domains`, `styles`, `features`), without reading a manifest."""
        folder = self.root / kind
        if not folder.is_dir():
            return frozenset()
        return frozenset(
            entry.name
            for entry in folder.iterdir()
            if entry.is_dir() and not entry.name.startswith((".", "_"))
        )

    def choices(self, kind: str) -> list[Layer]:
        """All layers of one kind, in the order their manifests ask for, then by name."""
        layers = [self.layer(f"{kind}/{name}") for name in self.names(kind)]
        return sorted(layers, key=lambda layer: (layer.order, layer.name))

    def paths(self) -> list[str]:
        """The path of every layer: `base` first, then kind by kind."""
        return ["base", *(layer.path for kind in KINDS for layer in self.choices(kind))]

    def layer(self, path: str) -> Layer:
        """One layer by its path; LayerError when there is none or its manifest is wrong."""
        if path not in self._layers:
            self._layers[path] = read_layer(self.root.joinpath(*path.split("/")), path)
        return self._layers[path]


def read_layer(folder: Path, path: str) -> Layer:
    """Read `folder`/layer.toml strictly: LayerError names the file and every key that is wrong."""
    manifest = folder / MANIFEST
    try:
        table = tomllib.loads(manifest.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise LayerError(f"layer {path} has no {MANIFEST}", hint=f"write {manifest}") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise LayerError(f"{manifest}: {error}") from error
    problems = _check_manifest(path, table)
    if problems:
        raise LayerError(*(f"{manifest}: {problem}" for problem in problems))
    values = {key.replace("-", "_"): _frozen(value) for key, value in table.items()}
    return Layer(path=path, folder=folder, **values)


_SHAPES: Final[Mapping[str, str]] = {
    spec.name.replace("_", "-"): str(spec.type)
    for spec in fields(Layer)
    if spec.name not in ("path", "folder")
}


def _check_manifest(path: str, table: dict[str, Any]) -> list[str]:
    problems = [unknown("key", key, "", _SHAPES) for key in table if key not in _SHAPES]
    if not all(_NAME.fullmatch(part) for part in path.split("/")):
        problems.append(f"{path!r} is no layer name: lower-case letters, digits and '-' only")
    for key in ("label", "help"):
        if not table.get(key):
            problems.append(f"{key!r} is missing")
    declared = table.get("answers", {})
    problems += [
        f"{key!r} cannot be the name of an answer"
        for key in (declared if isinstance(declared, dict) else ())
        if key in _TAKEN or not _ANSWER.fullmatch(key)
    ]
    for key, value in table.items():
        wanted = _wanted(_SHAPES.get(key, ""), value)
        if wanted:
            problems.append(f"{key!r} must be {wanted}")
    return problems


def _wanted(shape: str, value: Any) -> str | None:
    """What a value should be for a field annotated with `shape`, or None when it is right."""
    if shape == "str":
        return None if isinstance(value, str) else "a string"
    if shape == "int":
        return None if type(value) is int else "a whole number"
    if shape.startswith("tuple"):
        right = isinstance(value, list) and all(isinstance(item, str) for item in value)
        return None if right else "a list of strings"
    if shape.startswith("Mapping"):
        right = isinstance(value, dict) and all(isinstance(item, str) for item in value.values())
        return None if right else "a table of strings"
    return None


def _frozen(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(value)
    return MappingProxyType(value) if isinstance(value, dict) else value
