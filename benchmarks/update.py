"""How fast a project follows its template, against `copier update` and `cruft update`.

    python benchmarks/update.py [--runs 15] [--results benchmarks/update.md]

The project of `benchmarks/commands.py`, 43 files in a git repository, of which a person edited one.
The next version of the template changes that file elsewhere and two others, and adds one.
`ptscaffold update` finds both versions in its own history, `copier update` and `cruft update` in a
git repository with two commits, the template native to each; the trees that they leave must be
equal, but for the record of each. Runs alternate, each on a fresh copy of the project; figures are
medians with quartiles, ratios are those of neighboring runs. Exit code 1 when a target is missed.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from importlib.metadata import version
from itertools import count
from pathlib import Path

from commands import (
    CELL,
    FILES,
    NAME,
    Line,
    alternate,
    copy_tool,
    read_tree,
    row,
    run,
    stopwatch,
    tool,
    write_native,
)

import ptscaffold

NEXT = "99.0.0"
PACKAGE = f"src/{NAME}"
EDITED = f"{PACKAGE}/task.py"
RECORDS = (".ptscaffold.toml", ".copier-answers.yml", ".cruft.json")
ANSWERS = "{{ _copier_answers|to_nice_yaml -}}\n"

# One identity and no settings of the machine's: both commands run git.
GIT = {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    **{f"GIT_{who}_NAME": "bench" for who in ("AUTHOR", "COMMITTER")},
    **{f"GIT_{who}_EMAIL": "bench@localhost" for who in ("AUTHOR", "COMMITTER")},
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=15, help="runs of each command (15)")
    parser.add_argument("--results", type=Path, help="also write the table to this file")
    options = parser.parse_args()
    os.environ.update(GIT)
    with tempfile.TemporaryDirectory(prefix="ptscaffold-bench-") as folder:
        lines = measure(Path(folder), options.runs)
    report = table(lines, options.runs)
    sys.stdout.write(report)
    if options.results:
        options.results.write_text(report, encoding="utf-8", newline="\n")
    return 0 if all(line.met for line in lines) else 1


def measure(folder: Path, runs: int) -> list[Line]:
    """The three commands on copies of the same project."""
    launcher = copy_tool(folder)
    ours = [sys.executable, str(launcher)]
    templates = folder / "templates"
    release(folder)
    first = folder / "first"
    first.mkdir()
    run([*ours, "new", NAME, *CELL, "--no-input"], first)
    publish(templates, folder / "v1", first / NAME, "1.0.0")

    # A project of each tool made from the first version, and a person's edit in it
    copier, cruft = str(templates / "copier"), str(templates / "cookiecutter")
    commands = {
        "ptscaffold": [*ours, "new", NAME, *CELL, "--no-input"],
        "copier": [tool("copier"), "copy", "--defaults", "-q", "--vcs-ref", "1.0.0", copier, NAME],
        "cruft": [tool("cruft"), "create", "--no-input", cruft],
    }
    projects = {name: folder / name / NAME for name in commands}
    for name, project in projects.items():
        project.parent.mkdir()
        run(commands[name], project.parent)
        with (project / EDITED).open("a", encoding="utf-8") as file:
            file.write("\n\nHALF = 0.5\n")
        commit(project)

    # The second version of the templates
    change(folder / "site/ptscaffold")
    again = folder / "again"
    again.mkdir()
    run([*ours, "new", NAME, *CELL, "--no-input"], again)
    publish(templates, folder / "v2", again / NAME, "2.0.0")

    commands = {
        "ptscaffold": [*ours, "update"],
        "copier": [tool("copier"), "update", "--defaults", "-q"],
        "cruft": [tool("cruft"), "update", "--skip-apply-ask"],
    }
    places = {name: folder / f"check {name}" for name in commands}
    for name, place in places.items():
        copy_project(projects[name], place)
        run(commands[name], place)
    for peer in ("copier", "cruft"):
        compare(places["ptscaffold"], places[peer], again / NAME)

    work = {n: on_a_copy(commands[n], projects[n], folder) for n in commands}
    current = places["ptscaffold"]
    work["check"] = lambda: stopwatch(lambda: run([*ours, "check"], current))
    times = alternate(work, runs)
    new = times["ptscaffold"]
    return [
        Line("`ptscaffold update`", new),
        Line("`copier update`", times["copier"]),
        Line("`cruft update`", times["cruft"]),
        Line("`ptscaffold update` / `copier update`", new, times["copier"], 0.25),
        Line("`ptscaffold update` / `cruft update`", new, times["cruft"], 0.6),
        Line("`ptscaffold check`", times["check"]),
    ]


def release(folder: Path) -> None:
    """Put the templates into the history that the tool carries, as every release does."""
    code = f"import sys; sys.path.insert(0, {str(folder / 'site')!r})\n"
    code += "from ptscaffold.layers.history import History; History().add()"
    run([sys.executable, "-c", code], folder)


def change(package: Path) -> None:
    """Make the next version of the tool's templates."""
    module = package / "__init__.py"
    module.write_text(
        module.read_text(encoding="utf-8").replace(f'"{ptscaffold.__version__}"', f'"{NEXT}"'),
        encoding="utf-8",
    )
    templates = package / "templates"
    base = templates / "base/src/__package__"
    task = base / "task.py"
    task.write_text(f"# The next version\n{task.read_text(encoding='utf-8')}", encoding="utf-8")
    for path in (base / "tracking.py", templates / "domains/vision/src/__package__/model.py"):
        with path.open("a", encoding="utf-8") as file:
            file.write("\n\nNEXT = True\n")
    (base / "notes.py").write_text('"""What the next version adds."""\n', encoding="utf-8")


