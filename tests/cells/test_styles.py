"""The styles of a domain agree, whatever they are written with."""

from __future__ import annotations

from itertools import groupby

import pytest
from cells.harness import NAMES, Project

DOMAINS = [list(cells) for _, cells in groupby(NAMES, key=lambda cell: cell.partition("-")[0])]


@pytest.mark.parametrize("cells", DOMAINS, ids=lambda cells: cells[0].partition("-")[0])
def test_the_first_runs_end_alike(cells: list[str], projects: dict[str, Project]) -> None:
    assert len({cell.partition("+")[0] for cell in cells}) == 3
    ends = {cell: projects[cell].the("evaluate").found for cell in cells}
    found = {cell: end[1] for cell, end in ends.items() if end}
    assert len(found) == 3
    print(found)
    assert max(found.values()) - min(found.values()) <= 0.02
