"""A run that is ended from outside in the middle of an epoch goes on as if nothing had happened."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from training.conftest import Package

CELLS = ["vision-plain", "vision-lightning", "vision-fastai"]
# The tests of a project interrupt it in its own process
SLOW = [pytest.param(cell, marks=pytest.mark.nightly) for cell in CELLS[1:]]
SPEED = ("examples_per_second", "data_wait")
FLAGS = ("--device", "cpu", "--epochs", "3", "--image-size", "16", "--num-workers", "0")


def rows(run_dir: Path) -> list[dict[str, float]]:
    lines = (run_dir / "metrics.jsonl").read_text().splitlines() if run_dir.exists() else []
    read = [json.loads(line) for line in lines]
    return [{key: row[key] for key in row if key not in SPEED} for row in read]


def load(path: Path) -> dict[str, Any]:
    return dict(torch.load(path, weights_only=True))


@pytest.mark.parametrize("package", [CELLS[0], *SLOW], indirect=True)
def test_terminated_and_resumed_equals_unbroken(package: Package) -> None:
    package.run(*FLAGS, "--run-dir", "runs/unbroken")
    unbroken = package.folder / "runs/unbroken"
    cut = package.folder / "runs/cut"

    process = package.start(*FLAGS, "--run-dir", "runs/cut")
    deadline = time.monotonic() + 120
    while not (cut / "last.pt").exists():  # the end of the first epoch
        assert time.monotonic() < deadline, process.communicate(timeout=10)
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    time.sleep(0.3)
    process.send_signal(signal.SIGTERM)
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode in (0, -signal.SIGTERM), stderr
    stopped = load(cut / "last.pt")
    steps_an_epoch = rows(unbroken)[0]["step"]
    assert steps_an_epoch < stopped["step"] < 3 * steps_an_epoch, stdout

    package.run(*FLAGS, "--run-dir", "runs/cut", "--resume", "auto")
    if package.name == "vision_plain":
        assert rows(cut) == rows(unbroken)
    else:
        assert rows(cut)[-1] == pytest.approx(rows(unbroken)[-1], rel=1e-6, abs=1e-6)
    for name in ("last.pt", "best.pt"):
        expected, resumed = load(unbroken / name)["model"], load(cut / name)["model"]
        assert expected.keys() == resumed.keys()
        tolerance = 0.0 if package.name == "vision_plain" else 1e-6
        for key, value in expected.items():
            torch.testing.assert_close(resumed[key], value, rtol=tolerance, atol=tolerance)
