"""`new --install`: make the environment of a finished project."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

from ptscaffold.errors import InstallError
from ptscaffold.quoting import shell_command
from ptscaffold.steps import install_commands

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["install"]

STDERR = 2


def install(directory: Path) -> None:
    """Run the install step inside `directory`, its output on stderr; InstallError when it fails."""
    # An environment that happens to be active here is not the project's.
    environment = {key: value for key, value in os.environ.items() if key != "VIRTUAL_ENV"}
    for command in install_commands():
        try:
            program = [str(directory.absolute() / command[0]), *command[1:]]
            ready = program if command[0].startswith(".venv") else command
            done = subprocess.run(ready, cwd=directory, env=environment, stdout=STDERR, check=False)
        except OSError as error:
            raise _failed(directory, command, str(error.strerror)) from error
        if done.returncode:
            raise _failed(directory, command, f"exit code {done.returncode}")


def _failed(directory: Path, command: list[str], reason: str) -> InstallError:
    return InstallError(
        f"{shell_command(command)} failed ({reason}); the project in {directory} is complete",
        hint=f"{shell_command(['cd', str(directory)])} && {shell_command(command)}",
    )
