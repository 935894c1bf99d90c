"""How all commands end and talk: data on stdout, errors as text and exit codes, what lasts shown.

A line of the terminal says what is being done and for how long, for a person who waits. There is
none where nobody watches: in a pipe, with CI set, on a terminal that is dumb.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import RLock, Thread
from typing import Any, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup, TyperOption

from ptscaffold import __version__
from ptscaffold.errors import PtscaffoldError, UsageError, WriteError, printable, unknown

_lock = RLock()
_running: dict[object, tuple[str, float]] = {}  # what, and since when
_shown = ""
_drawing = False  # one thread does it, until nothing is being done


class Said(NamedTuple):
    """How a command ended: `data`, which `--json` prints in place of `out`, and talk for stderr."""

    data: Any
    out: str | bytes | None = None
    talk: str = ""
    code: int = 0


def run_app(app: Callable[..., Any], arguments: list[str]) -> int:
    """Run one command; every error becomes text on stderr and an exit code."""
    as_keyboard_interrupt()
    _prepare_streams()
    try:
        said = app(arguments or ["--help"], prog_name="ptscaffold", standalone_mode=False) or 0
        _deliver(said, as_json="--json" in arguments)
        code = said.code if isinstance(said, Said) else int(said)
    except ClickException as error:
        return _fail(explain(error), arguments)
    except PtscaffoldError as error:
        return _fail(error, arguments)
    except BrokenPipeError:
        return 1
    except KeyboardInterrupt:
        code = 130
    except Exception as error:
        wrapped = _unforeseen(error)
        wrapped.__cause__ = error
        return _fail(wrapped, arguments)
    if code == 130:
        say("interrupted")
    return code


def _fail(error: PtscaffoldError, arguments: list[str]) -> int:
    if "--debug" in arguments:
        import traceback

        traceback.print_exception(error)
    for problem in error.problems:
        say(f"error: {problem}")
    say(f"hint: {error.hint}")
    if "--json" in arguments:
        told = {"errors": list(error.problems), "hint": error.hint, "exit_code": error.exit_code}
        _print(Said(told), as_json=True)
    return error.exit_code


def _deliver(said: Said | int, *, as_json: bool) -> None:
    """Print, and let it reach its reader while there is still time to say that it did not."""
    try:
        if isinstance(said, Said):
            _print(said, as_json=as_json)
        sys.stdout.flush()
    except OSError as error:
        # Otherwise the interpreter tries again at exit and complains in its own words.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            raise
        raise WriteError(f"cannot print: {error.strerror}", hint="see where stdout goes") from error


def as_keyboard_interrupt() -> None:
    """Let termination and hang-up end the program as Ctrl-C does, unless ignored (nohup)."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)  # Windows has no SIGHUP
        if number and signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler)


def _prepare_streams() -> None:
    """Replace those that are closed, and print names that an encoding lacks as escapes."""
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, io.TextIOWrapper(io.BytesIO(), encoding="utf-8"))
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def _unforeseen(error: Exception) -> PtscaffoldError:
    """What to say of an error that is none of ours."""
    try:
        Path.cwd()
    except FileNotFoundError:
        return UsageError("the working folder is not there any more", hint="cd elsewhere")
    return PtscaffoldError(f"ptscaffold {__version__} failed: {type(error).__name__}: {error}")


def _print(said: Said, *, as_json: bool) -> None:
    shown = json.dumps(said.data, indent=2) if as_json else said.out
    if isinstance(shown, bytes):  # which must arrive as they are
        sys.stdout.flush()
        sys.stdout.buffer.write(shown)
    elif shown is not None:
        sys.stdout.write(f"{shown if as_json else printable(shown)}\n")
    if said.talk:
        say(said.talk)


def say(text: str) -> None:
    """Talk, on stderr."""
    _clear()
    sys.stderr.write(f"{printable(text)}\n")


def watched() -> bool:
    return sys.stderr.isatty() and os.environ.get("TERM") != "dumb" and not os.environ.get("CI")


@contextmanager
def step(what: str) -> Iterator[None]:
    """Show what is being done as long as it is; several may be at a time."""
    global _drawing
    key = object()
    with _lock:
        if watched() and not _drawing:
            _drawing = True
            Thread(target=_draw, daemon=True).start()
        _running[key] = what, time.monotonic()
    try:
        yield
    finally:
        with _lock:
            del _running[key]
            _clear()


def _clear() -> None:
    """Make room for other text."""
    global _shown
    with _lock:
        if _shown:
            sys.stderr.write(f"\r{' ' * len(_shown)}\r")
            sys.stderr.flush()
            _shown = ""


def _draw() -> None:
    global _shown, _drawing
    while True:
        time.sleep(0.25)
        with _lock:
            if not _running:
                _drawing = False
                return
            now = time.monotonic()
            parts = [f"{what} {now - began:.0f} s" for what, began in _running.values()]
            _clear()
            _shown = ", ".join(parts)[: shutil.get_terminal_size().columns - 1]
            sys.stderr.write(_shown)
            sys.stderr.flush()


_FLAGS = {
    "no_input": "Never ask.",
    "json": "Print one JSON object on stdout.",
    "debug": "Show the traceback of an error.",
}

# Typer's base of all usage errors; it exports one of them only.
ClickException: type[Exception] = typer.BadParameter.__mro__[2]


class Command(TyperCommand):
    """A command, with the flags that all have; `run_app` looks for them itself."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        known = {param.name for param in self.params}
        for name, text in _FLAGS.items():
            if name not in known:
                flag = [f"--{name.replace('_', '-')}", name]
                self.params.append(
                    TyperOption(param_decls=flag, is_flag=True, expose_value=False, help=text)
                )

    def invoke(self, ctx: Any) -> Any:
        if watched():
            from ptscaffold.layers import git

            git.watch = step
        return super().invoke(ctx)


class Commands(TyperGroup):
    """The group of commands; a name that it does not have is met with the nearest one."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args and args[0] not in self.commands and not ctx.resilient_parsing:
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
