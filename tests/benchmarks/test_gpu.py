"""The benchmark of a GPU, run on the CPU at a tiny size: its table is made of what was measured."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from types import ModuleType

import pytest
from benchmarks.conftest import BENCHMARKS

from ptscaffold.create import Request, create

PEAK = 0.001  # TFLOP/s
SPEEDS, SIZES, WAITS = "| domain | loop | examples/s", "| domain | model.py", "| domain | loop | st"


def read_table(report: str, head: str) -> list[list[str]]:
    """Give the cells of every row below the line that begins with `head`."""
    lines = report.splitlines()
    (start,) = [number for number, line in enumerate(lines) if line.startswith(head)]
    rows = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return rows


def start(folder: Path, domain: str, rounds: int, *styles: str) -> str:
    """Run the benchmark at a tiny size; give what it prints."""
    command = [sys.executable, str(BENCHMARKS / "gpu.py"), "--device", "cpu", "--tiny"]
    command += ["--domains", domain, "--styles", *styles, "--compile", "never"]
    command += ["--rounds", str(rounds), "--peak", str(PEAK), "--traces", "traces"]
    done = subprocess.run(
        [*command, "--results", "gpu.md"], cwd=folder, capture_output=True, text=True, timeout=280
    )
    assert done.returncode == (not rounds or "| missed |" in done.stdout), done.stderr
    assert (folder / "gpu.md").read_text() == done.stdout
    check_waits(folder, done.stdout, styles)
    return done.stdout


def check_waits(folder: Path, report: str, styles: Sequence[str]) -> None:
    found = read_table(report, WAITS)
    assert len(found) == len(styles) == len(list((folder / "traces").glob("*.json.gz")))
    for _, _, steps, events, *counts, verdict in found:
        assert int(steps) == 8
        assert int(events) > 8 * 50
        assert not any(map(int, counts)), "a step waits for the device"
        assert verdict == ""  # which only a GPU can give


@pytest.mark.nightly
def test_no_step_waits_for_the_device(tmp_path: Path) -> None:
    report = start(tmp_path, "vision", 0, "plain")
    assert "Not measured" in report
    assert SPEEDS not in report


@pytest.mark.nightly
@pytest.mark.parametrize("domain", ["vision", "text", "audio"])
def test_a_tiny_run_on_the_cpu(domain: str, tmp_path: Path) -> None:
    report = start(tmp_path, domain, 1, "plain", "lightning", "fastai")
    ((name, *_, gigaflops, _),) = read_table(report, SIZES)
    assert name == domain
    (hand, *ours) = read_table(report, SPEEDS)
    labels = ["hand-tuned loop", "plain PyTorch", "Lightning", "fastai"]
    assert [row[1] for row in (hand, *ours)] == labels
    rates = [float(row[2].replace(",", "")) for row in (hand, *ours)]
    for rate, (_, _, _, share, *_, mfu, memory, waits) in zip(rates, (hand, *ours), strict=True):
        assert rate > 0
        digits = 0.02 + 0.5 / rate  # the table has whole examples per second
        assert float(mfu) == pytest.approx(rate * float(gigaflops) / 1e3 / PEAK, rel=digits)
        assert 0.1 < float(memory.removesuffix(" GB")) < 20
        assert 0 <= int(waits.removesuffix("%")) < 100
        if share:
            assert float(share.split()[0]) == pytest.approx(rate / rates[0], rel=2 * digits)


def test_the_flops_of_a_transformer_are_those_of_the_formula(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: Callable[[str], ModuleType]
) -> None:
    monkeypatch.chdir(tmp_path)
    create(Request(domain="text", style="plain"))
    job = script("gpu_sizes").Job("count", "text")
    source = tmp_path / "text-plain/src"
    arguments = [str(BENCHMARKS / "gpu_loops.py"), json.dumps(asdict(job))]
    found = script("projects").measure_apart(arguments, source, tmp_path)
    dim, depth, tokens = 768, 12, 512
    weights = depth * 12 * dim**2  # of the matrices in the blocks: 3 + 1 + 4 + 4 by dim**2
    attention = depth * 2 * tokens * dim  # multiplications of a token: with keys, with values
    head = 4 * dim  # once a text
    assert found["flops"] == 3 * 2 * (tokens * (weights + attention) + head)


@pytest.mark.parametrize(
    ("device", "tera"),
    [
        ("NVIDIA H100 80GB HBM3", 989),
        ("NVIDIA H100 PCIe", 756),
        ("NVIDIA H200", 989),
        ("NVIDIA A100-SXM4-80GB", 312),
        ("NVIDIA A100-SXM4-40GB MIG 1g.5gb", None),
        ("NVIDIA GeForce RTX 4090", 165),
        ("NVIDIA GeForce RTX 4090 Laptop GPU", None),
        ("NVIDIA A10", None),
    ],
)
def test_the_peak_goes_by_the_name(
    device: str, tera: float | None, script: Callable[[str], ModuleType]
) -> None:
    assert script("gpu").find_peak(device) == (tera and tera * 1e12)
