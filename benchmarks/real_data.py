"""How good the projects are on real data at default flags, against models of scikit-learn.

    python benchmarks/real_data.py [--results benchmarks/real_data.md]

All projects, each with the set of its domain (`real_sets.py`) of some 500 and some 5,000 examples,
from scratch and with `--pretrained` (`real_weights.py`), and no other flag but the seed. The linear
models (`real_linear.py`) have the same splits. Accuracy is of the test split, as the project's own
`evaluate` prints it: of masks the mean intersection over union, of boxes the mean average
precision, of speech 1 less the word error rate, of descriptions how much of 8 bits a byte is saved.

All of it takes many hours without a GPU. `--domains`, `--styles`, `--sizes`, `--modes` and
`--seeds` choose a part; `--raw FILE` keeps what was measured and goes on from it, so that parts can
be run one after the other. `--cache FOLDER` keeps sets and weights. `--other` takes the sets that
no default is tuned on (`other_sets.py`). `--python` names an environment that has everything;
without it one is made. Exit code 1 when a project from scratch is worse than the linear model, or a
run fails.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from commands import run, tool
from other_sets import OTHER_SETS, prepare_other
from other_sets import SIZES as OTHER_SIZES
from projects import make_project
from real_linear import score
from real_sets import SETS, SIZES, prepare
from real_table import MODES, STYLES, Raw, table
from real_weights import pretrained_folders

DOMAINS = ("vision", "segmentation", "detection", "text", "tagging", "language-model")
DOMAINS += ("audio", "speech-recognition", "tabular")
NAMES = ("torch", "torchvision", "lightning", "fastai", "timm", "transformers", "scikit-learn")
ACCURACY = re.compile(
    r"\b(accuracy|iou|map|f1|wer|bits_per_byte) (\d+(?:\.\d+)?)(?: on (\d+) examples)?"
)


class Work(NamedTuple):
    """A set, and what to find it by."""

    name: str  # as in the table
    domain: str
    data: Path
    test: int  # examples of the test split


class Cell(NamedTuple):
    work: Work
    style: str
    mode: str
    seed: int

    @property
    def key(self) -> str:
        return f"{self.work.name} {self.style} {self.mode} {self.seed}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--domains", nargs="+", choices=DOMAINS, default=DOMAINS)
    parser.add_argument("--styles", nargs="+", choices=STYLES, default=STYLES)
    parser.add_argument("--sizes", nargs="+", type=int, choices=SIZES, default=list(SIZES))
    parser.add_argument("--modes", nargs="+", choices=MODES, default=MODES)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--other", action="store_true", help="the sets that no default is tuned on")
    parser.add_argument("--python", type=Path, help="of an environment that has everything")
    parser.add_argument("--cache", type=Path, help="keep sets and weights in this folder")
    parser.add_argument("--runs", type=Path, help="keep the folders of the runs in this one")
    parser.add_argument("--raw", type=Path, help="keep the figures in this file, and go on from it")
    parser.add_argument("--results", type=Path, help="also write the table to this file")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ptscaffold-bench-") as name:
        raw, complete = measure(options, Path(name))
    report, met = table(raw)
    sys.stdout.write(report)
    if options.results:
        options.results.write_text(report, encoding="utf-8", newline="\n")
    return 0 if met and complete else 1


def measure(options: argparse.Namespace, folder: Path) -> tuple[Raw, bool]:
    """Run what is chosen and not yet known; give all that is known, and whether no run failed."""
    raw: Raw = {"linear": {}, "runs": {}}
    if options.raw and options.raw.exists():
        raw = json.loads(options.raw.read_text(encoding="utf-8"))
    cache = (options.cache or folder / "cache").absolute()
    sources = make_projects(folder, options.domains, options.styles)
    python = options.python.absolute() if options.python else make_environment(folder)
    on = describe(python)
    weights = pretrained_folders(cache / "weights") if "pretrained" in options.modes else {}
    complete = True
    for work in make_sets(options, cache):
        if work.name not in raw["linear"]:
            linear = score(work.domain, work.data)._asdict()
            raw["linear"][work.name] = {**linear, "domain": work.domain}
        for cell in choose(work, options):
            if cell.key in raw["runs"]:
                continue
            runs = (options.runs or folder / "runs").absolute() / cell.key.replace(" ", "-")
            source = sources[work.domain, cell.style]
            pretrained = weights[work.domain] if cell.mode == "pretrained" else None
            found = train(python, cell, source, pretrained, runs)
            complete = complete and found is not None
            if found:
                raw["runs"][cell.key] = {**found, "on": on}
                print(cell.key, found, file=sys.stderr, flush=True)
                save(raw, options.raw)
    save(raw, options.raw)
    return raw, complete


def save(raw: Raw, path: Path | None) -> None:
    if path:
        part = path.with_name(f"{path.name}.part")
        part.write_text(json.dumps(raw, indent=1), encoding="utf-8")
        part.replace(path)


def make_sets(options: argparse.Namespace, cache: Path) -> Iterator[Work]:
    """Prepare the chosen sets one by one."""
    if options.other:
        for name, made in OTHER_SETS.items():
            if made.domain in options.domains:
                data = prepare_other(name, cache / "other")
                yield Work(f"{name}-{OTHER_SIZES[0]}", made.domain, data, OTHER_SIZES[2])
        return
    for size in options.sizes:
        for name, made in SETS.items():
            if made.domain in options.domains:
                yield Work(
                    f"{name}-{size}", made.domain, prepare(name, size, cache), SIZES[size][2]
                )


def choose(work: Work, options: argparse.Namespace) -> list[Cell]:
    return [
        Cell(work, style, mode, seed)
        for mode in options.modes
        if mode == "scratch" or work.domain != "tabular"
        for style in options.styles
        for seed in options.seeds
    ]


def make_projects(
    folder: Path, domains: Sequence[str], styles: Sequence[str]
) -> dict[tuple[str, str], Path]:
    """Generate the projects; give the folders of their packages."""
    return {
        (domain, style): make_project(folder, domain, style)
        for domain in domains
        for style in styles
    }


def make_environment(folder: Path) -> Path:
    """Make an environment of what all projects ask for together; give its Python."""
    run([tool("uv"), "venv", "-q", "-p", sys.executable, "environment"], folder)
    python = folder / "environment/bin/python"
    files = [part for path in folder.glob("*/pyproject.toml") for part in ("-r", str(path))]
    asked = ["timm", "transformers", *files]
    run([tool("uv"), "pip", "install", "-q", "-p", str(python), *asked], folder)
    return python


def describe(python: Path) -> str:
    """Tell which releases train, and on what."""
    code = f"""
