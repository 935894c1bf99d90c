"""The command line: parses, calls, prints. What a command does stands in its own module."""

from __future__ import annotations

import gc
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ptscaffold import __version__, options
from ptscaffold.console import out, out_bytes, out_json, run_app, say
from ptscaffold.usage import Commands

if TYPE_CHECKING:
    from ptscaffold.update import Update

__all__ = ["main", "run"]

HELP = """\
\b
One line does it: ptscaffold new NAME --domain vision --style lightning
Exit codes: 0 done, 1 failed, 2 usage, 3 needs you, 130 interrupted.
Asks nothing without a terminal, with --no-input or with CI set. No telemetry.
"""

app = typer.Typer(
    cls=Commands,
    help=HELP,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        out(f"ptscaffold {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Options before the command."""


@app.command()
def new(
    name: Annotated[
        str | None,
        typer.Argument(metavar="[NAME]", help="Project name, or a path that ends with it."),
    ] = None,
    domain: options.Domain = None,
    style: options.Style = None,
    feature: options.Feature = None,
    set_: options.Set = None,
    answers: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Answers from a TOML or JSON file.")
    ] = None,
    into: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Adopt this folder; none of its files is changed."),
    ] = None,
    dry_run: options.DryRun = False,
    install: Annotated[bool, typer.Option("--install", help="Make its environment too.")] = False,
    no_input: Annotated[bool, typer.Option("--no-input", help="Never ask.")] = False,
    as_json: options.Json = False,
    debug: options.Debug = False,
) -> int:
    """Make a project.

    ptscaffold new digits --domain vision --style lightning
    """
    from ptscaffold import prompts, report
    from ptscaffold.create import Request, create

    request = Request(
        name=name,
        domain=domain,
        style=style,
        features=tuple(feature or ()),
        sets=tuple(set_ or ()),
        answers_file=answers,
        into=into,
    )
    ask = prompts.ask if prompts.may_ask(no_input=no_input) else None
    result = create(request, ask=ask, dry_run=dry_run, with_install=install)
    if as_json:
        out_json(result.as_dict())
    elif dry_run:
        out(report.tree(str(result.plan.directory), result.survey.missing))
    elif not sys.stdout.isatty():
        out(str(result.plan.directory))
    say(report.dry_run(result) if dry_run else report.created(result))
    if result.survey.kept:
        say(report.kept(result))
        return 3
    return 0


@app.command("list")
def list_(as_json: options.Json = False, debug: options.Debug = False) -> int:
    """List the domains, styles and features."""
    from ptscaffold import report
    from ptscaffold.describe import list_layers

    layers = list_layers()
    if as_json:
        out_json(layers)
    else:
        out(report.layer_list(layers))
    return 0


@app.command()
def show(
    what: Annotated[
        str | None,
        typer.Argument(
            metavar="[WHAT]", help="A layer such as domains/vision, or a project's folder."
        ),
    ] = None,
    domain: options.Domain = None,
    style: options.Style = None,
    feature: options.Feature = None,
    as_json: options.Json = False,
    debug: options.Debug = False,
) -> int:
    """Show a layer, a choice of layers, or a project.

    ptscaffold show domains/vision: its manifest and files. With --domain and --style: the files
    of that project and the layer that owns each. With a project's folder, or in one: its versions
    and answers.
    """
    from ptscaffold import describe, report

    data = describe.show(what, domain=domain, style=style, features=tuple(feature or ()))
    if as_json:
        out_json(data)
    else:
        out(report.shown(data))
    return 0


