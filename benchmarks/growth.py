"""How the cost of `new` and `update` grows with files, layers and released versions.

    python benchmarks/growth.py [--runs 7] [--results benchmarks/growth.md]

A pack of the size in question joins the vision project in plain PyTorch; each command is called in
this process, without the time that Python takes to start. Every file of a pack is a template of 41
lines. Each release of a pack changes one of its files; a project follows the first to the last.
Besides the table, a plot `growth.png` is written next to it. The cost per file, layer or release is
that of the straight line between the smallest and the largest size. Exit code 1 when the largest
size costs more than the line between the two others says by half.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import statistics
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from commands import stopwatch

import ptscaffold
from ptscaffold.layers.history import History
from ptscaffold.project.new import Request, create
from ptscaffold.project.update import update

LINES = "# {{ name }}\n" + "".join(f"line {number} of it\n" for number in range(40))
FILES, LAYERS, RELEASES = (10, 100, 1000), (1, 10, 50), (1, 20, 200)

Times = Mapping[int, list[float]]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=7, help="runs of each size (7)")
    parser.add_argument("--results", type=Path, help="also write the table, and a plot beside it")
    options = parser.parse_args()
    results = options.results and options.results.absolute()
    measured: dict[str, Times] = {}
    with tempfile.TemporaryDirectory(prefix="ptscaffold-bench-") as folder:
        os.chdir(folder)
        measured["files: `new`"] = grow(FILES, with_files, options.runs)
        measured["layers: `new`"] = grow(LAYERS, with_layers, options.runs)
        measured["releases: `update`"] = grow(RELEASES, with_releases, options.runs)
    report = table(measured, options.runs)
    sys.stdout.write(report)
    if results:
        results.write_text(report, encoding="utf-8", newline="\n")
        plot(measured, results.with_suffix(".png"))
    return 0 if all(is_linear(times) for times in measured.values()) else 1


def grow(sizes: Sequence[int], prepare: Callable[[int], Callable[[], object]], runs: int) -> Times:
    """Milliseconds of each size, the sizes in turn."""
    work = {size: prepare(size) for size in sizes}
    times: dict[int, list[float]] = {size: [] for size in sizes}
    for number in range(runs + 1):
        for size, call in work.items():
            took = stopwatch(call)
            if number:  # the first round fills caches
                times[size].append(took)
    return times


def with_files(size: int) -> Callable[[], object]:
    pack = write_pack(Path(f"files-{size}"), {f"base/f{i}.txt.jinja": LINES for i in range(size)})
    return lambda: new(pack)


def with_layers(size: int) -> Callable[[], object]:
    names = [f"layer{number}" for number in range(size)]
    layers = {f"features/{name}/{name}.txt.jinja": LINES for name in names}
    pack = write_pack(Path(f"layers-{size}"), layers)
    return lambda: new(pack, *names)


def with_releases(size: int) -> Callable[[], object]:
    paths = [f"base/f{number}.txt.jinja" for number in range(10)]
    pack = write_pack(Path(f"releases-{size}"), dict.fromkeys(paths, LINES))
    new(pack)
    first = Path(f"first-{size}")
    Path("made").rename(first)
    for number in range(2, size + 2):
        History(pack.absolute(), f"{number - 1}.0").add()
        changed = pack / paths[number % len(paths)]
        changed.write_text(changed.read_text().replace(f"line {number % 40} ", f"{number} is "))
    (pack / "pack.toml").write_text(f'name = "big"\nversion = "{size + 1}.0"\n')

    def follow() -> None:
        shutil.rmtree("made", ignore_errors=True)
        shutil.copytree(first, "made")
        assert update(Path("made")).changes

    return follow


def write_pack(folder: Path, files: Mapping[str, str]) -> Path:
    """Write a pack of these files, a manifest in each of its layers."""
    folder.mkdir()
    (folder / "pack.toml").write_text('name = "big"\nversion = "1.0"\n')
    for path, content in files.items():
        kind, name = path.split("/")[:2]
        layer = folder / kind if kind == "base" else folder / kind / name
        layer.mkdir(parents=True, exist_ok=True)
        (layer / "layer.toml").write_text('label = "Big"\nhelp = "grows"\nsummary = "Big."\n')
        (folder / path).write_text(content)
    return folder


def new(pack: Path, *features: str) -> None:
    shutil.rmtree("made", ignore_errors=True)
    cell = Request(domain="vision", style="plain", name="made")
    chosen = {"packs": (str(pack),), "features": features}
    create(Request(**{**vars(cell), **chosen}))


def slope(times: Times) -> float:
    """Milliseconds that one more costs, on the line from the smallest to the largest size."""
    (low, a), *_, (high, b) = ((size, statistics.median(each)) for size, each in times.items())
    return (b - a) / (high - low)


def is_linear(times: Times) -> bool:
    """Whether the largest size costs at most half more than the two others foretell."""
    (x, a), (y, b), (z, c) = ((size, statistics.median(each)) for size, each in times.items())
    return c <= 1.5 * max(b, a + (b - a) / (y - x) * (z - x))


def table(measured: Mapping[str, Times], runs: int) -> str:
    rows = []
    for what, times in measured.items():
        name, _, command = what.partition(": ")
        for size, each in times.items():
            low, middle, high = statistics.quantiles(each, n=4)
            rows.append(
                f"| {command} | {size} {name} | {middle:.0f} | {low:.0f} to {high:.0f} |  |"
            )
        good = "yes" if is_linear(times) else "no"
        rows.append(f"| {command} | one more of the {name} | {slope(times):.2f} |  | {good} |")
    head = [
        "# Growth",
        "",
        f"`python benchmarks/growth.py --runs {runs}`: ptscaffold {ptscaffold.__version__}; Python"
        f" {platform.python_version()}, {platform.system()} {platform.machine()},"
        f" {os.cpu_count()} cores.",
        "",
        f"Milliseconds in one process, median [quartiles] of {runs} runs, the sizes in turn.",
        "",
        "| command | size | median | quartiles | linear |",
        "|---|---|---|---|---|",
    ]
    return "\n".join([*head, *rows]) + "\n"


def plot(measured: Mapping[str, Times], path: Path) -> None:
    """Draw each cost over the size, both from zero, quartiles as bars."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 3.2), layout="constrained")
    for axes, (what, times) in zip(
        figure.subplots(1, len(measured)), measured.items(), strict=True
    ):
        quartiles = [statistics.quantiles(each, n=4) for each in times.values()]
        middles = [middle for _, middle, _ in quartiles]
        spread = [[m - low for low, m, _ in quartiles], [high - m for _, m, high in quartiles]]
        axes.errorbar(list(times), middles, yerr=spread, marker="o", capsize=3)
        name, _, command = what.partition(": ")
        axes.set(xlabel=name, ylabel="ms", title=command.strip("`"), ylim=(0, None))
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    sys.exit(main())
