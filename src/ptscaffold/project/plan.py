"""Plans: what `new` would do, found out without writing anything."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ptscaffold import __version__
from ptscaffold.errors import DestinationError, raised_as, shell_command
from ptscaffold.layers.catalogue import Origin
from ptscaffold.layers.content import Content, Obstacle, Tree, digest, read_content
from ptscaffold.layers.manifest import Layer
from ptscaffold.project.record import RECORD, read_record, write_record
from ptscaffold.render.answers import Answers
from ptscaffold.render.given import Preset
from ptscaffold.render.renderer import Renderer


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A rendered project and where it goes. `adopt` allows a folder that already holds files."""

    directory: Path
    adopt: bool = False
    answers: Answers
    layers: tuple[Layer, ...]
    files: Tree
    steps: tuple[str, ...] = ()
    preset: Preset | None = None

    def as_dict(self) -> dict[str, Any]:
        """What `new` and `export` both say of a plan."""
        return {
            "directory": str(self.directory),
            "layers": [layer.path for layer in self.layers],
            "preset": str(self.preset.path) if self.preset else None,
            "files": list(self.files),
        }


@dataclass(frozen=True)
class Survey:
    """What stands at the destination: files to write, files right already, files in the way."""

    missing: tuple[str, ...]
    same: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()


def make_plan(
    answers: Answers,
    layers: tuple[Layer, ...],
    directory: Path,
    adopt: bool,
    renderer: Renderer,
    packs: Mapping[str, Origin] = MappingProxyType({}),
    preset: Preset | None = None,
) -> Plan:
    """Render the project that `answers` describe. Pure: reads layers, writes nothing."""
    files = renderer.render(answers, layers, __version__)
    record = write_record(answers, files, __version__, packs, preset=preset)
    files[RECORD] = Content(record)
    return Plan(
        directory=directory,
        adopt=adopt,
        answers=answers,
        layers=layers,
        files=dict(sorted(files.items())),
        steps=renderer.next_steps(answers, layers, __version__),
        preset=preset,
    )


def survey(plan: Plan) -> Survey:
    """Compare a plan with its destination; DestinationError when it must not go there."""
    directory = plan.directory
    if not os.path.lexists(directory):
        parents = directory.absolute().parents
        above = next((p for p in parents if os.path.lexists(p)), parents[-1])  # a drive
        if not above.is_dir():
            raise DestinationError(f"{above} is not a folder", hint="choose another place")
        return Survey(tuple(plan.files))
    if not directory.is_dir():
        raise DestinationError(
            f"{directory} exists and is not a folder", hint="choose another name"
        )
    with raised_as(DestinationError, f"cannot read {directory}: "):
        present = sorted(entry.name for entry in directory.iterdir() if entry.name != ".git")
    if present and not plan.adopt:
        raise _occupied(directory, present)
    if RECORD in present and dict(read_record(directory).answers) != plan.answers.as_dict():
        raise DestinationError(
            f"{directory} is already a ptscaffold project, made with other answers",
            hint=f"{shell_command(['ptscaffold', 'show', str(directory)])} tells which,"
            f" {_change(directory)} changes them",
        )
    found: dict[str, list[str]] = {"missing": [], "same": [], "kept": []}
    for path, file in plan.files.items():
        there = read_content(directory, path)
        if isinstance(there, Obstacle) and not os.path.lexists(directory / path):
            raise DestinationError(
                f"{directory / path} cannot be written: {there.what}", hint="move that away first"
            )
        same = isinstance(there, Content) and digest(there.data) == digest(file.data)
        found["missing" if there is None else "same" if same else "kept"].append(path)
    return Survey(*map(tuple, found.values()))


def _occupied(directory: Path, present: list[str]) -> DestinationError:
    shown = ", ".join(present[:8]) + (f" and {len(present) - 8} more" if len(present) > 8 else "")
    into = "keep what is there: " + shell_command(["--into", str(directory)])
    if (directory / RECORD).is_file():
        into = f"change the project: {_change(directory)}"
    return DestinationError(
        f"{directory} is not empty, nothing was written; in the way: {shown}",
        hint=f"choose another name, or {into}",
    )


def _change(project: Path) -> str:
    """The command that gives a project other answers."""
    return shell_command(["ptscaffold", "update", str(project), "--set"]) + " KEY=VALUE"
