"""The benchmark of a GPU, run on the CPU at a tiny size: its table is made of what was measured."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
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


def check(folder: Path, domains: list[str], styles: list[str]) -> None:
    command = [sys.executable, str(BENCHMARKS / "gpu.py"), "--device", "cpu", "--tiny"]
    command += ["--domains", *domains, "--styles", *styles, "--compile", "never", "--rounds", "1"]
    command += ["--peak", str(PEAK), "--traces", "traces", "--results", "gpu.md"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=280)
    report = done.stdout
    assert done.returncode == ("| missed |" in report), done.stderr
    assert (folder / "gpu.md").read_text() == report
    gigaflops = {row[0]: float(row[4]) for row in read_table(report, SIZES)}
    assert list(gigaflops) == domains
    speeds = read_table(report, SPEEDS)
    assert len(speeds) == len(domains) * (1 + len(styles))
    for number, (domain, loop, rate, share, *_, mfu, memory, waits) in enumerate(speeds):
        examples = float(rate.replace(",", ""))
        assert examples > 0
        assert float(mfu) == pytest.approx(examples * gigaflops[domain] / 1e3 / PEAK, rel=0.02)
        assert 0.1 < float(memory.removesuffix(" GB")) < 20
        assert 0 <= int(waits.removesuffix("%")) < 100
        if loop == "hand-tuned loop":
            hand = examples
            assert number % (1 + len(styles)) == 0
        else:
            assert float(share.split()[0]) == pytest.approx(examples / hand, rel=0.02)
    found = read_table(report, WAITS)
    assert len(found) == len(domains) * len(styles)
    for _, _, steps, events, *counts, verdict in found:
        assert int(steps) == 8
        assert int(events) > 8 * 50
        assert not any(map(int, counts)), "a step waits for the device"
        assert verdict == ""  # which only a GPU can give
    assert len(list((folder / "traces").glob("*.json.gz"))) == len(found)


def test_a_tiny_run_on_the_cpu(tmp_path: Path) -> None:
    check(tmp_path, ["vision"], ["plain"])


@pytest.mark.nightly
@pytest.mark.parametrize("domain", ["vision", "text", "audio"])
def test_a_tiny_run_in_every_style(domain: str, tmp_path: Path) -> None:
    check(tmp_path, [domain], ["plain", "lightning", "fastai"])


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
