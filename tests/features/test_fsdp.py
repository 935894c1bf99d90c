"""Sharded models: each process holds a part, and any number goes on with what they save."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
import torch
from training.conftest import Package, finish
from training.test_processes import children

from ptscaffold.project.new import Request, create

MODULES = {"plain": "train_sharded", "lightning": "fit_sharded"}
FLAGS = ["--device", "cpu", "--epochs", "3", "--image-size", "16", "--num-workers", "0"]
FLAGS += ["--batch-size", "64", "--lr", "1e-3"]

# What each process says of its shards at the end of its run.
PROBE = """
import atexit
import os

import torch.distributed.fsdp as fsdp

shard, models = fsdp.fully_shard, []


def fully_shard(module, **options):
    models.append(module)
    return shard(module, **options)


@atexit.register
def tell():
    if models:
        whole = sum(p.numel() for p in models[-1].parameters())
        own = sum(p.to_local().numel() for p in models[-1].parameters())
        told = f"shard {os.environ['RANK']} {len(models)} {own} {whole}\\n"
        os.write(1, told.encode())  # in one piece: the processes share a pipe


fsdp.fully_shard = fully_shard
"""


def make(domain: str, style: str, folder: Path) -> Package:
    create(Request(domain=domain, style=style, features=("fsdp",)))
    source = folder / f"{domain}-{style}" / "src"
    (source / "sitecustomize.py").write_text(PROBE)
    return Package(f"{domain}_{style}", source, folder)


def start_shards(package: Package, *flags: str) -> subprocess.Popen[str]:
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    return package.python(*launcher, "-m", f"{package.name}.{MODULES[package.style]}", *flags)


@pytest.mark.nightly  # tests/cells has the shorter test of a project's own
@pytest.mark.parametrize("style", MODULES)
def test_shards_train_like_a_whole_model_and_any_number_goes_on(
    style: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    package = make("vision", style, tmp_path)
    stdout = finish(start_shards(package, *FLAGS, "--run-dir", "runs/whole"))
    told = sorted(line.split()[1:] for line in stdout.splitlines() if line.startswith("shard "))
    assert [line[0] for line in told] == ["0", "1"]
    for _, modules, own, whole in told:
        assert int(modules) == 4  # three blocks and the root
        assert 0.4 * int(whole) < int(own) < 0.6 * int(whole)

    process = start_shards(package, *FLAGS, "--run-dir", "runs/cut")
    package.wait_for_an_epoch("runs/cut", process)
    for number in children(process):
        os.kill(number, signal.SIGTERM)
    stdout, stderr = process.communicate(timeout=120)
    assert process.returncode == 0, stderr
    assert "stopped: go on with" in stdout
    shutil.copytree(tmp_path / "runs/cut", tmp_path / "runs/again")
    finish(start_shards(package, "--resume", "runs/cut"))
    package.run("--resume", "runs/again")
    package.run(*FLAGS, "--run-dir", "runs/one")
    for run in ("whole", "cut", "again"):
        rows = package.epochs(f"runs/{run}")
        assert len(rows) == 3
        # Not more: BatchNorm counts what its process sees
        expected = float(package.epochs("runs/one")[-1]["val/loss"])
        assert float(rows[-1]["val/loss"]) == pytest.approx(expected, abs=0.1)
    for name, value in package.weights("runs/whole").items():
        torch.testing.assert_close(package.weights("runs/cut")[name], value, rtol=0.1, atol=0.02)


@pytest.mark.nightly
@pytest.mark.parametrize(("domain", "style"), [("text", "plain"), ("audio", "lightning")])
def test_other_domains_train_in_bf16(
    domain: str, style: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    package = make(domain, style, tmp_path)
    stdout = finish(start_shards(package, "--device", "cpu", "--dry-run", "--precision", "bf16"))
    assert "finished:" in stdout
