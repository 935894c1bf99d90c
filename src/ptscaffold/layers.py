"""Layers: the folders that a project is made of, and the manifest in each.

A layer mirrors the tree it adds to a project and holds a `layer.toml`. Where a folder stands says
what it is: `base`, `domains/<name>`, `styles/<name>`, `features/<name>`. The layers of packs join
those of the tool; the `base` of a pack called acme is the layer `base/acme`.
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
    from collections.abc import Mapping, Sequence

    from ptscaffold.packs import Pack

__all__ = ["KINDS", "MANIFEST", "Catalogue", "Layer", "read_layer", "read_table"]
__all__ += ["templates_root"]

MANIFEST: Final = "layer.toml"

# What one layer of a folder is called.
KINDS: Final = MappingProxyType({"domains": "domain", "styles": "style", "features": "feature"})

LONGEST_TABLE: Final = 1_000_000  # bytes; ours have 5,000

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
    """The layers of a templates folder and of packs, read when they are asked for and kept.

    LayerError when a pack has a layer that another pack, or the tool, has too.
    """

    def __init__(self, root: Path | None = None, packs: Sequence[Pack] = ()) -> None:
        self.root = templates_root() if root is None else root
        self.packs = tuple(packs)
        if not (self.root / "base").is_dir():
            raise LayerError(f"no layers in {self.root}", hint="reinstall ptscaffold")
        self._layers: dict[str, Layer] = {}
        self._names = {kind: _names(self.root, kind) for kind in KINDS}
        for pack in self.packs:
            self._join(pack)

    def names(self, kind: str) -> frozenset[str]:
        """The names of one kind (`domains`, `styles`, `features`), without reading a manifest."""
        return frozenset(self._names[kind])

    def choices(self, kind: str) -> list[Layer]:
        """All layers of one kind, in the order their manifests ask for, then by name."""
        layers = [self.layer(f"{kind}/{name}") for name in self.names(kind)]
        return sorted(layers, key=lambda layer: (layer.order, layer.name))

    def bases(self) -> list[Layer]:
        """What every project has: `base`, and the `base` of each pack that holds one."""
        found = [f"base/{pack.name}" for pack in self.packs if (pack.root / "base").is_dir()]
        return [self.layer(path) for path in ("base", *found)]

    def paths(self) -> list[str]:
        """The path of every layer: those of `bases` first, then kind by kind."""
        layers = [*self.bases(), *(layer for kind in KINDS for layer in self.choices(kind))]
        return [layer.path for layer in layers]

    def layer(self, path: str) -> Layer:
        """One layer by its path; LayerError when there is none or its manifest is wrong."""
        if path not in self._layers:
            self._layers[path] = read_layer(self._folder(path), path)
        return self._layers[path]

    def _folder(self, path: str) -> Path:
        kind, _, name = path.partition("/")
        if kind == "base" and name:
            return next(pack.root / "base" for pack in self.packs if pack.name == name)
        return self._names[kind].get(name, self.root / kind) / name if name else self.root / kind

    def _join(self, pack: Pack) -> None:
        for other in self.packs[: self.packs.index(pack)]:
            if other.name == pack.name:
                raise LayerError(
                    f"two packs are called {pack.name}: {other.source} and {pack.source}",
                    hint="give one of them another name in its pack.toml",
                )
        for kind, known in self._names.items():
            spelled = {name.lower(): name for name in known}
            for name, folder in _names(pack.root, kind).items():
                if name.lower() in spelled:
                    other_folder = known[spelled[name.lower()]] / spelled[name.lower()]
                    raise LayerError(
                        f"{kind}/{name} is in two places: {other_folder} and {folder / name}",
                        hint="rename one; to change files of a layer, use a feature that overrides",
                    )
                known[name] = folder


def _names(root: Path, kind: str) -> dict[str, Path]:
    """The layers of a kind under `root`, each with the folder that it stands in."""
    folder = root / kind
    refuse_link(folder)
    if not folder.is_dir():
        return {}
    return {
        entry.name: folder
        for entry in folder.iterdir()
        if entry.is_dir() and not entry.name.startswith((".", "_"))
    }


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


def refuse_link(path: Path) -> None:
    if path.is_symlink():
        raise LayerError(f"{path} is a symbolic link; a layer holds plain files")


def read_table(path: Path) -> dict[str, Any]:
    """Read a TOML file of a templates folder; LayerError for links, oversize and broken ones."""
    refuse_link(path)
    try:
        if path.stat().st_size > LONGEST_TABLE:
            raise LayerError(f"{path} is larger than {LONGEST_TABLE // 1000} kB")
        return tomllib.loads(path.read_text(encoding="utf-8"))
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