def publish(templates: Path, scratch: Path, project: Path, tag: str) -> None:
    """Commit and tag the content of a project as a version of each peer's template."""
    native = write_native(scratch, project)
    (native / "copier/.ptscaffold.toml.jinja").unlink()
    (native / "cookiecutter/{{cookiecutter.name}}/.ptscaffold.toml").unlink()
    (native / "copier/{{_copier_conf.answers_file}}.jinja").write_text(ANSWERS, encoding="utf-8")
    for peer in ("copier", "cookiecutter"):
        template = templates / peer
        if template.exists():
            shutil.move(template / ".git", native / peer / ".git")
            shutil.rmtree(template)
        shutil.copytree(native / peer, template)
        commit(template)
        run(["git", "tag", tag], template)


def commit(folder: Path) -> None:
    run(["git", "init", "-q"], folder)
    run(["git", "add", "--all", "--force"], folder)
    run(["git", "commit", "-q", "-m", "All"], folder)


def copy_project(project: Path, place: Path) -> None:
    shutil.copytree(project, place)
    # Else the first command to ask git for changes would read every file
    run(["git", "update-index", "--refresh", "-q"], place)


def compare(ours: Path, theirs: Path, fresh: Path) -> None:
    """Stop unless both trees are the new version with the person's edit in it."""
    trees = [
        {
            path: content
            for path, content in read_tree(folder).items()
            if not path.startswith(".git/") and path not in RECORDS
        }
        for folder in (ours, theirs, fresh)
    ]
    if trees[0] != trees[1]:
        differing = {path for path, _ in trees[0].items() ^ trees[1].items()}
        raise SystemExit(f"the trees differ: {', '.join(sorted(differing))}")
    edited = trees[2].pop(EDITED)
    merged = edited[0] + b"\n\nHALF = 0.5\n", edited[1]
    if {**trees[2], EDITED: merged} != trees[0]:
        raise SystemExit("the update did not give the next version with the edit in it")


def on_a_copy(command: Sequence[str], project: Path, folder: Path) -> Callable[[], float]:
    """A function that runs the command in a fresh copy of the project and gives its wall time."""
    numbers = count()

    def once() -> float:
        place = folder / f"run {project.parent.name} {next(numbers)}"
        copy_project(project, place)
        time = stopwatch(lambda: run(command, place))
        shutil.rmtree(place)
        return time

    return once


def table(lines: Sequence[Line], runs: int) -> str:
    rows = [
        "# Following the template, against copier and cruft",
        "",
        f"`python benchmarks/update.py --runs {runs}`: ptscaffold {ptscaffold.__version__} "
        f"(typer {version('typer')}, jinja2 {version('jinja2')}); copier {version('copier')}; "
        f"cruft {version('cruft')} (cookiecutter {version('cookiecutter')}); "
        f"Python {platform.python_version()}, {platform.system()} {platform.machine()}, "
        f"{os.cpu_count()} cores.",
        "",
        f"{FILES} files, of which the template changes three and adds one; one of the three was "
        f"edited. Median [quartiles] of {runs} runs in alternation; milliseconds or ratio.",
        "",
        "| what | median | quartiles | target | |",
        "|---|---|---|---|---|",
    ]
    return "\n".join([*rows, *map(row, lines)]) + "\n"


if __name__ == "__main__":
    sys.exit(main())
