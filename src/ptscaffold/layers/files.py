"""The files of layers as they stand, and where each of them ends up in a project."""

from __future__ import annotations

import hashlib
import os
import stat
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ptscaffold.errors import LayerError
from ptscaffold.layers.content import EXECUTABLE, REGULAR
from ptscaffold.layers.manifest import KINDS, MANIFEST, refuse_link
from ptscaffold.layers.names import folded, refused

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence, Set

    from ptscaffold.layers.manifest import Layer


__all__ = ["SUFFIX", "Laid", "Source", "digest_of_tree", "lay", "read_folder", "read_sources"]
__all__ += ["target", "tree_under", "write_source"]

SUFFIX: Final = ".jinja"
PACKAGE: Final = "__package__"

# What a folder of layers may hold; ours have 40 files of 12,000 bytes.
LARGEST_FILE: Final = 20_000_000
LARGEST: Final = 100_000_000
MOST_FILES: Final = 10_000
DEEPEST: Final = 40

_OURS: Final = (".ptscaffold.toml", ".ptscaffold-update")  # and what begins so


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
    refuse_link(folder)
    found, size = [], 0
    try:
        for source in _walk(label, folder, ""):
            found.append(source)
            size += len(source.data)
            if len(found) > MOST_FILES:
                raise LayerError(f"{label} holds more than {MOST_FILES:,} files")
            if size > LARGEST:
                raise LayerError(f"the files of {label} are larger than {LARGEST // 10**6} MB")
    except OSError as error:
        raise LayerError(f"cannot read layer {label}: {error}") from error
    return tuple(found)


def lay(layers: Sequence[tuple[Layer, tuple[Source, ...]]], package: str) -> Laid:
    """Lay layers over each other; LayerError when two claim one path and none says so."""
    laid: Laid = {}
    spelled: dict[str, str] = {}
    chosen = {layer.path for layer, _ in layers}
    for layer, every in layers:
        absent = _absent(layer, every, chosen, package)
        sources = [s for s in every if target(s.path, package) not in absent]
        overrides = {target(path, package) for path in layer.overrides} - absent
        stale = overrides - laid.keys() or overrides - {target(s.path, package) for s in sources}
        if stale:
            raise LayerError(f"{layer.path} overrides {min(stale)}, which is not in both layers")
        for source in sources:
            path = target(source.path, package)
            _check_target(layer, path)
            other = spelled.setdefault(folded(path), path)
            if path in overrides:
                overrides.remove(path)
            elif path in laid or other != path:
                raise _two_owners(path, laid[other][0], layer)
            laid[path] = (layer, source)
    _check_folders(laid, spelled)
    return laid


def _absent(
    layer: Layer, sources: Sequence[Source], chosen: Set[str], package: str
) -> frozenset[str]:
    """The files of a layer that go over certain other layers alone, of which none is chosen."""
    only = {target(path, package): other for path, other in layer.only.items()}
    stale = only.keys() - {target(s.path, package) for s in sources}
    if stale:
        raise LayerError(f"{layer.path} has {min(stale)} in `only`, but no such file")
    return frozenset(path for path, others in only.items() if chosen.isdisjoint(others.split()))


def target(path: str, package: str) -> str:
    """Where a layer's file ends up: `src/__package__/x.py.jinja` gives `src/<package>/x.py`."""
    parts = [package if part == PACKAGE else part for part in path.split("/")]
    return "/".join(parts).removesuffix(SUFFIX)


def _walk(label: str, folder: Path, prefix: str) -> Iterator[Source]:
    """The files of a folder in order of their names; caches are skipped, links refused."""
    if prefix.count("/") > DEEPEST:
        raise LayerError(f"{label}/{prefix[:200]} is nested too deeply")
    with os.scandir(folder) as found:
        entries = sorted(found, key=lambda entry: entry.name)
    for entry in entries:
        path = prefix + entry.name
        if entry.name in ("__pycache__", ".DS_Store"):
            continue
        if not entry.name.isprintable():
            raise LayerError(f"{label}: the name {path!r} holds what cannot be shown")
        if entry.is_symlink():
            raise LayerError(f"{label}/{path} is a symbolic link; a layer holds plain files")
        if entry.is_dir():
            yield from _walk(label, Path(entry.path), f"{path}/")
        elif not entry.is_file():
            raise LayerError(f"{label}/{path} is not a plain file")
        elif not entry.name.endswith((".pyc", ".pyo")):
            yield _read(f"{label}/{path}", path, entry)


def _read(label: str, path: str, entry: os.DirEntry[str]) -> Source:
    found = entry.stat()
    if found.st_size > LARGEST_FILE:
        raise LayerError(f"{label} is larger than {LARGEST_FILE // 10**6} MB")
    executable = found.st_mode & stat.S_IXUSR and sys.platform != "win32"
    return Source(path, Path(entry.path).read_bytes(), EXECUTABLE if executable else REGULAR)


def _two_owners(path: str, first: Layer, second: Layer) -> LayerError:
    if first == second:
        return LayerError(f"{first.path} holds {path} twice, or in two spellings of one name")
    return LayerError(
        f"{path} is in two layers, {first.path} and {second.path}",
        hint=f"remove one, or declare it in {second.path}/{MANIFEST}: overrides = [{path!r}]",
    )


def _check_target(layer: Layer, path: str) -> None:
    """Refuse what the tool writes itself, and names that some system cannot hold."""
    parts = path.split("/")
    if folded(parts[0]).startswith(_OURS) or not parts[-1]:
        raise LayerError(f"{layer.path} must not hold {path or 'a file named only ' + SUFFIX}")
    for part in parts:
        reason = refused(part)
        if reason:
            raise LayerError(f"{layer.path}/{path}: {reason} {part!r}")


def _check_folders(laid: Laid, files: Mapping[str, str]) -> None:
    """Refuse a path that is a file in one layer and a folder in another, or spelled in two ways."""
    folders: dict[str, str] = {}
    for path, (layer, _) in laid.items():
        folder = path.rpartition("/")[0]
        while folder:
            spelled = folded(folder)
            if spelled in files:
                owner = laid[files[spelled]][0]
                raise LayerError(f"{owner.path} has a file {folder}, {layer.path} has {path}")
            if folders.setdefault(spelled, folder) != folder:
                raise LayerError(f"{folders[spelled]} is spelled {folder} in {layer.path}")
            folder = folder.rpartition("/")[0]


def tree_under(root: Path) -> dict[str, Source]:
    """The files of all layers as they stand under `root`."""
    return {
        f"{kind}/{source.path}": source
        for kind in ("base", *KINDS)
        if (root / kind).is_symlink() or (root / kind).is_dir()
        for source in read_folder(root / kind, kind)
    }


def digest_of_tree(tree: dict[str, Source]) -> str:
    """The SHA-256 over the paths, modes and contents of a tree."""
    lines = [
        f"{path} {s.mode:o} {hashlib.sha256(s.data).hexdigest()[:32]}\n"
        for path, s in sorted(tree.items())
    ]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def write_source(place: Path, source: Source) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(source.data)
    if source.mode == EXECUTABLE:
        place.chmod(source.mode)
