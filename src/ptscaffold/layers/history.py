"""Every released template tree, in one compressed file that travels with the tool.

`templates/history.json.xz` holds each file once, however many releases have it, and for each
release which file stood where. So a project finds the templates it was made from without a network.

    python -m ptscaffold.layers.history         add the tree of a checkout: a step of every release
    python -m ptscaffold.layers.history PACK    the same for a pack, by its pack.toml
"""

from __future__ import annotations

import base64
import hashlib
import json
import lzma
import os
import re
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from ptscaffold import __version__
from ptscaffold.errors import PackError, ProvenanceError, PtscaffoldError, raised_as
from ptscaffold.layers import catalogue
from ptscaffold.layers.catalogue import Origin, Pack, open_pack, read_pack
from ptscaffold.layers.content import EXECUTABLE, REGULAR, TEMPORARY, Content, text_of
from ptscaffold.layers.files import digest_of_tree, tree_under, write_tree
from ptscaffold.layers.git import kept
from ptscaffold.layers.manifest import read_plain

ARCHIVE: Final = "history.json.xz"
LARGEST: Final = 200_000_000  # bytes, unpacked


@dataclass(frozen=True)
class History:
    """The templates under `root` as they are, called `version`, and as every release had them."""

    root: Path = field(default_factory=lambda: catalogue.templates_root())
    version: str = __version__
    owner: str = "ptscaffold"

    @cached_property
    def _content(self) -> dict[str, Any]:
        """`files` by digest (text, or base64 in a list), `releases` by path: digest, mode."""
        path = self.root / ARCHIVE
        try:
            if not os.path.lexists(path):
                return {"files": {}, "releases": {}}
            content: dict[str, Any] = json.loads(_unpacked(read_plain(path, LARGEST).data))
            _check(content)
        except (OSError, ValueError, RecursionError, lzma.LZMAError) as error:
            raise PtscaffoldError(
                f"cannot read {path}: {error}", hint="reinstall ptscaffold"
            ) from error
        return content

    def releases(self) -> list[str]:
        return list(self._content["releases"])

    @contextmanager
    def catalogue(self, version: str, packs: Sequence[Pack] = ()) -> Iterator[catalogue.Catalogue]:
        """The layers of a version, with those of packs."""
        with self.folder(version) as root:
            yield catalogue.Catalogue(root, packs)

    @contextmanager
    def folder(self, version: str) -> Iterator[Path]:
        """The templates of a version: `root`, or a release unpacked for the time being."""
        if version == self.version:
            yield self.root
            return
        if version not in self._content["releases"]:
            problem = f"{self.owner} {self.version} does not know template version {version}"
            hint = "a newer ptscaffold made this project, or an unreleased one: install that"
            if self.owner != "ptscaffold":
                hint = (
                    f"if {version} is a release of it, its release step was left out: check that"
                    f" version out and run python -m ptscaffold.layers.history {self.root};"
                    " ptscaffold update --record takes the pack as it is"
                )
            raise ProvenanceError(problem, hint=hint)
        with tempfile.TemporaryDirectory(prefix=TEMPORARY) as folder:
            hint = "free some space; or its history is damaged, install it again"
            with raised_as(PtscaffoldError, f"cannot unpack {self.owner} {version}: ", hint=hint):
                write_tree(Path(folder), self.tree(version))
            yield Path(folder)

    def tree(self, version: str) -> dict[str, Content]:
        """Every file of a release by its path under `templates/`, manifests included."""
        files = self._content["files"]
        listed = self._content["releases"][version]
        return {path: Content(_bytes(files[key]), mode) for path, (key, mode) in listed.items()}

    def add(self) -> bool:
        """Add the tree under `root` to the archive; False when it holds this release already.

        PtscaffoldError when the release is there with another content: releases do not change.
        """
        tree = tree_under(self.root)
        if self.version in self._content["releases"]:
            if digest_of_tree(self.tree(self.version)) == digest_of_tree(tree):
                return False
            raise PtscaffoldError(
                f"template version {self.version} is released and cannot change",
                hint="give the templates a new version",
            )
        files, releases = dict(self._content["files"]), dict(self._content["releases"])
        for source in tree.values():
            files[_key(source.data)] = _text(source.data)
        releases[self.version] = {path: [_key(s.data), s.mode] for path, s in tree.items()}
        text = json.dumps({"files": files, "releases": releases}, ensure_ascii=False)
        scratch = self.root / f"{ARCHIVE}.tmp"
        scratch.unlink(missing_ok=True)  # a link would lead elsewhere
        scratch.write_bytes(lzma.compress(text.encode(), preset=9 | lzma.PRESET_EXTREME))
        scratch.replace(self.root / ARCHIVE)
        self.__dict__.pop("_content")  # what was read is no longer what is there
        return True


