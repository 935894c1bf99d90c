"""Projects made, installed and used as `ptscaffold test` does it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Final

import pytest

from ptscaffold.trial.matrix import Cell, choose_cells
from ptscaffold.trial.results import Outcome, Tried
from ptscaffold.trial.run import try_cells

# Every domain in every style, once, with features as in `pairwise`, which the workflows try whole.
CELLS: Final = [
    next(cells)
    for _, cells in groupby(choose_cells("pairwise"), key=lambda cell: (cell.domain, cell.style))
]
NAMES: Final = [cell.name for cell in CELLS]


@dataclass(frozen=True)
class Project:
    """A cell and what came of it."""

    cell: Cell
    tried: Tried

    def outcomes(self, check: str) -> list[Outcome]:
        return [outcome for outcome in self.tried.outcomes if outcome.check == check]

    def the(self, check: str) -> Outcome:
        """The one step of that name, which must have been done."""
        (outcome,) = self.outcomes(check)
        assert outcome.status == "ok", "\n".join([outcome.reason, *outcome.tail(100)])
        return outcome


def left_out(cell: Cell) -> set[str]:
    """What `make test` spares a cell, since another cell or test tries it with the same parts.

    tests/training looks more closely at a run that is interrupted. Two processes depend on the
    style alone, the data of a user's own on the domain. A project's own tests and its types are
    those of its domain in the first style and of its style in the first domain. `ptscaffold test`
    spares nothing, for every change in the pairs of layers, every night in all cells.
    """
    spared = {"interrupt"}
    if cell.domain != CELLS[0].domain:
        spared.add("processes")
        if cell.style != CELLS[0].style:
            spared |= {"tests", "types", "own-data"}
    return spared


def projects_of(
    cells: Sequence[Cell],
    only: Collection[str] = (),
    left_out: Callable[[Cell], Collection[str]] = lambda _: (),
) -> dict[str, Project]:
    """Try cells two at a time; while one trains the other waits, since that is timed."""
    tools = str(Path(sys.executable).parent)
    spared = {cell.name: left_out(cell) for cell in cells}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", tools, prepend=os.pathsep)
        trial = try_cells(cells, jobs=2, only=only, left_out=spared, alone=["train"])
    return {cell.name: Project(cell, tried) for cell, tried in zip(cells, trial.cells, strict=True)}
