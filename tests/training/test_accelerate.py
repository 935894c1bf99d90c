"""What Accelerate's launcher may decide: how many processes, and how many batches for a step."""

from __future__ import annotations

import signal

import pytest
from training.conftest import Package, finish

FLAGS = ["--device", "cpu", "--epochs", "2", "--image-size", "16", "--num-workers", "0"]
pytestmark = [
    pytest.mark.nightly,
    pytest.mark.parametrize("package", ["vision-accelerate"], indirect=True),
]


def test_a_step_of_several_batches_is_resumed_as_such(
    package: Package, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACCELERATE_GRADIENT_ACCUMULATION_STEPS", "3")
    package.run(*FLAGS, "--run-dir", "runs/whole")
    process = package.start(*FLAGS, "--run-dir", "runs/cut")
    package.wait_for_an_epoch("runs/cut", process)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    monkeypatch.delenv("ACCELERATE_GRADIENT_ACCUMULATION_STEPS")
    process = package.start("--resume", "runs/cut")
    _, stderr = process.communicate(timeout=60)
    assert (process.returncode, stderr.splitlines()[-1]) == (
        1,
        "the run takes 3 batches for a step, not 1",
    )
    monkeypatch.setenv("ACCELERATE_GRADIENT_ACCUMULATION_STEPS", "3")
    package.run("--resume", "runs/cut")
    whole, cut = package.epochs("runs/whole"), package.epochs("runs/cut")
    assert [row["step"] for row in whole] == [9, 18]  # of 26 batches an epoch
    assert cut == whole


def test_evaluation_in_two_processes_is_that_of_one(package: Package) -> None:
    package.run("--dry-run", *FLAGS, "--run-dir", "runs/x")
    evaluate = ("-m", f"{package.name}.evaluate", "--checkpoint", "runs/x")
    one = finish(package.python(*evaluate)).splitlines()
    launcher = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
    two = finish(package.python(*launcher, *evaluate)).splitlines()
    assert two[-2:] == one[-2:]
    assert len(one) == len(two) == 4


def test_a_notebook_evaluates_what_it_has_trained_in_any_precision(package: Package) -> None:
    lines = f"""
from pathlib import Path
from {package.name} import config, evaluate, train
train.train(config.Config(dry_run=True, device="cpu", precision="bf16", num_workers=0))
evaluate.main(Path("runs/dry-run"))
"""
    assert " on " in finish(package.python("-c", lines)).splitlines()[-1]


def test_a_batch_that_processes_cannot_share_is_an_error(package: Package) -> None:
    process = package.start_processes(2, *FLAGS, "--batch-size", "33", "--run-dir", "runs/x")
    _, stderr = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "needs to be a round multiple of the number of processes (2)" in stderr
