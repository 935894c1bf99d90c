"""How fast the tool is, against its peers, on the same generated content.

    python benchmarks/commands.py [--runs 15] [--results benchmarks/commands.md]

A vision project in Lightning, padded to 43 files, is written by `ptscaffold new`, by `cookiecutter`
and by `copier copy` from templates native to each: only files that hold the project's name are
rendered, all others are copied, which is each peer's fastest way. The three trees must be equal.
Runs alternate; figures are medians with quartiles, ratios are those of neighboring runs.
Exit code 1 when a target is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from itertools import product
from pathlib import Path

import ptscaffold
from ptscaffold.layers.catalogue import Catalogue, templates_root
from ptscaffold.render.answers import complete, select_layers
from ptscaffold.render.given import gather
from ptscaffold.render.renderer import Renderer

NAME = "benchproject"
FILES = 43
CELL = ("--domain", "vision", "--style", "lightning")

LAUNCHER = """\
import sys
sys.path.insert(0, {site!r})
from ptscaffold.cli.app import main
main()
"""

PAD = '"""Part {index} of what brings this project to its size."""\n\nVALUE = {index}\n'


@dataclass(frozen=True)
class Line:
    """One row of the table: what was measured, in milliseconds, and against what."""

    what: str
    times: Sequence[float]
    baseline: Sequence[float] | None = None
    target: float | None = None

    @property
    def ratios(self) -> list[float]:
        pairs = zip(self.times, self.baseline or (), strict=bool(self.baseline))
        return [ours / theirs for ours, theirs in pairs]

    @property
    def met(self) -> bool:
        if self.target is None:
            return True
        measured = self.ratios if self.baseline else self.times
        return statistics.median(measured) <= self.target


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=15, help="runs of each command (15)")
    parser.add_argument("--results", type=Path, help="also write the table to this file")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ptscaffold-bench-") as folder:
        lines = [*measure_new(Path(folder), options.runs), *measure_help(options.runs)]
    lines += measure_render(options.runs)
    report = table(lines, options.runs)
    sys.stdout.write(report)
    if options.results:
        options.results.write_text(report, encoding="utf-8", newline="\n")
    return 0 if all(line.met for line in lines) else 1


def measure_new(folder: Path, runs: int) -> list[Line]:
    """The three commands on the same project, each into a fresh folder."""
    launcher = copy_tool(folder)
    ours = [sys.executable, str(launcher), "new", NAME, *CELL, "--no-input"]
    first = folder / "first"
    first.mkdir()
    run(ours, first)
    project = first / NAME
    native = write_native(folder, project)
    commands = {
        "ptscaffold new": ours,
        "cookiecutter": [tool("cookiecutter"), "--no-input", str(native / "cookiecutter")],
        "copier copy": [tool("copier"), "copy", "--defaults", "-q", str(native / "copier"), NAME],
    }
    for name, command in commands.items():
        check = folder / f"check {name}"
        check.mkdir()
        run(command, check)
        if read_tree(check / NAME) != read_tree(project):
            raise SystemExit(f"{name} wrote another project than ptscaffold")
    times = alternate({name: timed(command, folder) for name, command in commands.items()}, runs)
    new = times["ptscaffold new"]
    return [
        Line("`ptscaffold new`", new),
        Line("`cookiecutter`", times["cookiecutter"]),
        Line("`copier copy`", times["copier copy"]),
        Line("`ptscaffold new` / `cookiecutter`", new, times["cookiecutter"], 0.5),
        Line("`ptscaffold new` / `copier copy`", new, times["copier copy"], 0.3),
    ]


def measure_help(runs: int) -> list[Line]:
    commands = {name: [tool(name), "--help"] for name in ("ptscaffold", "cookiecutter")}
    with tempfile.TemporaryDirectory() as folder:
        times = alternate(
            {name: timed(command, Path(folder)) for name, command in commands.items()}, runs
        )
    ours, theirs = times["ptscaffold"], times["cookiecutter"]
    return [
        Line("`ptscaffold --help`", ours),
        Line("`cookiecutter --help`", theirs),
        Line("`ptscaffold --help` / `cookiecutter --help`", ours, theirs, 0.6),
    ]


def measure_render(runs: int) -> list[Line]:
    """Every cell in memory, from manifests and templates on disk, nothing kept between runs."""

    def render_all() -> None:
        catalogue, renderer = Catalogue(), Renderer()
        for domain, style in product(catalogue.names("domains"), catalogue.names("styles")):
            answers = complete(gather({"domain": domain, "style": style}, (), None), catalogue)
            renderer.render(answers, select_layers(answers, catalogue), ptscaffold.__version__)

    render_all()
    times = [stopwatch(render_all) for _ in range(runs)]
    catalogue = Catalogue()
    cells = len(catalogue.names("domains")) * len(catalogue.names("styles"))
    return [Line(f"{cells} cells in memory", times, target=200)]


def copy_tool(folder: Path) -> Path:
    """The tool with its templates, as installed, plus a layer that pads the project to FILES."""
    site = folder / "site"
    ignored = shutil.ignore_patterns("__pycache__", "templates")
    shutil.copytree(Path(ptscaffold.__file__).parent, site / "ptscaffold", ignore=ignored)
    root = site / "ptscaffold" / "templates"
    shutil.copytree(templates_root(), root, ignore=ignored)
    catalogue = Catalogue(root)
    given = gather({"name": NAME, "domain": "vision", "style": "lightning"}, (), None)
    answers = complete(given, catalogue)
    layers = select_layers(answers, catalogue)
    count = len(Renderer().render(answers, layers, ptscaffold.__version__)) + 1
    extra = root / "styles" / "lightning" / "src" / "__package__" / "extra"
    for index in range(FILES - count):
        extra.mkdir(exist_ok=True)
        (extra / f"part{index}.py").write_text(PAD.format(index=index), encoding="utf-8")
    launcher = folder / "ptscaffold-launcher.py"
    launcher.write_text(LAUNCHER.format(site=str(site)), encoding="utf-8")
    return launcher


def write_native(folder: Path, project: Path) -> Path:
    """The project as a template of each peer, its name the one variable."""
    native = folder / "native"
    cookiecutter = native / "cookiecutter" / "{{cookiecutter.name}}"
    copier = native / "copier"
    static = []
    for path in sorted(path for path in project.rglob("*") if path.is_file()):
        where = path.relative_to(project).as_posix()
        data = path.read_bytes()
        named = NAME.encode() in data
        if not named:
            static.append(where.replace(NAME, "*"))
        put(
            cookiecutter / where.replace(NAME, "{{cookiecutter.name}}"), path, data, "cookiecutter."
        )
        suffix = ".jinja" if named else ""
        put(copier / (where.replace(NAME, "{{name}}") + suffix), path, data, "")
    settings = {"name": NAME, "_copy_without_render": static}
    (native / "cookiecutter/cookiecutter.json").write_text(json.dumps(settings), encoding="utf-8")
    questions = f"name:\n  type: str\n  default: {NAME}\n"
    (copier / "copier.yml").write_text(questions, encoding="utf-8")
    return native


def put(place: Path, source: Path, data: bytes, prefix: str) -> None:
    """Write one file of a native template; text that looks like Jinja is kept from it."""
    name = NAME.encode()
    if name in data:
        variable = f"{{{{ {prefix}name }}}}".encode()
        data = variable.join(escape(part) for part in data.split(name))
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(data)
    shutil.copymode(source, place)


def escape(text: bytes) -> bytes:
    if any(opening in text for opening in (b"{{", b"{%", b"{#")):
        return b"{% raw %}" + text + b"{% endraw %}"
    return text


def read_tree(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {
        str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mode)
        for path in folder.rglob("*")
        if path.is_file()
    }


def tool(name: str) -> str:
    found = shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)
    if found is None:
        raise SystemExit(f"{name} is not installed beside {sys.executable}")
    return found


def run(command: Sequence[str], folder: Path) -> None:
    # All of them with cached bytecode, as on anyone's machine
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        check=False,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr or done.stdout}")


def timed(command: Sequence[str], folder: Path) -> Callable[[], float]:
    """A function that runs the command in a fresh folder and returns its wall time."""

    def once() -> float:
        with tempfile.TemporaryDirectory(dir=folder) as place:
            return stopwatch(lambda: run(command, Path(place)))

    return once


def stopwatch(work: Callable[[], object]) -> float:
    """Milliseconds that `work` takes."""
    start = time.perf_counter()
    work()
    return (time.perf_counter() - start) * 1000


def alternate(work: dict[str, Callable[[], float]], runs: int) -> dict[str, list[float]]:
    """Run each in turn, the order reversed every other time; one round is not counted."""
    times: dict[str, list[float]] = {name: [] for name in work}
    for round_ in range(runs + 1):
        for name in work if round_ % 2 else reversed(work):
            milliseconds = work[name]()
            if round_:
                times[name].append(milliseconds)
    return times


def table(lines: Sequence[Line], runs: int) -> str:
    versions = ", ".join(f"{name} {version(name)}" for name in ("typer", "jinja2"))
    peers = ", ".join(f"{name} {version(name)}" for name in ("cookiecutter", "copier"))
    rows = [
        "# The tool against its peers",
        "",
        f"`python benchmarks/commands.py --runs {runs}`: ptscaffold {ptscaffold.__version__} "
        f"({versions}); {peers}; Python {platform.python_version()}, "
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores.",
        "",
        f"{FILES} files. Median [quartiles] of {runs} runs in alternation; milliseconds or ratio.",
        "",
        "| what | median | quartiles | target | |",
        "|---|---|---|---|---|",
    ]
    return "\n".join([*rows, *map(row, lines)]) + "\n"


def row(line: Line) -> str:
    values = line.ratios if line.baseline else line.times
    digits = 2 if line.baseline else 0
    low, middle, high = (f"{value:.{digits}f}" for value in statistics.quantiles(values, n=4))
    target = "" if line.target is None else f"at most {line.target:g}"
    verdict = "" if line.target is None else ("met" if line.met else "missed")
    return f"| {line.what} | {middle} | {low} to {high} | {target} | {verdict} |"


if __name__ == "__main__":
    sys.exit(main())
