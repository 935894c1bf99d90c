"""The command line: parses, calls, prints. What a command does stands in its own module."""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from ptscaffold import __version__
from ptscaffold.errors import PtscaffoldError, WriteError
from ptscaffold.interrupts import as_keyboard_interrupt
from ptscaffold.usage import ClickException, Commands, explain

__all__ = ["main"]

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

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]
Domain = Annotated[
    str | None, typer.Option(metavar="NAME", help="What it learns from; see `ptscaffold list`.")
]
Style = Annotated[
    str | None, typer.Option(metavar="NAME", help="How its training loop is written.")
]
Feature = Annotated[
    list[str] | None, typer.Option(metavar="NAME", help="An optional layer; may be repeated.")
]


def _print_version(wanted: bool) -> None:
    if wanted:
        _out(f"ptscaffold {__version__}")
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
    domain: Domain = None,
    style: Style = None,
    feature: Feature = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Give any answer; may be repeated."),
    ] = None,
    answers: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Answers from a TOML or JSON file.")
    ] = None,
    into: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Adopt this folder; none of its files is changed."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be written.")] = False,
    install: Annotated[bool, typer.Option("--install", help="Make its environment too.")] = False,
    no_input: Annotated[bool, typer.Option("--no-input", help="Never ask.")] = False,
    as_json: Json = False,
    debug: Debug = False,
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
        _out_json(result.as_dict())
    elif dry_run:
        _out(report.tree(str(result.plan.directory), result.survey.missing))
    elif not sys.stdout.isatty():
        _out(str(result.plan.directory))
    _say(report.dry_run(result) if dry_run else report.created(result))
    if result.survey.kept:
        _say(report.kept(result))
        return 3
    return 0


@app.command("list")
def list_(as_json: Json = False, debug: Debug = False) -> int:
    """List the domains, styles and features."""
    from ptscaffold import report
    from ptscaffold.describe import list_layers

    layers = list_layers()
    if as_json:
        _out_json(layers)
    else:
        _out(report.layer_list(layers))
    return 0


@app.command()
def show(
    what: Annotated[
        str | None,
        typer.Argument(
            metavar="[WHAT]", help="A layer such as domains/vision, or a project's folder."
        ),
    ] = None,
    domain: Domain = None,
    style: Style = None,
    feature: Feature = None,
    as_json: Json = False,
    debug: Debug = False,
) -> int:
    """Show a layer, a choice of layers, or a project.

    ptscaffold show domains/vision: its manifest and files. With --domain and --style: the files
    of that project and the layer that owns each. With a project's folder, or in one: its versions
    and answers.
    """
    from ptscaffold import describe, report

    data = describe.show(what, domain=domain, style=style, features=tuple(feature or ()))
    if as_json:
        _out_json(data)
    else:
        _out(report.shown(data))
    return 0


def main() -> None:
    """Run the command line and end the process with its exit code."""
    # A process this short is over before collecting garbage pays: it takes 8% of `new`.
    gc.disable()
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command; every error becomes text on stderr and an exit code."""
    as_keyboard_interrupt()
    _tolerate_any_text()
    try:
        code = app(arguments or ["--help"], prog_name="ptscaffold", standalone_mode=False) or 0
        _flush()
    except ClickException as error:
        return _fail(explain(error), arguments)
    except PtscaffoldError as error:
        return _fail(error, arguments)
    except BrokenPipeError:
        return 1
    except Exception as error:
        return _fail(_unexpected(error), arguments)
    if code == 130:
        _say("interrupted")
    return int(code)


def _fail(error: PtscaffoldError, arguments: list[str]) -> int:
    if "--debug" in arguments:
        import traceback

        traceback.print_exception(error)
    for problem in error.problems:
        _say(f"error: {problem}")
    _say(f"hint: {error.hint}")
    if "--json" in arguments:
        _out_json(
            {"errors": list(error.problems), "hint": error.hint, "exit_code": error.exit_code}
        )
    return error.exit_code


def _unexpected(error: Exception) -> PtscaffoldError:
    wrapped = PtscaffoldError(f"ptscaffold {__version__} failed: {type(error).__name__}: {error}")
    wrapped.__cause__ = error
    return wrapped


def _flush() -> None:
    """Let what was printed reach its reader while there is still time to say that it did not."""
    try:
        sys.stdout.flush()
    except OSError as error:
        # Otherwise the interpreter tries again at exit and complains in its own words.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            raise
        raise WriteError(f"cannot print: {error.strerror}", hint="see where stdout goes") from error


def _tolerate_any_text() -> None:
    """Print names that the terminal's encoding lacks as escapes instead of failing on them."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def _out(text: str) -> None:
    """Data, on stdout."""
    sys.stdout.write(f"{text}\n")


def _out_json(data: Any) -> None:
    import json

    _out(json.dumps(data, indent=2))


def _say(text: str) -> None:
    """Talk, on stderr."""
    sys.stderr.write(f"{text}\n")
