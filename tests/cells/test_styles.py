"""The styles of a domain agree, whatever they are written with."""

from __future__ import annotations

from itertools import groupby

import pytest
from cells.harness import NAMES, Project

DOMAINS = [list(cells) for _, cells in groupby(NAMES, key=lambda cell: cell.partition("-")[0])]


@pytest.mark.parametrize("cells", DOMAINS, ids=lambda cells: cells[0].partition("-")[0])
def test_the_first_runs_end_alike(cells: list[str], projects: dict[str, Project]) -> None:
    assert len({cell.partition("+")[0] for cell in cells}) == 3
    runs = {cell: projects[cell].the("train").metrics for cell in cells}
    print({cell: rows[-1]["val/accuracy"] for cell, rows in runs.items()})
    last = [rows[-1]["val/accuracy"] for rows in runs.values()]
    assert max(last) - min(last) <= 0.03
    first = [rows[0]["train/loss"] for rows in runs.values()]
    assert first == pytest.approx([first[0]] * len(first), abs=1e-3)
