"""The commands of the command line that try things, templates and machines: parse, call, print."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from ptscaffold.cli import options
from ptscaffold.cli.console import Said, say, step

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ptscaffold.trial.children import Outcome
    from ptscaffold.trial.run import Trial, Tried

_WORDS: Final = {"ok": "ok", "failed": "FAIL", "skipped": "skip"}


def doctor(
    folder: Annotated[
        Path, typer.Argument(metavar="[FOLDER]", help="Of a project; this one by default.")
    ] = Path(),
) -> Said:
    """Find what is set up wrong: Python, PyTorch, GPU, the machine.

    Looks at the environment in FOLDER/.venv, else at the active one. Where there is none, only at
    the machine. Exit code 3: something was found; each comes with the command that mends it.
    """
    from ptscaffold.trial.doctor import diagnose, find_python

    patient = find_python(folder)
    examined = f"looking at {patient.python}"
    if not patient.own:
        examined = (
            f"no environment in {patient.folder} and no other active: looking at the machine with\n"
            f"{patient.python}, the Python of ptscaffold, where torch is not expected"
        )
    say(examined)
    diagnosis = diagnose(patient)
    return Said(diagnosis.as_dict(), None, diagnosis.text, 3 if diagnosis.findings else 0)


def try_templates(
    project: Annotated[
        Path | None,
        typer.Argument(metavar="[PROJECT]", help="Test a copy of this project instead."),
    ] = None,
    domain: Annotated[
        list[str] | None, options.named("Only these; may be repeated.", options.domains)
    ] = None,
    style: Annotated[
        list[str] | None, options.named("Only these; may be repeated.", options.styles)
    ] = None,
    feature: Annotated[
        list[str] | None,
        options.named("In every project, and no other; may be repeated.", options.features),
    ] = None,
    pack: options.Pack = None,
    matrix: Annotated[
        str | None,
        options.named(
            "minimal: each layer once (default); pairwise: each two together; or all.",
            options.matrices,
        ),
    ] = None,
    shard: Annotated[
        str | None, typer.Option(metavar="I/N", help="The I-th of N parts of the matrix.")
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="Projects at a time; half the cores by default."),
    ] = None,
    only: Annotated[
        list[str] | None,
        options.named(
            "Only these and what they need; may be repeated.", options.checks, metavar="CHECK"
        ),
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the projects and all logs.")] = False,
    junit: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write a JUnit XML report.")
    ] = None,
) -> Said:
    """Test that templates work.

    Makes projects, installs them and does all that their READMEs say. Needs uv and, to install, a
    package registry. Exit code 1: a check failed; the logs are kept.
    """
    from ptscaffold.errors import UsageError
    from ptscaffold.layers.catalogue import Catalogue, open_packs
    from ptscaffold.trial.checks import unheard
    from ptscaffold.trial.matrix import choose_cells
    from ptscaffold.trial.run import Manner, try_cells, try_project, write_junit

    def report(name: str, outcome: Outcome) -> None:
        say(_line(name, outcome, width))

    manner = Manner(jobs=jobs, only=only or (), during=step, keep=keep, report=report)
    wrong = unheard(only or ())
    if junit is not None and not junit.absolute().parent.is_dir():
        wrong.append(f"--junit {str(junit)!r}: there is no folder {str(junit.parent)!r}")
    if junit is not None and junit.is_dir():
        wrong.append(f"--junit {str(junit)!r} is a folder: give a file")
    if project is None:
        catalogue = Catalogue(packs=open_packs(pack or ()))
        cells = choose_cells(
            matrix or "minimal",
            domains=domain or (),
            styles=style or (),
            features=feature or (),
            shard=shard,
            also=wrong,
            catalogue=catalogue,
        )
        width = max((len(cell.name) for cell in cells), default=0)
        trial = try_cells(cells, manner, catalogue=catalogue)
    else:
        if any(option is not None for option in (domain, style, feature, matrix, shard, jobs)):
            wrong.append(
                "PROJECT goes with --pack, --only, --keep, --json and --junit alone: it is one cell"
            )
        if wrong:
            raise UsageError(*wrong, hint="see ptscaffold test --help")
        width = len(project.resolve().name)
        trial = try_project(project, manner, packs=pack or ())
    if junit is not None:
        write_junit(trial, junit)
    return Said(trial.as_dict(), _table(trial), _ended(trial), 0 if trial.ok else 1)


def _line(name: str, outcome: Outcome, width: int) -> str:
    """A step that has ended: `vision-plain  train        ok    21.3 s`."""
    word = _WORDS[outcome.status]
    text = f"{name:<{width}}  {outcome.check:<11}  {word:<4}  {outcome.seconds:>6.1f} s"
    if outcome.reason:
        return f"{text}  {outcome.reason.splitlines()[0]}"
    return text if outcome.found is None else "{}  {} {:.4f}".format(text, *outcome.found)


def _table(trial: Trial) -> str:
    """A line for each cell: its checks counted, its metric, the longest check."""
    width = max([len(cell.name) for cell in trial.cells] + [len("cell")])
    head = f"{'cell':<{width}}  checks  failed  skipped           metric  seconds  longest"
    return "\n".join([head, *(_row(cell, width) for cell in trial.cells)])


def _ended(trial: Trial) -> str:
    """The end: every failure, how many checks were passed, and where the logs are."""
    status = _counts(trial.cells)
    cells = "1 cell" if len(trial.cells) == 1 else f"{len(trial.cells)} cells"
    text = f"{status['ok']} of {status.total()} checks passed in {cells}, {trial.seconds:.0f} s"
    blocks = [
        _failure(cell.name, outcome)
        for cell in trial.cells
        for outcome in cell.outcomes
        if outcome.status == "failed"
    ]
    return "\n\n".join([*blocks, text if trial.logs is None else f"{text}; logs: {trial.logs}"])


def _failure(name: str, outcome: Outcome) -> str:
    """What failed: the command, the reason, the last lines of its output, the log with the rest."""
    lines = [f"{name} {outcome.check} failed: {outcome.reason}"]
    lines += [f"  $ {outcome.command}"] if outcome.command else []
    lines += [f"  | {text}" for text in outcome.tail()]
    return "\n".join([*lines, f"  log: {outcome.log}"])


def _row(cell: Tried, width: int) -> str:
    status = _counts([cell])
    found = next((o.found for o in cell.outcomes if o.found), None)
    metric = "{} {:.4f}".format(*found) if found else "-"
    longest = max(cell.outcomes, key=lambda outcome: outcome.seconds)
    seconds = sum(outcome.seconds for outcome in cell.outcomes)
    return (
        f"{cell.name:<{width}}  {status.total():>6}  {status['failed']:>6}"
        f"  {status['skipped']:>7}  {metric:>15}  {seconds:>7.1f}"
        f"  {longest.check} {longest.seconds:.1f}"
    )


def _counts(cells: Iterable[Tried]) -> Counter[str]:
    return Counter(outcome.status for cell in cells for outcome in cell.outcomes)
