"""Sharded models: two processes train like one, and any number goes on with what they save."""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path

import pytest
import torch
from training.conftest import Package
from training.test_processes import FLAGS, children, losses, wait_for

from ptscaffold.create import Request, create

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


@pytest.fixture(params=["plain", "lightning"])
def package(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Package:
    monkeypatch.chdir(tmp_path)
    create(Request(domain="vision", style=request.param, features=("fsdp",)))
    source = tmp_path / f"vision-{request.param}" / "src"
    (source / "sitecustomize.py").write_text(PROBE)
    return Package(f"vision_{request.param}", source, tmp_path)


@pytest.mark.nightly  # tests/cells has the shorter test of a project's own
@pytest.mark.parametrize("flags", [(), ("--accumulate", "2", "--ema", "0.9", "--recompute")])
def test_two_processes_train_like_one_and_any_number_goes_on(
    package: Package, flags: tuple[str, ...]
) -> None:
    runs = package.folder / "runs"
    flags = (*FLAGS, *flags)
    package.run(*flags, "--run-dir", "runs/one")
    expected = pytest.approx(losses(runs / "one"), abs=1e-4)

    process = package.start_processes(2, *flags, "--run-dir", "runs/cut")
    wait_for(runs / "cut/last.pt", process)
    for number in children(process):
        os.kill(number, signal.SIGTERM)
    stdout, stderr = process.communicate(timeout=120)
    assert process.returncode == 0, stderr
    told = sorted(line.split()[1:] for line in stdout.splitlines() if line.startswith("shard"))
    assert [line[0] for line in told] == ["0", "1"]
    for _, modules, own, whole in told:
        assert int(modules) == 4  # three blocks and the root
        assert 0.4 * int(whole) < int(own) < 0.6 * int(whole)
    step = torch.load(runs / "cut/last.pt", weights_only=True)["step"]
    assert 21 < step < 42, "it was not cut in the middle of the second epoch"

    shutil.copytree(runs / "cut", runs / "again")
    package.run("--run-dir", "runs/again", "--resume", "auto")
    process = package.start_processes(2, "--run-dir", "runs/cut", "--resume", "auto")
    _, stderr = process.communicate(timeout=120)
    assert process.returncode == 0, stderr
    for name in ("again", "cut"):
        assert losses(runs / name) == expected

    for name in ("last.pt", "best.pt"):
        checkpoint = ("--checkpoint", f"runs/cut/{name}", "--device", "cpu")
        package.run(*checkpoint, "--split", "val", module="evaluate")
        report = json.loads((runs / "cut/evaluation-val.json").read_text())
        assert report["loss"] == pytest.approx(losses(runs / "cut")[-1], abs=1e-3)
    assert (runs / "cut/last.pt.shards-0").exists() != (runs / "cut/last.pt.shards-1").exists()


@pytest.mark.nightly
@pytest.mark.parametrize(("domain", "style"), [("text", "plain"), ("audio", "lightning")])
def test_other_domains_train_in_bf16(
    domain: str, style: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    create(Request(domain=domain, style=style, features=("fsdp",)))
    package = Package(f"{domain}_{style}", tmp_path / f"{domain}-{style}" / "src", tmp_path)
    flags = ("--device", "cpu", "--dry-run", "--precision", "bf16")
    process = package.start_processes(2, *flags)
    stdout, stderr = process.communicate(timeout=120)
    assert process.returncode == 0, stderr
    assert "precision bf16, world size 2" in stdout
