"""How long a step takes on up to 1,024 GPUs, on paper: DDP and FSDP, three sizes of model.

    python benchmarks/scaling.py [--results benchmarks/scaling.md]

A model with its assumptions, which stand below as constants with their sources; nothing is
measured. Besides the table, a plot `scaling.png` is written next to it.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

# The machine: nodes of eight H100 SXM. Bytes, FLOPs and seconds, per GPU.
NODE = 8
PEAK = 989e12  # dense bf16 FLOP/s (NVIDIA, H100 data sheet)
EFFICIENCY = 0.4  # of the peak: 0.38 to 0.43 for Llama 3 on 8,192 to 16,384 H100 (2407.21783)
MEMORY = 80e9
NVLINK = 450e9  # bytes/s in one direction (NVIDIA, H100 data sheet: 900 GB/s in both)
INFINIBAND = 50e9  # bytes/s, one port of 400 Gbit/s for each GPU (NVIDIA, DGX H100 data sheet)
USABLE = 0.8  # of a link, what a collective of many megabytes is taken to get
# Seconds to start a collective, for a hop by NVLink, for one between nodes: NCCL's own model,
# src/graph/tuning.cc, rings with the protocol Simple and trees with LL128
RING = (8.4e-6, 3.4e-6, 9.6e-6)
TREE = (4.4e-6, 1.2e-6, 8.5e-6)
TREE_BANDWIDTH = 0.9  # of that of a ring, from the same file
# The training: mixed precision as the projects do it, and a batch for each GPU that stays the same.
TOKENS = 8192  # a GPU and step
FLOPS = 6  # for each parameter and token, forward and backward (Kaplan et al., 2001.08361)
FORWARD = 1 / 3  # of them, the rest being the backward pass
DDP_GRADIENT = 4  # bytes of a gradient: the weights are fp32, so are the gradients of DDP
FSDP_WEIGHT, FSDP_GRADIENT = 2, 4  # bytes: gathered in bf16, reduced in fp32 (sharding.py)
STATE = 16  # bytes a parameter: weight, gradient and the two moments of AdamW, each fp32
BUCKET = 25e6  # bytes that DDP reduces at once (torch.nn.parallel.DistributedDataParallel)

MODELS = {"25 M": (25e6, 16), "350 M": (350e6, 24), "7 B": (7e9, 32)}  # parameters, blocks
COLORS = {"DDP": "C0", "FSDP": "C1"}
GPUS = (1, 2, 4, 8, 16, 64, 256, 1024)


@dataclass(frozen=True)
class Step:
    """Seconds of a step: computing, communicating in all, and what of that is not hidden."""

    compute: float
    communication: float
    exposed: float

    @property
    def time(self) -> float:
        return self.compute + self.exposed

    @property
    def efficiency(self) -> float:
        return self.compute / self.time


def bandwidth(gpus: int) -> float:
    """Bytes/s of a collective: between nodes, one ring passes through each port of a node."""
    return USABLE * (NVLINK if gpus <= NODE else min(NVLINK, NODE * INFINIBAND))


def gather_time(size: float, gpus: int) -> float:
    """Seconds of an all-gather or a reduce-scatter of `size` bytes in all, each GPU with a share.

    In a ring (N - 1) / N of the bytes pass every link, in N - 1 hops (Thakur et al., 2005).
    """
    if gpus == 1:
        return 0.0
    start, inside, between = RING
    far = math.ceil(gpus / NODE) - 1
    latency = start + (gpus - 1 - far) * inside + far * between
    return latency + (gpus - 1) / gpus * size / bandwidth(gpus)


def all_reduce_time(size: float, gpus: int) -> float:
    """Seconds of an all-reduce: a reduce-scatter, then an all-gather, or a tree where it is faster.

    The tree is a chain within each node and a binary tree of the nodes, there and back.
    """
    if gpus == 1:
        return 0.0
    start, inside, between = TREE
    nodes = math.ceil(gpus / NODE)
    latency = start + 2 * ((min(gpus, NODE) - 1) * inside + math.log2(nodes) * between)
    tree = latency + 2 * size / (TREE_BANDWIDTH * bandwidth(gpus))
    return min(2 * gather_time(size, gpus), tree)


def compute_time(parameters: float) -> float:
    return FLOPS * parameters * TOKENS / (EFFICIENCY * PEAK)


def ddp_step(parameters: float, gpus: int) -> Step:
    """Buckets are reduced while the backward pass goes on; nothing hides the last one."""
    compute, size = compute_time(parameters), DDP_GRADIENT * parameters
    buckets = math.ceil(size / BUCKET)
    each = all_reduce_time(size / buckets, gpus)
    room = (1 - FORWARD) * compute * (buckets - 1) / buckets
    exposed = each + max(0.0, (buckets - 1) * each - room)
    return Step(compute, buckets * each, exposed)


def fsdp_step(parameters: float, gpus: int, blocks: int) -> Step:
    """Every block is gathered for the forward and again for the backward pass, then reduced.

    The next block is gathered while one computes. Nothing hides the first gathering of a step, nor
    the last reduction.
    """
    compute, share = compute_time(parameters), parameters / blocks
    gather = gather_time(FSDP_WEIGHT * share, gpus)
    reduce = gather_time(FSDP_GRADIENT * share, gpus)
    hidden = (blocks - 1) / blocks * compute
    forward = max(0.0, (blocks - 1) * gather - FORWARD * hidden)
    backward = max(0.0, (blocks - 1) * (gather + reduce) - (1 - FORWARD) * hidden)
    return Step(
        compute, blocks * (2 * gather + reduce), gather + forward + gather + backward + reduce
    )


def fits(parameters: float, gpus: int) -> bool:
    """Whether weights, gradients and moments leave half of the memory for what else there is."""
    return STATE * parameters / gpus <= MEMORY / 2


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", type=Path, help="also write the table, and a plot beside it")
    options = parser.parse_args()
    report = table()
    sys.stdout.write(report)
    if options.results:
        options.results.write_text(report, encoding="utf-8", newline="\n")
        plot(options.results.with_suffix(".png"))
    return 0


def steps(name: str) -> dict[str, Sequence[Step | None]]:
    """Give the step of every number of GPUs, None where the model does not fit."""
    parameters, blocks = MODELS[name]
    return {
        "DDP": [ddp_step(parameters, n) if fits(parameters, 1) else None for n in GPUS],
        "FSDP": [fsdp_step(parameters, n, blocks) if fits(parameters, n) else None for n in GPUS],
    }


def table() -> str:
    head = [
        "# Scaling, on paper",
        "",
        "`python benchmarks/scaling.py`: a calculation, not a measurement. The time of a step in"
        f" milliseconds, and in brackets the share of it in which a GPU computes; {TOKENS} tokens"
        " for each GPU, whatever their number.",
        "",
        "| model | | " + " | ".join(str(n) for n in GPUS) + " |",
        "|---|---|" + "---|" * len(GPUS),
    ]
    rows = [
        f"| {name} | {way} | " + " | ".join(map(cell, found)) + " |"
        for name in MODELS
        for way, found in steps(name).items()
    ]
    return "\n".join([*head, *rows, "", *notes()]) + "\n"


def cell(step: Step | None) -> str:
    return "does not fit" if step is None else f"{1e3 * step.time:.1f} ({step.efficiency:.0%})"


def notes() -> list[str]:
    return [
        "![Share of the step in which a GPU computes, over the number of GPUs](scaling.png)",
        "",
        "## Assumptions",
        "",
        f"- Nodes of {NODE} H100 SXM: {PEAK / 1e12:.0f} TFLOP/s of dense bf16, of which a step"
        f" reaches {EFFICIENCY:.0%}; NVLink {NVLINK / 1e9:.0f} GB/s in each direction, InfiniBand"
        f" {INFINIBAND / 1e9:.0f} GB/s a GPU (NVIDIA's data sheets of H100 and DGX H100), of which"
        f" a collective gets {USABLE:.0%}, which is a guess. Between nodes it uses all ports.",
        "- That efficiency is of the order that Llama 3 reported (arXiv 2407.21783); a small model"
        " has less, and then communication weighs less as well.",
        f"- A step computes {FLOPS} FLOPs for each parameter and token (arXiv 2001.08361), a third"
        " of them forward.",
        "- An all-gather or reduce-scatter of S bytes is a ring: (N - 1) / N S / bandwidth, and"
        " N - 1 hops (Thakur, Rabenseifner and Gropp, 2005). An all-reduce is two of them, or a"
        f" tree where that is faster. A hop of a ring takes {1e6 * RING[1]:.1f} µs within a node,"
        f" {1e6 * RING[2]:.1f} µs between nodes, as in NCCL's own model (src/graph/tuning.cc)."
        " These hops, not the bytes, are what FSDP pays for on many GPUs.",
        f"- DDP reduces fp32 gradients in buckets of {BUCKET / 1e6:.0f} MB while the backward pass"
        " goes on (Li et al., 2020, arXiv 2006.15704). The last bucket hides behind nothing.",
        "- FSDP gathers the weights of a block in bf16, forward and again backward, and reduces its"
        " gradients in fp32 (Zhao et al., 2023, arXiv 2304.11277): as many bytes as DDP here, half"
        " as many again were all of one precision. Gathering of the next block hides behind the"
        " computing of one.",
        f"- Weights, gradients and moments take {STATE} bytes a parameter, and must leave half of"
        f" the {MEMORY / 1e9:.0f} GB free.",
        "",
        "Left out: what newer releases of NCCL gather by trees (PAT), which spares hops; slower"
        " nodes that all others wait for, links that several jobs share, reading of data and"
        " checkpoints, which make it slower. Sharding within a node with copies between nodes"
        " (HSDP), which keeps the gathering on NVLink, is not among the features.",
    ]


def plot(path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 3.2), layout="constrained")
    for axes, name in zip(figure.subplots(1, len(MODELS), sharey=True), MODELS, strict=True):
        for way, found in steps(name).items():
            points = [
                (n, step.efficiency)
                for n, step in zip(GPUS, found, strict=True)
                if step is not None
            ]
            if points:
                axes.plot(*zip(*points, strict=True), marker="o", color=COLORS[way], label=way)
        axes.set_xscale("log", base=2)
        axes.set(title=name, xlabel="GPUs", xlim=(0.9, 1200), ylim=(0, 1.05))
        axes.legend(loc="lower left")
    figure.axes[0].set_ylabel("share of the step computing")
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    sys.exit(main())
