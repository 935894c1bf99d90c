"""The files of layers as they stand, and where each of them ends up in a project."""

from __future__ import annotations

import os
import stat
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ptscaffold.errors import LayerError
from ptscaffold.layers import MANIFEST
from ptscaffold.names import WINDOWS_DEVICES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ptscaffold.layers import Layer

__all__ = ["SUFFIX", "Laid", "Source", "lay", "read_folder", "read_sources"]

SUFFIX: Final = ".jinja"
PACKAGE: Final = "__package__"
EXECUTABLE: Final = 0o755
REGULAR: Final = 0o644


@dataclass(frozen=True)
class Source:
    """A file of a layer: its path in there, its bytes, its mode (0o644 or 0o755)."""

    path: str
    data: bytes
    mode: int


# Which layer's file ends up at which path of a project.
Laid = dict[str, tuple["Layer", Source]]


def read_sources(layer: Layer) -> tuple[Source, ...]:
    """Every file of a layer but its manifest, sorted; LayerError for links and other oddities."""
    return tuple(s for s in read_folder(layer.folder, layer.path) if s.path != MANIFEST)


def read_folder(folder: Path, label: str) -> tuple[Source, ...]:
    """Every file of a folder, sorted; LayerError, in which it is called `label`, as above."""
    try:
        return tuple(_walk(label, folder, ""))
    except OSError as error:
        raise LayerError(f"cannot read layer {label}: {error}") from error


def lay(layers: Sequence[tuple[Layer, tuple[Source, ...]]], package: str) -> Laid:
    """Lay layers over each other; LayerError when two claim one path and none says so."""
    laid: Laid = {}
    spelled: dict[str, str] = {}
    for layer, sources in layers:
        overrides = {target(path, package) for path in layer.overrides}
        stale = overrides - laid.keys() or overrides - {target(s.path, package) for s in sources}
        if stale:
            raise LayerError(f"{layer.path} overrides {min(stale)}, which is not in both layers")
        for source in sources:
            path = target(source.path, package)
            _check_target(layer, path)
            other = spelled.setdefault(path.lower(), path)
            if path in overrides:
                overrides.remove(path)
            elif path in laid or other != path:
                raise _two_owners(path, laid[other][0], layer)
            laid[path] = (layer, source)
    _check_folders(laid, spelled)
    return laid


def target(path: str, package: str) -> str:
    """Where a layer's file ends up: `src/__package__/x.py.jinja` gives `src/<package>/x.py`."""
    parts = [package if part == PACKAGE else part for part in path.split("/")]
    return "/".join(parts).removesuffix(SUFFIX)


def _walk(label: str, folder: Path, prefix: str) -> Iterator[Source]:
    """The files of a folder in order of their names; caches are skipped, links refused."""
    with os.scandir(folder) as found:
        entries = sorted(found, key=lambda entry: entry.name)
    for entry in entries:
        path = prefix + entry.name
        if entry.name in ("__pycache__", ".DS_Store"):
            continue
        if entry.is_symlink():
            raise LayerError(f"{label}/{path} is a symbolic link; a layer holds plain files")
        if entry.is_dir():
            yield from _walk(label, Path(entry.path), f"{path}/")
        elif not entry.is_file():
            raise LayerError(f"{label}/{path} is not a plain file")
        elif not entry.name.endswith((".pyc", ".pyo")):
            executable = entry.stat().st_mode & stat.S_IXUSR and sys.platform != "win32"
            data = Path(entry.path).read_bytes()
            yield Source(path, data, EXECUTABLE if executable else REGULAR)


def _two_owners(path: str, first: Layer, second: Layer) -> LayerError:
    if first == second:
        return LayerError(f"{first.path} holds {path} twice, or in two spellings of one name")
    return LayerError(
        f"{path} is in two layers, {first.path} and {second.path}",
        hint=f"remove one, or declare it in {second.path}/{MANIFEST}: overrides = [{path!r}]",
    )


def _check_target(layer: Layer, path: str) -> None:
    """Refuse what the tool writes itself, and names that some system cannot hold."""
    if path == ".ptscaffold.toml" or not path.rpartition("/")[2]:
        raise LayerError(f"{layer.path} must not hold {path or 'a file named only ' + SUFFIX}")
    for part in path.split("/"):
        illegal = any(character in '<>:"|?*\\' or ord(character) < 32 for character in part)
        if illegal or part[-1] in ". " or part.split(".")[0].lower() in WINDOWS_DEVICES:
            raise LayerError(f"{layer.path}/{path}: Windows cannot hold a file named {part!r}")


def _check_folders(laid: Laid, files: Mapping[str, str]) -> None:
    """Refuse a path that is a file in one layer and a folder in another, or spelled in two ways."""
    folders: dict[str, str] = {}
    for path, (layer, _) in laid.items():
        folder = path.rpartition("/")[0]
        while folder:
            if folder.lower() in files:
                owner = laid[files[folder.lower()]][0]
                raise LayerError(f"{owner.path} has a file {folder}, {layer.path} has {path}")
            if folders.setdefault(folder.lower(), folder) != folder:
                raise LayerError(f"{folders[folder.lower()]} is spelled {folder} in {layer.path}")
            folder = folder.rpartition("/")[0]
