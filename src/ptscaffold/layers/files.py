"""The files of layers as they stand, and where each of them ends up in a project."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from pathlib import Path
from typing import Any, Final

from ptscaffold.errors import LayerError
from ptscaffold.layers.content import EXECUTABLE, Content
from ptscaffold.layers.manifest import KINDS, MANIFEST, Layer, read_plain, refuse_link
from ptscaffold.layers.names import folded, refused

SUFFIX: Final = ".jinja"
PACKAGE: Final = "__package__"

# What a folder of layers may hold; ours have 40 files of 12,000 bytes.
LARGEST_FILE: Final = 20_000_000
LARGEST: Final = 100_000_000
MOST_FILES: Final = 10_000
DEEPEST: Final = 40

_OURS: Final = (".ptscaffold.toml", ".ptscaffold-update")  # and what begins so

# Which layer's file ends up at which path of a project, and its path in there.
Laid = dict[str, tuple["Layer", str, Content]]


def read_folder(folder: Path, label: str) -> dict[str, Content]:
    """Every file of a folder, called `label`; LayerError for links and other oddities."""
    refuse_link(folder)
    found: dict[str, Content] = {}
    size = 0
    try:
        for path, place in _walk(label, folder, ""):
            found[path] = read_plain(place, LARGEST_FILE, f"{label}/{path}")
            size += len(found[path].data)
            if len(found) > MOST_FILES:
                raise LayerError(f"{label} holds more than {MOST_FILES:,} files")
            if size > LARGEST:
                raise LayerError(f"the files of {label} are larger than {LARGEST // 10**6} MB")
    except OSError as error:
        raise LayerError(f"cannot read layer {label}: {error}") from error
    return found


def lay(layers: Sequence[tuple[Layer, Mapping[str, Content]]], package: str) -> Laid:
    """Lay layers over each other; LayerError when two claim one path and none says so."""
    laid: Laid = {}
    spelled: dict[str, str] = {}
    chosen = {layer.path for layer, _ in layers}
    for layer, every in layers:
        absent = _absent(layer, every, chosen, package)
        sources = [s for s in every if target(s, package) not in absent]
        overrides = {target(path, package) for path in layer.overrides} - absent
        stale = overrides - laid.keys() or overrides - {target(s, package) for s in sources}
        if stale:
            raise LayerError(f"{layer.path} overrides {min(stale)}, which is not in both layers")
        for source in sources:
            path = target(source, package)
            _check_target(layer, path)
            other = spelled.setdefault(folded(path), path)
            if path in overrides:
                overrides.remove(path)
            elif path in laid or other != path:
                raise _two_owners(path, laid[other][0], layer, source.removesuffix(SUFFIX))
            laid[path] = (layer, source, every[source])
    _check_folders(laid, spelled)
    return laid


def _absent(layer: Layer, sources: Iterable[str], chosen: Set[str], package: str) -> frozenset[str]:
    """The files of a layer that go over certain other layers alone, of which none is chosen."""
    only = {target(path, package): other for path, other in layer.only.items()}
    stale = only.keys() - {target(s, package) for s in sources}
    if stale:
        raise LayerError(f"{layer.path} has {min(stale)} in `only`, but no such file")
    return frozenset(path for path, others in only.items() if chosen.isdisjoint(others.split()))


def target(path: str, package: str) -> str:
    """Where a layer's file ends up: `src/__package__/x.py.jinja` gives `src/<package>/x.py`."""
    parts = [package if part == PACKAGE else part for part in path.split("/")]
    return "/".join(parts).removesuffix(SUFFIX)


def _walk(label: str, folder: Path, prefix: str) -> Iterator[tuple[str, Path]]:
    """The files of a folder in order of their names, caches left out; links to folders too."""
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
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(label, Path(entry.path), f"{path}/")
        elif not entry.name.endswith((".pyc", ".pyo")):
            yield path, Path(entry.path)


def _two_owners(path: str, first: Layer, second: Layer, source: str) -> LayerError:
    if first == second:
        return LayerError(f"{first.path} holds {path} twice, or in two spellings of one name")
    return LayerError(
        f"{path} is in two layers, {first.path} and {second.path}",
        hint=f"remove one, or declare it in {second.path}/{MANIFEST}: overrides = [{source!r}]",
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
    for path, (layer, *_) in laid.items():
        folder = path.rpartition("/")[0]
        while folder:
            spelled = folded(folder)
            if spelled in files:
                owner = laid[files[spelled]][0]
                raise LayerError(f"{owner.path} has a file {folder}, {layer.path} has {path}")
            if folders.setdefault(spelled, folder) != folder:
                raise LayerError(f"{folders[spelled]} is spelled {folder} in {layer.path}")
            folder = folder.rpartition("/")[0]


def tree_under(root: Path) -> dict[str, Content]:
    """The files of all layers as they stand under `root`."""
    return {
        f"{kind}/{path}": content
        for kind in ("base", *KINDS)
        if (root / kind).is_symlink() or (root / kind).is_dir()
        for path, content in read_folder(root / kind, kind).items()
    }


def digest_of_tree(tree: Mapping[str, Content]) -> str:
    """The SHA-256 over the paths, modes and contents of a tree."""
    lines = [
        f"{path} {file.mode:o} {hashlib.sha256(file.data).hexdigest()[:32]}\n"
        for path, file in sorted(tree.items())
    ]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def write_tree(folder: Path, tree: Mapping[str, Any]) -> None:
    """Write files, rendered or not, into a folder that is the caller's own."""
    for parent in {(folder / path).parent for path in tree}:
        parent.mkdir(parents=True, exist_ok=True)
    for path, file in tree.items():
        place = folder / path
        place.write_bytes(file.data)
        if file.mode == EXECUTABLE:
            place.chmod(file.mode)
