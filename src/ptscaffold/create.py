"""`ptscaffold new`: from what was asked for to a project on disk."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ptscaffold.answers import Answers, complete, problems_of, select_layers
from ptscaffold.apply import apply, recover
from ptscaffold.errors import DestinationError
from ptscaffold.given import Given, gather
from ptscaffold.install import install
from ptscaffold.layers import Catalogue
from ptscaffold.names import split_path
from ptscaffold.packs import Pack, open_packs, origins_of
from ptscaffold.plan import Plan, Survey, make_plan, survey
from ptscaffold.presets import Preset, find_preset
from ptscaffold.render import Renderer
from ptscaffold.steps import again, next_steps

if TYPE_CHECKING:
    from ptscaffold.export import Exported

__all__ = ["Ask", "Export", "Request", "Result", "create", "export_template", "settle"]

# Completes answers by asking a person.
Ask = Callable[[Given, Catalogue], Given]


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
    preset: Preset | None = None
    recovered: str | None = None  # what was done about a run that had died

    def as_dict(self) -> dict[str, Any]:
        return {
            "directory": str(self.plan.directory),
            "answers": self.plan.answers.as_dict(),
            "layers": [layer.path for layer in self.plan.layers],
            "template_version": self.plan.version,
            "preset": str(self.preset.path) if self.preset else None,
            "files": list(self.plan.files),
            "written": [] if self.dry_run else list(self.survey.missing),
            "kept": list(self.survey.kept),
            "dry_run": self.dry_run,
            "installed": self.installed,
            "command": self.command,
            "next_steps": list(self.next_steps),
        }


def create(
    request: Request,
    *,
    catalogue: Catalogue | None = None,
    ask: Ask | None = None,
    dry_run: bool = False,
    with_install: bool = False,
) -> Result:
    """Make a project, or with `dry_run` only find out what would be made.

    Raises UsageError before anything is rendered, DestinationError before anything is written,
    WriteError with everything removed again, InstallError with the project in place.
    """
    renderer = _renderer(request.engine)
    with ExitStack() as stack:
        packs, preset = _opened(request, stack)
        catalogue = catalogue or Catalogue(packs=packs)
        answers, directory = settle(request, catalogue, ask, preset)
        layers = select_layers(answers, catalogue)
        origins = origins_of(catalogue.packs, layers, directory)
        adopt = request.into is not None
        plan = make_plan(answers, layers, directory, adopt, renderer, origins)
    recovered = recover(directory)
    found = survey(plan)
    installed = with_install and not dry_run
    result = Result(
        plan=plan,
        survey=found,
        dry_run=dry_run,
        installed=installed,
        command=again(plan, request),
        next_steps=next_steps(plan, installed=installed),
        preset=preset,
        recovered=recovered,
    )
    if not dry_run:
        apply(plan, found)
    if installed:
        install(directory)
    return result


@dataclass(frozen=True, kw_only=True)
class Export:
    """What `export_template` wrote, or on a dry run would write."""

    plan: Plan
    exported: Exported
    dry_run: bool
    preset: Preset | None = None

    def as_dict(self) -> dict[str, Any]:
        return {
            "directory": str(self.plan.directory),
            "layers": [layer.path for layer in self.plan.layers],
            "asks": dict(self.exported.asks),
            "fixed": dict(self.exported.fixed),
            "preset": str(self.preset.path) if self.preset else None,
            "files": list(self.plan.files),
            "dry_run": self.dry_run,
        }


def export_template(
    request: Request,
    directory: Path,
    *,
    catalogue: Catalogue | None = None,
    dry_run: bool = False,
) -> Export:
    """Write a template for other engines to a folder that is not there yet, or is empty.

    Both engines take it, or only `request.engine`. Raises what `create` raises.
    """
    from ptscaffold.engines import check_engine
    from ptscaffold.export import ENGINES, export

    engines = ENGINES if request.engine is None else (check_engine(request.engine),)
    with ExitStack() as stack:
        packs, preset = _opened(request, stack)
        catalogue = catalogue or Catalogue(packs=packs)
        answers, _ = settle(request, catalogue, None, preset)
        layers = select_layers(answers, catalogue)
        exported = export(answers, layers, engines)
    plan = Plan(
        directory=directory,
        adopt=False,
        answers=answers,
        layers=layers,
        files=exported.files,
        steps=(),
    )
    try:
        found = survey(plan)
    except DestinationError as error:  # whose hint is that of `new`
        raise DestinationError(*error.problems, hint="choose another folder") from error
    if not dry_run:
        apply(plan, found)
    return Export(plan=plan, exported=exported, dry_run=dry_run, preset=preset)


def _renderer(engine: str | None) -> Renderer:
    if engine is None:
        return Renderer()
    from ptscaffold.engines import EngineRenderer, check_engine

    return EngineRenderer(check_engine(engine))


def _opened(request: Request, stack: ExitStack) -> tuple[list[Pack], Preset | None]:
    """The packs and the preset that were asked for; of two packs of one name the given one."""
    packs = stack.enter_context(open_packs(request.packs)) if request.packs else []
    if request.preset is None:
        return packs, None
    preset = find_preset(request.preset, packs)
    named = {pack.name for pack in packs}
    more = stack.enter_context(open_packs(preset.packs))
    return [*packs, *(pack for pack in more if pack.name not in named)], preset


def settle(
    request: Request, catalogue: Catalogue, ask: Ask | None, preset: Preset | None = None
) -> tuple[Answers, Path]:
    """Decide on the answers and the folder; UsageError lists everything that is wrong, at once."""
    flags = {
        "name": request.name,
        "domain": request.domain,
        "style": request.style,
        "features": request.features,
    }
    gathered = gather(flags, request.sets, request.answers_file, preset)
    given, directory = _locate(gathered, request.into)
    if ask is not None and not problems_of(given, catalogue):
        given = ask(given, catalogue)
        if directory is None:
            given, directory = _locate(given, request.into)
    answers = complete(given, catalogue)
    return answers, directory or Path(answers.name)


def _locate(given: Given, into: Path | None) -> tuple[Given, Path | None]:
    """Take the folder out of a name that is a path, or the name out of the folder to adopt."""
    name = given.values.get("name")
    if name is None and into is not None:
        return given.also(name=into.resolve().name), into
    if not isinstance(name, str):
        return given, into
    path, problem = split_path(name)
    if into is not None and len(path.parts) > 1 and problem is None:
        problem = f"{name!r} is a path, but --into already says where to go. Give a plain name"
    if problem is None:
        return given.also(name=path.name), into or Path(path)
    others = {key: value for key, value in given.values.items() if key != "name"}
    return replace(given, values=others, problems=(*given.problems, problem)), into
