"""The commands that `new` ends with. They are printed, run by `--install`, and tested verbatim."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ptscaffold.answers import default_description
from ptscaffold.quoting import shell_command

if TYPE_CHECKING:
    from ptscaffold.create import Request
    from ptscaffold.plan import Plan

__all__ = ["again", "install_commands", "next_steps"]


def install_commands() -> list[list[str]]:
    """What makes the environment of a project, run inside it: uv where there is one, else pip."""
    if shutil.which("uv"):
        return [["uv", "sync"]]
    base = "python" if os.name == "nt" else "python3"
    return [
        [base, "-m", "venv", ".venv"],
        [_venv_tool("python"), "-m", "pip", "install", "-e", "."],
    ]


def next_steps(plan: Plan, *, installed: bool) -> tuple[str, ...]:
    """The lines that take a person from the finished project to a training run."""
    if shutil.which("uv"):
        train = ["uv", "run", "python", "-m", f"{plan.answers.package}.train"]
        board = ["uv", "run", "tensorboard", "--logdir", "runs"]
    else:
        train = [_venv_tool("python"), "-m", f"{plan.answers.package}.train"]
        board = [_venv_tool("tensorboard"), "--logdir", "runs"]
    commands = [] if installed else install_commands()
    lines = [shell_command(command) for command in (*commands, train, board)]
    if plan.directory.resolve() != Path.cwd():
        lines.insert(0, shell_command(["cd", _not_an_option(str(plan.directory))]))
    return (*lines, *plan.steps)


def in_project(project: Path, *words: str) -> str:
    """A ptscaffold command for a project, as it is typed from the working folder."""
    place = [] if project.resolve() == Path.cwd() else [_not_an_option(str(project))]
    return shell_command(["ptscaffold", words[0], *place, *words[1:]])


def again(plan: Plan, request: Request) -> str:
    """The one command that makes the same project without a question."""
    answers = plan.answers
    command = ["ptscaffold", "new"]
    if not plan.adopt:
        command.append(str(plan.directory))
    elif answers.name != plan.directory.resolve().name:
        command.append(answers.name)
    command += ["--domain", answers.domain, "--style", answers.style]
    for feature in answers.features:
        command += ["--feature", feature]
    if request.preset is not None and not answers.features:
        command += ["--set", "features="]  # those of the preset are not wanted
    for source in request.packs:
        command += ["--pack", source]
    if request.preset is not None:
        command += ["--preset", request.preset]
    if request.engine is not None:
        command += ["--engine", request.engine]
    _, domain, style, *_ = plan.layers
    if answers.description != default_description(domain, style):
        command += ["--set", f"description={answers.description}"]
    defaults = {key: text for layer in plan.layers for key, text in layer.answers.items()}
    for key, value in answers.more.items():
        if value != defaults[key]:
            command += ["--set", f"{key}={value}"]
    if plan.adopt:
        command += ["--into", str(plan.directory)]
    return shell_command([*command, "--no-input"])


def _venv_tool(name: str) -> str:
    return rf".venv\Scripts\{name}" if sys.platform == "win32" else f".venv/bin/{name}"


def _not_an_option(path: str) -> str:
    return os.path.join(".", path) if path.startswith("-") else path  # noqa: PTH118 (pathlib drops the dot)
