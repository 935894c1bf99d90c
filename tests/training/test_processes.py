"""Several processes take the batch of one, and none of them is left alone."""

from __future__ import annotations

import ast
import os
import signal
import subprocess
import time

import pytest
import torch
from torch.distributed.run import get_args_parser
from training.conftest import Package, finish

from ptscaffold.layers.catalogue import Catalogue
from ptscaffold.layers.manifest import Layer

# Without fastai, whose `distrib_ctx` is for GPUs
CELLS = ["vision-plain", "vision-lightning", "vision-accelerate", "vision-trainer"]
SLOW = [pytest.param(cell, marks=pytest.mark.nightly) for cell in CELLS[1:]]
FLAGS = ["--device", "cpu", "--epochs", "2", "--image-size", "16", "--num-workers", "0"]
FLAGS += ["--batch-size", "64", "--lr", "2e-5"]  # with a large one, rounding grows


def children(process: subprocess.Popen[str]) -> list[int]:
    told = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True)
    return sorted(map(int, told.stdout.split()))


@pytest.mark.parametrize("domain", Catalogue().choices("domains"), ids=lambda layer: layer.path)
def test_torchrun_takes_no_flag_of_a_project_for_its_own(domain: Layer) -> None:
    """It guesses at options that are cut short, even behind the name of the script."""
    config = (domain.folder / "src/__package__/config.py").read_text(encoding="utf-8")
    fields = [
        node.target for node in ast.walk(ast.parse(config)) if isinstance(node, ast.AnnAssign)
    ]
    names = [ast.unparse(field).replace("_", "-") for field in fields]
    assert "num-workers" in names
    for name in names:
        flags = [f"--{name}", "1"]
        assert get_args_parser().parse_args(["script", *flags]).training_script_args == flags


@pytest.mark.parametrize("package", [CELLS[0], *SLOW], indirect=True)
def test_two_processes_end_like_one_and_two_go_on_where_one_was_cut(package: Package) -> None:
    package.run(*FLAGS, "--run-dir", "runs/one")
    process = package.start(*FLAGS, "--run-dir", "runs/cut")
    package.wait_for_an_epoch("runs/cut", process)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    finish(package.start_processes(2, "--resume", "runs/cut"))
    finish(package.start_processes(2, *FLAGS, "--run-dir", "runs/two"))
    one = package.epochs("runs/one")
    for run in ("runs/two", "runs/cut"):
        rows = package.epochs(run)
        assert len(rows) == len(one) == 2
        for row, expected in zip(rows, one, strict=True):
            assert float(row["val/loss"]) == pytest.approx(float(expected["val/loss"]), abs=1e-2)


@pytest.mark.nightly
@pytest.mark.parametrize("package", CELLS, indirect=True)
def test_a_killed_process_ends_the_run(package: Package) -> None:
    process = package.start_processes(2, *FLAGS, "--epochs", "40", "--run-dir", "runs/two")
    package.wait_for_an_epoch("runs/two", process)
    while not any((package.folder / "runs/two").glob("last.*")):  # which comes after its metrics
        assert process.poll() is None
        time.sleep(0.02)
    os.kill(children(process)[1], signal.SIGKILL)
    began = time.monotonic()
    _, stderr = process.communicate(timeout=90)
    assert time.monotonic() - began < 60
    assert process.returncode == 1
    assert "Signal 9 (SIGKILL)" in stderr.rpartition("Root Cause")[2]
    assert all(map(torch.isfinite, (w.sum() for w in package.weights("runs/two").values())))


@pytest.mark.nightly
@pytest.mark.parametrize("package", ["vision-lightning"], indirect=True)
def test_an_error_of_one_process_is_seen_and_ends_the_run(package: Package) -> None:
    """To save where it stands it would wait for the others, which wait for its gradients."""
    (package.folder / "bad.py").write_text(f"""
from {package.name}.config import Config
from {package.name}.module import Module
from {package.name}.train import train
class Bad(Module):
    def training_step(self, batch, batch_idx):
        if self.global_rank == 1 and self.trainer.global_step == 5:
            raise RuntimeError("the memory of one process is full")
        return super().training_step(batch, batch_idx)
train(Config(device="cpu", epochs=2, image_size=16, num_workers=0), Bad)
""")
    process = package.python(
        "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "bad.py"
    )
    _, stderr = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "the memory of one process is full" in stderr
