"""From nothing to the first optimizer step, against trainite.

    python benchmarks/first_step.py [--rounds 5] [--results benchmarks/first_step.md]

Each generator makes its text project, `uv sync` installs it from a warm cache, and training runs as
the project's README says until its first optimizer step, everything as generated. The projects take
turns, each time in a fresh folder, in reverse order every other round.
The step is seen by a hook of torch, from outside (`probe/sitecustomize.py`). Then the other way of
installation that each README names is tried, word for word. Exit code 1 when ours takes longer.
"""

from __future__ import annotations

import argparse
import os
import platform
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from operator import itemgetter
from pathlib import Path

from commands import run, stopwatch, tool

TRAINITE = "0.1.0"
PARTS = ("generate", "install", "start to first step")
PROBE = Path(__file__).resolve().parent / "probe"
WAIT = 300  # seconds for the first step


@dataclass(frozen=True)
class Generator:
    """How a project is made and trained, each command as its documents give it."""

    new: Sequence[str]
    folder: str
    train: str
    pip: Sequence[str]  # the other way of installation in the README of the project


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="runs of each (5)")
    parser.add_argument("--results", type=Path, help="also write the table to this file")
    options = parser.parse_args()
    os.environ["UV_PYTHON"] = platform.python_version()
    with tempfile.TemporaryDirectory(prefix="ptscaffold-bench-") as name:
        folder = Path(name)
        generators = prepare(folder)
        took: dict[str, list[list[float]]] = {name: [] for name in generators}
        for number in range(options.rounds):
            for name in generators if number % 2 else reversed(generators):
                took[name].append(measure(generators[name], folder / f"{name}-{number}"))
        last = {name: folder / f"{name}-0" for name in generators}
        notes = [
            *(describe(name, last[name] / generators[name].folder) for name in generators),
            "",
            *(try_pip(name, generators[name], last[name]) for name in generators),
        ]
    report = table(took, notes, options.rounds)
    sys.stdout.write(report)
    if options.results:
        options.results.write_text(report, encoding="utf-8", newline="\n")
    ours, theirs = took.values()
    return 0 if statistics.median(ratios(ours, theirs, sum)) <= 1 else 1


def prepare(folder: Path) -> dict[str, Generator]:
    """Install trainite in an environment of its own, and everything once."""
    run([tool("uv"), "venv", "-q", "peer"], folder)
    run([tool("uv"), "pip", "install", "-q", "-p", "peer", f"trainite=={TRAINITE}"], folder)
    ours = [tool("ptscaffold"), "new", "--domain", "text", "--style", "plain", "--no-input"]
    theirs = [str(folder / "peer/bin/trainite"), "init", "proj"]
    theirs += ["--model", "rope-transformer", "--dataset", "string-reverse"]
    pip = ["python -m venv .venv", ".venv/bin/python -m pip install -e ."]
    made = {
        "ptscaffold": Generator(ours, "text-plain", "uv run python -m text_plain.train", pip),
        "trainite": Generator(
            theirs,
            "proj",
            "uv run python main.py config.yaml",
            ["python -m venv .venv", ". .venv/bin/activate && pip install -e ."],
        ),
    }
    for name, generator in made.items():  # fills the cache of uv
        place = folder / f"{name}-cache"
        place.mkdir()
        run(generator.new, place)
        run([tool("uv"), "sync"], place / generator.folder)
    return made


def measure(generator: Generator, folder: Path) -> list[float]:
    """Seconds of each part."""
    folder.mkdir()
    project = folder / generator.folder
    made = stopwatch(lambda: run(generator.new, folder)) / 1000
    installed = stopwatch(lambda: run([tool("uv"), "sync"], project)) / 1000
    return [made, installed, first_step(generator.train, project)]


