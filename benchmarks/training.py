"""How fast the generated projects train, against a bare loop written by hand.

    python benchmarks/training.py [--times 1] [--results benchmarks/training.md]

The bare loop stands below, in `bare_loop`: the model, the data set and the settings of the vision
project over a plain `DataLoader`, and nothing that a project adds: no TensorBoard, no checkpoint,
no metric, no resume, no progress bar. Each of the three styles runs its own `train` with everything
it does by default, and plain PyTorch once more without points in TensorBoard, which shows what
these cost.

All loops run at the same time, each in a process of its own, but take turns of a few seconds while
the others are stopped, see `turns.py`. What counts is the time from the end of one optimizer step
to the end of the tenth after it in the same epoch: the projects write to TensorBoard at every tenth
step. What a stop has cut does not count, nor does the first epoch. Ratios are those of the medians
of one round of turns. Exit code 1 when a target is missed.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import subprocess
import sys
import tempfile
import time
from bisect import bisect
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from projects import make_project
from turns import Turns, take_turns

BARE, UNLOGGED = "bare loop", "unlogged"
LABELS = {
    BARE: "bare loop",
    "plain": "plain PyTorch",
    "lightning": "Lightning",
    "fastai": "fastai",
    UNLOGGED: "plain PyTorch, no points in TensorBoard",
}
# (loop, the one it is measured by): the least share of its rate
TARGETS = {
    ("plain", BARE): 0.98,
    ("lightning", BARE): 0.95,
    ("fastai", BARE): 0.95,
    ("plain", UNLOGGED): 0.98,
}
EVERY = 10  # steps: the projects' default of --log-every
TURN = 4.0  # seconds
BATCH = 32

# The flags of two runs: the first of a new project, where a step is short and all that surrounds it
# weighs most, and one that is nearer to real work.
SETTINGS: Mapping[str, Mapping[str, Any]] = {
    "first run: sample, 32 x 32 pixels": {"epochs": 12},
    "files: PNG, 64 x 64 pixels": {"data": Path("images"), "image_size": 64, "epochs": 8},
}
CLASSES, IMAGES = 4, 300  # of the files; 840 of them are for training


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--times", type=int, default=1, help="as many epochs (1)")
    parser.add_argument("--results", type=Path, help="also write the table to this file")
    parser.add_argument("--measure", choices=LABELS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(options.measure, options.times)))
        return 0
    with tempfile.TemporaryDirectory(prefix="ptscaffold-bench-") as folder:
        report, met = compare(Path(folder), options.times)
    sys.stdout.write(report)
    if options.results:
        options.results.write_text(report, encoding="utf-8", newline="\n")
    return 0 if met else 1


def compare(folder: Path, times: int) -> tuple[str, bool]:
    """Run everything in turn; give the table and whether all targets are met."""
    make_projects(folder)
    make_images(folder / "images")
    loops = {name: start(name, folder, times) for name in LABELS}
    turns = take_turns(loops, TURN)
    ends = {name: read_result(folder / f"{name}.out") for name in LABELS}
    rows, met = [], True
    for setting in SETTINGS:
        rates = {name: find_rates(ends[name][setting], turns[name]) for name in LABELS}
        for name, label in LABELS.items():
            rows.append(f"| {setting} | {label} | {median(rates[name].values()):.0f} | | | |")
        for (name, yardstick), target in TARGETS.items():
            both = rates[name].keys() & rates[yardstick].keys()
            ratios = [rates[name][number] / rates[yardstick][number] for number in both]
            low, middle, high = quantiles(ratios, method="inclusive")
            met = met and middle >= target
            rows.append(
                f"| {setting} | {LABELS[name]} / {LABELS[yardstick]} | |"
                f" {middle:.3f} [{low:.3f} to {high:.3f}] | at least {target:.2f} |"
                f" {'met' if middle >= target else 'missed'} |"
            )
    return table(rows, times), met


def find_rates(epochs: Sequence[Sequence[float]], turns: Turns) -> dict[int, float]:
    """Give the examples per second of each round of turns, from the ends of the steps."""
    rounds = [began for began, _ in turns]
    tens: dict[int, list[float]] = {}
    for epoch in epochs[1:]:
        for before, after in pairwise(epoch[::EVERY]):
            if after - before < TURN:
                tens.setdefault(bisect(rounds, after), []).append(after - before)
    return {number: EVERY * BATCH / median(found) for number, found in tens.items()}


def make_projects(folder: Path) -> None:
    """Make the vision project in every style."""
    for style in ("plain", "lightning", "fastai"):
        make_project(folder, "vision", style)


def make_images(folder: Path) -> None:
    """Write noise, one brightness a class: how fast is all that counts here."""
    from PIL import Image

    for number in range(CLASSES):
        (folder / f"class{number}").mkdir(parents=True)
        for i in range(IMAGES):
            noise = Image.effect_noise((64, 64), 20 + 20 * number).convert("RGB")
            noise.save(folder / f"class{number}" / f"{i}.png")


def start(name: str, folder: Path, times: int) -> subprocess.Popen[bytes]:
    """Start one loop in a process of its own, which writes the ends of its steps to NAME.out."""
    style = "plain" if name in (BARE, UNLOGGED) else name
    with (folder / f"{name}.out").open("wb") as output:
        return subprocess.Popen(
            [sys.executable, __file__, "--measure", name, "--times", str(times)],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(folder / f"vision-{style}" / "src")},
            stdin=subprocess.DEVNULL,
            stdout=output,
        )


def read_result(path: Path) -> dict[str, list[list[float]]]:
    found: dict[str, list[list[float]]] = json.loads(
        path.read_text(encoding="utf-8").splitlines()[-1]
    )
    return found


def measure(name: str, times: int) -> dict[str, list[list[float]]]:
    """Give the ends of the steps of one loop, by setting and epoch."""
    import importlib

    from torch.optim.optimizer import register_optimizer_step_post_hook

    package = f"vision_{'plain' if name in (BARE, UNLOGGED) else name}"
    make_config = importlib.import_module(f"{package}.config").Config
    ends: list[float] = []
    register_optimizer_step_post_hook(lambda *_: ends.append(time.perf_counter()))
    found = {}
    for setting, flags in SETTINGS.items():
        ends.clear()
        with tempfile.TemporaryDirectory() as run_dir:
            config = make_config(
                device="cpu",
                run_dir=Path(run_dir),
                batch_size=BATCH,
                log_every=sys.maxsize if name == UNLOGGED else EVERY,
                **{**flags, "epochs": flags["epochs"] * times},
            )
            if name == BARE:
                bare_loop(config)
            else:
                importlib.import_module(f"{package}.train").train(config)
        found[setting] = cut(ends, len(ends) // config.epochs)
    return found


def cut(values: list[float], size: int) -> list[list[float]]:
    return [values[start : start + size] for start in range(0, len(values), size)]


def bare_loop(config: Any) -> None:
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
    for _ in range(config.epochs):
        model.train()
        for images, labels in train:
            loss = F.cross_entropy(model(images), labels)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), config.clip_norm)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            schedule.step()
        model.eval()
        with torch.inference_mode():
            hits = sum(int((model(x).argmax(dim=1) == y).sum()) for x, y in val)
        print(f"accuracy {hits / len(datasets.val):.4f}")


def table(rows: Sequence[str], times: int) -> str:
    names = ("torch", "torchvision", "lightning", "fastai", "tensorboard")
    versions = ", ".join(f"{name} {version(name)}" for name in names)
    head = [
        "# Training against a bare loop",
        "",
        f"`python benchmarks/training.py --times {times}`: {versions}; Python"
        f" {platform.python_version()}, {platform.system()} {platform.machine()},"
        f" {os.cpu_count()} cores, CPU only.",
        "",
        f"The vision project, batches of 32. Examples per second of ten steps with one point in"
        f" TensorBoard, in turns of {TURN:.0f} seconds; ratios of rounds of turns, median"
        " [quartiles].",
        "",
        "| setting | loop | examples/s | ratio | target | |",
        "|---|---|---|---|---|---|",
    ]
    return "\n".join([*head, *rows]) + "\n"


if __name__ == "__main__":
    sys.exit(main())
