"""The commands of the command line that work on a project that is there: parse, call, print."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ptscaffold.cli import options
from ptscaffold.cli.console import Said

if TYPE_CHECKING:
    from ptscaffold.project.update import Update


def update(
    project: options.Project = Path(),
    set_: options.Set = None,
    to: Annotated[
        str | None,
        options.named(
            "To this version; --set is for that one then.", options.releases, metavar="VERSION"
        ),
    ] = None,
    skip: Annotated[
        str | None,
        options.named(
            "Leave out what this release, the next, has changed.",
            options.releases,
            metavar="VERSION",
        ),
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
) -> Said:
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
        made, behind = record_anew(project, packs=tuple(pack or ()))
        told: dict[str, Any] = {"version": made.version, "answers": made.answers.as_dict()}
        talk = report.recorded(project, made, behind)
        told |= {"project": str(project), "behind": behind}
        return Said(told, talk=talk, code=3 if behind else 0)
    if continue_ or abort:
        ended = continue_update(project) if continue_ else undo_update(project)
        told = {"continued": continue_, "files": ended.files, "notes": ended.kept}
        talk = report.ended(project, ended, aborted=abort)
        return Said({"project": str(project), **told}, None, talk, 3 if ended.kept else 0)
    done = run_update(
        project,
        sets=tuple(set_ or ()),
        to=to,
        skip=skip,
        packs=tuple(pack or ()),
        dry_run=dry_run or diff_,
        force=force,
    )
    return _updated(done, show_diff=diff_)


def add(
    feature: Annotated[
        list[str],
        typer.Argument(metavar="FEATURE...", help="What to add.", autocompletion=options.to_add),
    ],
    project: options.ProjectOption = Path(),
    set_: options.Set = None,
    dry_run: options.DryRun = False,
    diff_: options.ShowDiff = False,
    force: options.Force = False,
    pack: options.Pack = None,
    no_input: options.NoInput = False,
) -> Said:
    """Add features to a project.

    On a terminal it asks what they ask for; --set answers it.
    """
    from ptscaffold.cli import prompts
    from ptscaffold.project.update import add as run_add

    done = run_add(
        project,
        feature,
        sets=set_ or (),
        ask=prompts.ask if prompts.may_ask(no_input=no_input) else None,
        packs=pack or (),
        dry_run=dry_run or diff_,
        force=force,
    )
    return _updated(done, show_diff=diff_)


def remove(
    feature: Annotated[
        list[str],
        typer.Argument(
            metavar="FEATURE...", help="What to remove.", autocompletion=options.to_remove
        ),
    ],
    project: options.ProjectOption = Path(),
    dry_run: options.DryRun = False,
    diff_: options.ShowDiff = False,
    force: options.Force = False,
    pack: options.Pack = None,
) -> Said:
    """Remove features from a project.

    Files of theirs that you edited stay.
    """
    from ptscaffold.project.update import remove as run_remove

    done = run_remove(project, feature, packs=pack or (), dry_run=dry_run or diff_, force=force)
    return _updated(done, show_diff=diff_)


def diff(
    project: options.Project = Path(),
    stat: Annotated[bool, typer.Option("--stat", help="Count the lines only.")] = False,
    pack: options.Pack = None,
) -> Said:
    """Show what a project changed against its template, as a patch."""
    from ptscaffold.cli import report
    from ptscaffold.project.git import make_patch
    from ptscaffold.project.git import stat as count
    from ptscaffold.project.show import edits

    deltas = edits(project, packs=tuple(pack or ()))
    counts = count(deltas)
    out = report.counts(counts) if stat else make_patch(deltas)
    return Said({"project": str(project), "files": counts}, out)


def check(
    project: options.Project = Path(),
    locked: Annotated[
        list[str] | None,
        typer.Option(metavar="PATTERN", help="Files that must not be edited; may be repeated."),
    ] = None,
    pack: options.Pack = None,
) -> Said:
    """Check that a project follows its template.

    It does when it is made from the newest template, when its .ptscaffold.toml is true, and when
    no locked file was edited; exit code 3 otherwise.
    """
    from ptscaffold.cli import report
    from ptscaffold.project.show import check as run_check

    found = run_check(project, tuple(locked or ()), packs=tuple(pack or ()))
    code = 3 if found.problems else 0
    return Said(found.as_dict(), talk=report.checked(found), code=code)


def _updated(done: Update, *, show_diff: bool) -> Said:
    from ptscaffold.cli import report
    from ptscaffold.project.git import make_patch

    data, patch = done.as_dict(), None
    if show_diff:
        patch = make_patch(done.deltas())
        data["patch"] = patch.decode(errors="replace")
    return Said(data, patch, report.updated(done), 3 if done.wants_you else 0)
