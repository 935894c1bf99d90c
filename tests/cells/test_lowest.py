"""Every project works with the oldest releases that its pyproject allows (`make test-lowest`)."""

from __future__ import annotations

from itertools import product, starmap

import pytest
from cells.harness import projects_of

from ptscaffold.layers.catalogue import Catalogue
from ptscaffold.trial.matrix import Cell

LAYERS = Catalogue()
CELLS = list(starmap(Cell, product(*(sorted(LAYERS.names(k)) for k in ("domains", "styles")))))


@pytest.mark.lowest
@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: cell.name)
def test_the_lower_bounds_hold(cell: Cell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_RESOLUTION", "lowest-direct")
    project = projects_of([cell], only=["train", "evaluate", "tests"])[cell.name]
    for check in ("install", "train", "evaluate", "tests"):
        project.the(check)
