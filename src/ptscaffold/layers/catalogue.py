"""The layers that there are: those of the tool, joined by those of packs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from ptscaffold.errors import LayerError, raised_as
from ptscaffold.layers.manifest import KINDS, Layer, read_layer, refuse_link
from ptscaffold.layers.packs import Pack

MOST_LAYERS: Final = 200  # of one kind


def templates_root() -> Path:
    """The folder of the built-in layers: in the installed package, or beside `src` in a clone."""
    package = Path(__file__).parents[1]
    installed = package / "templates"
    return installed if installed.is_dir() else package.parents[1] / "templates"


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
        return self._names[kind].get(name, self.root / kind / name) if name else self.root / kind

    def _join(self, pack: Pack) -> None:
        for other in self.packs[: self.packs.index(pack)]:
            if other.name == pack.name:
                raise LayerError(
                    f"two packs are called {pack.name}: {other.source} and {pack.source}",
                    hint="give one of them another name in its pack.toml",
                )
        for kind, known in self._names.items():
            spelled = {name.lower(): folder for name, folder in known.items()}
            for name, folder in _names(pack.root, kind).items():
                if other_folder := spelled.get(name.lower()):
                    raise LayerError(
                        f"{kind}/{name} is in two places: {other_folder} and {folder}",
                        hint="rename one; to change files of a layer, use a feature that overrides",
                    )
                known[name] = folder


def _names(root: Path, kind: str) -> dict[str, Path]:
    """The layers of a kind under `root`, each with its folder."""
    folder = root / kind
    refuse_link(folder)
    if not folder.is_dir():
        return {}
    with raised_as(LayerError, f"cannot read {folder}: "):
        found = {
            entry.name: entry
            for entry in folder.iterdir()
            if entry.is_dir() and not entry.name.startswith((".", "_"))
        }
    if len(found) > MOST_LAYERS:
        raise LayerError(f"{folder} holds more than {MOST_LAYERS} layers")
    return found
