"""`export`: a choice of layers as templates that cookiecutter and copier take.

The layers are rendered once, with symbols in place of the answers that are left to ask. A file in
which a symbol turns up becomes a template, every other one is copied as it is. One hook, of
cookiecutter, checks the answers.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ptscaffold.errors import DestinationError, LayerError, UsageError, raised_as
from ptscaffold.export.formats import ENGINES, MARK, MARKED, WRITERS, check_engine, readme
from ptscaffold.export.skeleton import Branched, check, rehearse, render_symbols
from ptscaffold.layers.catalogue import Catalogue
from ptscaffold.layers.content import TEMPORARY, Content, Tree, read_plain
from ptscaffold.layers.files import read_folder, write_tree
from ptscaffold.layers.manifest import Layer
from ptscaffold.project.apply import apply, write_files
from ptscaffold.project.git import below_top, committed, listed, uncommitted
from ptscaffold.project.new import Request, opened, settle
from ptscaffold.project.plan import Plan, survey
from ptscaffold.render.answers import Answers, select_layers
from ptscaffold.render.renderer import Renderer

# What stands at the top of an export; whatever else is there is somebody's own.
_PARTS = {"README.md", "cookiecutter.json", "copier.yml", "hooks", "template"}
_PARTS |= {"{{cookiecutter.name}}"}


@dataclass(frozen=True)
class Exported:
    """Files of a template by their path; the answers that it asks for, and those it has settled."""

    files: Tree
    asks: Mapping[str, str]
    fixed: Mapping[str, str]


def export(answers: Answers, layers: Sequence[Layer], engines: Sequence[str] = ENGINES) -> Exported:
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
    check(asks)
    rehearse(tree, asks, answers, layers)
    files: Tree = {}
    for engine in engines:
        files |= WRITERS[engine](tree, asks, layers)
    fixed = {key: value for key, value in answers.more.items() if key not in asks}
    files["README.md"] = Content(readme(answers, layers, engines, asks).encode())
    return Exported(dict(sorted(files.items())), asks, fixed)


@dataclass(frozen=True, kw_only=True)
class Export:
    """What `export_template` wrote, or on a dry run would write, and what of the last one goes."""

    plan: Plan
    exported: Exported
    removed: tuple[str, ...]
    dry_run: bool

    def as_dict(self) -> dict[str, Any]:
        return {
            **self.plan.as_dict(),
            "asks": dict(self.exported.asks),
            "fixed": dict(self.exported.fixed),
            "removed": list(self.removed),
            "dry_run": self.dry_run,
        }


def export_template(
    request: Request,
    directory: Path,
    *,
    catalogue: Catalogue | None = None,
    dry_run: bool = False,
) -> Export:
    """Write a template for other engines to a new folder, or where git keeps the last one.

    Both engines take it, or only `request.engine`. Raises what `create` raises.
    """
    engines = ENGINES if request.engine is None else (check_engine(request.engine),)
    catalogue, preset = opened(request, catalogue)
    answers, _ = settle(request, catalogue, None, preset)
    layers = select_layers(answers, catalogue)
    exported = export(answers, layers, engines)
    files = exported.files
    last = _last_export(directory, files)
    if "README.md" in last and not _is_marked(directory / "README.md"):  # it is a person's by now
        del files["README.md"], last["README.md"]
    plan = Plan(directory=directory, answers=answers, layers=layers, files=files, preset=preset)
    removed = tuple(sorted(last.keys() - files.keys()))
    done = Export(plan=plan, exported=exported, removed=removed, dry_run=dry_run)
    if last:
        if not dry_run:
            write_files(directory, {**files, **dict.fromkeys(removed)}, last)
        return done
    try:
        found = survey(plan)
    except DestinationError as error:  # whose hint is that of `new`
        hint = "choose another folder, or commit the export that is there: git keeps your changes"
        raise DestinationError(*error.problems, hint=hint) from error
    if not dry_run:
        apply(plan, found)
    return done


def _last_export(directory: Path, files: Iterable[str]) -> Tree:
    """The files of an export that git keeps as they are, so that another may take their place."""
    if not any(_is_marked(directory / name) for name in MARKED):
        return {}
    if not (kept := set(filter(_is_part, committed(directory)))):
        return {}
    way = below_top(directory)
    changed = {path.removeprefix(way) for path in uncommitted(directory, "all")}
    changed |= {path for path in files if os.path.lexists(directory / path)} - kept  # git ignores
    if changed := set(filter(_is_part, changed)):
        raise DestinationError(
            f"git does not hold all of the export that is there: {listed(sorted(changed))}",
            hint="commit these, with git add -f what it ignores, or remove them",
        )
    found: Tree = {}
    for path in kept:
        with raised_as(DestinationError, f"{directory / path}: ", hint="move that away first"):
            found[path] = read_plain(directory / path)
    return found


def _is_part(path: str) -> bool:
    return path.split("/")[0] in _PARTS


def _is_marked(path: Path) -> bool:
    return path.is_file() and MARK in path.read_text(encoding="utf-8", errors="replace")


class EngineRenderer(Renderer):
    """Renders projects through another engine; UsageError when that is not installed."""

    def __init__(self, engine: str) -> None:
        super().__init__()
        self._engine = check_engine(engine)

    def render(self, answers: Answers, layers: Sequence[Layer], tool_version: str) -> Tree:
        made = export(answers, layers, [self._engine])
        owners = {
            path: file.layer for path, file in super().render(answers, layers, tool_version).items()
        }
        with TemporaryDirectory(prefix=TEMPORARY) as folder:
            template, out = Path(folder, "template"), Path(folder, "out")
            write_tree(template, made.files)
            out.mkdir()
            asked = {key: answers.as_dict()[key] for key in made.asks}
            try:
                _ENGINES[self._engine](template, out, asked)
            except ImportError as error:
                hint = "pip install 'ptscaffold[engines]'"
                raise UsageError(f"{self._engine} is not installed", hint=hint) from error
            except Exception as error:  # whatever it raises, it could not take what was exported
                raise LayerError(f"{self._engine} failed: {error}") from error
            found = read_folder(out / answers.name, self._engine)
        return {path: replace(file, layer=owners.get(path, "")) for path, file in found.items()}


def _cookiecutter(template: Path, out: Path, answers: Mapping[str, str]) -> None:
    from cookiecutter.main import cookiecutter

    # A configuration of its own: nothing of the person's has a say, nothing is kept for them.
    own = {"cookiecutters_dir": str(out.parent), "replay_dir": str(out.parent / "replay")}
    settings = out.parent / "settings.yaml"
    settings.write_text(json.dumps(own), encoding="utf-8")
    cookiecutter(
        str(template),
        no_input=True,
        extra_context=dict(answers),
        output_dir=str(out),
        config_file=str(settings),
        accept_hooks=False,
    )


def _copier(template: Path, out: Path, answers: Mapping[str, str]) -> None:
    from copier import run_copy

    data: dict[str, Any] = dict(answers)
    place = out / answers["name"]
    run_copy(str(template), place, data, defaults=True, quiet=True, unsafe=False)
    (place / ".copier-answers.yml").unlink()


_ENGINES = {"cookiecutter": _cookiecutter, "copier": _copier}
