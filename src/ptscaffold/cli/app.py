"""The command line: parses, calls, prints. What a command does stands in its own module."""

from __future__ import annotations

import atexit
import gc
import os
import sys
from copy import copy
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ptscaffold import __version__
from ptscaffold.cli import options, project, trial
from ptscaffold.cli.console import Command, Commands, Said, run_app
from ptscaffold.errors import UsageError, unknown

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ptscaffold.export.template import Export
    from ptscaffold.project.new import Result

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


def _print_version(ctx: typer.Context, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        typer.echo(f"ptscaffold {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Options before the command."""


def new(
    name: Annotated[
        str | None,
        typer.Argument(metavar="[NAME]", help="Project name, or a path that ends with it."),
    ] = None,
    domain: options.Domain = None,
    style: options.Style = None,
    feature: options.Feature = None,
    set_: options.Set = None,
    answers: options.AnswersFile = None,
    pack: options.Pack = None,
    preset: options.Preset = None,
    no_preset: options.NoPreset = False,
    engine: options.Engine = None,
    into: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Adopt this folder; none of its files is changed."),
    ] = None,
    dry_run: options.DryRun = False,
    install: Annotated[bool, typer.Option("--install", help="Make its environment too.")] = False,
    no_input: options.NoInput = False,
) -> Said:
    """Make a project.

    ptscaffold new digits --domain vision --style lightning
    """
    from ptscaffold.cli import prompts, report
    from ptscaffold.project.new import Request, create

    request = Request(
        name=name,
        domain=domain,
        style=style,
        features=tuple(feature or ()),
        sets=tuple(set_ or ()),
        answers_file=answers,
        into=into,
        packs=tuple(pack or ()),
        preset=None if no_preset else preset or None,
        engine=engine,
    )
    ask = prompts.ask if prompts.may_ask(no_input=no_input) else None
    renderer = None
    if engine is not None:
        from ptscaffold.export.template import EngineRenderer

        renderer = EngineRenderer(engine)
    result = create(request, renderer=renderer, ask=ask, dry_run=dry_run, with_install=install)
    code = 3 if result.survey.kept else 0
    return Said(
        result.as_dict(), _where(result, result.survey.missing), report.created(result), code
    )


def export(
    directory: Annotated[
        Path, typer.Argument(metavar="DIR", help="Where to; a new folder, or the last export.")
    ],
    domain: options.Domain = None,
    style: options.Style = None,
    feature: options.Feature = None,
    set_: options.Set = None,
    answers: options.AnswersFile = None,
    pack: options.Pack = None,
    preset: options.Preset = None,
    no_preset: options.NoPreset = False,
    engine: Annotated[
        str | None,
        options.named("For cookiecutter or copier only; for both otherwise.", options.engines),
    ] = None,
    dry_run: options.DryRun = False,
) -> Said:
    """Write a template for cookiecutter and copier.

    It makes projects of this domain, style and features without ptscaffold. Answers given here are
    its defaults.
    """
    from ptscaffold.cli import report
    from ptscaffold.export.template import export_template
    from ptscaffold.project.new import Request

    request = Request(
        domain=domain,
        style=style,
        features=tuple(feature or ()),
        sets=tuple(set_ or ()),
        answers_file=answers,
        packs=tuple(pack or ()),
        preset=None if no_preset else preset or None,
        engine=engine,
    )
    result = export_template(request, directory, dry_run=dry_run)
    return Said(result.as_dict(), _where(result, result.plan.files), report.exported(result))


def _where(result: Result | Export, paths: Iterable[str]) -> str | None:
    """What goes to stdout: the files on a dry run, the folder for a program that reads it."""
    from ptscaffold.cli import report

    if result.dry_run:
        return report.tree(result.plan.directory, paths)
    return None if sys.stdout.isatty() else str(result.plan.directory)


def list_(pack: options.Pack = None) -> Said:
    """List the domains, styles and features."""
    from ptscaffold.cli import report
    from ptscaffold.layers.catalogue import Catalogue, open_packs
    from ptscaffold.project.show import list_layers

    layers = list_layers(Catalogue(packs=open_packs(pack or ())))
    return Said(layers, report.layer_list(layers))


def show(
    what: Annotated[
        str | None,
        typer.Argument(
            metavar="[WHAT]",
            help="A layer such as domains/vision, or a project's folder.",
            autocompletion=options.layers,
        ),
    ] = None,
    domain: options.Domain = None,
    style: options.Style = None,
    feature: options.Feature = None,
    pack: options.Pack = None,
) -> Said:
    """Show a layer, a choice of layers, or a project.

    ptscaffold show domains/vision: its manifest and files. With --domain and --style: the files
    of that project and the layer that owns each. With a project's folder, or in one: its versions
    and answers.
    """
    from ptscaffold.cli import report
    from ptscaffold.layers.catalogue import Catalogue, open_packs
    from ptscaffold.project import show as describe

    catalogue = Catalogue(packs=open_packs(pack or ()))
    data = describe.show(
        what, domain=domain, style=style, features=feature or (), catalogue=catalogue
    )
    return Said(data, report.shown(data))


def complete(
    shell: Annotated[
        str,
        typer.Argument(
            metavar="SHELL",
            help=f"{', '.join(options.SHELLS)}.",
            autocompletion=options.shells,
        ),
    ],
) -> Said:
    """Print what lets a shell complete commands and values.

    \b
    eval "$(ptscaffold completion bash)"    # in ~/.bashrc
    eval "$(ptscaffold completion zsh)"     # in ~/.zshrc, after compinit
    ptscaffold completion fish | source     # in ~/.config/fish/config.fish
    ptscaffold completion powershell | Out-String | Invoke-Expression    # in $PROFILE
    """
    from typer._completion_shared import get_completion_script

    if shell not in options.SHELLS:
        raise UsageError(unknown("shell", shell, "", options.SHELLS))
    script = get_completion_script(prog_name="ptscaffold", complete_var=options.ASKED, shell=shell)
    return Said({"shell": shell, "script": script}, script)


_COMMANDS = {
    "new": new,
    "list": list_,
    "show": show,
    **{name: getattr(project, name) for name in ("update", "add", "remove", "diff", "check")},
    "export": export,
    "doctor": trial.doctor,
    "test": trial.try_templates,
    "completion": complete,
}
for _name, _command in _COMMANDS.items():
    app.command(_name, cls=Command)(_command)


def main() -> None:
    """Run the command line and end the process with its exit code."""
    # A process this short is over before collecting garbage pays: it takes 8% of `new`, and what
    # the interpreter would collect when it ends, were it not told to keep all, another 15%.
    gc.disable()
    atexit.register(gc.freeze)
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command and give its exit code."""
    if options.ASKED in os.environ:  # by a script of `complete`, which Typer answers
        from typer._completion_classes import completion_init

        completion_init()
    return run_app(_app_of(arguments), arguments)


def _app_of(arguments: list[str]) -> typer.Typer:
    """The app with no command but the one asked for: the parsers of all take 5% of `new`."""
    asked = [info for info in app.registered_commands if info.name in arguments[:1]]
    if not asked:
        return app
    one = copy(app)
    one.registered_commands = asked
    return one
