"""A run that is ended from outside goes on as if nothing had happened, to the last bit."""

from __future__ import annotations

import signal
import time

import pytest
import torch
from training.conftest import Package

CELLS = ["vision-plain", "vision-lightning", "vision-fastai", "vision-accelerate"]
CELLS += ["vision-trainer"]
# The tests of a project interrupt it in its own process
SLOW = [pytest.param(cell, marks=pytest.mark.nightly) for cell in CELLS[1:]]
FLAGS = ("--device", "cpu", "--epochs", "3", "--image-size", "16", "--num-workers", "0")


@pytest.mark.parametrize("package", [CELLS[0], *SLOW], indirect=True)
def test_a_run_that_stopped_early_is_not_trained_on(package: Package) -> None:
    flags = (*FLAGS[:2], "--epochs", "9", "--patience", "1", "--lr", "1e-12", *FLAGS[4:])
    package.run(*flags, "--run-dir", "runs/early")
    weights, rows = package.weights("runs/early"), package.epochs("runs/early")
    assert len(rows) == 2
    best = package.weights("runs/early", "best")  # of two epochs that are equally good the later
    torch.testing.assert_close(weights, best, rtol=0, atol=0)
    package.run("--resume", "runs/early")
    assert len(package.epochs("runs/early")) == 2
    torch.testing.assert_close(package.weights("runs/early"), weights, rtol=0, atol=0)


@pytest.mark.parametrize("package", [CELLS[0], *SLOW], indirect=True)
def test_terminated_and_resumed_equals_unbroken(package: Package) -> None:
    package.run(*FLAGS, "--run-dir", "runs/unbroken")
    process = package.start(*FLAGS, "--run-dir", "runs/cut")
    package.wait_for_an_epoch("runs/cut", process)
    time.sleep(0.3)  # into the second epoch
    process.send_signal(signal.SIGTERM)
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM, stderr
    assert "stopped: go on with --resume runs/cut" in stdout
    assert len(package.epochs("runs/cut")) < 3

    package.run("--resume", "runs/cut")
    # Of fastai the loss is an average that moves over all epochs
    unlike = {"time", "examples_per_second", "train_loss"}
    cut, unbroken = (
        [{key: row[key] for key in row.keys() - unlike} for row in package.epochs(run)]
        for run in ("runs/cut", "runs/unbroken")
    )
    assert cut == unbroken
    expected, resumed = package.weights("runs/unbroken"), package.weights("runs/cut")
    assert len(expected) > 10
    torch.testing.assert_close(resumed, expected, rtol=0, atol=0)


@pytest.mark.nightly
@pytest.mark.parametrize("package", CELLS, indirect=True)
def test_ctrl_c_is_told_from_termination(package: Package) -> None:
    process = package.start(*FLAGS, "--run-dir", "runs/keys")
    package.wait_for_an_epoch("runs/keys", process)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGINT, stderr
    assert "stopped: go on with --resume runs/keys" in stdout


@pytest.mark.nightly
@pytest.mark.parametrize("package", CELLS[:2], indirect=True)
def test_a_run_goes_on_in_another_precision(package: Package) -> None:
    """As a job that is queued again may get another GPU."""
    process = package.start(*FLAGS, "--precision", "bf16", "--run-dir", "runs/moved")
    package.wait_for_an_epoch("runs/moved", process)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    package.run("--resume", "runs/moved", "--precision", "fp16")
    assert len(package.epochs("runs/moved")) == 3
