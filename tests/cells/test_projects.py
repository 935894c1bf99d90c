"""Every domain in every style as a newcomer meets it: made, installed, trained, used.

Two cores, no network after the installation, and no command but the printed ones.
"""

from __future__ import annotations

import json
import re
from concurrent.futures import Future

import pytest
from cells.harness import CELLS, Project, readme_commands

pytestmark = pytest.mark.parametrize("cell", CELLS)

METRICS = ["epoch", "step", "train/loss", "val/loss", "val/accuracy", "lr", "examples_per_second"]
LINES = [
    r"device .+, precision \w+, world size 1",
    r"run runs/\S+",
    r"epoch +\d+  train/loss \S+  val/loss \S+  val/accuracy \S+  \S+ examples/s",
    r"finished: runs/\S+/best.pt",
]


def test_every_next_step_runs_as_printed(cell: str, projects: dict[str, Project]) -> None:
    project = projects[cell]
    assert len(project.steps) == 3
    for step in project.steps:
        assert step in project.done, f"an earlier step failed: {list(project.done.values())[-1]}"
        assert project.done[step].code == 0, str(project.done[step])
    board = project.done[project.steps[-1]]
    assert "TensorBoard" in board.stdout


def test_the_first_run_learns_in_a_minute(cell: str, projects: dict[str, Project]) -> None:
    project = projects[cell]
    run = project.done[f"uv run python -m {project.package}.train"]
    rows = [json.loads(line) for line in project.first_metrics.splitlines()]
    assert rows[-1]["val/accuracy"] >= 0.90, str(run)
    assert run.seconds < 60, f"{run.seconds:.1f} s"
    assert all(list(row) == METRICS for row in rows)


def test_the_first_run_prints_what_it_should(cell: str, projects: dict[str, Project]) -> None:
    run = projects[cell].done[f"uv run python -m {projects[cell].package}.train"]
    assert run.stderr == ""
    for line in run.stdout.splitlines():
        assert any(re.fullmatch(pattern, line) for pattern in LINES), line


def test_the_readme_is_true(
    cell: str, projects: dict[str, Project], readmes: dict[str, Future[None]]
) -> None:
    project = projects[cell]
    readmes[cell].result()
    commands = readme_commands(project)
    failed = [str(project.done[c]) for c in commands if project.done[c].code != 0]
    assert not failed, "\n".join(failed)
    for needed in ("train", "evaluate", "predict", "tensorboard", "torchrun", "--resume auto"):
        assert any(needed in command for command in commands), needed
    for check in ("uv run pytest", "uv run ruff check", "uv run mypy"):
        assert check in commands
    print({command: round(project.done[command].seconds, 1) for command in commands})


def test_predictions_are_one_object_a_line(
    cell: str, projects: dict[str, Project], readmes: dict[str, Future[None]]
) -> None:
    project = projects[cell]
    readmes[cell].result()
    (command,) = [c for c in readme_commands(project) if ".predict" in c]
    rows = [json.loads(line) for line in project.done[command].stdout.splitlines()]
    assert rows
    assert all({"input", "label", "score", "scores"} <= set(row) for row in rows)


def test_the_project_is_formatted(
    cell: str, projects: dict[str, Project], readmes: dict[str, Future[None]]
) -> None:
    readmes[cell].result()
    done = projects[cell].run("uv run ruff format --check")
    assert done.code == 0, str(done)
