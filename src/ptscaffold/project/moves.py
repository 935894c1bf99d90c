"""What has another place in a new template, or none: renamed files, and those that ask for them."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

from ptscaffold.errors import PtscaffoldError, shell_command
from ptscaffold.layers.content import Content, Obstacle, read_content
from ptscaffold.layers.files import target
from ptscaffold.project.git import below_top
from ptscaffold.project.merge import Change
from ptscaffold.project.state import Rendered
from ptscaffold.render.answers import Answers

_MADE: Final = frozenset({"__pycache__", "node_modules", "runs", "build", "dist"})
LARGEST: Final = 200_000  # bytes of a module that is looked into

# Read by patterns: to parse what a stranger has written can end the interpreter.
_IMPORT: Final = re.compile(
    r"^[ \t]*(?:from[ \t]+(?P<module>[.\w]+)[ \t]+import[ \t]+"
    r"(?:\((?P<many>[^)]{0,4000})\)|(?P<few>.*))"
    r"|import[ \t]+(?P<whole>\w[.\w]*))",
    re.MULTILINE,
)
_NAMED: Final = re.compile(r"^(?:(?:async )?def|class)? ?(\w+(?:, ?\w+)*) ?[(:=\[]", re.MULTILINE)
_WORD: Final = re.compile(r"\w+")
Writes = Mapping[str, Content | None]


def renames(old: Rendered, new: Rendered) -> dict[str, str]:
    """Old paths of files that have another one in the new template, by what its layers declare.

    A project of another name has its package elsewhere: that is a rename too.
    """
    declared = {
        target(path, new.answers.package): target(to, new.answers.package)
        for layer in new.layers
        for path, to in layer.renames.items()
    }
    found: dict[str, str] = {}
    left = {path: _place_in(path, old, new, declared) for path in old.tree}
    while arrived := [
        path
        for path, to in left.items()
        # What has the name in the old template must have another one now.
        if to != path and to in new.tree and (to not in old.tree or to in found)
    ]:
        for path in arrived:
            to = left.pop(path)
            if to not in found.values():
                found[path] = to
    return found


def _place_in(path: str, old: Rendered, new: Rendered, declared: Mapping[str, str]) -> str:
    """Where a file of the old template is in the new one, by its package and what is declared."""
    parts = path.split("/")
    if old.answers.package != new.answers.package and parts[0] == "src":
        parts = [new.answers.package if p == old.answers.package else p for p in parts]
    to, seen = "/".join(parts), set[str]()
    while to in declared and to not in seen and (not seen or to not in new.tree):
        seen.add(to)
        to = declared[to]
    return to


def left_behind(old: Rendered, new: Rendered, project: Path) -> tuple[str, ...]:
    """What to say of a person's own files in a package whose template's files have moved on."""
    before, after = (f"src/{rendered.answers.package}" for rendered in (old, new))
    if before == after:
        return ()
    own = [path for path in _files_below(project, before) if path not in old.tree]
    notes = [f"{path} is yours and stays: move it to {after}/ and mend its imports" for path in own]
    was, now = old.answers.package, new.answers.package
    imports = re.compile(rf"^\s*(?:from|import)\s[^#\n]*\b{was}\b".encode(), re.MULTILINE)
    for path in _files_below(project, "."):
        if path in old.tree or path in new.tree or path.startswith(f"{before}/"):
            continue
        there = read_content(project, path)
        if isinstance(there, Content) and imports.search(there.data):
            notes.append(f"{path} is yours and imports {was}, which is called {now} now")
    return tuple(notes)


def _files_below(project: Path, below: str) -> list[str]:
    """The files below a folder; in `.` those of Python, but for what is hidden or made by tools."""
    found: list[str] = []
    if isinstance(_looked_at(project, f"{below}/x"), Obstacle):
        return found
    for place, folders, names in os.walk(project / below):
        left_out = _MADE if below == "." else {"__pycache__"}
        folders[:] = [n for n in folders if n not in left_out and (below != "." or n[0] != ".")]
        here = Path(place).relative_to(project)
        found += [(here / n).as_posix() for n in names if below != "." or n.endswith(".py")]
    return sorted(found)


def replaced(old: Answers, new: Answers) -> Callable[[Content, Content], str | None]:
    """How to name an edited file whose layer another one takes the place of: `train.py.plain`."""
    swapped = {
        f"{kind}/{getattr(old, key)}": getattr(old, key)
        for key, kind in (("domain", "domains"), ("style", "styles"))
        if getattr(old, key) != getattr(new, key)
    }

    def name(before: Content, after: Content) -> str | None:
        return swapped.get(before.layer) if before.layer != after.layer else None

    return name


def with_successors(changes: Iterable[Change], new: Rendered) -> list[Change]:
    """The changes, those of dropped files with what the layers say does their work now."""
    package = new.answers.package
    told = {target(path, package): now for layer in new.layers for path, now in layer.moved.items()}
    return [
        replace(change, why=f"{change.why}; now: {told[change.path]}")
        if change.path in told and change.why.startswith("the template dropped it")
        else change
        for change in changes
    ]


def lost_imports(writes: Writes, new: Rendered, project: Path) -> tuple[str, ...]:
    """A sentence for each file of a person's own, or edited by them, that imports what is gone."""
    package = f"src/{new.answers.package}"
    notes = []
    own = [path for folder in (package, "tests") for path in _files_below(project, folder)]
    for path in sorted(path for path in own if writes and path.endswith(".py")):
        content = writes[path] if path in writes else _read(project, path)
        theirs = new.tree.get(path)
        if content is None or (theirs is not None and theirs.data == content.data):
            continue
        asked = []
        for module, name in _imported(path, content.data, package):
            file = module.removeprefix(f"{package}/")
            if module in writes and writes[module] is None:
                asked.append(file)
            elif name in _names_gone(module, writes, project):
                asked.append(f"{name} of {file}")
        if asked:
            notes.append(f"{path} imports what is gone: {', '.join(dict.fromkeys(asked))}")
    return tuple(notes)


