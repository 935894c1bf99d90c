"""`export`: a choice of layers as templates that cookiecutter and copier take.

The layers are rendered once, with symbols in place of the answers that are left to ask. A file in
which a symbol turns up becomes a template, every other one is copied as it is. No hooks, no tasks,
nothing to trust.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ptscaffold.errors import DestinationError, LayerError
from ptscaffold.export.formats import ENGINES, WRITERS, Engine, check_engine, readme
from ptscaffold.export.skeleton import Branched, make_skeleton, rehearsals, rehearse, render_symbols
from ptscaffold.layers.catalogue import Catalogue
from ptscaffold.project.apply import apply
from ptscaffold.project.new import Request, opened, settle
from ptscaffold.project.plan import Plan, survey
from ptscaffold.render.answers import select_layers
from ptscaffold.render.renderer import File

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from ptscaffold.layers.manifest import Layer
    from ptscaffold.layers.presets import Preset
    from ptscaffold.render.answers import Answers
    from ptscaffold.render.renderer import Tree


__all__ = ["Export", "Exported", "export", "export_template"]


@dataclass(frozen=True)
class Exported:
    """Files of a template by their path; the answers that it asks for, and those it has settled."""

    files: Tree
    asks: Mapping[str, str]
    fixed: Mapping[str, str]


def export(
    answers: Answers, layers: Sequence[Layer], engines: Sequence[Engine] = ENGINES
) -> Exported:
    """Make the templates; name, description and what layers ask for become their questions.

    `answers` are the defaults. An answer that a layer's template goes by, in an `if` for example,
    is fixed to what it is. LayerError when a layer uses an answer in yet another way.
    """
    asks = {"name": answers.name, "description": answers.description, **answers.more}
    while True:
        try:
            tree = render_symbols(answers, layers, asks)
            break
        except LayerError as error:
            cause = error.__cause__
            if not isinstance(cause, Branched) or cause.answer not in answers.more:
                raise
            del asks[cause.answer]
    files: dict[str, File] = {}
    trials = rehearsals(asks, answers, layers)
    for engine in engines:
        prefix, write = WRITERS[engine]
        skeleton = make_skeleton(tree, prefix)
        rehearse(skeleton, trials)
        files |= write(skeleton, asks, layers)
    fixed = {key: value for key, value in answers.more.items() if key not in asks}
    files["README.md"] = File(readme(answers, layers, engines, asks).encode(), 0o644, "ptscaffold")
    return Exported(dict(sorted(files.items())), asks, fixed)


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
    engines = ENGINES if request.engine is None else (check_engine(request.engine),)
    packs, preset = opened(request)
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
