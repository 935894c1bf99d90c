"""The house, drawn from its imports: arrows point one way, there is no circle, files are short."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import ptscaffold

ROOT = Path(ptscaffold.__file__).parent
# Lowest first: a folder may import those before it, and itself.
FLOORS = ["errors", "layers", "render", "project", "export", "trial", "cli"]
MODULES = {
    ".".join(("ptscaffold", *path.relative_to(ROOT).with_suffix("").parts)): path
    for path in sorted(ROOT.rglob("*.py"))
    if "templates" not in path.relative_to(ROOT).parts
}
# What runs in the Python of a project imports nothing of ours but itself.
HOUSE = {name: path for name, path in MODULES.items() if ".checkup." not in name}


def imports(path: Path) -> set[str]:
    """The modules of the house that a file imports anywhere: for types and in functions too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module is not None and not node.level:
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= (names & MODULES.keys()) or {node.module}
    return {name for name in found if name in MODULES}


def floor(module: str) -> int:
    """How high a module stands; `ptscaffold` itself holds the version, `__main__` the way in."""
    floors = {"__init__": -1, **{top: at for at, top in enumerate([*FLOORS, "__main__"])}}
    return floors.get(module.split(".")[1], -2)


def test_every_module_stands_on_a_floor() -> None:
    assert [name for name in MODULES if floor(name) == -2] == []


@pytest.mark.parametrize("module", HOUSE)
def test_arrows_point_down(module: str) -> None:
    upwards = [name for name in imports(HOUSE[module]) if floor(name) > floor(module)]
    assert upwards == []


def test_there_is_no_circle() -> None:
    left = {name: imports(path) for name, path in HOUSE.items()}
    while free := [name for name, needs in left.items() if not needs & left.keys()]:
        for name in free:
            del left[name]
    assert left == {}, "these import each other"


@pytest.mark.parametrize("module", MODULES)
def test_a_file_has_300_lines_at_most(module: str) -> None:
    assert len(MODULES[module].read_text(encoding="utf-8").splitlines()) <= 300


def test_what_runs_elsewhere_imports_nothing_of_the_house() -> None:
    elsewhere = {name: imports(path) for name, path in MODULES.items() if name not in HOUSE}
    assert elsewhere
    assert not any(elsewhere.values())