def missed(writes: Writes, new: Rendered, project: Path) -> tuple[str, ...]:
    """A sentence for each deleted module that a file which the update brings imports."""
    package = f"src/{new.answers.package}"
    deleted = {path for path in new.tree if path not in writes and not (project / path).exists()}
    asking: dict[str, list[str]] = {}
    for path, content in writes.items():
        if deleted and content is not None and path in new.tree and path.endswith(".py"):
            for module in {module for module, _ in _imported(path, content.data, package)}:
                if module in deleted:
                    asking.setdefault(module, []).append(path)
    top = below_top(project)  # git goes by the folder that its repository is in
    into = ["git", "apply", "-R", *([f"--directory={top}"] if top else [])]
    notes = []
    for path, files in sorted(asking.items()):
        command = f"ptscaffold diff | {shell_command([*into, f'--include={top}{path}'])}"
        if project.resolve() != Path.cwd():
            command = f"({shell_command(['cd', str(project)])} && {command})"
        needed = f"{path} is needed by {', '.join(sorted(files))}, but you deleted it"
        notes.append(f"{needed}: {command}")
    return tuple(notes)


def _looked_at(project: Path, path: str) -> Content | Obstacle | None:
    """A file; None too for what cannot be read, which is no reason not to update."""
    with suppress(PtscaffoldError):
        return read_content(project, path)
    return None


def _read(project: Path, path: str) -> Content | None:
    found = _looked_at(project, path)
    return found if isinstance(found, Content) and len(found.data) <= LARGEST else None


def _names_gone(module: str, writes: Writes, project: Path) -> frozenset[str]:
    """The names that a module has and will not have."""
    after = writes.get(module)
    before = _read(project, module) if after else None
    if after is None or before is None:
        return frozenset()
    return _defined(before.data) - _defined(after.data)


def _defined(data: bytes) -> frozenset[str]:
    """The names that a module has at its top, those that it imports among them."""
    text = data.decode(errors="replace")
    found = {name for match in _NAMED.finditer(text) for name in _WORD.findall(match[1])}
    return frozenset(found | {name for _, names in _imports(text) for name in names})


def _imports(text: str) -> Iterator[tuple[str, list[str]]]:
    """Each module that is imported, as it is written there, and the names that are taken of it."""
    for match in _IMPORT.finditer(text):
        if match["module"]:
            names = re.sub(r"#.*|\bas\s+\w+", "", match["many"] or match["few"])
            yield match["module"], _WORD.findall(names)
        else:
            yield match["whole"], []


def _imported(path: str, data: bytes, package: str) -> Iterator[tuple[str, str]]:
    """The modules of the package that a file may import, as paths, and the name that it takes."""
    here, top = path.split("/")[:-1], package.removeprefix("src/")
    for module, names in _imports(data.decode(errors="replace")):
        level = len(module) - len(module.lstrip("."))
        parts = [part for part in module.split(".") if part]
        if not level and parts[0] != top:
            continue
        above = here[: len(here) + 1 - level] if level else ["src"]
        place = "/".join([*above, *parts])
        yield f"{place}.py", ""
        for name in names:
            yield f"{place}/{name}.py", ""
            yield f"{place}.py", name
