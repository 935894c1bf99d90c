"""Generated projects, run from their source by the environment of the tests."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from ptscaffold.project.new import Request, create


@dataclass(frozen=True)
class Package:
    """A generated package and a folder to run it in."""

    name: str
    source: Path
    folder: Path

    @property
    def style(self) -> str:
        return self.name.partition("_")[2]

    def start(self, *flags: str) -> subprocess.Popen[str]:
        return self.python("-m", f"{self.name}.train", *flags)

    def start_processes(self, number: int, *flags: str) -> subprocess.Popen[str]:
        """Train with a number of processes, by torchrun."""
        launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(number)]
        return self.python(*launcher, "-m", f"{self.name}.train", *flags)

    def python(self, *arguments: str) -> subprocess.Popen[str]:
        environment = {**os.environ, "PYTHONPATH": str(self.source), "OMP_NUM_THREADS": "1"}
        return subprocess.Popen(
            [sys.executable, *arguments],
            cwd=self.folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *flags: str) -> str:
        """Train to the end and give what was printed."""
        return finish(self.start(*flags))

    def epochs(self, run: str) -> list[dict[str, Any]]:
        """What validation has found, a row an epoch, as far as it is written."""
        rows: list[dict[str, Any]] = []
        for path in sorted((self.folder / run).rglob("*")):
            if path.name in ("metrics.jsonl", "metrics.csv", "history.csv"):
                with path.open(newline="") as file:
                    rows += csv.DictReader(file) if path.suffix == ".csv" else map(json.loads, file)
        return [row for row in rows if any(row[key] for key in row if key[:3] == "val")]

    def wait_for_an_epoch(self, run: str, process: subprocess.Popen[str]) -> None:
        deadline = time.monotonic() + 120
        while not self.epochs(run):
            assert time.monotonic() < deadline, process.communicate(timeout=10)
            assert process.poll() is None, process.communicate()
            time.sleep(0.02)

    def weights(self, run: str, name: str = "last") -> dict[str, Tensor]:
        """The weights in a checkpoint, whichever style has written it."""
        (path,) = (
            path
            for path in (self.folder / run).glob(f"{name}.*")
            if ".pt" in path.suffix or path.suffix[1:].isdigit() or path.suffix == ".ckpt"
        )
        if path.suffix[1:].isdigit():  # a folder of Accelerate, a mark beside one of the Trainer
            folder = path if path.is_dir() else path.with_name(f"checkpoint-{path.suffix[1:]}")
            saved = load_file(folder / "model.safetensors")
            return {key.removeprefix("model."): value for key, value in saved.items()}
        saved = torch.load(path, weights_only=path.suffix != ".pth")  # fastai's optimizer has more
        for key in ("model", "state_dict"):
            saved = saved.get(key, saved)
        return {key: value for key, value in saved.items() if isinstance(value, Tensor)}


def finish(process: subprocess.Popen[str], given: str | None = None) -> str:
    stdout, stderr = process.communicate(given, timeout=300)
    assert process.returncode == 0, stderr
    return stdout


@pytest.fixture
def package(request: pytest.FixtureRequest, tmp_path: Path) -> Package:
    """The project of a cell such as `vision-plain`, the parameter of the test."""
    domain, _, style = request.param.rpartition("-")
    monkeypatch = request.getfixturevalue("monkeypatch")
    monkeypatch.chdir(tmp_path)
    create(Request(domain=domain, style=style))
    name = request.param.replace("-", "_")
    return Package(name, tmp_path / request.param / "src", tmp_path)
