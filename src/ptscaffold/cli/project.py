"""The commands of the command line that work on a project that is there: parse, call, print."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ptscaffold.cli import options
from ptscaffold.cli.console import out, out_bytes, out_json, say

if TYPE_CHECKING:
    from ptscaffold.project.update import Update

__all__ = ["add", "check", "diff", "remove", "update"]


def update(
    project: options.Project = Path(),
    set_: options.Set = None,
    to: Annotated[
        str | None,
        typer.Option(metavar="VERSION", help="To this version; --set is for that one then."),
    ] = None,
    skip: Annotated[
        str | None,
        typer.Option(metavar="VERSION", help="Leave out what this release, the next, has changed."),
    ] = None,
    dry_run: options.DryRun = False,
    diff_: options.ShowDiff = False,
    force: options.Force = False,
    continue_: Annotated[
        bool, typer.Option("--continue", help="Conflicts are resolved: end the update.")
    ] = False,
    abort: Annotated[
        bool, typer.Option("--abort", help="Go back to before the update with conflicts.")
    ] = False,
    record: Annotated[
        bool,
        typer.Option(
            "--record", help="Only write .ptscaffold.toml anew, as after a merge of two branches."
        ),
    ] = False,
    pack: options.Pack = None,
    no_input: options.NoInput = False,
    as_json: options.Json = False,
    debug: options.Debug = False,
) -> int:
    """Bring a project to the newest template.

    With --set to other answers instead, such as style=lightning, of the same template. Files you
    did not touch are replaced, others merged; nothing of yours is lost. Exit code 3:
    conflicts are marked in files. Resolve them, then --continue, or go back with --abort.
    """
    from ptscaffold.cli import report
    from ptscaffold.errors import UsageError
    from ptscaffold.project.conflicts import continue_update, undo_update
    from ptscaffold.project.state import record_anew
    from ptscaffold.project.update import update as run_update

    if sum((continue_, abort, record, bool(set_ or to or skip or dry_run or diff_ or force))) > 1:
        raise UsageError("--continue, --abort and --record go with no other flag of update")
    if record:
        made = record_anew(project, packs=tuple(pack or ()))
        if as_json:
            given = made.answers.as_dict()
            out_json({"project": str(project), "version": made.version, "answers": given})
        say(report.recorded(project, made))
        return 0
    if continue_ or abort:
        ended = continue_update(project) if continue_ else undo_update(project)
        if as_json:
            told = {"project": str(project), "continued": continue_, "files": ended.files}
            out_json({**told, "notes": ended.kept})
        say(report.ended(project, ended, aborted=abort))
        return 3 if ended.kept else 0
    done = run_update(
        project,
        sets=tuple(set_ or ()),
        to=to,
        skip=skip,
        packs=tuple(pack or ()),
        dry_run=dry_run or diff_,
        force=force,
    )
    return _report_update(done, as_json=as_json, show_diff=diff_)


def add(
    feature: Annotated[list[str], typer.Argument(metavar="FEATURE...", help="What to add.")],
    project: options.ProjectOption = Path(),
    dry_run: options.DryRun = False,
    diff_: options.ShowDiff = False,
    force: options.Force = False,
    pack: options.Pack = None,
    no_input: options.NoInput = False,
    as_json: options.Json = False,
    debug: options.Debug = False,
) -> int:
    """Add features to a project."""
    from ptscaffold.project.update import add as run_add

    done = run_add(
        project,
        tuple(feature),
        packs=tuple(pack or ()),
        dry_run=dry_run or diff_,
        force=force,
    )
    return _report_update(done, as_json=as_json, show_diff=diff_)


def remove(
    feature: Annotated[list[str], typer.Argument(metavar="FEATURE...", help="What to remove.")],
    project: options.ProjectOption = Path(),
    dry_run: options.DryRun = False,
    diff_: options.ShowDiff = False,
    force: options.Force = False,
    pack: options.Pack = None,
    no_input: options.NoInput = False,
    as_json: options.Json = False,
    debug: options.Debug = False,
) -> int:
    """Remove features from a project.

    Files of theirs that you edited stay.
    """
    from ptscaffold.project.update import remove as run_remove

    done = run_remove(
        project,
        tuple(feature),
        packs=tuple(pack or ()),
        dry_run=dry_run or diff_,
        force=force,
    )
    return _report_update(done, as_json=as_json, show_diff=diff_)


def diff(
    project: options.Project = Path(),
    stat: Annotated[bool, typer.Option("--stat", help="Count the lines only.")] = False,
    pack: options.Pack = None,
    no_input: options.NoInput = False,
    as_json: options.Json = False,
    debug: options.Debug = False,
) -> int:
    """Show what a project changed against its template, as a patch."""
    from ptscaffold.cli import report
    from ptscaffold.project.compare import edits
    from ptscaffold.project.lines import make_patch
    from ptscaffold.project.lines import stat as count

    deltas = edits(project, packs=tuple(pack or ()))
    if as_json:
        out_json({"project": str(project), "files": count(deltas)})
    elif stat:
        out(report.counts(count(deltas)))
    else:
        out_bytes(make_patch(deltas))
    return 0


def check(
    project: options.Project = Path(),
    locked: Annotated[
        list[str] | None,
        typer.Option(metavar="PATTERN", help="Files that must not be edited; may be repeated."),
    ] = None,
    pack: options.Pack = None,
    no_input: options.NoInput = False,
    as_json: options.Json = False,
    debug: options.Debug = False,
) -> int:
    """Check that a project follows its template.

    It does when it is made from the newest template, when its .ptscaffold.toml is true, and when
    no locked file was edited; exit code 3 otherwise.
    """
    from ptscaffold.cli import report
    from ptscaffold.project.compare import check as run_check

    found = run_check(project, tuple(locked or ()), packs=tuple(pack or ()))
    if as_json:
        out_json(found.as_dict())
    say(report.checked(found))
    return 3 if found.problems else 0


def _report_update(done: Update, *, as_json: bool, show_diff: bool) -> int:
    from ptscaffold.cli import report
    from ptscaffold.project.lines import make_patch

    if as_json:
        patch = {"patch": make_patch(done.deltas()).decode(errors="replace")} if show_diff else {}
        out_json({**done.as_dict(), **patch})
    elif show_diff:
        out_bytes(make_patch(done.deltas()))
    say(report.updated(done))
    return 3 if done.wants_you else 0
