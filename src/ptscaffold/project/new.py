"""`ptscaffold new`: from what was asked for to a project on disk, and what to do with it next."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ptscaffold import __version__
from ptscaffold.errors import InstallError, in_project, not_an_option, shell_command
from ptscaffold.layers.catalogue import Catalogue, keep, open_packs, origins_of
from ptscaffold.layers.git import public
from ptscaffold.layers.manifest import Goal, goal_of, number_of
from ptscaffold.layers.names import split_path
from ptscaffold.project.apply import apply, recover
from ptscaffold.project.plan import Plan, Survey, make_plan, survey
from ptscaffold.project.trust import allow
from ptscaffold.render.answers import Answers, complete, defaults_of, problems_of, select_layers
from ptscaffold.render.given import Ask, Given, Preset, find_preset, gather
from ptscaffold.render.renderer import Renderer

STDERR = 2


@dataclass(frozen=True, kw_only=True)
class Request:
    """What was asked for, unchecked: the arguments of `ptscaffold new`."""

    name: str | None = None
    domain: str | None = None
    style: str | None = None
    features: tuple[str, ...] = ()
    sets: tuple[str, ...] = ()
    answers_file: Path | None = None
    into: Path | None = None
    packs: tuple[str, ...] = ()
    preset: str | None = None
    engine: str | None = None


@dataclass(frozen=True, kw_only=True)
class Result:
    """What `create` did, or on a dry run would do."""

    plan: Plan
    survey: Survey
    dry_run: bool
    installed: bool
    command: str
    next_steps: tuple[str, ...]
    goal: Goal | None  # of the first run
    seconds: float | None  # that it takes on two cores
    recovered: str | None = None  # what was done about a run that had died

    def as_dict(self) -> dict[str, Any]:
        expected = {self.goal.metric: self.goal.bound} if self.goal else {}
        return {
            **self.plan.as_dict(),
            "answers": self.plan.answers.as_dict(),
            "template_version": __version__,
            "written": [] if self.dry_run else list(self.survey.missing),
            "kept": list(self.survey.kept),
            "dry_run": self.dry_run,
            "installed": self.installed,
            "command": self.command,
            "next_steps": list(self.next_steps),
            "expected": expected | ({} if self.seconds is None else {"seconds": self.seconds}),
        }


def create(
    request: Request,
    *,
    catalogue: Catalogue | None = None,
    renderer: Renderer | None = None,
    ask: Ask | None = None,
    dry_run: bool = False,
    with_install: bool = False,
) -> Result:
    """Make a project, or with `dry_run` only find out what would be made.

    Raises UsageError before anything is rendered, DestinationError before anything is written,
    WriteError with everything removed again, InstallError with the project in place.
    """
    renderer = renderer or Renderer()
    catalogue, preset = opened(request, catalogue)
    answers, directory = settle(request, catalogue, ask, preset)
    layers = select_layers(answers, catalogue)
    origins = origins_of(catalogue.packs, layers, directory)
    plan = make_plan(
        answers, layers, directory, request.into is not None, renderer, origins, preset
    )
    recovered = recover(directory)
    found = survey(plan)
    installed = with_install and not dry_run
    result = Result(
        plan=plan,
        survey=found,
        dry_run=dry_run,
        installed=installed,
        command=again(plan, request),
        next_steps=next_steps(plan, found, installed=installed),
        goal=None if plan.adopt else goal_of(layers),
        seconds=None if plan.adopt else number_of(layers, "seconds"),
        recovered=recovered,
    )
    if not dry_run:
        for source in (*request.packs, *(preset.packs if preset else ())):
            allow(source, directory)
        keep(pack for pack in catalogue.packs if pack.name in origins)
        apply(plan, found)
    if installed:
        install(directory)
    return result


def opened(request: Request, catalogue: Catalogue | None) -> tuple[Catalogue, Preset | None]:
    """All layers, unless they are given, and the preset; of two packs of one name the given one."""
    packs, preset = open_packs(request.packs), None
    if request.preset is not None:
        preset = find_preset(request.preset, packs)
        named = {pack.name for pack in packs}
        packs += [pack for pack in open_packs(preset.packs) if pack.name not in named]
    return catalogue or Catalogue(packs=packs), preset


def settle(
    request: Request, catalogue: Catalogue, ask: Ask | None, preset: Preset | None = None
) -> tuple[Answers, Path]:
    """Decide on the answers and the folder; UsageError lists everything that is wrong, at once."""
    flags = {key: getattr(request, key) for key in ("name", "domain", "style", "features")}
    gathered = gather(flags, request.sets, request.answers_file, preset)
    named = gathered.values.get("name")
    typed = named is None or named == request.name  # and not by a file of somebody else
    given, directory = _locate(gathered, request.into, typed=typed)
    if ask is not None and not problems_of(given, catalogue):
        given = ask(given, catalogue)
        if directory is None:
            given, directory = _locate(given, request.into, typed=typed)
    answers = complete(given, catalogue)
    return answers, directory or Path(answers.name)


def _locate(given: Given, into: Path | None, *, typed: bool) -> tuple[Given, Path | None]:
    """Take the folder out of a name that is a path, or the name out of the folder to adopt."""
    into = Path(_at_home(str(into))) if into else None
    name = given.values.get("name")
    name = _at_home(name) if isinstance(name, str) else name
    if name is None and into is not None:
        return given.also(name=into.resolve().name), into
    if not isinstance(name, str):
        return given, into
    path, problem = split_path(name, typed=typed)
    if into is not None and len(path.parts) > 1 and problem is None:
        problem = f"{name!r} is a path, but --into already says where to go. Give a plain name"
    if problem is None:
        return given.also(name=path.name), into or Path(path)
    others = {key: value for key, value in given.values.items() if key != "name"}
    return replace(given, values=others, problems=(*given.problems, problem)), into


def _at_home(path: str) -> str:
    return os.path.expanduser(path)  # noqa: PTH111 (that of pathlib fails where nobody is called so)


def install_commands() -> list[list[str]]:
    """What makes the environment of a project, run inside it: uv where there is one, else pip."""
    if shutil.which("uv"):
        return [["uv", "sync"]]
    base = "python" if os.name == "nt" else "python3"
    return [
        [base, "-m", "venv", ".venv"],
        [_venv_tool("python"), "-m", "pip", "install", "-e", "."],
    ]


def next_steps(plan: Plan, found: Survey, *, installed: bool) -> tuple[str, ...]:
    """The lines that take a person from the finished project to a training run."""
    python, board = (
        ["uv", "run", name] if shutil.which("uv") else [_venv_tool(name)]
        for name in ("python", "tensorboard")
    )
    commands = [] if installed else install_commands()
    commands += [[*python, "-m", f"{plan.answers.package}.train"], [*board, "--logdir", "runs"]]
    lines = [shell_command(command) for command in commands]
    if plan.directory.resolve() != Path.cwd():
        lines.insert(0, shell_command(["cd", not_an_option(str(plan.directory))]))
    if "pyproject.toml" in found.kept:
        why = "pyproject.toml is yours: take over dependencies and packages"
        lines.insert(0, f"{in_project(plan.directory, 'diff')}  # {why}")
    return (*lines, *plan.steps)


def again(plan: Plan, request: Request) -> str:
    """The one command that makes the same project without a question."""
    answers = plan.answers
    command = ["ptscaffold", "new"]
    if not plan.adopt:
        command.append(str(plan.directory))
    elif answers.name != plan.directory.resolve().name:
        command.append(answers.name)
    command += ["--domain", answers.domain, "--style", answers.style]
    command += [word for feature in answers.features for word in ("--feature", feature)]
    if request.preset is not None and not answers.features:
        command += ["--set", "features="]  # those of the preset are not wanted
    command += [word for source in request.packs for word in ("--pack", public(source))]
    if request.preset is not None:
        command += ["--preset", request.preset]
    if request.engine is not None:
        command += ["--engine", request.engine]
    defaults = defaults_of(plan.layers)
    for key, value in {"description": answers.description, **answers.more}.items():
        if value != defaults[key]:
            command += ["--set", f"{key}={value}"]
    if plan.adopt:
        command += ["--into", str(plan.directory)]
    return shell_command([*command, "--no-input"])


def install(directory: Path) -> None:
    """Run the install step inside `directory`, its output on stderr; InstallError when it fails."""
    # An environment that happens to be active here is not the project's.
    environment = {key: value for key, value in os.environ.items() if key != "VIRTUAL_ENV"}
    for command in install_commands():
        try:
            program = [str(directory.absolute() / command[0]), *command[1:]]
            ready = program if command[0].startswith(".venv") else command
            done = subprocess.run(ready, cwd=directory, env=environment, stdout=STDERR, check=False)
            reason = f"exit code {done.returncode}" if done.returncode else ""
        except OSError as error:
            reason = str(error.strerror)
        if reason:
            failed = shell_command(command)
            raise InstallError(
                f"{failed} failed ({reason}); the project in {directory} is complete",
                hint=f"{shell_command(['cd', str(directory)])} && {failed}",
            )


def _venv_tool(name: str) -> str:
    return rf".venv\Scripts\{name}" if sys.platform == "win32" else f".venv/bin/{name}"
