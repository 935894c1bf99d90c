"""The projects that the tests of this folder share."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from cells.harness import OFFLINE, Project, follow_readme, make
from cells.own_data import write_own_data


@pytest.fixture(scope="session")
def projects(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Project]:
    """Every project that the chosen tests need, after the steps that `new` prints: one by one,
    since their training is timed."""
    chosen: set[str] = set()
    for item in request.session.items:
        if isinstance(item, pytest.Function) and "projects" in item.fixturenames:
            chosen.update(item.callspec.params.get("cells") or [item.callspec.params["cell"]])
    made = {}
    for cell in sorted(chosen):
        project = make(cell, tmp_path_factory.mktemp("cell"))
        for step in project.steps:
            if "tensorboard" in step:
                project.serve(step)
            elif project.run(step, **({} if "sync" in step else OFFLINE)).code != 0:
                break
        for metrics in project.folder.glob("runs/*/metrics.jsonl"):
            project.first_metrics = metrics.read_text(encoding="utf-8")
        write_own_data(cell.partition("-")[0], project.folder)
        made[cell] = project
    return made


@pytest.fixture(scope="session")
def readmes(projects: dict[str, Project]) -> dict[str, Future[None]]:
    """The commands of every README, two projects at a time, one thread each."""
    pool = ThreadPoolExecutor(2)
    started = {cell: pool.submit(follow_readme, project) for cell, project in projects.items()}
    pool.shutdown(wait=False)
    return started
