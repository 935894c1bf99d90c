"""The projects that the tests of this folder share."""

from __future__ import annotations

import pytest
from cells.harness import CELLS, Project, projects_of

from ptscaffold.checks import CHECKS


@pytest.fixture(scope="session")
def projects(request: pytest.FixtureRequest) -> dict[str, Project]:
    """Every project that the chosen tests need, after what `ptscaffold test` does with it.

    But for what depends on the style alone: an interrupted run, which tests/training looks at more
    closely, and outside the first domain the run of two processes, which every project's own tests
    have too.
    """
    chosen: set[str] = set()
    for item in request.session.items:
        if isinstance(item, pytest.Function) and "projects" in item.fixturenames:
            chosen.update(item.callspec.params.get("cells") or [item.callspec.params["cell"]])
    cells = [cell for cell in CELLS if cell.name in chosen]
    made = {}
    for left_out in ({"interrupt"}, {"interrupt", "processes"}):
        first = "processes" not in left_out
        group = [cell for cell in cells if (cell.domain == CELLS[0].domain) == first]
        made |= projects_of(group, [check for check in CHECKS if check not in left_out])
    return made
