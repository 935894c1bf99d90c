"""What a step frees is there for the next one, without asking the system for it again."""

from __future__ import annotations

import sys

import pytest
from training.conftest import Package

COUNT = """
import resource
import torch
from {name}.config import Config
from {name}.runtime import start

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

with start(Config(device="cpu")):
    for _ in range(6):
        before = faults()
        activations = [torch.ones(2**20) for _ in range(30)]  # of 4 MB each
        del activations
    print(faults() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="it is about glibc")
@pytest.mark.parametrize("package", ["vision-plain"], indirect=True)
def test_memory_of_a_step_is_used_again(package: Package) -> None:
    process = package.python("-c", COUNT.format(name=package.name))
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 0, stderr
    assert int(stdout.splitlines()[-1]) < 100  # of the 30 x 1024 pages
