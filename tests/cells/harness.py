"""Projects made, installed and used as `ptscaffold test` does it."""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from ptscaffold.checks import CHECKS
from ptscaffold.matrix import Cell, choose_cells
from ptscaffold.perform import Outcome
from ptscaffold.trial import Tried, try_cells

# Every domain in every style, and every two features on, off, with each of them.
CELLS: Final = choose_cells("pairwise")
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


def checks_of(cell: Cell) -> list[str]:
    """What `make test` tries of a cell: all that no other cell or test has tried with its parts.

    tests/training looks more closely at a run that is interrupted. Two processes depend on the
    style alone. A project's own tests and its types are those of its domain in the first style and
    of its style in the first domain; every night they run in each cell.
    """
    left_out = {"interrupt"}
    if cell.domain != CELLS[0].domain:
        left_out.add("processes")
        if cell.style != CELLS[0].style:
            left_out |= {"tests", "types"}
    return [check for check in CHECKS if check not in left_out]


def projects_of(cells: Sequence[Cell], only: Collection[str] = ()) -> dict[str, Project]:
    """Try cells two at a time; while one trains the other waits, since that is timed."""
    tools = str(Path(sys.executable).parent)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", tools, prepend=os.pathsep)
        trial = try_cells(cells, jobs=2, only=only, alone=["train"])
    return {cell.name: Project(cell, tried) for cell, tried in zip(cells, trial.cells, strict=True)}
