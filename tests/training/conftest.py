"""Generated projects, run from their source by the environment of the tests."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from ptscaffold.create import Request, create


@dataclass(frozen=True)
class Package:
    """A generated package and a folder to run it in."""

    name: str
    source: Path
    folder: Path

    def start(self, *flags: str, module: str = "train") -> subprocess.Popen[str]:
        return self.python("-m", f"{self.name}.{module}", *flags)

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
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *flags: str, module: str = "train") -> str:
        """Run a module to its end and give what it printed."""
        process = self.start(*flags, module=module)
        stdout, stderr = process.communicate(timeout=300)
        assert process.returncode == 0, stderr
        return stdout


@pytest.fixture
def package(request: pytest.FixtureRequest, tmp_path: Path) -> Package:
    """The project of a cell such as `vision-plain`, the parameter of the test."""
    domain, style = request.param.split("-")
    monkeypatch = request.getfixturevalue("monkeypatch")
    monkeypatch.chdir(tmp_path)
    create(Request(domain=domain, style=style))
    return Package(f"{domain}_{style}", tmp_path / request.param / "src", tmp_path)
