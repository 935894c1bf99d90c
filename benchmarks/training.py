"""How fast the generated projects train, against the shortest loop of the same framework.

    python benchmarks/training.py [--times 3] [--results benchmarks/training.md]

The shortest loops stand in `shortest.py`: the model, the data set and the settings of the vision
project, and nothing that a project adds. Each style runs its own `train` with everything it does by
default, and plain PyTorch once more without points in TensorBoard, which shows what these cost.

All loops run at the same time, each in a process of its own, but take turns of a second while the
others are stopped, see `turns.py`. What counts is the time from the end of one optimizer step to
the end of the tenth after it in the same epoch: the projects write to TensorBoard at every tenth
step. The first epoch does not count. Ratios are those of the medians of the same epoch. All of it
is done `--times` times, in new processes. Exit code 1 when a target is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

from projects import make_project, watch_steps
from shortest import SHORTEST
from turns import TURN, find_rate, spread, take_turns

STYLES = {
    "plain": "plain PyTorch",
    "lightning": "Lightning",
    "fastai": "fastai",
    "accelerate": "Accelerate",
    "trainer": "Trainer",
}
UNLOGGED = "unlogged"
LABELS = {
    **STYLES,
    **{f"shortest-{style}": f"shortest loop of {label}" for style, label in STYLES.items()},
    UNLOGGED: "plain PyTorch, no points in TensorBoard",
}
# (loop, the one it is measured by): the least share of its rate
TARGETS = {
    **{(style, f"shortest-{style}"): 0.95 for style in STYLES},
    ("plain", "shortest-plain"): 0.98,
    ("plain", UNLOGGED): 0.98,
}
# What is freed stays with the process: without it a step of the files asks for 6,500 pages anew
KEEP = {"MALLOC_MMAP_THRESHOLD_": str(2**30), "MALLOC_TRIM_THRESHOLD_": str(2**32)}
BATCH = 32

# The flags of two runs: the first of a new project, where a step is short and all that surrounds it
# weighs most, and one that is nearer to real work.
SETTINGS: Mapping[str, Mapping[str, Any]] = {
    "first run: sample, 32 x 32 pixels": {"epochs": 13},
    "files: PNG, 64 x 64 pixels": {"data": Path("images"), "image_size": 64, "epochs": 9},
}
CLASSES, IMAGES = 4, 300  # of the files; 840 of them are for training


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--times", type=int, default=3, help="processes of each loop (3)")
    parser.add_argument("--results", type=Path, help="also write the table to this file")
    parser.add_argument("--measure", choices=LABELS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(options.measure)))
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
    measured = [measure_all(folder) for _ in range(times)]
    rows, met = [], True
    for setting in SETTINGS:
        rates = {
            name: [rate for each in measured for rate in each[name][setting]] for name in LABELS
        }
        for name, label in LABELS.items():
            rows.append(f"| {setting} | {label} | {median(rates[name]):.0f} | | | |")
        for (name, yardstick), target in TARGETS.items():
            ratios = [a / b for a, b in zip(rates[name], rates[yardstick], strict=True)]
            good = median(ratios) >= target
            met = met and good
            rows.append(
                f"| {setting} | {LABELS[name]} / {LABELS[yardstick]} | | {spread(ratios, 3)} |"
                f" at least {target:.2f} | {'met' if good else 'missed'} |"
            )
    return table(rows, times), met


def measure_all(folder: Path) -> dict[str, dict[str, list[float]]]:
    """Run all loops once; give the examples per second of their epochs but the first."""
    turns = take_turns({name: start(name, folder) for name in LABELS})
    found = {}
    for name in LABELS:
        lines = (folder / f"{name}.out").read_text(encoding="utf-8").splitlines()
        found[name] = {
            setting: [BATCH * find_rate(ends, turns[name]) for ends in epochs[1:]]
            for setting, epochs in json.loads(lines[-1]).items()
        }
    return found


def make_projects(folder: Path) -> None:
    """Make the vision project in every style, and its sample."""
    for style in STYLES:
        make_project(folder, "vision", style)
    sample = "from pathlib import Path; from vision_plain.sample import make_sample"
    subprocess.run(  # once, or else all loops would at the same time
        [sys.executable, "-c", f"{sample}; make_sample(Path('data/sample'))"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder / "vision-plain/src")},
        check=True,
    )


def make_images(folder: Path) -> None:
    """Write noise, one brightness a class: how fast is all that counts here."""
    from PIL import Image

    for number in range(CLASSES):
        (folder / f"class{number}").mkdir(parents=True)
        for i in range(IMAGES):
            noise = Image.effect_noise((64, 64), 20 + 20 * number).convert("RGB")
            noise.save(folder / f"class{number}" / f"{i}.png")


def start(name: str, folder: Path) -> subprocess.Popen[bytes]:
    """Start one loop in a process of its own, which writes the ends of its steps to NAME.out."""
    style = style_of(name)
    with (folder / f"{name}.out").open("wb") as output:
        return subprocess.Popen(
            [sys.executable, __file__, "--measure", name],
            cwd=folder,
            env={**os.environ, **KEEP, "PYTHONPATH": str(folder / f"vision-{style}" / "src")},
            stdin=subprocess.DEVNULL,
            stdout=output,
        )


def measure(name: str) -> dict[str, list[list[float]]]:
    """Give the ends of the steps of one loop, by setting and epoch."""
    import importlib

    style = style_of(name)
    package = f"vision_{style}"
    make_config = importlib.import_module(f"{package}.config").Config
    ends: list[float] = []
    callbacks = watch_steps(style, lambda: ends.append(time.perf_counter()))
    found = {}
    for setting, flags in SETTINGS.items():
        ends.clear()
        with tempfile.TemporaryDirectory() as run_dir:
            config = make_config(
                device="cpu",
                run_dir=Path(run_dir),
                batch_size=BATCH,
                lr=4e-3,
                num_workers=0,
                patience=flags["epochs"],
                **flags,
            )
            if name.startswith("shortest"):
                SHORTEST[style](config, *callbacks)
            else:
                train = importlib.import_module(f"{package}.train")
                if name == UNLOGGED:
                    train.LOG_EVERY = sys.maxsize
                train.train(config, *callbacks)
        found[setting] = cut(ends, len(ends) // config.epochs)
    return found


def style_of(name: str) -> str:
    return "plain" if name == UNLOGGED else name.removeprefix("shortest-")


def cut(values: list[float], size: int) -> list[list[float]]:
    return [values[start : start + size] for start in range(0, len(values), size)]


def table(rows: Sequence[str], times: int) -> str:
    names = (
        "torch",
        "torchvision",
        "lightning",
        "fastai",
        "accelerate",
        "transformers",
        "tensorboard",
    )
    versions = ", ".join(f"{name} {version(name)}" for name in names)
    head = [
        "# Training against the shortest loop",
        "",
        f"`python benchmarks/training.py --times {times}`: {versions}; Python"
        f" {platform.python_version()}, {platform.system()} {platform.machine()},"
        f" {os.cpu_count()} cores, CPU only.",
        "",
        f"The vision project, batches of {BATCH}. Examples per second of ten steps with one point"
        f" in TensorBoard, in turns of {TURN:.0f} second; ratios of the same epoch, of all but the"
        f" first in {times} processes each, median [quartiles].",
        "",
        "| setting | loop | examples/s | ratio | target | |",
        "|---|---|---|---|---|---|",
    ]
    return "\n".join([*head, *rows]) + "\n"


if __name__ == "__main__":
    sys.exit(main())
