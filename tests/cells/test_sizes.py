"""How large projects are: more is read than written, and every line is a user's to keep."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import product, starmap
from pathlib import Path
from typing import Final

import pytest
from fitting import fitting

from ptscaffold import __version__
from ptscaffold.layers.catalogue import Catalogue
from ptscaffold.render.answers import complete, select_layers
from ptscaffold.render.given import gather
from ptscaffold.render.renderer import Renderer
from ptscaffold.trial.matrix import Cell

# At most: lines of the package, its modules, lines of the tests, of README.md. The first are on
# their way to 750, 850 and 900: they become smaller, but for a fault that a user would meet.
LIMITS: Final = {
    "vision": (1488, 12, 400, 120),
    "segmentation": (1683, 13, 400, 120),
    "detection": (1905, 14, 400, 120),
    "text": (1558, 13, 400, 120),
    "tagging": (1737, 13, 400, 120),
    "language-model": (1795, 14, 400, 120),
    "audio": (1656, 13, 400, 120),
    "speech-recognition": (1820, 15, 400, 120),
    "tabular": (1537, 13, 400, 120),
}
# Against plain PyTorch: a Trainer prints no line an epoch, keeps no single file of the best, ends
# by no signal, takes all GPUs; Lightning parts what the loop has in one place; boxes in fastai need
# blocks of their own.
MORE: Final = {"trainer": 94, "lightning": 81, "fastai": 52}
LAYERS = Catalogue()
# At most: lines that a feature adds to the package, those of the domain's part of it among them.
ADDED: Final = {
    "explain": 180,
    "export": 188,
    "hpo": 130,
    "mlflow": 43,
    "profile": 70,
    "serve": 300,
    "wandb": 40,
}
# These answer with more than classes, or their page records sounds: masks, boxes, words, texts.
MORE_OF: Final = {
    ("audio", "serve"): 30,
    ("detection", "serve"): 20,
    ("segmentation", "serve"): 25,
    ("speech-recognition", "export"): 100,
    ("speech-recognition", "serve"): 35,
    ("tabular", "export"): 15,
    ("tagging", "export"): 53,
    ("tagging", "serve"): 25,
}
CELLS = list(starmap(Cell, product(*(sorted(LAYERS.names(k)) for k in ("domains", "styles")))))


def measure(cell: Cell) -> tuple[int, int, int, int]:
    chosen = complete(gather(vars(cell), (), None), LAYERS)
    tree = Renderer().render(chosen, select_layers(chosen, LAYERS), __version__)
    lines = {path: file.data.count(b"\n") for path, file in tree.items()}
    package = {path: count for path, count in lines.items() if path.startswith("src/")}
    modules = [path for path in package if not path.endswith("__init__.py")]
    tests = sum(count for path, count in lines.items() if path.startswith("tests/"))
    return sum(package.values()), len(modules), tests, lines["README.md"]


@pytest.fixture(scope="module")
def sizes() -> Iterator[dict[str, tuple[int, int, int, int]]]:
    found = {cell.name: measure(cell) for cell in CELLS}
    yield found
    print("\ncell              package  modules  tests  README")
    for name, row in found.items():
        print(f"{name:<16}  {row[0]:>7}  {row[1]:>7}  {row[2]:>5}  {row[3]:>6}")


@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: cell.name)
def test_a_project_stays_small(cell: Cell, sizes: dict[str, tuple[int, int, int, int]]) -> None:
    names = ("lines of the package", "modules", "lines of tests", "lines of README.md")
    limits = (LIMITS[cell.domain][0] + MORE.get(cell.style, 0), *LIMITS[cell.domain][1:])
    for what, size, limit in zip(names, sizes[cell.name], limits, strict=True):
        assert size <= limit, what


@pytest.mark.parametrize("page", ["README.md", "docs/design.md"])
def test_pages_say_how_large_projects_are(
    page: str, sizes: dict[str, tuple[int, int, int, int]]
) -> None:
    text = (Path(__file__).parents[2] / page).read_text(encoding="utf-8")
    said = re.search(r"([\d,]+) to ([\d,]+)\s+lines", text)
    assert said
    least, most = (int(number.replace(",", "")) for number in said.groups())
    found = [package for package, *_ in sizes.values()]
    assert least <= min(found) < least + 100
    assert most - 100 < max(found) <= most


@pytest.mark.parametrize(
    ("cell", "feature"),
    [
        pytest.param(cell, feature, id=f"{cell.name}+{feature}")
        for cell in CELLS
        for feature in fitting(LAYERS, cell.domain, cell.style)
        if feature in ADDED
    ],
)
def test_a_feature_stays_small(
    cell: Cell, feature: str, sizes: dict[str, tuple[int, int, int, int]]
) -> None:
    package, *_ = measure(replace(cell, features=(feature,)))
    limit = ADDED[feature] + MORE_OF.get((cell.domain, feature), 0)
    assert package - sizes[cell.name][0] <= limit
