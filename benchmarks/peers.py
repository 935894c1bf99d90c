"""How fast the generated projects train, against the projects that peers generate.

    python benchmarks/peers.py [--lht FOLDER] [--ignite FOLDER] [--results benchmarks/peers.md]

Text: our three styles against trainite, which comes from the package registry. Vision: against
lightning-hydra-template, when `--lht` names a checkout of it, and against the ignite code
generator, when `--ignite` names a vision project that its site has made. The same model, data set,
batches, threads and versions everywhere, see `peer_projects.py`; every loop with its own engine,
logging, checkpoints and evaluation. The loops take turns, each in a process of its own, in reverse
order every other round; steps are timed from outside (`probe/meter.py`). Beside the table a plot is
written. `--raw FILE` keeps what was measured, and goes on from what is in it, for text and vision
at different times. Exit code 1 when ours trains slower than a peer.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from first_step import PROBE, spread
from peer_projects import (
    BATCH,
    STYLES,
    TRAIN,
    Loop,
    install,
    make_environment,
    make_ignite,
    make_lht,
    make_ours,
    make_trainite,
    write_images,
    write_texts,
)

EPOCHS = 4  # the first is left out
STEPS = TRAIN // BATCH  # of an epoch
LOSS = {"text": 0.5, "vision": 1.0}
NAMES = ("torch", "torchvision", "lightning", "fastai", "pytorch-ignite", "tensorboard", "trainite")

COLUMNS = {"rate": 0, "whole": 0, "to_loss": 2}  # digits

Measured = dict[str, dict[str, list[dict[str, float]]]]  # domain, loop, rounds


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="runs of each loop (5)")
    parser.add_argument("--only", choices=LOSS, help="measure one domain")
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
        for domain, each in loops.items():
            raw["measured"][domain] = alternate(python, domain, each, folder, options.rounds)
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
    """Make the projects, the data and an environment; give its Python and the loops by domain."""
    python = options.python.absolute() if options.python else make_environment(folder)
    loops = {domain: make_ours(folder, domain, EPOCHS) for domain in LOSS}
    loops["text"]["trainite"] = make_trainite(folder, python, EPOCHS)
    if options.lht:
        lht = make_lht(folder, options.lht, EPOCHS)
        loops["vision"]["lightning-hydra-template"] = lht
    if options.ignite:
        loops["vision"]["ignite code generator"] = make_ignite(folder, options.ignite, EPOCHS)
    write_texts(folder / "text-data")
    write_images(folder / "vision-data")
    if not options.python:
        install(python, folder)
    chosen = {name: each for name, each in loops.items() if options.only in (None, name)}
    return python, {name: each for name, each in chosen.items() if len(each) > len(STYLES)}


def versions(python: Path) -> str:
    code = f"from importlib.metadata import version\nfor n in {NAMES}: print(n, version(n))"
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True)
    return ", ".join(done.stdout.splitlines())


def alternate(
    python: Path, domain: str, loops: Mapping[str, Loop], folder: Path, rounds: int
) -> dict[str, list[dict[str, float]]]:
    """Run the loops of a domain in turn; one round is not counted."""
    found: dict[str, list[dict[str, float]]] = {name: [] for name in loops}
    for number in range(rounds + 1):
        for name in loops if number % 2 else reversed(loops):
            measured = measure(python, domain, loops[name], folder)
            print(name, {key: round(value, 2) for key, value in measured.items()}, file=sys.stderr)
            if number:
                found[name].append(measured)
    return found


def measure(python: Path, domain: str, loop: Loop, folder: Path) -> dict[str, float]:
    """Run one training; give examples per second, without and with what is between the epochs."""
    out = folder / "meter.json"
    out.unlink(missing_ok=True)
    sources = [str(folder / f"{domain}-{style}/src") for style in STYLES]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(PROBE), *sources]),
        "OMP_NUM_THREADS": str(os.cpu_count()),
        "METER": str(out),
        "STEPS": str(STEPS),
        "PACKAGE": f"{domain}_plain",
        "WORK": str(folder / f"{domain}-data"),
    }
    done = subprocess.run(
        [str(python), *loop.arguments],
        cwd=loop.folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    if done.returncode or not out.exists():
        raise SystemExit(f"{loop.folder.name} failed:\n{done.stdout}\n{done.stderr}")
    content = json.loads(out.read_text(encoding="utf-8"))
    times, steps = content["steps"], STEPS
    if len(times) != EPOCHS * steps:
        raise SystemExit(f"{loop.folder.name} made {len(times)} steps, not {EPOCHS} x {steps}")
    reached = [seconds for seconds, loss in content["losses"] if loss <= LOSS[domain]]
    ends = times[steps - 1 :: steps]
    within = sum(end - times[steps * epoch] for epoch, end in enumerate(ends) if epoch)
    return {
        "rate": (EPOCHS - 1) * (steps - 1) * BATCH / within,
        "whole": (EPOCHS - 1) * steps * BATCH / (ends[-1] - ends[0]),
        "to_loss": min(reached, default=math.inf),
    }


def table(measured: Measured, installed: str, rounds: int) -> tuple[str, bool]:
    """Give the report, and whether no style is slower than a peer."""
    rows = [
        "| work | loop | examples/s | with all between epochs | seconds to the loss |",
        "|---|---|---|---|---|",
    ]
    for domain, loops in measured.items():
        for name, each in loops.items():
            columns = [spread([m[key] for m in each], d) for key, d in COLUMNS.items()]
            rows.append(f"| {domain} | {name} | {' | '.join(columns)} |")
    rows += [
        "",
        "Examples per second of ours by that of the peer in the same round:",
        "",
        "| work | ours / peer | ratio | with all between epochs | target | |",
        "|---|---|---|---|---|---|",
    ]
    met = True
    for domain, loops in measured.items():
        for peer in [name for name in loops if not name.startswith("ptscaffold")]:
            for style in STYLES:
                pairs = list(zip(loops[f"ptscaffold {style}"], loops[peer], strict=True))
                ratios = [[a[key] / b[key] for a, b in pairs] for key in ("rate", "whole")]
                good = statistics.median(ratios[0]) >= 1
                met = met and good
                columns = " | ".join(spread(each, 2) for each in ratios)
                rows.append(
                    f"| {domain} | {style} / {peer} | {columns} | at least 1 |"
                    f" {'met' if good else 'missed'} |"
                )
    losses = ", ".join(f"{loss} ({domain})" for domain, loss in LOSS.items())
    head = [
        "# Training against the projects of peers",
        "",
        f"`python benchmarks/peers.py --rounds {rounds}`: ptscaffold {version('ptscaffold')};"
        f" {installed}; Python {platform.python_version()}, {platform.system()}"
        f" {platform.machine()}, {os.cpu_count()} cores, as many threads, CPU only.",
        "",
        f"Median [least to most] of {rounds} rounds in alternation. The same model, data and"
        f" batches of {BATCH}; {EPOCHS} epochs, the first not in the rates. With all between"
        " epochs: evaluation, checkpoints and logging too. The loss, of the validation split, is"
        f" {losses}; the seconds count from the first step, inf where it was not reached.",
        "",
    ]
    return "\n".join([*head, *rows]) + "\n", met


def plot(measured: Measured, path: Path) -> None:
    """Draw the rates of all loops, every round a point, the median a line."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 3.2), layout="constrained")
    panels = figure.subplots(1, len(measured), squeeze=False)[0]
    for axes, (domain, loops) in zip(panels, measured.items(), strict=True):
        for place, (name, each) in enumerate(loops.items()):
            rates = [m["rate"] for m in each]
            color = "C0" if name.startswith("ptscaffold") else "C1"
            axes.plot(rates, [place] * len(rates), "o", color=color, alpha=0.5)
            axes.plot(statistics.median(rates), place, "|", color=color, markersize=24)
        axes.set_yticks(range(len(loops)), list(loops))
        axes.set(xlabel="examples/s", title=domain, xlim=(0, None))
        axes.invert_yaxis()
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    sys.exit(main())