from importlib.metadata import distributions
import torch
found = {{each.name: each.version for each in distributions()}}
print(*(f"{{name}} {{found[name]}}" for name in {NAMES} if name in found), sep=", ", end="; ")
cpu = f"CPU, threads: {{torch.get_num_threads()}}"
print(torch.cuda.get_device_name() if torch.cuda.is_available() else cpu)
"""
    done = subprocess.run([python, "-c", code], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{python} lacks something:\n{done.stderr}")
    return done.stdout.strip()


def train(
    python: Path, cell: Cell, source: Path, pretrained: Path | None, folder: Path
) -> dict[str, float] | None:
    """Train and evaluate in a folder of its own; give accuracy and seconds, None for a failure."""
    folder.mkdir(parents=True, exist_ok=True)
    package = f"{cell.work.domain}_{cell.style}".replace("-", "_")
    asked = ["--data", str(cell.work.data), "--seed", str(cell.seed)]
    asked += ["--pretrained", str(pretrained)] if pretrained else []
    start = time.perf_counter()
    trained = call([str(python), "-m", f"{package}.train", *asked], source, folder)
    seconds = time.perf_counter() - start
    if trained is None:
        return None
    printed = call([str(python), "-m", f"{package}.evaluate", "--split", "test"], source, folder)
    if printed is None:
        return None
    return {"accuracy": read_accuracy(printed, cell.work.test), "seconds": seconds}


def call(command: Sequence[str], source: Path, folder: Path) -> str | None:
    """Run a command of a project; give what it prints, or None and say why it failed."""
    environment = {**os.environ, "PYTHONPATH": str(source), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    log = folder / f"{command[2]}.log"
    log.write_text(f"{done.stdout}\n{done.stderr}", encoding="utf-8")
    if done.returncode:
        print(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}", file=sys.stderr, flush=True)
        return None
    return done.stdout


def read_accuracy(printed: str, examples: int) -> float:
    """Find the last accuracy of a report, and that no other split was made of the data."""
    found = ACCURACY.findall(printed)
    if not found:
        raise SystemExit(f"evaluate printed no accuracy:\n{printed[-2000:]}")
    metric, value, counted = found[-1]
    if metric == "bits_per_byte":  # of rows, which the project makes of the texts
        return 1 - float(value) / 8
    if counted and int(counted) != examples:
        raise SystemExit(f"The test split holds {examples} examples, and {counted} were evaluated")
    return 1 - float(value) if metric == "wer" else float(value)


if __name__ == "__main__":
    sys.exit(main())
