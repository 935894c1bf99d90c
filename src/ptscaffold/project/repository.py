"""What git says of a project, and is told of conflicts."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from ptscaffold.errors import PtscaffoldError, shell_command
from ptscaffold.layers.content import is_link, with_endings_of
from ptscaffold.layers.git import run_git


def refuse_dirty(project: Path) -> None:
    """PtscaffoldError when git has uncommitted changes in a project, or cannot tell."""
    if changed := uncommitted(project):
        raise PtscaffoldError(
            f"git has uncommitted changes here: {listed(changed)}",
            hint="commit or stash them first, so that the update stands alone; or --force",
        )


def uncommitted(project: Path, untracked: str = "no") -> list[str]:
    """The files that git would commit, by their way from the top of the repository."""
    if not in_repository(project):
        return []
    asked = ["status", "--porcelain", "-z", "--no-renames", f"--untracked-files={untracked}"]
    asked += ["--ignore-submodules=all", "--", ".", ":(exclude)uv.lock"]  # `uv run` may write it
    return [os.fsdecode(line[3:]) for line in _asked(project, asked) if line]


def listed(paths: Sequence[str]) -> str:
    return ", ".join(paths[:5]) + (" ..." if len(paths) > 5 else "")


def committed(project: Path) -> list[str]:
    """The files under a folder that git keeps; none where there is no repository."""
    if not in_repository(project):
        return []
    return [os.fsdecode(path) for path in _asked(project, ["ls-files", "-z", "--", "."]) if path]


def refuse_sparse(project: Path, paths: Iterable[str]) -> None:
    """PtscaffoldError when a sparse checkout of git leaves out some of the files."""
    if absent := left_out(project, paths):
        raise PtscaffoldError(
            f"a sparse checkout of git leaves out {listed(absent)}",
            hint="git sparse-checkout disable; or --force, and they count as deleted by you",
        )


def left_out(project: Path, paths: Iterable[str]) -> list[str]:
    """Those of the files that are not there because of a sparse checkout of git."""
    absent = [path for path in paths if not os.path.lexists(project / path)]
    listed = _said(project, "ls-files", "-t", "-z", "--", ".").split(b"\0") if absent else []
    skipped = {os.fsdecode(line[2:]) for line in listed if line.startswith(b"S ")}
    return [path for path in absent if path in skipped]


def ignored(project: Path, paths: Iterable[str]) -> list[str]:
    """Those of the files that git leaves out of every commit."""
    given = "".join(f"{path}\0" for path in paths).encode(errors="surrogateescape")
    said = _said(project, "check-ignore", "--stdin", "-z", given=given) if given else b""
    return [os.fsdecode(path) for path in said.split(b"\0") if path]


def below_top(project: Path) -> str:
    """The way to a project from the top of its repository, with a slash behind it; or nothing."""
    top = _top(project)
    way = project.resolve().relative_to(top).as_posix() if top else "."
    return "" if way == "." else f"{way}/"


def commit_of(project: Path) -> str:
    """The commit that is checked out; nothing where there is none."""
    return _said(project, "rev-parse", "--verify", "--quiet", "HEAD").decode().strip()


def has_come_after(project: Path, commit: str, paths: Sequence[str]) -> bool:
    """Whether another commit than this one, and behind it, has the files as they are here."""
    if not commit or commit_of(project) in ("", commit):
        return False
    with suppress(OSError, PtscaffoldError):
        behind = _try(project, ["merge-base", "--is-ancestor", commit, "HEAD"]).returncode == 0
        asked = ["--literal-pathspecs", "status", "--porcelain", "-z", "--untracked-files=all"]
        return behind and not any(_asked(project, [*asked, "--", *paths]))
    return False


def branch_of(project: Path) -> str:
    """The branch that a project is on, or the commit; nothing where there is no repository."""
    branch = _said(project, "symbolic-ref", "--quiet", "HEAD").decode(errors="replace").strip()
    return branch or commit_of(project)


def has_stash(project: Path) -> bool:
    """Whether git has put changes of this repository aside."""
    return bool(_said(project, "rev-parse", "--verify", "--quiet", "refs/stash"))


def mark_conflicts(project: Path, sides: Mapping[str, tuple[bytes, bytes]]) -> None:
    """Tell git's index of conflicts, so that editors show them; `sides` are base and theirs.

    In vain where git does not track the file, or is itself about a merge.
    """
    lines = []
    for path, (mode, digest, stage, name) in _entries(project, sides):
        blob = _said(project, "cat-file", "blob", digest)
        base, theirs = (
            _said(project, "hash-object", "-w", "--stdin", given=_like(blob, side)).decode().strip()
            for side in sides[path]
        )
        if stage == "0" and base and theirs:
            lines += [f"0 {'0' * len(digest)}\t{name}"]
            staged = enumerate((base, digest, theirs), 1)
            lines += [f"{mode} {key} {number}\t{name}" for number, key in staged]
    _set_index(project, lines)


def merge_base(project: Path, path: str) -> bytes:
    """A file as it was where two branches parted that are being merged; or nothing."""
    return _said(project, "cat-file", "blob", f":1:./{path}")


def unmark_conflicts(project: Path, paths: Collection[str]) -> None:
    """Forget what `mark_conflicts` has told, as far as nobody has settled it."""
    lines = []
    for _, (mode, digest, stage, name) in _entries(project, paths):
        if stage == "2":
            lines += [f"0 {'0' * len(digest)}\t{name}", f"{mode} {digest}\t{name}"]
    _set_index(project, lines)


def _entries(project: Path, paths: Collection[str]) -> list[tuple[str, list[str]]]:
    """What the index holds of files: each with mode, digest, stage and its name for git."""
    if not paths or not _is_own(project):
        return []
    if _said(project, "rev-parse", "--quiet", "--verify", "MERGE_HEAD"):
        return []
    prefix = os.fsdecode(_said(project, "rev-parse", "--show-prefix")).rstrip("\n")
    asked = ["--literal-pathspecs", "ls-files", "--stage", "-z", "--full-name", "--", *paths]
    listed = _said(project, *asked).decode(errors="surrogateescape").split("\0")
    rows = (line.partition("\t") for line in listed if line)
    return [(name.removeprefix(prefix), [*head.split(" "), name]) for head, _, name in rows]


def _set_index(project: Path, lines: Sequence[str]) -> None:
    if lines:  # in vain or not: git without its index is no worse off
        given = "".join(f"{line}\0" for line in lines).encode(errors="surrogateescape")
        _said(project, "update-index", "-z", "--index-info", given=given)


def _like(blob: bytes, side: bytes) -> bytes:
    """The side of a conflict with the line endings that git keeps of the file."""
    return with_endings_of(blob, side if b"\r\n" in blob else side.replace(b"\r\n", b"\n"))


def way_back(branch: str) -> tuple[str, str]:
    """What a branch, as `branch_of` gives it, is called, and the command that goes there."""
    name = branch.removeprefix("refs/heads/")
    if name == branch:
        return f"commit {name[:12]}", shell_command(["git", "switch", "--detach", name[:12]])
    return f"branch {name}", shell_command(["git", "switch", name])


def in_repository(project: Path) -> bool:
    """Whether git would find a repository that a folder is in."""
    return _top(project) is not None


def _top(project: Path) -> Path | None:
    there = project.resolve()
    above = (there, *there.parents)
    return next((folder for folder in above if os.path.lexists(folder / ".git")), None)


def _is_own(project: Path) -> bool:
    """Whether what git writes to the repository of a folder stays there.

    Links lead out of it, and so does a file `.git`, but for one that the other end knows of.
    """
    top = _top(project)
    if top is None:
        return False
    place = top / ".git"
    with suppress(OSError):
        if is_link(place.lstat()):
            return False
        if place.is_file():
            said = _try(project, ["rev-parse", "--absolute-git-dir"]).stdout.strip()
            folder = Path(os.fsdecode(said))
            if (folder / "gitdir").is_file():
                return (folder / "gitdir").read_text(encoding="utf-8").strip() == str(place)
            asked = ["config", "--file", str(folder / "config"), "core.worktree"]  # a submodule's
            tree = os.fsdecode(_try(project, asked).stdout.strip())
            return bool(tree) and (folder / tree).resolve() == top
        inside = [place / "index", place / "objects", *(place / "objects").iterdir()]
        return not any(is_link(p.lstat()) for p in inside) and not (place / "commondir").exists()
    return False


def _said(project: Path, *arguments: str, given: bytes = b"") -> bytes:
    """What git says; nothing where there is no repository, or no git."""
    with suppress(OSError):
        if in_repository(project):
            return _try(project, arguments, given=given).stdout
    return b""


def _asked(project: Path, arguments: Sequence[str]) -> list[bytes]:
    """The parts of what git says, with zeros between; PtscaffoldError when it cannot tell."""
    try:
        done = _try(project, arguments, _filters(project))
    except OSError as error:
        raise _untold(project, f"cannot be run: {error.strerror}") from error
    if done.returncode and b"not a git repository" not in done.stderr:
        raise _untold(project, done.stderr.decode(errors="replace"))
    return [] if done.returncode else done.stdout.split(b"\0")


def _untold(project: Path, reason: str) -> PtscaffoldError:
    first = (reason.strip().splitlines() or ["it failed"])[0].removeprefix("fatal: ")
    return PtscaffoldError(
        f"cannot tell whether {project} has uncommitted changes; git says: {first}",
        hint="see what git status says there; or --force",
    )


def _filters(project: Path) -> list[str]:
    """Settings that switch off the programs through which a repository would filter its files."""
    settings = []
    for scope in ("--local", "--worktree"):
        asked = ["config", scope, "--includes", "-z", "--name-only", "--get-regexp", r"^filter\."]
        for key in _try(project, asked).stdout.decode(errors="surrogateescape").split("\0"):
            driver = key.rpartition(".")[0]
            if "=" in driver:
                raise _untold(project, f"a filter with the name {driver!r}")
            if driver:
                settings += [f"{driver}.clean=", f"{driver}.process=", f"{driver}.required=false"]
    return settings


def _try(
    project: Path, arguments: Sequence[str], settings: Sequence[str] = (), given: bytes = b""
) -> subprocess.CompletedProcess[bytes]:
    # Nothing is fetched either, whatever protocol the repository says it needs, and its files are
    # those around it, wherever it says that they are.
    bounds = {"GIT_ALLOW_PROTOCOL": "", "GIT_NO_LAZY_FETCH": "1"}
    return run_git(arguments, project, settings, given, GIT_WORK_TREE=str(_top(project)), **bounds)
