"""The projects of `ptscaffold test`: how they are made, and what their layers say of testing."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ptscaffold.errors import LayerError, PtscaffoldError, UsageError, unknown
from ptscaffold.layers.manifest import KINDS, MANIFEST, Layer
from ptscaffold.project.new import Request, create
from ptscaffold.project.record import RECORD, read_record

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from ptscaffold.layers.catalogue import Catalogue
    from ptscaffold.trial.matrix import Cell

__all__ = ["Made", "Maker", "copy_of", "floor", "layers_of", "new_project", "write_scripts"]

# What a copy of a project does without, at its top and anywhere in it.
_TOP: Final = (".venv", "runs", ".git")
_CACHES: Final = ("__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache")

_KEYS: Final = ("prepare", "accuracy")


@dataclass(frozen=True)
class Made:
    """A project that stands; `printed` are the steps that `new` ends with, inside of it."""

    folder: Path
    layers: tuple[Layer, ...]
    printed: tuple[str, ...] = ()


@dataclass(frozen=True)
class Maker:
    """Makes a project in a folder; `command` is what makes it by hand, nothing of a copy."""

    command: str
    make: Callable[[Path], Made]


def new_project(cell: Cell, catalogue: Catalogue) -> Maker:
    """What makes the project of a cell, as `new` does."""

    def make(place: Path) -> Made:
        request = Request(
            domain=cell.domain,
            style=cell.style,
            features=cell.features,
            into=place / f"{cell.domain}-{cell.style}",
        )
        done = create(request, catalogue=catalogue)
        _, *printed = done.next_steps  # without the cd
        return Made(done.plan.directory, done.plan.layers, tuple(printed))

    return Maker(cell.command(catalogue.packs), make)


def copy_of(project: Path, layers: tuple[Layer, ...]) -> Maker:
    """What copies a project, without what its commands make themselves."""

    def left_behind(folder: str, names: list[str]) -> set[str]:
        return {name for name in names if name in _CACHES or (folder == top and name in _TOP)}

    top = str(project)

    def make(place: Path) -> Made:
        folder = place / project.resolve().name
        try:
            shutil.copytree(top, folder, symlinks=True, ignore=left_behind)
        except OSError as error:  # shutil.Error is one
            raise PtscaffoldError(f"cannot copy {project}: {error}") from error
        return Made(folder, layers)

    return Maker("", make)


def layers_of(project: Path, catalogue: Catalogue) -> tuple[Layer, ...]:
    """The layers that a project's record names, as far as there still are such."""
    answers = read_record(project).answers
    domain = str(answers.get("domain"))
    if domain not in catalogue.names("domains"):
        known = [layer.name for layer in catalogue.choices("domains")]
        raise UsageError(unknown("domain", domain, f"{project / RECORD}", known))
    named = {"domains": [domain], "styles": [answers.get("style")], "features": answers["features"]}
    paths = [f"{kind}/{n}" for kind in KINDS for n in named[kind] if n in catalogue.names(kind)]
    return tuple(map(catalogue.layer, ["base", *paths]))


def write_scripts(layers: Sequence[Layer], place: Path) -> list[str]:
    """Write what prepares the files of a user's own, beside the project; give the commands."""
    commands = []
    for layer in layers:
        for key in layer.test:
            if key not in _KEYS:
                raise _broken(layer, unknown("key", key, "[test]", _KEYS))
        if "prepare" in layer.test:
            script = place / f"prepare-{layer.path.replace('/', '-')}.py"
            script.write_text(layer.test["prepare"], encoding="utf-8")
            commands.append(f"uv run python ../{script.name}")
    return commands


def floor(layers: Sequence[Layer]) -> float | None:
    """The accuracy that `evaluate` has to find: of the uppermost layer that names one."""
    for layer in reversed(layers):
        if "accuracy" in layer.test:
            text = layer.test["accuracy"]
            try:
                return float(text)
            except ValueError:
                raise _broken(layer, f"accuracy in [test] is no number: {text!r}") from None
    return None


def _broken(layer: Layer, problem: str) -> LayerError:
    return LayerError(f"{layer.folder / MANIFEST}: {problem}")
