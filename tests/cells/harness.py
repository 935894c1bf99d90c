"""Projects made, installed and used as `ptscaffold test` does it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Final

import pytest
from fitting import fitting

from ptscaffold.layers.catalogue import Catalogue
from ptscaffold.trial.children import Outcome
from ptscaffold.trial.matrix import Cell, choose_cells
from ptscaffold.trial.run import Manner, Tried, try_cells


def new_in(cell: Cell) -> tuple[bool, bool]:
    """Whether its domain, and its style, are others than those of the first cell."""
    return cell.domain != FIRST.domain, cell.style != FIRST.style


# Every domain in every style, once. Those of the first domain have features as in `pairwise`, which
# the workflows try whole.
PAIRS: Final = groupby(choose_cells("pairwise"), key=lambda cell: (cell.domain, cell.style))
FIRST, *OTHERS = [next(cells) for _, cells in PAIRS]
CELLS: Final = [
    replace(cell, features=()) if cell.domain != FIRST.domain else cell for cell in (FIRST, *OTHERS)
]
NIGHT: Final = pytest.mark.nightly  # for what is new in both ways
NAMES: Final = [pytest.param(c.name, marks=[NIGHT] * all(new_in(c))) for c in CELLS]


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


def with_features(domain: str, style: str) -> Cell:
    """A cell with every feature that its style can have."""
    return Cell(domain, style, tuple(fitting(Catalogue(), domain, style)))


def left_out(cell: Cell) -> set[str]:
    """What `make test` spares a cell, since another cell or test tries it with the same parts.

    tests/training looks more closely at a run that is interrupted, and in the first cell at two
    processes and at a run that is resumed. These depend on the style alone, so the first domain has
    them. A project's own tests are in the cells that are new in one way, but for those of two
    processes, which are the slowest and for the night; its types, and its own command with two
    processes, are in those of a new style with features. Data of a user's own are given to the
    first cell, and by night to every domain: cells that are new in both ways are for the night, and
    spared nothing else. `ptscaffold test` tries all of it for every change, types too.
    """
    new_domain, new_style = new_in(cell)
    if new_domain and new_style:
        return {"interrupt"}
    spared = {"interrupt"}
    if new_domain:
        spared |= {"own-data", "processes", "resume", "types"}
    elif new_style:
        spared |= {"own-data"} if cell.features else {"own-data", "processes", "types"}
    else:
        spared |= {"processes", "resume", "tests", "types"}
    return spared


def projects_of(
    cells: Sequence[Cell],
    only: Collection[str] = (),
    left_out: Callable[[Cell], Collection[str]] = lambda _: (),
) -> dict[str, Project]:
    """Try cells two at a time, each on one core."""
    tools = str(Path(sys.executable).parent)
    spared = {cell.name: left_out(cell) for cell in cells}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", tools, prepend=os.pathsep)
        manner = Manner(jobs=2, only=only, spared=lambda name, check: check in spared[name])
        trial = try_cells(cells, manner)
    return {cell.name: Project(cell, tried) for cell, tried in zip(cells, trial.cells, strict=True)}
