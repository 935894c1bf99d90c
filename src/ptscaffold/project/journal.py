"""What is under way in a project, on the disk: so that whatever cuts it short, it can be ended.

While files are written, and as long as conflicts are open, the project holds `.ptscaffold-update/`:
in `journal` what is replaced by what, in `before` the files that were moved out of the way, in
`after` those that come. A repository may hold a folder of that name too, so one without our seal is
not obeyed.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any, Final

from ptscaffold.errors import PtscaffoldError
from ptscaffold.layers.content import EXECUTABLE, Content, is_link, read_plain
from ptscaffold.layers.names import leads_astray
from ptscaffold.project.guard import scratch, stage_file, sync
from ptscaffold.project.trust import fits, seal

FOLDER: Final = ".ptscaffold-update"
KINDS: Final = ("before", "after", "undone")
_JOURNAL: Final = "journal"
_LARGEST: Final = 16_000_000  # bytes; one of 10,000 files has 4 MB

# What a run was about: `writing` and `aborting` are taken back, `ending` is ended, by the next
# command; `waiting` is ended by a person.
STATES: Final = ("writing", "waiting", "ending", "aborting")


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One file: the digest of what it was and of what it shall be, None where there is none."""

    path: str
    before: str | None
    executable: bool
    after: str | None

    def was(self, content: Content) -> bool:
        """Whether this is what the file was before."""
        executable = content.mode == EXECUTABLE
        return (digest_of(content.data), executable) == (self.before, self.executable)


@dataclass(frozen=True, kw_only=True)
class Journal:
    """What a journal says. With conflicts, its last file, the record, is written when they end."""

    files: tuple[Entry, ...]
    folders: tuple[str, ...] = ()  # those that were not there before
    conflicts: tuple[str, ...] = ()
    branch: str = ""  # of git, on which it was begun
    commit: str = ""  # that was checked out then
    state: str = "writing"
    number: str = field(default="", compare=False)  # something random

    @property
    def waits(self) -> bool:
        return self.state == "waiting"


def read_journal(project: Path) -> Journal | None:
    """What is under way in a project, if anything; PtscaffoldError when somebody else says so."""
    folder = project / FOLDER
    if not os.path.lexists(folder):
        return None
    try:
        if is_link(folder.lstat()) or not folder.is_dir():
            raise ValueError("no folder")
        return _parsed(read_plain(folder / _JOURNAL, _LARGEST).data, project)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise PtscaffoldError(
            f"{folder} is in the way: it was not written here by this user on this machine,"
            " so nothing in it is obeyed",
            hint="remove it; if an update of yours was under way, the files as they were"
            " are in its folder before/",
        ) from error


def start(
    project: Path,
    writes: Mapping[str, Content | None],
    seen: Mapping[str, Content | None],
    conflicts: Sequence[str],
) -> Journal:
    """Write everything into the journal's folder; the last step, a rename, makes it count."""
    with scratch(project, FOLDER) as folder:
        for name in KINDS:
            (folder / name).mkdir()
        (folder / ".gitignore").write_text("*\n", encoding="utf-8")
        files, above = [], set()
        for number, (path, content) in enumerate(writes.items()):
            if content is not None:
                stage_file(folder / "after" / str(number), content)
                above |= set(PurePosixPath(path).parents)
            files.append(_entry(path, seen.get(path), content))
        journal = Journal(
            files=tuple(files),
            folders=tuple(sorted(str(p) for p in above if not (project / p).is_dir())),
            conflicts=tuple(conflicts),
            number=os.urandom(8).hex(),
        )
        if conflicts:
            from ptscaffold.project.git import branch_of, commit_of  # not for `new`

            journal = replace(journal, branch=branch_of(project), commit=commit_of(project))
        _write(folder, journal, project)
        folder.rename(project / FOLDER)
    sync(project)
    return journal


def note(project: Path, journal: Journal, state: str) -> Journal:
    """Change the state of a journal, in one step."""
    changed = replace(journal, state=state)
    _write(project / FOLDER, changed, project)
    return changed


def waiting(project: Path, journal: Journal) -> Content:
    """The last file of a journal, which is written when the conflicts are resolved."""
    return read_plain(project / FOLDER / "after" / str(len(journal.files) - 1))


def put_last(project: Path, journal: Journal, before: Content, after: Content) -> Journal:
    """Let another file wait, for a place that holds `before` by now."""
    *others, last = journal.files
    _replace(project / FOLDER / "after" / str(len(others)), after)
    return replace(journal, files=(*others, _entry(last.path, before, after)))


def digest_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _entry(path: str, before: Content | None, after: Content | None) -> Entry:
    return Entry(
        path=path,
        before=None if before is None else digest_of(before.data),
        executable=before is not None and before.mode == EXECUTABLE,
        after=None if after is None else digest_of(after.data),
    )


def _write(folder: Path, journal: Journal, project: Path) -> None:
    body = json.dumps({**asdict(journal), "here": _identity(project, folder)}).encode()
    _replace(folder / _JOURNAL, Content(seal(body, project).encode() + b"\n" + body))


def _replace(place: Path, content: Content) -> None:
    """Write a file whole and on the disk, or leave the one that is there."""
    fresh = place.with_name(f"{place.name}.tmp")
    fresh.unlink(missing_ok=True)
    stage_file(fresh, content)
    fresh.replace(place)


def _parsed(data: bytes, project: Path) -> Journal:
    """Read a journal; its seal comes first, so that nothing of anybody else is looked at."""
    mark, _, body = data.partition(b"\n")
    if not fits(body, mark.decode(), project):
        raise ValueError("no seal")
    table: dict[str, Any] = json.loads(body)
    noted, now = table.pop("here"), _identity(project, project / FOLDER)
    # A folder that was moved is the same, and a disk that was mounted anew.
    same = noted["path"] == now["path"] or noted["inode"] == now["inode"]
    if not same or noted["owner"] != now["owner"]:
        raise ValueError("another folder")
    files = tuple(Entry(**entry) for entry in table.pop("files"))
    table["folders"], table["conflicts"] = tuple(table["folders"]), tuple(table["conflicts"])
    journal = Journal(files=files, **table)
    paths = [*(entry.path for entry in files), *journal.folders, *journal.conflicts]
    if any(map(leads_astray, paths)) or journal.state not in STATES:
        raise ValueError("no path of a project")
    return journal


def _identity(project: Path, folder: Path) -> dict[str, Any]:
    """Which folder it is, and whose: a seal that was given here says nothing in another one."""
    inode, owner = project.stat().st_ino, folder.lstat().st_uid
    return {"path": str(project.resolve()), "inode": inode, "owner": owner}
