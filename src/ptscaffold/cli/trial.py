"""The commands of the command line that try things, templates and machines: parse, call, print."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ptscaffold.cli import options
from ptscaffold.cli.console import out, out_json, say

if TYPE_CHECKING:
    from ptscaffold.trial.results import Outcome

__all__ = ["doctor", "try_templates"]


def doctor(
    folder: Annotated[
        Path, typer.Argument(metavar="[FOLDER]", help="Of a project; this one by default.")
    ] = Path(),
    no_input: options.NoInput = False,
    as_json: options.Json = False,
    debug: options.Debug = False,
) -> int:
    """Find what is set up wrong: Python, PyTorch, the GPU, the machine.

    Looks at the environment in FOLDER/.venv, else at the active one. Where there is none, only at
    the machine. Exit code 3: something was found; each comes with the command that mends it.
    """
    from ptscaffold.cli import report_trial
    from ptscaffold.trial.doctor import diagnose, find_python

    patient = find_python(folder)
    say(report_trial.examined(patient))
    diagnosis = diagnose(patient)
    if as_json:
        out_json(diagnosis.as_dict())
    say(diagnosis.text)
    return 3 if diagnosis.findings else 0


def try_templates(
    project: Annotated[
        Path | None,
        typer.Argument(metavar="[PROJECT]", help="Test a copy of this project instead."),
    ] = None,
    domain: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Only these; may be repeated.")
    ] = None,
    style: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Only these; may be repeated.")
    ] = None,
    feature: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="In every project, and no other; may be repeated."),
    ] = None,
    pack: options.Pack = None,
    matrix: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="minimal: each layer once (default); pairwise: each two together; or all.",
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
        typer.Option(metavar="CHECK", help="Only these and what they need; may be repeated."),
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the projects and all logs.")] = False,
    junit: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write a JUnit XML report.")
    ] = None,
    no_input: options.NoInput = False,
    as_json: options.Json = False,
    debug: options.Debug = False,
) -> int:
    """Test that templates work.

    Makes projects, installs them and does all that their READMEs say. Needs uv and, to install, a
    package registry. Exit code 1: a check failed; the logs are kept.
    """
    from ptscaffold.cli import report_trial
    from ptscaffold.errors import UsageError
    from ptscaffold.layers.catalogue import Catalogue
    from ptscaffold.layers.packs import open_packs
    from ptscaffold.trial.checks import unheard
    from ptscaffold.trial.matrix import choose_cells
    from ptscaffold.trial.run import try_cells, try_project

    def report(name: str, outcome: Outcome) -> None:
        say(report_trial.line(name, outcome, width))

    only = only or []
    wrong = unheard(only)
    if junit is not None and not junit.absolute().parent.is_dir():
        wrong.append(f"--junit {str(junit)!r}: there is no folder {str(junit.parent)!r}")
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
        trial = try_cells(
            cells, catalogue=catalogue, jobs=jobs, only=only, keep=keep, report=report
        )
    else:
        if any(option is not None for option in (domain, style, feature, matrix, shard, jobs)):
            wrong.append(
                "PROJECT goes with --pack, --only, --keep, --json and --junit alone: it is one cell"
            )
        if wrong:
            raise UsageError(*wrong, hint="see ptscaffold test --help")
        width = len(project.resolve().name)
        trial = try_project(project, packs=tuple(pack or ()), only=only, keep=keep, report=report)
    if junit is not None:
        from ptscaffold.trial.results import write_junit

        write_junit(trial, junit)
    if as_json:
        out_json(trial.as_dict())
    else:
        out(report_trial.table(trial))
    say(report_trial.ended(trial))
    return 0 if trial.ok else 1
