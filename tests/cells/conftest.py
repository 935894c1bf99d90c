"""The projects that the tests of this folder share."""

from __future__ import annotations

import pytest
from cells.harness import CELLS, Project, projects_of

from ptscaffold.checks import CHECKS


@pytest.fixture(scope="session")
def projects(request: pytest.FixtureRequest) -> dict[str, Project]:
    """Every project that the chosen tests need, after what `ptscaffold test` does with it.

    But for the interrupted run: tests/training has one in every style, and looks closer.
    """
    chosen: set[str] = set()
    for item in request.session.items:
        if isinstance(item, pytest.Function) and "projects" in item.fixturenames:
            chosen.update(item.callspec.params.get("cells") or [item.callspec.params["cell"]])
    only = [check for check in CHECKS if check != "interrupt"]
    return projects_of([cell for cell in CELLS if cell.name in chosen], only)
