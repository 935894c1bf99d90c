"""Two versions of a small template, and projects made from it."""

from __future__ import annotations

import functools
import shutil
import subprocess
import tempfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from ptscaffold.layers.catalogue import Catalogue
from ptscaffold.layers.content import is_binary
from ptscaffold.layers.history import ARCHIVE, History
from ptscaffold.project.record import RECORD, write_record
from ptscaffold.project.state import render
from ptscaffold.project.update import Update, update
from ptscaffold.render.given import Given

Text = str | bytes | None
Tree = dict[str, tuple[bytes, bool]]  # content, and whether it is executable

BINARY = b"\x89PNG\0\1"
NOTES_PATH = "base/notes.txt"


def text(changes: Mapping[int, str] | None = None, count: int = 12) -> str:
    """Numbered lines, some of them replaced; a replacement may hold several lines or none."""
    changes = changes or {}
    lines = (changes.get(number, f"line {number}\n") for number in range(1, count + 1))
    return "".join(lines)


LAYERS: Mapping[str, str | bytes] = {
    "base/layer.toml": 'label = "Base"\nhelp = "what all have"\n',
    "base/README.md.jinja": "# {{ name }}\n\n{{ description }}\n",
    "base/notes.txt": text(),
    "base/old/deep/only.txt": "only\n",
    "base/logo.png": BINARY,
    "base/run.sh": "#!/bin/sh\n",
    "base/tail.txt": "first\nlast",
    "base/src/__package__/__init__.py": "",
    "base/src/__package__/config.py": text(),
    "domains/x/layer.toml": 'label = "X"\nhelp = "learning x"\n',
    "domains/x/src/__package__/data.py": text(),
    "styles/a/layer.toml": 'label = "A"\nhelp = "style a"\n',
    "styles/a/src/__package__/train.py": text({1: "style a\n"}),
    "styles/a/src/__package__/loop.py": "loop\n",
    "styles/b/layer.toml": 'label = "B"\nhelp = "style b"\n',
    "styles/b/src/__package__/train.py": text({1: "style b\n"}),
    "features/f/layer.toml": 'label = "F"\nhelp = "a feature"\n',
    "features/f/docker/f.txt": text(),
}


def put(folder: Path, files: Mapping[str, Text]) -> None:
    """Write files below a folder, or with None remove them."""
    for path, content in files.items():
        place = folder / path
        if content is None:
            place.unlink()
            continue
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content.encode() if isinstance(content, str) else content)


@dataclass(frozen=True)
class Lab:
    """A template under way from release to release, and one project made from it."""

    history: History
    project: Path

    def change(self, version: str, files: Mapping[str, Text] | None = None) -> Lab:
        """Release the template as it is, change it, and call it another version."""
        self.history.add()  # what is released stays known
        put(self.history.root, files or {})
        return replace(self, history=History(self.history.root, version))

    def make(self, **answers: object) -> Lab:
        """Make the project."""
        write_project(self.project, self.history, **answers)
        return self

    def update(self, *sets: str, dry_run: bool = False, force: bool = False) -> Update:
        history = self.history
        return update(self.project, sets=sets, dry_run=dry_run, force=force, history=history)

    def record(self, **answers: object) -> bytes:
        """The record of a project made from the template as it is."""
        return files_of(self.history, **answers)[RECORD][0]


def lab(folder: Path) -> Lab:
    root = folder / "templates"
    _write_layers(root)
    (root / ARCHIVE).write_bytes(_released())
    return Lab(History(root, "1.0"), folder / "toy")


@functools.cache
def _released() -> bytes:
    """The archive with version 1.0 in it; packing it anew for every test would take the longest."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        _write_layers(root)
        History(root, "1.0").add()
        return (root / ARCHIVE).read_bytes()


def _write_layers(root: Path) -> None:
    put(root, LAYERS)
    (root / "base/run.sh").chmod(0o755)


def files_of(history: History, **answers: object) -> Tree:
    """A project as the template of this version gives it, record and all."""
    given = Given({"name": "toy", "domain": "x", "style": "a", "features": ("f",), **answers})
    made = render(given, history.version, Catalogue(history.root))
    tree = {path: (file.data, file.mode == 0o755) for path, file in made.tree.items()}
    tree[RECORD] = (write_record(made.answers, made.tree, made.version), False)
    return tree


def write_project(project: Path, history: History, **answers: object) -> None:
    project.mkdir(parents=True, exist_ok=True)
    write_tree(project, files_of(history, **answers))


def write_tree(folder: Path, tree: Tree) -> None:
    for path, (data, executable) in tree.items():
        put(folder, {path: data})
        (folder / path).chmod(0o755 if executable else 0o644)


def read_tree(folder: Path) -> Tree:
    """Every file, link (by what it points to) and empty folder, git's own left out."""
    tree: Tree = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if name.split("/")[0] == ".git":
            continue
        if path.is_symlink():
            tree[f"{name}@"] = (str(path.readlink()).encode(), False)
        elif path.is_file():
            tree[name] = (path.read_bytes(), bool(path.stat().st_mode & 0o100))
        elif not path.is_dir():
            tree[f"{name}|"] = (b"", False)
        elif not any(path.iterdir()):
            tree[f"{name}/"] = (b"", False)
    return tree


def times(folder: Path) -> dict[str, tuple[int, int]]:
    """When each file and folder was last written, and which one it is."""
    found = {p.relative_to(folder).as_posix(): p.lstat() for p in [folder, *folder.rglob("*")]}
    return {path: (status.st_mtime_ns, status.st_ino) for path, status in found.items()}


def to_crlf(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file() and not is_binary(data := path.read_bytes()):
            path.write_bytes(data.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))


def lines_of(data: bytes) -> Counter[bytes]:
    return Counter(data.replace(b"\r\n", b"\n").removesuffix(b"\n").split(b"\n"))


def missing(recorded: Tree, yours: Tree, after: Tree, done: Update) -> Mapping[str, object]:
    """The lines of a person's that are in none of the files that the summary names for theirs.

    They are those that a file has oftener than the template it was made from.
    """
    lost = {}
    for path, (data, _) in yours.items():
        if path == RECORD:
            continue
        changes = [c for c in done.changes if path in (c.path, c.formerly)]
        homes = {path, *(name for c in changes for name, to in c.writes.items() if to is not None)}
        mine = lines_of(data) - lines_of(recorded.get(path, (b"", False))[0])
        found = sum((lines_of(after[home][0]) for home in homes if home in after), Counter[bytes]())
        del mine[b""]  # what stands for the end of an empty file
        if mine - found:
            lost[path] = mine - found
    return lost


def git(folder: Path, *arguments: str, given: bytes | None = None) -> str:
    command = ["git", "-c", "user.name=somebody", "-c", "user.email=somebody@example.org"]
    done = subprocess.run(
        [*command, *arguments], cwd=folder, input=given, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


def commit(folder: Path) -> None:
    if not (folder / ".git").exists():
        git(folder, "init", "--quiet")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--allow-empty", "--message", "state")


def copy(folder: Path, to: Path) -> Path:
    shutil.copytree(folder, to, symlinks=True)
    return to
