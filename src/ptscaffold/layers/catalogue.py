"""The layers that there are: those of the tool, joined by those of packs, and where packs are from.

A pack has the shape of `templates/` (`base`, `domains`, `styles`, `features`, each optional), and
in `pack.toml` its name and version. It is given as a folder, as the address of a git repository
(`git+https://host/team/pack.git@v1#subdirectory=templates`), or by the name under which a package
that is installed offers it (entry point `ptscaffold.packs`). Nothing in a pack is executed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

from ptscaffold.errors import LayerError, PackError, raised_as, unknown
from ptscaffold.layers.content import clear_old
from ptscaffold.layers.files import digest_of_tree, tree_under, write_tree
from ptscaffold.layers.git import fetch, is_address, kept, public
from ptscaffold.layers.manifest import KINDS, Layer, read_layer, read_table, refuse_link

MOST_LAYERS: Final = 200  # of one kind

MANIFEST: Final = "pack.toml"
GROUP: Final = "ptscaffold.packs"
UNVERSIONED: Final = "0"

_KEYS = ("name", "version")
_LONGEST = 100  # characters of either

_NAME = re.compile(r"[a-z][a-z0-9-]*")


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


@dataclass(frozen=True)
class Pack:
    """A pack that is there: `root` holds its layers, `source` is how it was given."""

    name: str
    version: str
    source: str
    root: Path
    commit: str = ""  # of the repository that it is from
    stale: bool = field(default=False, compare=False)  # which could not be asked for news

    @cached_property
    def digest(self) -> str:
        """That of its layers, where there is no commit to know them by."""
        return "" if self.commit else digest_of_tree(tree_under(self.root))

    @property
    def shown(self) -> str:
        return f"{self.version} ({(self.commit or self.digest)[:12]})"


class Origin(NamedTuple):
    """Where a pack came from, and what of it was used: a version, and a commit or a digest."""

    source: str
    version: str
    commit: str = ""
    digest: str = ""

    @property
    def shown(self) -> str:
        known = self.commit or self.digest
        return f"{self.version} ({known[:12]})" if known else self.version

    def moved(self, pack: Pack) -> bool:
        """Whether a pack is another than this was."""
        if self.commit and pack.commit:
            return self.commit != pack.commit
        if self.digest and pack.digest:
            return self.digest != pack.digest
        return self.version != pack.version


def open_packs(sources: Sequence[str]) -> list[Pack]:
    """The packs of these sources, each once; raises what `open_pack` raises."""
    return [open_pack(source) for source in dict.fromkeys(sources)]


def open_pack(source: str, commit: str = "", *, online: bool = True) -> Pack:
    """The pack of a source; of a git repository as it was in a `commit`, or as it is now.

    PackError when it cannot be found or fetched, LayerError when its pack.toml is wrong.
    """
    if is_address(source):
        fetched = fetch(source, commit, online=online)
        pack = read_pack(fetched.root, public(source), fetched.name)
        return replace(pack, commit=fetched.commit, stale=fetched.stale)
    offered = installed_packs() if is_name(source) else {}
    if (root := offered.get(source) or _folder(source)) is not None:
        return read_pack(root, source)
    if is_name(source):
        raise PackError(unknown("pack", source, "", sorted(offered)))
    raise PackError(f"there is no pack at {source}: no such folder")


def is_name(source: str) -> bool:
    """Whether a source can be the name of an installed pack."""
    return _NAME.fullmatch(source) is not None


def origins_of(packs: Sequence[Pack], layers: Sequence[Layer], project: Path) -> dict[str, Origin]:
    """What the project in a folder records of the packs that its layers are from."""
    used = [p for p in packs if any(layer.folder.is_relative_to(p.root) for layer in layers)]
    return {p.name: Origin(way_to(p, project), p.version, p.commit, p.digest) for p in used}


def keep(packs: Iterable[Pack]) -> None:
    """Keep what folders hold that become others under the same version, as fetched ones are."""
    for pack in packs:
        with suppress(OSError, PackError):
            place = kept(pack.digest)
            if pack.commit or place.is_dir():
                continue
            place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            clear_old(place.parent, "keep-*")
            with TemporaryDirectory(prefix="keep-", dir=place.parent) as scratch:
                write_tree(Path(scratch, "pack"), tree_under(pack.root))
                Path(scratch, "pack").rename(place)


def read_pack(root: Path, source: str, called: str = "") -> Pack:
    """The pack in a folder; LayerError when it holds no layers or its pack.toml is wrong.

    Without a pack.toml it has the name of the folder, which may be `called` otherwise.
    """
    if not any((root / kind).is_dir() for kind in ("base", *KINDS)):
        raise LayerError(
            f"{source} is no pack: it has no base, {', '.join(KINDS)} folder",
            hint="a pack has the shape of ptscaffold's templates/; see CONTRIBUTING.md",
        )
    refuse_link(root / "base")
    table = read_table(root / MANIFEST) if os.path.lexists(root / MANIFEST) else {}
    named = re.sub(r"[^a-z0-9]+", "-", (called or root.resolve().name).lower()).strip("-")
    values = {"name": named, "version": UNVERSIONED, **table}
    problems = [unknown("key", key, "", _KEYS) for key in table if key not in _KEYS]
    if not isinstance(values["name"], str) or not _NAME.fullmatch(values["name"]):
        problems.append(f"the name {values['name']!r} is not of lower-case letters, digits and '-'")
    version = values["version"]
    if not isinstance(version, str) or not version.strip() or not version.isprintable():
        problems.append("'version' must be a string")
    if not problems and max(len(values["name"]), len(version)) > _LONGEST:
        problems.append(f"a name or version has at most {_LONGEST} characters")
    if problems:
        raise LayerError(*(f"{root / MANIFEST}: {problem}" for problem in problems))
    return Pack(values["name"], values["version"], source, root)


def installed_packs() -> dict[str, Path]:
    """The folders of packs that installed packages offer, by name. Imports none of them."""
    from importlib.metadata import entry_points
    from importlib.util import find_spec

    found = {}
    for entry in entry_points(group=GROUP):
        top, *below = entry.value.replace(":", ".").split(".")
        spec = find_spec(top)
        for place in (spec.submodule_search_locations or ()) if spec else ():
            found[entry.name] = Path(place, *below)
    return found


def way_to(pack: Pack, project: Path) -> str:
    """How a pack is found again from a project: a folder by the way that leads there."""
    if not is_address(pack.source) and (folder := _folder(pack.source)) is not None:
        with suppress(ValueError):  # Windows: on another drive
            way = Path(os.path.relpath(folder.resolve(), project.resolve())).as_posix()
            return way if way.startswith(".") else f"./{way}"  # no name of an installed one
    return pack.source


def _folder(source: str) -> Path | None:
    """The folder that a source names, if it does; some text cannot be one, such as `~nobody`."""
    with suppress(OSError, RuntimeError, ValueError):
        folder = Path(source).expanduser()
        if folder.is_dir():
            return folder
    return None
