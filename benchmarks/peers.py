"""How fast the generated projects train, against the projects that peers generate.

    python benchmarks/peers.py [--lht FOLDER] [--ignite FOLDER] [--results benchmarks/peers.md]

Text: our five styles against trainite, which comes from the package registry; the texts are of 8
to 56 words, or all of 32. Vision: against lightning-hydra-template, when `--lht` names a checkout
of it, and against the ignite code generator, when `--ignite` names a vision project that its site
has made. The same model, data set, batches, threads and versions everywhere, see
`peer_projects.py`; every loop with its own engine,
logging, checkpoints and evaluation. All loops run at the same time, each in a process of its own,
but take turns of a second while the others are stopped, see `turns.py`; steps are timed from
outside (`probe/meter.py`). The same epoch of two loops makes a pair. Beside the table a plot is
written. `--raw FILE` keeps what was measured, and goes on from what is in it, for text and vision
at different times. Exit code 1 when ours trains slower than a peer.
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
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

from first_step import PROBE
from peer_projects import (
    BATCH,
    STYLES,
    TRAIN,
    WORKS,
    Loop,
    Work,
    install,
    make_environment,
    make_ignite,
    make_lht,
    make_ours,
    make_trainite,
    write_images,
    write_texts,
)
from turns import TURN, Turns, find_rate, running, spread, take_turns

EPOCHS = 12  # the first is left out
STEPS = TRAIN // BATCH  # of an epoch
NAMES = ("torch", "torchvision", "lightning", "fastai", "pytorch-ignite", "tensorboard", "trainite")

COLUMNS = {"rate": 0, "whole": 0, "to_loss": 2}  # digits

Run = dict[str, list[float]]  # of every epoch but the first; of the loss one figure
Measured = dict[str, dict[str, list[Run]]]  # work, loop, rounds


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="runs of each loop (5)")
    parser.add_argument("--only", choices=WORKS, help="measure one kind of work")
    parser.add_argument("--lht", type=Path, help="a checkout of ashleve/lightning-hydra-template")
    parser.add_argument("--ignite", type=Path, help="a vision project of the ignite code generator")
    parser.add_argument("--python", type=Path, help="of an environment that has everything")
    parser.add_argument("--raw", type=Path, help="keep the figures in this file")
    parser.add_argument("--results", type=Path, help="also write the table, and a plot beside it")
    options = parser.parse_args()
    raw: dict[str, Any] = {"measured": {}}
    if options.raw and options.raw.exists():
        raw = json.loads(options.raw.read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory(prefix="ptscaffold-bench-") as name:
        folder = Path(name)
        python, loops = prepare(folder, options)
        raw["versions"] = versions(python)
        for name, each in loops.items():
            found = alternate(python, WORKS[name], each, folder, options.rounds)
            raw["measured"][name] = found
    if options.raw:
        options.raw.write_text(json.dumps(raw), encoding="utf-8")
    measured: Measured = raw["measured"]
    report, met = table(measured, raw["versions"], options.rounds)
    sys.stdout.write(report)
    if options.results:
        options.results.write_text(report, encoding="utf-8", newline="\n")
        plot(measured, options.results.with_suffix(".png"))
    return 0 if met else 1


def prepare(folder: Path, options: argparse.Namespace) -> tuple[Path, dict[str, dict[str, Loop]]]:
    """Make the projects, the data and an environment; give its Python and the loops by work."""
    python = options.python.absolute() if options.python else make_environment(folder)
    loops = {name: make_ours(folder, work, EPOCHS) for name, work in WORKS.items()}
    trainite = make_trainite(folder, python, EPOCHS)
    for name, work in WORKS.items():
        if work.domain == "text":
            loops[name]["trainite"] = trainite
            write_texts(work.data(folder), *work.lengths)
    if options.lht:
        lht = make_lht(folder, options.lht, EPOCHS)
        loops["vision"]["lightning-hydra-template"] = lht
    if options.ignite:
        loops["vision"]["ignite code generator"] = make_ignite(folder, options.ignite, EPOCHS)
    write_images(WORKS["vision"].data(folder))
    if not options.python:
        install(python, folder)
    chosen = {name: each for name, each in loops.items() if options.only in (None, name)}
    return python, {name: each for name, each in chosen.items() if len(each) > len(STYLES)}


def versions(python: Path) -> str:
    code = f"from importlib.metadata import version\nfor n in {NAMES}: print(n, version(n))"
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True)
    return ", ".join(done.stdout.splitlines())


def alternate(
    python: Path, work: Work, loops: Mapping[str, Loop], folder: Path, rounds: int
) -> dict[str, list[Run]]:
    """Run the loops on the same work side by side, so many times."""
    found: dict[str, list[Run]] = {name: [] for name in loops}
    for _ in range(rounds):
        outputs = {name: folder / f"{loop.folder.name}.json" for name, loop in loops.items()}
        processes = {
            name: start(python, work, loop, folder, outputs[name]) for name, loop in loops.items()
        }
        try:
            turns = take_turns(processes)
        except SystemExit as error:
            logs = (
                outputs[name].with_suffix(".log") for name, p in processes.items() if p.returncode
            )
            said = "\n".join(path.read_text(encoding="utf-8")[-2000:] for path in logs)
            raise SystemExit(f"{error}:\n{said}") from None
        for name, output in outputs.items():
            content = json.loads(output.read_text(encoding="utf-8"))
            found[name].append(read_run(content, turns[name], work.loss))
            shown = {key: round(median(values), 2) for key, values in found[name][-1].items()}
            print(name, shown, file=sys.stderr)
            output.unlink()
    return found


def start(
    python: Path, work: Work, loop: Loop, folder: Path, output: Path
) -> subprocess.Popen[bytes]:
    """Start one training, which writes what `probe/meter.py` sees of it to `output`."""
    sources = [str(folder / f"{work.domain}-{style}/src") for style in STYLES]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(PROBE), *sources]),
        "OMP_NUM_THREADS": str(os.cpu_count()),
        "THP_MEM_ALLOC_ENABLE": "1",  # or chance gives huge pages to some loops alone
        "METER": str(output),
        "STEPS": str(STEPS),
        "PACKAGE": f"{work.domain}_plain",
        "WORK": str(work.data(folder)),
    }
    with output.with_suffix(".log").open("wb") as log:
        return subprocess.Popen(
            [str(python), *loop.arguments],
            cwd=loop.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )


def read_run(content: Mapping[str, Any], turns: Turns, goal: float) -> Run:
    """Give the examples per second of each epoch but the first, and the seconds to the loss.

    "rate" is that of ten steps, the median of an epoch; "whole" has all that comes before the last
    step of an epoch and after the last one of the epoch before.
    """
    times = content["steps"]
    if len(times) != EPOCHS * STEPS:
        raise SystemExit(f"a loop made {len(times)} steps, not {EPOCHS} x {STEPS}")
    run: Run = {"rate": [], "whole": []}
    for first in range(STEPS, len(times), STEPS):
        ends = times[first : first + STEPS]
        run["rate"].append(BATCH * find_rate(ends, turns))
        run["whole"].append(STEPS * BATCH / running(turns, times[first - 1], ends[-1]))
    reached = [moment for moment, loss in content["losses"] if loss <= goal]
    run["to_loss"] = [running(turns, times[0], times[0] + reached[0]) if reached else math.inf]
    return run


def table(measured: Measured, installed: str, rounds: int) -> tuple[str, bool]:
    """Give the report, and whether no style is slower than a peer."""
    rows = [
        "| work | loop | examples/s | with all between epochs | seconds to the loss |",
        "|---|---|---|---|---|",
    ]
    for work, loops in measured.items():
        for name, runs in loops.items():
            columns = [spread(gather(runs, key), d) for key, d in COLUMNS.items()]
            rows.append(f"| {work} | {name} | {' | '.join(columns)} |")
    rows += [
        "",
        "Examples per second of ours by that of the peer in the same epoch of the same round:",
        "",
        "| work | ours / peer | ratio | with all between epochs | target | |",
        "|---|---|---|---|---|---|",
    ]
    met = True
    for work, loops in measured.items():
        for peer in [name for name in loops if not name.startswith("ptscaffold")]:
            for style in STYLES:
                own = loops[f"ptscaffold {style}"]
                ratios = [
                    [a / b for a, b in zip(gather(own, key), gather(loops[peer], key), strict=True)]
                    for key in ("rate", "whole")
                ]
                good = median(ratios[0]) >= 1
                met = met and good
                shown = " | ".join(spread(each, 2) for each in ratios)
                rows.append(
                    f"| {work} | {style} / {peer} | {shown} | at least 1 |"
                    f" {'met' if good else 'missed'} |"
                )
    losses = ", ".join(f"{work.loss} ({name})" for name, work in WORKS.items())
    head = [
        "# Training against the projects of peers",
        "",
        f"`python benchmarks/peers.py --rounds {rounds}`: ptscaffold {version('ptscaffold')};"
        f" {installed}; Python {platform.python_version()}, {platform.system()}"
        f" {platform.machine()}, {os.cpu_count()} cores, as many threads, CPU only.",
        "",
        f"Median [quartiles] of {EPOCHS - 1} epochs in each of {rounds} rounds, the loops in"
        f" turns of {TURN:.0f} second. The same model, data and batches of {BATCH}. Examples per"
        " second of ten steps with one point in TensorBoard; with all between epochs: evaluation"
        f" and checkpoints too. The loss, of the validation split, is {losses}; the seconds count"
        " from the first step, inf where it was not reached.",
        "",
    ]
    return "\n".join([*head, *rows]) + "\n", met


def gather(runs: Sequence[Run], key: str) -> list[float]:
    return [value for run in runs for value in run[key]]


def plot(measured: Measured, path: Path) -> None:
    """Draw the rates of all loops, every epoch a point, the median a line."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 3.2), layout="constrained")
    panels = figure.subplots(1, len(measured), squeeze=False)[0]
    for axes, (title, loops) in zip(panels, measured.items(), strict=True):
        for place, (name, runs) in enumerate(loops.items()):
            rates = gather(runs, "rate")
            color = "C0" if name.startswith("ptscaffold") else "C1"
            axes.plot(rates, [place] * len(rates), "o", color=color, alpha=0.3)
            axes.plot(median(rates), place, "|", color=color, markersize=24)
        axes.set_yticks(range(len(loops)), list(loops))
        axes.set(xlabel="examples/s", title=title, xlim=(0, None))
        axes.set_ylim(len(loops) - 0.5, -0.5)
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    sys.exit(main())
