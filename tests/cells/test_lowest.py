"""Every project works with the oldest releases that its pyproject allows (`make test-lowest`)."""

from __future__ import annotations

from pathlib import Path

import pytest
from cells.harness import CELLS, OFFLINE, make

LOWEST = {"UV_RESOLUTION": "lowest-direct"}


@pytest.mark.lowest
@pytest.mark.parametrize("cell", CELLS)
def test_the_lower_bounds_hold(cell: str, tmp_path: Path) -> None:
    project = make(cell, tmp_path)
    assert project.run("uv sync", **LOWEST).code == 0, str(project.done["uv sync"])
    for command in (
        f"uv run --frozen python -m {project.package}.train",
        f"uv run --frozen python -m {project.package}.evaluate",
        "uv run --frozen pytest",
    ):
        done = project.run(command, **LOWEST, **OFFLINE)
        assert done.code == 0, str(done)