@app.command()
def update(
    project: options.Project = Path(),
    set_: options.Set = None,
    dry_run: options.DryRun = False,
    diff_: options.ShowDiff = False,
    force: options.Force = False,
    continue_: Annotated[
        bool, typer.Option("--continue", help="Conflicts are resolved: end the update.")
    ] = False,
    abort: Annotated[
        bool, typer.Option("--abort", help="Go back to before the update with conflicts.")
    ] = False,
    as_json: options.Json = False,
    debug: options.Debug = False,
) -> int:
    """Bring a project to the newest template.

    With --set to other answers instead, such as style=lightning, of the same template. Files you
    did not touch are replaced, others merged; nothing of yours is lost. Exit code 3:
    conflicts are marked in files. Resolve them, then --continue, or go back with --abort.
    """
    from ptscaffold import report
    from ptscaffold.errors import UsageError
    from ptscaffold.project import continue_update, undo_update
    from ptscaffold.update import update as run_update

    if sum((continue_, abort, bool(set_ or dry_run or diff_ or force))) > 1:
        raise UsageError("--continue and --abort go with no other flag of update")
    if continue_ or abort:
        resolved = continue_update(project) if continue_ else undo_update(project)
        if as_json:
            out_json({"project": str(project), "continued": continue_, "files": resolved})
        say(report.ended(project, resolved, aborted=abort))
        return 0
    done = run_update(project, sets=tuple(set_ or ()), dry_run=dry_run or diff_, force=force)
    return _report_update(done, as_json=as_json, show_diff=diff_)


@app.command()
def add(
    feature: Annotated[list[str], typer.Argument(metavar="FEATURE...", help="What to add.")],
    project: options.ProjectOption = Path(),
    dry_run: options.DryRun = False,
    diff_: options.ShowDiff = False,
    force: options.Force = False,
    as_json: options.Json = False,
    debug: options.Debug = False,
) -> int:
    """Add features to a project."""
    from ptscaffold.update import add as run_add

    done = run_add(project, tuple(feature), dry_run=dry_run or diff_, force=force)
    return _report_update(done, as_json=as_json, show_diff=diff_)


@app.command()
def remove(
    feature: Annotated[list[str], typer.Argument(metavar="FEATURE...", help="What to remove.")],
    project: options.ProjectOption = Path(),
    dry_run: options.DryRun = False,
    diff_: options.ShowDiff = False,
    force: options.Force = False,
    as_json: options.Json = False,
    debug: options.Debug = False,
) -> int:
    """Remove features from a project.

    Files of theirs that you edited stay.
    """
    from ptscaffold.update import remove as run_remove

    done = run_remove(project, tuple(feature), dry_run=dry_run or diff_, force=force)
    return _report_update(done, as_json=as_json, show_diff=diff_)


@app.command()
def diff(
    project: options.Project = Path(),
    stat: Annotated[bool, typer.Option("--stat", help="Count the lines only.")] = False,
    as_json: options.Json = False,
    debug: options.Debug = False,
) -> int:
    """Show what a project changed against its template, as a patch."""
    from ptscaffold import report
    from ptscaffold.compare import edits
    from ptscaffold.patch import make_patch
    from ptscaffold.patch import stat as count

    deltas = edits(project)
    if as_json:
        out_json({"project": str(project), "files": count(deltas)})
    elif stat:
        out(report.counts(count(deltas)))
    else:
        out_bytes(make_patch(deltas))
    return 0


@app.command()
def check(
    project: options.Project = Path(),
    locked: Annotated[
        list[str] | None,
        typer.Option(metavar="PATTERN", help="Files that must not be edited; may be repeated."),
    ] = None,
    as_json: options.Json = False,
    debug: options.Debug = False,
) -> int:
    """Check that a project follows its template.

    It does when it is made from the newest template, when its .ptscaffold.toml is true, and when
    no locked file was edited; exit code 3 otherwise.
    """
    from ptscaffold import report
    from ptscaffold.compare import check as run_check

    found = run_check(project, tuple(locked or ()))
    if as_json:
        out_json(found.as_dict())
    say(report.checked(found))
    return 3 if found.problems else 0


def _report_update(done: Update, *, as_json: bool, show_diff: bool) -> int:
    from ptscaffold import report
    from ptscaffold.patch import make_patch

    if as_json:
        patch = {"patch": make_patch(done.deltas()).decode(errors="replace")} if show_diff else {}
        out_json({**done.as_dict(), **patch})
    elif show_diff:
        out_bytes(make_patch(done.deltas()))
    say(report.updated(done))
    return 3 if done.wants_you else 0


def main() -> None:
    """Run the command line and end the process with its exit code."""
    # A process this short is over before collecting garbage pays: it takes 8% of `new`.
    gc.disable()
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command and give its exit code."""
    return run_app(app, arguments)
