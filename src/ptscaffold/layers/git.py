"""Running git, and packs in git repositories.

A repository that came as an archive may name programs in its configuration: hooks, monitors of
files; none of them is run. People's own settings count as ever. Packs are kept by commit: what was
fetched once is there without a network. What git is told of a user and a password is for that one
time: it is neither kept nor shown.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

from ptscaffold.errors import PackError, raised_as
from ptscaffold.layers.content import clear_old, own_folder

# Set while git runs a hook: it would work on that repository.
_OF_A_REPOSITORY: Final = frozenset(
    {"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR"}
    | {"GIT_NAMESPACE", "GIT_PREFIX", "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_SHALLOW_FILE"}
    | {"GIT_GRAFT_FILE", "GIT_CONFIG", "GIT_EXTERNAL_DIFF", "GIT_INTERNAL_SUPER_PREFIX"}
)

_HARMLESS: Final = ("core.hooksPath=/dev/null", "core.fsmonitor=", "core.quotePath=false")
_ADDRESS: Final = re.compile(r"git\+|[a-z][a-z0-9+.-]+://|[\w.-]+@[\w.-]+:")
_COMMIT: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_SHORT: Final = re.compile(r"[0-9a-f]{4,63}")
_VERSION: Final = re.compile(r"refs/tags/v?(\d+(?:\.\d+)*)(.*)")
_USER: Final = re.compile(r"^((?:git\+)?https?://)[^/\s]*@", re.IGNORECASE)
_PASSWORD: Final = re.compile(r"^((?:git\+)?[a-z+]+://[^/:@\s]+):[^/\s]*@", re.IGNORECASE)


def run_git(
    arguments: Sequence[str],
    folder: Path,
    settings: Sequence[str] = (),
    given: bytes = b"",
    **environment: str,
) -> subprocess.CompletedProcess[bytes]:
    """Run git in a folder, on the repository of that folder; OSError when there is no git."""
    options = [word for setting in (*_HARMLESS, *settings) for word in ("-c", setting)]
    inherited = {key: value for key, value in os.environ.items() if key not in _OF_A_REPOSITORY}
    ours = {"LC_ALL": "C", "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0"}
    return subprocess.run(
        ["git", *options, *arguments],
        cwd=folder,
        env=inherited | ours | environment,
        input=given,
        capture_output=True,
        check=False,
    )


class Fetched(NamedTuple):
    """A folder of layers, the commit that it is of, and what the folder is called there.

    It is `stale` when its repository could not be asked: it is as it was the last time then.
    """

    root: Path
    commit: str
    name: str
    stale: bool = False


class _Address(NamedTuple):
    url: str
    ref: str
    below: str

    def at(self, place: Path, commit: str) -> Fetched:
        called = (self.below or self.url).rstrip("/").rpartition("/")[2].removesuffix(".git")
        return Fetched(place / commit / self.below, commit, called)


def is_commit(text: str) -> bool:
    """Whether it is the whole number of a commit, which is no path and no option either."""
    return _COMMIT.fullmatch(text) is not None


def is_address(source: str) -> bool:
    """Whether a source is the address of a git repository, and no folder or name."""
    return _ADDRESS.match(source) is not None


def public(source: str) -> str:
    """A source without what only its owner may know: tokens and passwords."""
    return _PASSWORD.sub(r"\1@", _USER.sub(r"\1", source))


def repository_of(source: str) -> str:
    """The repository that an address is of, whatever commit and folder of it."""
    return public(_addresses(source)[0].url)


# Takes what is being fetched, and says so as long as it lasts, if anybody watches.
watch: Callable[[str], AbstractContextManager[object]] = nullcontext


def fetch(source: str, commit: str = "", *, online: bool = True) -> Fetched:
    """A pack as its repository has it now, or as it was in a `commit`.

    Without a network, or when not to be `online`, as it was the last time. PackError when it cannot
    be had.
    """
    first, *others = _addresses(source)
    try:
        return _of(first, commit, source, online=online)
    except PackError:
        for address in others:
            with suppress(PackError):
                return _of(address, commit, source, online=online)
        raise


def _addresses(source: str) -> list[_Address]:
    """What an address may mean: an @ stands before a commit, tag or branch, or in the path."""
    address, _, below = source.removeprefix("git+").partition("#subdirectory=")
    head, at, tail = address.rpartition("@")
    found = [_Address(address, "HEAD", below)]
    if at and "/" in head.partition("://")[2] and ":" not in tail:
        found = [_Address(head, tail, below), *(found if "/" in tail else [])]
    wrong = not source.isprintable() or re.search(r"#\w+=", address)
    option = any(a.url.startswith("-") or a.ref.startswith("-") for a in found)
    if wrong or option or ".." in Path(below).parts or Path(below).is_absolute():
        raise PackError(f"{public(source)!r} is no address of a pack")
    return found


def _of(address: _Address, commit: str, source: str, *, online: bool) -> Fetched:
    place = _cache() / hashlib.sha256(public(address.url).encode()).hexdigest()[:32]
    known = place / f"ref-{hashlib.sha256(address.ref.encode()).hexdigest()[:32]}"
    wanted = commit or (address.ref if _COMMIT.fullmatch(address.ref) else "")
    if wanted and (place / wanted).is_dir():
        return address.at(place, wanted)
    if not online and wanted:
        raise PackError(f"the commit {wanted[:12]} of {public(source)} was not fetched yet")
    error = PackError(f"{public(source)} was not fetched yet")
    if online:
        try:
            with watch(f"fetching {public(address.url)}"):
                found = _bring(address, wanted, source, place)
            if not wanted:
                known.write_text(found, encoding="ascii")
            return address.at(place, found)
        except PackError as reason:
            error = reason
    with suppress(OSError):
        last = known.read_text(encoding="ascii")
        if not wanted and _COMMIT.fullmatch(last) and (place / last).is_dir():
            if online:
                import logging

                what = "note: %s; it is used as it was the last time, commit %s"
                logging.getLogger("ptscaffold").warning(what, error, last[:12])
            return address.at(place, last)._replace(stale=online)
    raise error


def _bring(address: _Address, wanted: str, source: str, place: Path) -> str:
    """Fetch one commit to its place in the cache, and give its number."""
    try:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        clear_old(place, "fetch-*")
        with TemporaryDirectory(prefix="fetch-", dir=place) as scratch:
            folder = Path(scratch, "pack")
            folder.mkdir()
            commit = _fetched(address, wanted, folder, source)
            if not (place / commit).is_dir():
                _git(["checkout", "--quiet", "--detach", commit], folder, source)
                (folder / ".git").rename(Path(scratch, "git"))  # read-only on Windows: not rmtree
                with suppress(FileExistsError):  # another run was faster
                    folder.rename(place / commit)
    except OSError as error:
        reason = f"{error.strerror}: {error.filename}"
        raise PackError(f"cannot fetch {public(source)}: {reason}") from error
    return commit


def _fetched(address: _Address, wanted: str, folder: Path, source: str) -> str:
    """Fetch what an address names; by a name that servers do not know, look it up here."""
    _git(["init", "--quiet"], folder, source)
    url, ref, found = address.url, wanted or address.ref, "FETCH_HEAD"
    try:
        _git(["fetch", "--quiet", "--depth", "1", "--", url, ref], folder, source)
    except PackError:
        if ref == "latest":
            tags = _git(["ls-remote", "--tags", "--refs", "--", url], folder, source).split()[1::2]
            newest = _newest(tags, source)
            _git(["fetch", "--quiet", "--depth", "1", "--", url, newest], folder, source)
        elif _SHORT.fullmatch(ref):
            # Not among its own branches, of which one is checked out
            every = ["+refs/heads/*:refs/theirs/heads/*", "+refs/tags/*:refs/theirs/tags/*"]
            _git(["fetch", "--quiet", "--no-tags", "--", url, *every], folder, source)
            found = ref
        else:
            raise
    try:
        return _git(["rev-parse", "--verify", f"{found}^{{commit}}"], folder, source).strip()
    except PackError as error:
        reason = f"{public(url)} has no commit {ref}, no branch and no tag of that name"
        raise PackError(reason) from error


def _newest(tags: Sequence[str], source: str) -> str:
    """The tag of the highest version; one that is not final only where no other is."""
    found = [match for tag in tags if (match := _VERSION.fullmatch(tag))]
    if not found:
        hint = "name a branch, a tag or a commit behind the @"
        raise PackError(f"{public(source)}: no tag there is named for a version", hint=hint)
    return max(found, key=lambda m: (not m[2], *map(int, m[1].split("."))))[0]


def _git(arguments: Sequence[str], folder: Path, source: str) -> str:
    # Links could lead out of the pack, and nobody is asked for anything.
    environment = {"GIT_LFS_SKIP_SMUDGE": "1", "GIT_ALLOW_PROTOCOL": "file:git:http:https:ssh"}
    with raised_as(PackError, f"cannot fetch {public(source)}: git cannot be run: "):
        done = run_git(arguments, folder, ["core.symlinks=false"], b"", **environment)
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines() or ["git failed"]
        reasons = [line for line in said if line.startswith(("fatal:", "error:", "ERROR:"))]
        words = (_without(word) for word in (reasons or said[-1:])[0].split(" "))
        raise PackError(f"cannot fetch {public(source)}: {' '.join(words)}")
    return done.stdout.decode(errors="replace")


def _without(word: str) -> str:
    quote = word[:1] if word[:1] in "'\"" else ""
    return quote + public(word[len(quote) :])


def kept(digest: str) -> Path:
    """Where a pack with this digest is, if it was kept."""
    return _cache() / f"digest-{digest}"


def _cache() -> Path:
    try:
        return own_folder("XDG_CACHE_HOME", "AppData/Local", "Library/Caches", ".cache") / "packs"
    except RuntimeError as error:
        raise PackError("there is no home to keep packs in", hint="set XDG_CACHE_HOME") from error
