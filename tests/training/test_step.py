"""A step that goes through its batch in parts is the same step, also of several processes."""

from __future__ import annotations

import os
import signal

import pytest
from training.conftest import Package
from training.test_agreement import scalars
from training.test_processes import CELLS, FLAGS, children, losses, wait_for


@pytest.mark.nightly  # a project's own tests compare each style with a short loop
@pytest.mark.parametrize("package", CELLS, indirect=True)
def test_a_batch_in_parts_gives_the_same_curve(package: Package) -> None:
    runs = package.folder / "runs"
    flags = (*FLAGS, "--log-every", "1", "--ema", "0.9")
    package.run(*flags, "--run-dir", "runs/whole")
    package.run(*flags, "--run-dir", "runs/parts", "--accumulate", "4", "--recompute")

    together = ("--run-dir", "runs/two", "--accumulate", "2")
    process = package.start_processes(2, *flags, *together)
    wait_for(runs / "two/last.pt", process)
    for number in children(process):
        os.kill(number, signal.SIGTERM)
    stdout, stderr = process.communicate(timeout=120)
    assert "stopped" in stdout, stderr
    process = package.start_processes(2, "--run-dir", "runs/two", "--resume", "auto")
    _, stderr = process.communicate(timeout=120)
    assert process.returncode == 0, stderr

    whole = scalars(runs / "whole", "train/loss")
    for name in ("parts", "two"):
        points = scalars(runs / name, "train/loss")
        assert [step for step, _ in points] == [step for step, _ in whole]
        assert [loss for _, loss in points] == pytest.approx([loss for _, loss in whole], abs=1e-4)
        assert losses(runs / name) == pytest.approx(losses(runs / "whole"), abs=1e-4)
