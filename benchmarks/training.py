"""How fast the generated projects train, against a bare loop written by hand.

    python benchmarks/training.py [--rounds 3] [--results benchmarks/training.md]

The bare loop stands below, in `bare_loop`: the model, the data set and the settings of the vision
project over a plain `DataLoader`, and nothing that a project adds: no TensorBoard, no checkpoint,
no metric, no resume, no progress bar. Each of the three styles runs its own `train` with everything
it does by default. Every measurement is a process of its own; the four take turns, in reverse order
every other round. What counts is examples per second of whole training epochs, the first left out,
on the CPU. Ratios are those of one round. Exit code 1 when a target is missed.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from projects import make_project, measure_apart

BARE = "bare loop"
TARGETS = {"plain": 0.97, "lightning": 0.90, "fastai": 0.90}
LABELS = {"plain": "plain PyTorch", "lightning": "Lightning", "fastai": "fastai"}

# The flags of two runs: the first of a new project, where a step is short and all that surrounds it
# weighs most, and one that is nearer to real work.
SETTINGS: Mapping[str, Mapping[str, Any]] = {
    "first run: sample, 32 x 32 pixels": {"epochs": 3},
    "files: PNG, 64 x 64 pixels": {"data": Path("images"), "image_size": 64, "epochs": 3},
}
CLASSES, IMAGES = 4, 140  # of the files; 392 of them are for training


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3, help="runs of each loop (3)")
    parser.add_argument("--results", type=Path, help="also write the table to this file")
    parser.add_argument("--measure", choices=[BARE, *TARGETS], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(options.measure)))
        return 0
    with tempfile.TemporaryDirectory(prefix="ptscaffold-bench-") as folder:
        report, met = compare(Path(folder), options.rounds)
    sys.stdout.write(report)
    if options.results:
        options.results.write_text(report, encoding="utf-8", newline="\n")
    return 0 if met else 1


def compare(folder: Path, rounds: int) -> tuple[str, bool]:
    """Run everything in turn; give the table and whether all targets are met."""
    make_projects(folder)
    make_images(folder / "images")
    rates: dict[str, list[dict[str, float]]] = {name: [] for name in (BARE, *TARGETS)}
    for number in range(rounds):
        for name in rates if number % 2 else reversed(rates):
            rates[name].append(start(name, folder))
    rows, met = [], True
    for setting in SETTINGS:
        bare = [rate[setting] for rate in rates[BARE]]
        rows.append(f"| {setting} | bare loop | {statistics.median(bare):.0f} | | | |")
        for style, target in TARGETS.items():
            ours = [rate[setting] for rate in rates[style]]
            ratios = [a / b for a, b in zip(ours, bare, strict=True)]
            good = statistics.median(ratios) >= target
            met = met and good
            rows.append(
                f"| | {LABELS[style]} | {statistics.median(ours):.0f} |"
                f" {statistics.median(ratios):.3f} [{min(ratios):.3f} to {max(ratios):.3f}] |"
                f" at least {target:.2f} | {'met' if good else 'missed'} |"
            )
    return table(rows, rounds), met


def make_projects(folder: Path) -> None:
    """Make the vision project in every style."""
    for style in TARGETS:
        make_project(folder, "vision", style)


def make_images(folder: Path) -> None:
    """Write noise, one brightness a class: how fast is all that counts here."""
    from PIL import Image

    for number in range(CLASSES):
        (folder / f"class{number}").mkdir(parents=True)
        for i in range(IMAGES):
            noise = Image.effect_noise((64, 64), 20 + 20 * number).convert("RGB")
            noise.save(folder / f"class{number}" / f"{i}.png")


def start(name: str, folder: Path) -> dict[str, float]:
    """Measure one loop in a process of its own."""
    style = "plain" if name == BARE else name
    return measure_apart([__file__, "--measure", name], folder / f"vision-{style}" / "src", folder)


def measure(name: str) -> dict[str, float]:
    """Give the examples per second of one loop in every setting."""
    import importlib

    package = f"vision_{'plain' if name == BARE else name}"
    make_config = importlib.import_module(f"{package}.config").Config
    rates = {}
    for setting, flags in SETTINGS.items():
        with tempfile.TemporaryDirectory() as run_dir:
            config = make_config(device="cpu", run_dir=Path(run_dir), **flags)
            if name == BARE:
                epochs = bare_loop(config)
            else:
                importlib.import_module(f"{package}.train").train(config)
                lines = (Path(run_dir) / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
                epochs = [json.loads(line)["examples_per_second"] for line in lines]
        rates[setting] = statistics.harmonic_mean(epochs[1:])
    return rates


def bare_loop(config: Any) -> list[float]:
    """The yardstick: what one writes by hand for this model, this data and these settings."""
    import torch
    import torch.nn.functional as F
    from torch import nn
    from torch.utils.data import DataLoader
    from vision_plain.data import make_datasets
    from vision_plain.model import make_model

    torch.manual_seed(config.seed)
    datasets = make_datasets(config)
    train: Any = DataLoader(datasets.train, config.batch_size, shuffle=True, drop_last=True)
    val: Any = DataLoader(datasets.val, config.batch_size)
    model = make_model(config, len(datasets.classes)).to(memory_format=torch.channels_last)
    matrices = [p for p in model.parameters() if p.dim() >= 2]
    vectors = [p for p in model.parameters() if p.dim() < 2]
    optimizer = torch.optim.AdamW(
        [
            {"params": matrices, "weight_decay": config.weight_decay},
            {"params": vectors, "weight_decay": 0.0},
        ],
        lr=config.lr,
        betas=(0.9, 0.99),
        fused=True,
    )
    total = config.epochs * len(train)
    rise = round(config.warmup * total)

    def factor(step: int) -> float:
        if step < rise:
            return (step + 1) / rise
        return 0.5 * (1 + math.cos(math.pi * (step - rise) / (total - rise)))

    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
    rates = []
    for _ in range(config.epochs):
        model.train()
        examples, began = 0, time.perf_counter()
        for images, labels in train:
            loss = F.cross_entropy(model(images), labels)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), config.clip_norm)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            schedule.step()
            examples += len(labels)
        rates.append(examples / (time.perf_counter() - began))
        model.eval()
        with torch.inference_mode():
            hits = sum(int((model(x).argmax(dim=1) == y).sum()) for x, y in val)
        print(f"accuracy {hits / len(datasets.val):.4f}")
    return rates


def table(rows: Sequence[str], rounds: int) -> str:
    names = ("torch", "torchvision", "lightning", "fastai", "tensorboard")
    versions = ", ".join(f"{name} {version(name)}" for name in names)
    head = [
        "# Training against a bare loop",
        "",
        f"`python benchmarks/training.py --rounds {rounds}`: {versions}; Python"
        f" {platform.python_version()}, {platform.system()} {platform.machine()},"
        f" {os.cpu_count()} cores, CPU only.",
        "",
        f"The vision project, batches of 32. Examples per second, median of {rounds} rounds; ratio"
        " to the bare loop of the same round, median [least to most].",
        "",
        "| setting | loop | examples/s | ratio | target | |",
        "|---|---|---|---|---|---|",
    ]
    return "\n".join([*head, *rows]) + "\n"


if __name__ == "__main__":
    sys.exit(main())
