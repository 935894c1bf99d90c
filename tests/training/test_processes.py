"""A process of torchrun that is killed ends the run soon, and another number of them goes on."""

from __future__ import annotations

import ast
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from torch.distributed.run import get_args_parser
from training.conftest import Package
from training.test_resume import rows

from ptscaffold.layers import Catalogue, Layer

CELLS = ["vision-plain", "vision-lightning", "vision-fastai"]
SLOW = [pytest.param(cell, marks=pytest.mark.nightly) for cell in CELLS[1:]]
FLAGS = ["--device", "cpu", "--epochs", "2", "--image-size", "16", "--num-workers", "0"]
FLAGS += ["--batch-size", "64", "--lr", "2e-5"]


def children(process: subprocess.Popen[str]) -> list[int]:
    told = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True)
    return sorted(map(int, told.stdout.split()))


def wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 120
    while not path.exists():
        assert time.monotonic() < deadline, process.communicate(timeout=10)
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)


def losses(run_dir: Path) -> list[float]:
    return [row[key] for row in rows(run_dir) for key in ("train/loss", "val/loss")]


@pytest.mark.parametrize("domain", Catalogue().choices("domains"), ids=lambda layer: layer.path)
def test_torchrun_takes_no_flag_of_a_project_for_its_own(domain: Layer) -> None:
    """It guesses at options that are cut short, even behind the name of the script."""
    config = (domain.folder / "src/__package__/config.py").read_text(encoding="utf-8")
    fields = [
        node.target for node in ast.walk(ast.parse(config)) if isinstance(node, ast.AnnAssign)
    ]
    names = [ast.unparse(field).replace("_", "-") for field in fields]
    assert "log-level" in names
    for name in names:
        flags = [f"--{name}", "1"]
        assert get_args_parser().parse_args(["script", *flags]).training_script_args == flags


@pytest.mark.parametrize("package", [CELLS[0], *SLOW], indirect=True)
def test_a_killed_process_ends_the_run_and_any_number_goes_on(package: Package) -> None:
    run_dir = package.folder / "runs/two"
    process = package.start_processes(2, *FLAGS, "--run-dir", "runs/two")
    wait_for(run_dir / "last.pt", process)
    os.kill(children(process)[1], signal.SIGKILL)
    began = time.monotonic()
    _, stderr = process.communicate(timeout=60)
    assert time.monotonic() - began < 30
    assert process.returncode == 1
    assert "error: process 0 has lost another one" in stderr
    assert "Traceback" not in stderr.partition("error: process 0")[0]
    cause = stderr.rpartition("Root Cause")[2]
    assert "rank      : 1" in cause
    assert stderr.rstrip().splitlines()[-2].strip().startswith("traceback : Signal 9 (SIGKILL)")
    assert len(rows(run_dir)) == 1

    package.run(*FLAGS, "--run-dir", "runs/one")
    package.run(*FLAGS, "--run-dir", "runs/two", "--resume", "auto")
    assert losses(run_dir) == pytest.approx(losses(package.folder / "runs/one"), abs=1e-4)


@pytest.mark.nightly
@pytest.mark.parametrize("package", CELLS, indirect=True)
def test_a_run_of_one_process_goes_on_with_two(package: Package) -> None:
    process = package.start(*FLAGS, "--run-dir", "runs/cut")
    wait_for(package.folder / "runs/cut/last.pt", process)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert len(rows(package.folder / "runs/cut")) == 1
    process = package.start_processes(2, "--run-dir", "runs/cut", "--resume", "auto")
    stdout, stderr = process.communicate(timeout=120)
    assert process.returncode == 0, stderr
    assert "world size 2" in stdout
    package.run(*FLAGS, "--run-dir", "runs/one")
    cut = losses(package.folder / "runs/cut")
    assert cut == pytest.approx(losses(package.folder / "runs/one"), abs=1e-4)
