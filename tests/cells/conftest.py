"""The projects that the tests of this folder share."""

from __future__ import annotations

import pytest
from cells.harness import CELLS, Project, left_out, new_in, projects_of


@pytest.fixture(scope="session")
def projects(request: pytest.FixtureRequest) -> dict[str, Project]:
    """Every project that the chosen tests need, after what `ptscaffold test` does with it."""
    chosen: set[str] = set()  # names of cells, and of domains for all theirs
    for item in request.session.items:
        if isinstance(item, pytest.Function) and "projects" in item.fixturenames:
            chosen.update(map(str, item.callspec.params.values()))
    cells = [cell for cell in CELLS if {cell.name, cell.domain} & chosen]
    cells.sort(key=lambda cell: len(left_out(cell)))
    with pytest.MonkeyPatch.context() as patch:
        if not any(all(new_in(cell)) for cell in cells):  # by day, see left_out
            patch.setenv("PYTEST_ADDOPTS", "-k 'not two_processes'")
        return projects_of(cells, left_out=left_out)
