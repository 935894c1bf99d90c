"""Every project works with the oldest releases that its pyproject allows (`make test-lowest`)."""

from __future__ import annotations

from itertools import cycle, product, starmap

import pytest
from cells.harness import projects_of, with_features

from ptscaffold.layers.catalogue import Catalogue
from ptscaffold.trial.matrix import Cell

LAYERS = Catalogue()
DOMAINS, STYLES = (sorted(LAYERS.names(kind)) for kind in ("domains", "styles"))
CELLS = list(starmap(Cell, product(DOMAINS, STYLES)))
# and every feature once in each domain
CELLS += starmap(with_features, zip(DOMAINS, cycle(STYLES), strict=False))


@pytest.mark.lowest
@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: cell.name[:40])
def test_the_lower_bounds_hold(cell: Cell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_RESOLUTION", "lowest-direct")
    project = projects_of([cell], only=["train", "evaluate", "tests"])[cell.name]
    for check in ("install", "train", "evaluate", "tests"):
        project.the(check)
