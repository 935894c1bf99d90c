"""How fast the generated projects train on one GPU, against a loop tuned by hand.

    python benchmarks/gpu.py [--rounds 3] [--results benchmarks/gpu.md]

The three domains at a size that fills the card (gpu_loops.py), in bf16, with and without
`--compile`. Each measurement is a process of its own; the loops take turns, in reverse order every
other round, and a share is that of one round. A profile of each project goes to the folder
`--traces`; what waits for the device between two points of the log is counted in it. Exit code 1
when a target is missed, or when there is no GPU: then the table holds what is known without one.
`--device cpu --tiny` tries the script itself.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from gpu_loops import SYNCS
from gpu_sizes import FULL, HAND, TINY, Job
from projects import make_project, measure_apart

DOMAINS, STYLES = ("vision", "text", "audio"), ("plain", "lightning", "fastai")
TARGETS = {"plain": 0.90, "lightning": 0.90}
LABELS = {HAND: HAND, "plain": "plain PyTorch", "lightning": "Lightning", "fastai": "fastai"}

# Dense bf16 with fp32 sums, TFLOP/s, by the words of the device's name; the first that fits. From
# NVIDIA's data sheets of the H100, H200, A100 and L40S (half of what they give with sparsity) and
# the white paper of the Ada architecture (RTX 4090).
PEAKS = {
    "H100 PCIe": 756,
    "H100 NVL": 835,
    "H100": 989,
    "H200 NVL": 835,
    "H200": 989,
    "A100": 312,
    "L40S": 362,
    "RTX 4090": 165,
}
OTHER_CARDS = {"Laptop", "D", "MIG"}  # words that make a name another card, or a part of one

Found = dict[str, Any]


def main() -> int:
    options = parse()
    if options.device == "cuda" and not torch.cuda.is_available():
        options.device, options.rounds = "cpu", 0
    if options.device == "cpu" and options.rounds and not options.tiny:
        raise SystemExit("--device cpu is for --tiny: at full size a step would take minutes")
    options.traces.mkdir(parents=True, exist_ok=True)
    traces = options.traces.absolute()
    with tempfile.TemporaryDirectory(prefix="ptscaffold-bench-") as name:
        report = "\n".join([*head(options), *measure(options, Path(name), traces)]) + "\n"
    sys.stdout.write(report)
    if options.results:
        options.results.write_text(report, encoding="utf-8", newline="\n")
    return 1 if "| missed |" in report or not options.rounds else 0


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--domains", nargs="+", choices=DOMAINS, default=DOMAINS)
    parser.add_argument("--styles", nargs="+", choices=STYLES, default=STYLES)
    parser.add_argument("--compile", choices=("never", "always", "both"), default="both")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each loop (3)")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--tiny", action="store_true", help="models that train in seconds")
    parser.add_argument("--peak", type=float, help="bf16 TFLOP/s of a device not in the table")
    parser.add_argument("--traces", type=Path, default=Path("gpu-traces"), help="folder")
    parser.add_argument("--results", type=Path, help="also write the table to this file")
    return parser.parse_args()


def head(options: argparse.Namespace) -> list[str]:
    names = ("torch", "torchvision", "lightning", "fastai", "tensorboard")
    versions = ", ".join(f"{name} {version(name)}" for name in names)
    given = "".join(f" --{flag}" for flag in ("tiny",) if getattr(options, flag))
    given += f" --device {options.device} --rounds {options.rounds}" if options.rounds else ""
    lines = [
        "# Training on a GPU, against a loop tuned by hand",
        "",
        f"`python benchmarks/gpu.py{given}` on {describe(options.device)};"
        f" {versions}; Python {platform.python_version()}, {platform.system()}"
        f" {platform.machine()}, {os.cpu_count()} cores.",
    ]
    if options.rounds:
        return lines
    return [
        *lines,
        "",
        "**Not measured: no GPU was to be had.** Run `make benchmark-gpu` on a machine with one. It"
        " writes this file anew with, for each domain and style, with and without `--compile`:"
        " examples per second, the share of the rate of the hand-tuned loop (target 0.90 for plain"
        " PyTorch and Lightning), model FLOP utilisation, peak memory, the share of the time spent"
        " waiting for data, a profile, and what in it waits for the GPU between two points of the"
        " log. Nothing below was measured on a GPU.",
    ]


def describe(device: str) -> str:
    if device == "cpu":
        return "a CPU"
    asked = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader", "--id=0"]
    driver = subprocess.run(asked, capture_output=True, text=True).stdout.strip() or "unknown"
    return f"{torch.cuda.get_device_name()}, driver {driver}, CUDA {torch.version.cuda}"


def find_peak(name: str) -> float | None:
    """Give the dense bf16 FLOP/s of a device by its name, None when it is not in the table."""
    words = set(name.replace("-", " ").split())
    for card, tera in PEAKS.items():
        if set(card.split()) <= words and not OTHER_CARDS & words:
            return tera * 1e12
    return None


def measure(options: argparse.Namespace, folder: Path, traces: Path) -> list[str]:
    """Measure all that was asked for; give the tables."""
    peak = options.peak * 1e12 if options.peak else None
    if peak is None and options.device == "cuda":
        peak = find_peak(torch.cuda.get_device_name())
    sources = {
        (domain, style): make_project(folder, domain, style)
        for domain in options.domains
        for style in {"plain", *options.styles}
    }
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    # As many as a project chooses for files; and one on a CPU, to see the training process alone
    workers = 1 if options.device == "cpu" else max(1, min(8, (cores or 1) - 1))

    def run(task: str, domain: str, loop: str = HAND, **others: Any) -> Found:
        small = options.tiny or (task == "profile" and options.device == "cpu")
        job = Job(task, domain, loop, options.device, small, workers=workers, **others)
        source = sources[domain, "plain" if loop == HAND else loop]
        script = str(Path(__file__).with_name("gpu_loops.py"))
        return measure_apart([script, json.dumps(asdict(job))], source, folder)

    speeds, sizes, waits = [], [], []
    for domain in options.domains:
        size = run("count", domain)
        if options.device == "cuda":
            size |= run("fit", domain)
        sizes.append(size_row(domain, size, options.tiny))
        for compiled in [False, True]:
            if options.rounds and options.compile in ("both", "always" if compiled else "never"):
                rounds: dict[str, list[Found]] = {loop: [] for loop in (HAND, *options.styles)}
                for number in range(options.rounds):
                    for loop in rounds if number % 2 else reversed(rounds):
                        sized = {"compile": compiled, "batch": size.get("batch", 0)}
                        rounds[loop].append(run("time", domain, loop, **sized))
                speeds += speed_rows(domain, compiled, rounds, size["flops"], peak)
        for style in options.styles:
            trace = str(traces / f"{domain}-{style}.json.gz")
            found = run("profile", domain, style, batch=size.get("batch", 0), trace=trace)
            waits.append(wait_row(domain, style, found, options.device))
    return [
        *(speed_head(options.rounds, peak) if speeds else []),
        *speeds,
        *size_head(),
        *sizes,
        *wait_head(options.device),
        *waits,
    ]


def speed_head(rounds: int, peak: float | None) -> list[str]:
    known = "unknown for this device" if peak is None else f"of {peak / 1e12:g} TFLOP/s, dense bf16"
    return [
        "",
        f"Examples per second and share of the {HAND} of the same round, median of {rounds} rounds"
        f" [least to most]. MFU is the share {known}, that the FLOPs of the model take; waits is"
        " the share of the time in which the loop had no batch.",
        "",
        "| domain | loop | examples/s | share | target | | MFU | peak memory | waits |",
        "|---|---|---|---|---|---|---|---|---|",
    ]


def speed_rows(
    domain: str, compiled: bool, rounds: dict[str, list[Found]], flops: float, peak: float | None
) -> list[str]:
    rows = []
    for loop, found in rounds.items():
        rate = statistics.median(each["rate"] for each in found)
        pairs = zip(found, rounds[HAND], strict=True)
        shares = [ours["rate"] / theirs["rate"] for ours, theirs in pairs]
        middle, target = statistics.median(shares), TARGETS.get(loop)
        cells = [
            f"{domain}{', compiled' if compiled else ''}",
            LABELS[loop],
            f"{rate:,.0f}",
            "" if loop == HAND else f"{middle:.3f} [{min(shares):.3f} to {max(shares):.3f}]",
            f"at least {target:.2f}" if target else "",
            "" if target is None else "met" if middle >= target else "missed",
            "unknown" if peak is None else f"{rate * flops / peak:.3g}",
            f"{max(each['memory'] for each in found) / 1e9:.2f} GB",
            f"{statistics.median(each['waited'] for each in found):.0%}",
        ]
        rows.append(f"| {' | '.join(cells)} |")
    return rows


def size_head() -> list[str]:
    return [
        "",
        "The models at the size of the benchmark. FLOPs are those of forward and backward for one"
        " example, two to a multiplication and addition, counted by torch on shapes alone; the"
        " optimizer is not in them. The batch is the largest power of two that fits, up to 2,048.",
        "",
        "| domain | model.py | flags | parameters | GFLOP an example | batch |",
        "|---|---|---|---|---|---|",
    ]


def size_row(domain: str, found: Found, tiny: bool) -> str:
    size = (TINY if tiny else FULL)[domain]
    constants = ", ".join(f"{name} {value}" for name, value in size.constants.items())
    flags = ", ".join(f"{name} {value}" for name, value in size.flags.items()) or "its own"
    batch = found.get("batch", size.batch if tiny else "the card's")
    return (
        f"| {domain} | {constants} | {flags} | {found['parameters'] / 1e6:.3g} M |"
        f" {found['flops'] / 1e9:.3g} | {batch} |"
    )


def wait_head(device: str) -> list[str]:
    where = (
        "On a CPU, with models of a tiny size: a copy to the host is none there, and is not seen."
        " What the fused AdamW reads is left out: on the CPU the step count of each parameter,"
        " which the kernel of a GPU has at hand."
        if device == "cpu"
        else "Traces for TensorBoard or a trace viewer lie in the folder `--traces`."
    )
    return [
        "",
        "What makes the host wait for the device in the steps between two points of the log (8 of"
        f" every 10), from a profile of the training process. {where}",
        "",
        f"| domain | loop | steps | events | {' | '.join(f'`{name}`' for name in SYNCS)} | |",
        "|---|---|---|---|" + "---|" * (len(SYNCS) + 1),
    ]


def wait_row(domain: str, style: str, found: Found, device: str) -> str:
    counts: Sequence[int] = list(found["counts"].values())
    verdict = "missed" if any(counts) else "met"
    if device == "cpu" or style not in TARGETS:
        verdict = ""
    cells = [domain, LABELS[style], found["steps"], found["events"], *counts, verdict]
    return f"| {' | '.join(map(str, cells))} |"


if __name__ == "__main__":
    sys.exit(main())