def first_step(command: str, project: Path) -> float:
    """Seconds from the start of the command to the end of the first optimizer step."""
    stamp = project / "first-step"
    environment = {**os.environ, "PYTHONPATH": str(PROBE), "FIRST_STEP": str(stamp)}
    with (project / "output.txt").open("wb") as output:
        began = time.time()
        process = subprocess.Popen(
            [tool("uv"), *command.split()[1:]],
            cwd=project,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            process.wait(WAIT)
        finally:
            stop(process)
    if not stamp.exists():
        said = (project / "output.txt").read_text(encoding="utf-8")
        raise SystemExit(f"{command} made no step:\n{said}")
    return float(stamp.read_text(encoding="utf-8")) - began


def stop(process: subprocess.Popen[bytes]) -> None:
    """End what the process has left, such as its loading processes."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def describe(name: str, project: Path) -> str:
    """Say what was installed."""
    listed = subprocess.run(
        [tool("uv"), "pip", "list", "-q", "--format", "freeze"],
        cwd=project,
        env={**os.environ, "VIRTUAL_ENV": str(project / ".venv")},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    torch = next(line for line in listed if line.startswith("torch=="))
    return f"`{name}`: {len(listed)} packages, among them {torch.replace('==', ' ')}."


def try_pip(name: str, generator: Generator, folder: Path) -> str:
    """Run the commands for pip of the README in a fresh copy of the project; say how they end."""
    again = folder / "pip"
    again.mkdir()
    run(generator.new, again)
    for command in generator.pip:
        done = subprocess.run(
            ["bash", "-c", command.replace("python -m venv", f"{sys.executable} -m venv")],
            cwd=again / generator.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            lines = (done.stdout + done.stderr).splitlines()
            errors = [line.strip() for line in lines if "error: " in line]
            # pip's own line says no more than that there was one
            why = next((line for line in errors if "subprocess-exited" not in line), lines[-1])
            return f"`{name}`: `{command}` fails: `{why}`"
    return f"`{name}`: `{'`, `'.join(generator.pip)}` work."


def ratios(
    ours: Sequence[Sequence[float]],
    theirs: Sequence[Sequence[float]],
    pick: Callable[[Sequence[float]], float],
) -> list[float]:
    return [pick(a) / pick(b) for a, b in zip(ours, theirs, strict=True)]


def table(took: Mapping[str, Sequence[Sequence[float]]], notes: Sequence[str], rounds: int) -> str:
    ours, theirs = took.values()
    rows = []
    for index, part in enumerate(PARTS):
        columns = [spread([seconds[index] for seconds in each], 1) for each in (ours, theirs)]
        shares = spread(ratios(ours, theirs, itemgetter(index)), 2)
        rows.append(f"| {part} | {' | '.join(columns)} | {shares} | | |")
    both = ratios(ours, theirs, sum)
    columns = [spread([sum(seconds) for seconds in each], 1) for each in (ours, theirs)]
    verdict = "met" if statistics.median(both) <= 1 else "missed"
    rows.append(f"| **sum** | {' | '.join(columns)} | {spread(both, 2)} | at most 1 | {verdict} |")
    head = [
        "# From nothing to the first optimizer step",
        "",
        f"`python benchmarks/first_step.py --rounds {rounds}`: ptscaffold {version('ptscaffold')}"
        f" (text, plain PyTorch) against trainite {TRAINITE} (rope-transformer, string-reverse);"
        f" uv {version('uv')}, Python {platform.python_version()}, {platform.system()}"
        f" {platform.machine()}, {os.cpu_count()} cores, CPU only.",
        "",
        f"Seconds, median [least to most] of {rounds} rounds in alternation; ratio of neighboring"
        " runs.",
        "",
        "| part | ptscaffold | trainite | ratio | target | |",
        "|---|---|---|---|---|---|",
    ]
    return "\n".join([*head, *rows, "", *notes]) + "\n"


def spread(values: Sequence[float], digits: int) -> str:
    middle, low, high = statistics.median(values), min(values), max(values)
    return f"{middle:.{digits}f} [{low:.{digits}f} to {high:.{digits}f}]"


if __name__ == "__main__":
    sys.exit(main())
