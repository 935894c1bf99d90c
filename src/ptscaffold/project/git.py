"""What git says of a project, and does with its texts: merging, and patches for `git apply`."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from ptscaffold.errors import PtscaffoldError, raised_as, shell_command
from ptscaffold.layers.content import TEMPORARY, Content, is_crlf, is_link, with_endings_of
from ptscaffold.layers.files import write_tree
from ptscaffold.layers.git import run_git

YOURS: Final = "yours"
MARKERS: Final = (f"<<<<<<< {YOURS}", ">>>>>>> template")


def refuse_dirty(project: Path) -> None:
    """PtscaffoldError when git has uncommitted changes in a project, or cannot tell."""
    if changed := uncommitted(project):
        raise PtscaffoldError(
            f"git has uncommitted changes here: {listed(changed)}",
            hint="commit or stash them first, so that the update stands alone; or --force",
        )


def uncommitted(project: Path, untracked: str = "no") -> list[str]:
    """The files that git would commit, by their way from the top of the repository."""
    asked = ["status", "--porcelain", "-z", "--no-renames", f"--untracked-files={untracked}"]
    asked += ["--ignore-submodules=all", "--", ".", ":(exclude)uv.lock"]  # `uv run` may write it
    return [os.fsdecode(line[3:]) for line in _asked(project, asked)]


def listed(paths: Sequence[str]) -> str:
    return ", ".join(paths[:5]) + (" ..." if len(paths) > 5 else "")


def committed(project: Path) -> list[str]:
    """The files under a folder that git keeps; none where there is no repository."""
    return [os.fsdecode(path) for path in _asked(project, ["ls-files", "-z", "--", "."])]


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
    listed = output(project, "ls-files", "-t", "-z", "--", ".").split(b"\0") if absent else []
    skipped = {os.fsdecode(line[2:]) for line in listed if line.startswith(b"S ")}
    return [path for path in absent if path in skipped]


def ignored(project: Path, paths: Iterable[str]) -> list[str]:
    """Those of the files that git leaves out of every commit."""
    given = "".join(f"{path}\0" for path in paths).encode(errors="surrogateescape")
    said = output(project, "check-ignore", "--stdin", "-z", given=given) if given else b""
    return [os.fsdecode(path) for path in said.split(b"\0") if path]


def below_top(project: Path) -> str:
    """The way to a project from the top of its repository, with a slash behind it; or nothing."""
    top = _top(project)
    way = project.resolve().relative_to(top).as_posix() if top else "."
    return "" if way == "." else f"{way}/"


def commit_of(project: Path) -> str:
    """The commit that is checked out; nothing where there is none."""
    return output(project, "rev-parse", "--verify", "--quiet", "HEAD").decode().strip()


def has_come_after(project: Path, commit: str, paths: Sequence[str]) -> bool:
    """Whether another commit than this one, and behind it, has the files as they are here."""
    if not commit or commit_of(project) in ("", commit):
        return False
    with suppress(OSError, PtscaffoldError):
        behind = _try(project, ["merge-base", "--is-ancestor", commit, "HEAD"]).returncode == 0
        asked = ["--literal-pathspecs", "status", "--porcelain", "-z", "--untracked-files=all"]
        return behind and not _asked(project, [*asked, "--", *paths])
    return False


def branch_of(project: Path) -> str:
    """The branch that a project is on, or the commit; nothing where there is no repository."""
    branch = output(project, "symbolic-ref", "--quiet", "HEAD").decode(errors="replace").strip()
    return branch or commit_of(project)


def has_stash(project: Path) -> bool:
    """Whether git has put changes of this repository aside."""
    return bool(output(project, "rev-parse", "--verify", "--quiet", "refs/stash"))


def merge_base(project: Path, path: str) -> bytes:
    """A file as it was where two branches parted that are being merged; or nothing."""
    return output(project, "cat-file", "blob", f":1:./{path}")


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


def is_own(project: Path) -> bool:
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


def output(project: Path, *arguments: str, given: bytes = b"") -> bytes:
    """What git says; nothing where there is no repository, or no git."""
    with suppress(OSError):
        if in_repository(project):
            return _try(project, arguments, given=given).stdout
    return b""


def _asked(project: Path, arguments: Sequence[str]) -> list[bytes]:
    """The parts of what git says, none without a repository; PtscaffoldError if it cannot tell."""
    if not in_repository(project):
        return []
    try:
        done = _try(project, arguments, _filters(project))
    except OSError as error:
        raise _untold(project, f"cannot be run: {error.strerror}") from error
    if done.returncode and b"not a git repository" not in done.stderr:
        raise _untold(project, done.stderr.decode(errors="replace"))
    return [] if done.returncode else [part for part in done.stdout.split(b"\0") if part]


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


def merge_text(yours: bytes, old: bytes, new: bytes, label: str) -> tuple[bytes, int]:
    """Merge with git; gives the text and the number of conflicts, marked in it.

    The result has the line endings of `yours`; where these are mixed, a line with another ending
    is another line.
    """
    plain = yours.replace(b"\r\n", b"\n")
    if is_crlf(yours) or plain == yours:
        sides = plain, old.replace(b"\r\n", b"\n"), new.replace(b"\r\n", b"\n")
    else:
        sides = yours, old, new
    with tempfile.TemporaryDirectory(prefix=TEMPORARY) as folder:
        names = ["yours", "old", "new"]
        for name, data in zip(names, sides, strict=True):
            Path(folder, name).write_bytes(data)
        command = ["merge-file", "--stdout", "--quiet"]
        for text in (YOURS, "template before", label):
            command += ["-L", text]
        merged, conflicts = _ran([*command, *names], Path(folder), 128)
    return with_endings_of(yours, merged), conflicts


class Delta(NamedTuple):
    """A file before and after; None where it is absent."""

    path: str
    before: Content | None
    after: Content | None


def make_patch(deltas: Sequence[Delta]) -> bytes:
    """All differences as one patch that `git apply` takes."""
    return _compared(deltas, "--binary", "--full-index")


def stat(deltas: Sequence[Delta]) -> dict[str, tuple[int, int] | None]:
    """Lines added and removed by path; None for a file that is no text."""
    counts: dict[str, tuple[int, int] | None] = {}
    words = iter(_compared(deltas, "--numstat", "-z").decode(errors="surrogateescape").split("\0"))
    for counted, old, new in zip(words, words, words, strict=False):
        added, removed, _ = counted.split("\t")
        path = (old if new == "/dev/null" else new)[2:]
        counts[path] = None if added == "-" else (int(added), int(removed))
    return counts


def _compared(deltas: Sequence[Delta], *options: str) -> bytes:
    """What `git diff` says of the files before and after."""
    if not deltas:
        return b""
    with tempfile.TemporaryDirectory(prefix=TEMPORARY) as folder:
        for number, side in enumerate("ab", 1):
            place = Path(folder, side)
            place.mkdir()
            write_tree(place, {d.path: there for d in deltas if (there := d[number])})
        command = ["diff", "--no-index", "--no-prefix", "--no-renames", "--no-color", *options]
        return _ran([*command, "--no-ext-diff", "--no-textconv", "a", "b"], Path(folder), 2)[0]


def _ran(arguments: Sequence[str], folder: Path, worst: int) -> tuple[bytes, int]:
    """Run git on files in a folder; PtscaffoldError when there is no git, or it fails."""
    # Neither a person's settings nor those of a repository around the folder have a say.
    settings = ["merge.conflictStyle=merge", "core.autocrlf=false", "core.attributesFile=/dev/null"]
    alone = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "GIT_ATTR_NOSYSTEM": "1"}
    alone["GIT_CEILING_DIRECTORIES"] = str(folder.resolve().parent)
    with raised_as(PtscaffoldError, "cannot run git: ", hint="install git; merging is its work"):
        done = run_git(arguments, folder.resolve(), settings, b"", **alone)
    if not 0 <= done.returncode < worst:
        said = done.stderr.decode(errors="replace")
        raise PtscaffoldError(f"git {arguments[0]} failed: {said}")
    return done.stdout, done.returncode