def _unpacked(packed: bytes) -> bytes:
    """A whole archive, which may be small and stand for more than a memory holds."""
    unpacker = lzma.LZMADecompressor(memlimit=LARGEST)
    data = unpacker.decompress(packed, max_length=LARGEST)
    if not unpacker.eof:
        raise ValueError(f"it is cut off, or larger than {LARGEST // 10**6} MB")
    return data


def _check(content: Any) -> None:
    """ValueError when an archive is none, or names a place outside of the folder it goes to."""
    try:
        files, releases = content["files"], content["releases"]
        for listed in releases.values():
            for path, (key, mode) in listed.items():
                if not {".", "..", ""}.isdisjoint(path.split("/")) or re.search(r"[\\:\0]", path):
                    raise ValueError(f"{path!r} is no path of a layer")
                if mode not in (EXECUTABLE, REGULAR):
                    raise ValueError(f"{mode!r} is no mode of a file")
                _bytes(files[key])
    except (AttributeError, KeyError, TypeError, IndexError) as error:
        raise ValueError("it holds no releases") from error


def _key(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:32]


def _text(data: bytes) -> str | list[str]:
    text = text_of(data)
    return [base64.b64encode(data).decode()] if text is None else text


def _bytes(content: str | list[str]) -> bytes:
    return content.encode() if isinstance(content, str) else base64.b64decode(content[0])


@contextmanager
def packs_at(
    packs: Sequence[Pack],
    origins: Mapping[str, Origin],
    *,
    lenient: bool = False,
    online: bool = True,
) -> Iterator[list[Pack]]:
    """Packs as they were in the versions that a project records.

    ProvenanceError for a version that is not known any more, or when `lenient` the present one.
    """
    with ExitStack() as stack:
        found = []
        for pack in (pack for pack in packs if pack.name in origins):
            _, version, commit, digest = origins[pack.name]
            if commit and pack.commit not in ("", commit):
                with suppress(PackError):
                    found.append(open_pack(pack.source, commit, online=online))
                    continue
            if digest and pack.digest != digest and (place := kept(digest)).is_dir():
                found.append(replace(pack, root=place, version=version))
                continue
            archive = History(pack.root, pack.version, f"pack {pack.name}")
            if lenient and version not in (pack.version, *archive.releases()):
                version = pack.version
            root = stack.enter_context(archive.folder(version))
            found.append(replace(pack, root=root, version=version))
        yield found


def main(arguments: Sequence[str]) -> None:
    """The step of a release: add a tree to its archive and print its version and digest."""
    pack = read_pack(Path(arguments[0]), arguments[0]) if arguments else None
    archive = History(pack.root, pack.version, f"pack {pack.name}") if pack else History()
    added = archive.add()
    tree = digest_of_tree(tree_under(archive.root))
    print(f"{archive.version} {tree}{'' if added else ' (was there)'}")


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except PtscaffoldError as error:
        raise SystemExit(f"error: {error}\nhint: {error.hint}") from None
