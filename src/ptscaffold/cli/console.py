"""How a command line ends: what it prints, how errors become text, Typer's too, its exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

import typer
from typer.core import TyperGroup

from ptscaffold import __version__
from ptscaffold.errors import PtscaffoldError, UsageError, WriteError, printable, unknown
from ptscaffold.project.guard import as_keyboard_interrupt

__all__ = ["ClickException", "Commands", "explain", "out", "out_bytes", "out_json", "run_app"]
__all__ += ["say"]


def run_app(app: Callable[..., Any], arguments: list[str]) -> int:
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
    except KeyboardInterrupt:
        code = 130
    except Exception as error:
        return _fail(_unexpected(error), arguments)
    if code == 130:
        say("interrupted")
    return int(code)


def _fail(error: PtscaffoldError, arguments: list[str]) -> int:
    if "--debug" in arguments:
        import traceback

        traceback.print_exception(error)
    for problem in error.problems:
        say(f"error: {problem}")
    say(f"hint: {error.hint}")
    if "--json" in arguments:
        out_json({"errors": list(error.problems), "hint": error.hint, "exit_code": error.exit_code})
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


def out(text: str) -> None:
    """Data, on stdout."""
    sys.stdout.write(f"{text}\n")


def out_bytes(data: bytes) -> None:
    """Data that must arrive as it is, on stdout."""
    sys.stdout.flush()
    sys.stdout.buffer.write(data)


def out_json(data: Any) -> None:
    import json

    out(json.dumps(data, indent=2))


def say(text: str) -> None:
    """Talk, on stderr."""
    sys.stderr.write(f"{printable(text)}\n")


# Typer's base of all usage errors; it exports one of them only.
ClickException: type[Exception] = typer.BadParameter.__mro__[2]


class Commands(TyperGroup):
    """The group of commands; a name that it does not have is met with the nearest one."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args and args[0] not in self.commands:
            raise UsageError(unknown("command", args[0], "", self.commands))
        return super().resolve_command(ctx, args)


def explain(error: Exception) -> UsageError:
    """Turn a usage error of Typer's into one of ours."""
    context = getattr(error, "ctx", None)
    command = context.command_path if context else "ptscaffold"
    hint = f"see {command} --help"
    option = getattr(error, "option_name", None)
    if context is not None and type(error).__name__ == "NoSuchOption":
        known = [name for param in context.command.params for name in param.opts if name[0] == "-"]
        return UsageError(unknown("option", str(option), command, [*known, "--help"]), hint=hint)
    text = str(getattr(error, "format_message", lambda: error)()).rstrip(".")
    return UsageError(text[:1].lower() + text[1:], hint=hint)
