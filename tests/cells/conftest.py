"""The projects that the tests of this folder share."""

from __future__ import annotations

import pytest
from cells.harness import CELLS, Project, projects_of


@pytest.fixture(scope="session")
def projects(request: pytest.FixtureRequest) -> dict[str, Project]:
    """Every project that the chosen tests need, after all that `ptscaffold test` does with it."""
    chosen: set[str] = set()
    for item in request.session.items:
        if isinstance(item, pytest.Function) and "projects" in item.fixturenames:
            chosen.update(item.callspec.params.get("cells") or [item.callspec.params["cell"]])
    return projects_of([cell for cell in CELLS if cell.name in chosen])
