"""The styles of a domain agree, whatever they are written with."""

from __future__ import annotations

import pytest
from cells.harness import CELLS, FIRST, Project

DOMAINS = [
    pytest.param(domain, marks=[] if domain == FIRST.domain else pytest.mark.nightly)
    for domain in sorted({cell.domain for cell in CELLS})
]


@pytest.mark.parametrize("domain", DOMAINS)
def test_the_first_runs_end_alike(domain: str, projects: dict[str, Project]) -> None:
    cells = [cell.name for cell in CELLS if cell.domain == domain]
    ends = {cell: projects[cell].the("evaluate").found for cell in cells}
    found = {cell: end[1] for cell, end in ends.items() if end}
    assert len(found) == len(cells)
    print(found)
    assert max(found.values()) - min(found.values()) <= 0.02
