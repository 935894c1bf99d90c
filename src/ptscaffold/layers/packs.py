"""Packs: folders of layers that are not ptscaffold's own, and where they come from.

A pack has the shape of `templates/` (`base`, `domains`, `styles`, `features`, each optional), and
in `pack.toml` its name and version. It is given as a folder, as the address of a git repository
(`git+https://host/team/pack.git@v1#subdirectory=templates`), or by the name under which a package
that is installed offers it (entry point `ptscaffold.packs`). Nothing in a pack is executed.
"""

from __future__ import annotations

import os
import re
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from ptscaffold.errors import LayerError, PackError, unknown
from ptscaffold.layers.manifest import KINDS, read_table, refuse_link

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ptscaffold.layers.manifest import Layer


__all__ = ["Origin", "Pack", "installed_packs", "is_address", "open_packs", "origins_of"]
__all__ += ["read_pack"]

MANIFEST: Final = "pack.toml"
GROUP: Final = "ptscaffold.packs"
UNVERSIONED: Final = "0"

_KEYS = ("name", "version")
_LONGEST = 100  # characters of either

_NAME = re.compile(r"[a-z][a-z0-9-]*")
_URL = re.compile(r"git\+|[a-z][a-z0-9+.-]+://|[\w.-]+@[\w.-]+:")


@dataclass(frozen=True)
class Pack:
    """A pack that is there: `root` holds its layers, `source` is how it was given."""

    name: str
    version: str
    source: str
    root: Path


class Origin(NamedTuple):
    """Where a pack came from, and the version of it that was used."""

    source: str
    version: str


@contextmanager
def open_packs(sources: Sequence[str]) -> Iterator[list[Pack]]:
    """The packs of these sources, those of git repositories fetched for the time being.

    PackError when one cannot be found or fetched, LayerError when its pack.toml is wrong.
    """
    with ExitStack() as stack:
        yield [_open(source, stack) for source in dict.fromkeys(sources)]


def origins_of(packs: Sequence[Pack], layers: Sequence[Layer], project: Path) -> dict[str, Origin]:
    """What the project in a folder records of the packs that its layers are from."""
    used = [p for p in packs if any(layer.folder.is_relative_to(p.root) for layer in layers)]
    return {pack.name: Origin(_way(pack, project), pack.version) for pack in used}


def read_pack(root: Path, source: str) -> Pack:
    """The pack in a folder; LayerError when it holds no layers or its pack.toml is wrong."""
    if not any((root / kind).is_dir() for kind in ("base", *KINDS)):
        raise LayerError(
            f"{source} is no pack: it has no base, {', '.join(KINDS)} folder",
            hint="a pack has the shape of ptscaffold's templates/; see CONTRIBUTING.md",
        )
    refuse_link(root / "base")
    table = read_table(root / MANIFEST) if os.path.lexists(root / MANIFEST) else {}
    named = re.sub(r"[^a-z0-9]+", "-", root.resolve().name.lower()).strip("-")
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


def is_address(source: str) -> bool:
    """Whether a source is the address of a git repository, and no folder or name."""
    return _URL.match(source) is not None


def _way(pack: Pack, project: Path) -> str:
    """How a pack is found again from a project: a folder by the way that leads there."""
    if not is_address(pack.source) and Path(pack.source).expanduser().is_dir():
        with suppress(ValueError):  # Windows: on another drive
            there = Path(pack.source).expanduser().resolve()
            return Path(os.path.relpath(there, project.resolve())).as_posix()
    return pack.source


def _open(source: str, stack: ExitStack) -> Pack:
    if is_address(source):
        return _fetch(source, stack)
    folder = _folder(source)
    if folder is not None:
        return read_pack(folder, source)
    if _NAME.fullmatch(source):
        offered = installed_packs()
        if source in offered:
            return read_pack(offered[source], source)
        raise PackError(unknown("pack", source, "", sorted(offered)))
    raise PackError(f"there is no pack at {source}: no such folder")


def _folder(source: str) -> Path | None:
    """The folder that a source names, if it does; some text cannot be one, such as `~nobody`."""
    with suppress(OSError, RuntimeError, ValueError):
        folder = Path(source).expanduser()
        if folder.is_dir():
            return folder
    return None


def _fetch(source: str, stack: ExitStack) -> Pack:
    """Fetch one commit of a git repository; nothing of it is run, no submodule is followed."""
    from tempfile import TemporaryDirectory

    if not source.isprintable():
        raise PackError(f"{source!r} is no address of a pack")
    address, _, fragment = source.removeprefix("git+").partition("#")
    below = fragment.removeprefix("subdirectory=")
    url, ref = address, "HEAD"
    head, at, tail = address.rpartition("@")
    if at and "/" in head.partition("://")[2] and ":" not in tail:
        url, ref = head, tail
    leads_out = ".." in Path(below).parts or Path(below).is_absolute()
    if below == fragment != "" or leads_out or url.startswith("-") or ref.startswith("-"):
        raise PackError(f"{source!r} is no address of a pack")
    folder = Path(stack.enter_context(TemporaryDirectory(prefix="ptscaffold-pack-")))
    for arguments in (
        ["init", "--quiet"],
        ["fetch", "--quiet", "--depth", "1", "--", url, ref],
        ["checkout", "--quiet", "--detach", "FETCH_HEAD"],
    ):
        _git(arguments, folder, source)
    root = folder / below
    return replace(read_pack(root, source), root=root)


def _git(arguments: list[str], folder: Path, source: str) -> None:
    from ptscaffold.layers.git import run_git

    # Links could lead out of the pack, and nobody is asked for anything.
    environment = {"GIT_LFS_SKIP_SMUDGE": "1", "GIT_ALLOW_PROTOCOL": "file:git:http:https:ssh"}
    try:
        done = run_git(arguments, folder, ["core.symlinks=false"], **environment)
    except OSError as error:
        raise PackError(f"cannot fetch {source}: git cannot be run: {error.strerror}") from error
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise PackError(f"cannot fetch {source}: {said[-1] if said else 'git failed'}")
