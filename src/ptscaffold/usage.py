"""Typer's own complaints about the command line, said in ptscaffold's words."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperGroup

from ptscaffold.errors import UsageError, unknown

__all__ = ["ClickException", "Commands", "explain"]

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
