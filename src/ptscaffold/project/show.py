"""`ptscaffold list` and `ptscaffold show`: what there is, as plain data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ptscaffold import __version__
from ptscaffold.errors import UsageError, unknown
from ptscaffold.layers.catalogue import Catalogue
from ptscaffold.layers.fetch import public
from ptscaffold.layers.manifest import KINDS
from ptscaffold.project.apply import pending
from ptscaffold.project.record import RECORD, read_record
from ptscaffold.render.answers import complete, select_layers
from ptscaffold.render.given import gather
from ptscaffold.render.renderer import Renderer

if TYPE_CHECKING:
    from ptscaffold.layers.manifest import Layer

_FORMS = "ptscaffold show LAYER | FOLDER, or ptscaffold show --domain DOMAIN --style STYLE"

__all__ = ["list_layers", "show", "show_layer", "show_project", "show_selection"]


def list_layers(catalogue: Catalogue | None = None) -> dict[str, list[dict[str, Any]]]:
    """Every domain, style and feature: name, label, one phrase about it, what it excludes."""
    catalogue = catalogue or Catalogue()
    keys = ("name", "label", "help", "conflicts")
    return {
        kind: [{key: getattr(layer, key) for key in keys} for layer in catalogue.choices(kind)]
        for kind in KINDS
    }


def show(
    what: str | None = None,
    *,
    domain: str | None = None,
    style: str | None = None,
    features: tuple[str, ...] = (),
    catalogue: Catalogue | None = None,
) -> dict[str, Any]:
    """Show a choice of layers, a layer by its path, or the project in a folder, here by default."""
    chosen = domain or style or features
    if chosen and what:
        raise UsageError("give either a layer or folder, or --domain and --style", hint=_FORMS)
    if chosen:
        return show_selection(domain, style, features, catalogue or Catalogue())
    folder = Path(what or ".")
    if (folder / RECORD).is_file():
        return show_project(folder)
    if what is None:
        raise UsageError(f"{folder.resolve()} is no ptscaffold project", hint=_FORMS)
    catalogue = catalogue or Catalogue()
    paths = catalogue.paths()
    if what not in paths:
        raise UsageError(unknown("layer", what, "", paths), hint=_FORMS)
    return show_layer(catalogue.layer(what))


def show_layer(layer: Layer) -> dict[str, Any]:
    """A layer's manifest and its files as they are named in the layer."""
    return {
        "layer": layer.path,
        "label": layer.label,
        "help": layer.help,
        "summary": layer.summary,
        "dependencies": list(layer.dependencies),
        "dev_dependencies": list(layer.dev_dependencies),
        "requires": list(layer.requires),
        "conflicts": list(layer.conflicts),
        "answers": dict(layer.answers),
        "files": Renderer().names(layer),
    }


def show_selection(
    domain: str | None, style: str | None, features: tuple[str, ...], catalogue: Catalogue
) -> dict[str, Any]:
    """The files of a project made from these layers, each with the layer that owns it."""
    given = gather({"domain": domain, "style": style, "features": features}, (), None)
    answers = complete(given, catalogue)
    layers = select_layers(answers, catalogue)
    tree = Renderer().render(answers, layers, __version__)
    return {
        "layers": [layer.path for layer in layers],
        "answers": dict(answers.more),
        "files": {path: file.layer for path, file in tree.items()},
    }


def show_project(folder: Path) -> dict[str, Any]:
    """What the project in `folder` was made from, and which templates this ptscaffold has."""
    pending(folder)
    record = read_record(folder)
    return {
        "project": str(folder),
        "tool_version": record.tool_version,
        "template_version": record.template_version,
        "newest_version": __version__,
        "locked": list(record.locked),
        "fixed": [
            f"{key} by the preset {preset.name}: {fixed.reason}"
            for preset in filter(None, [record.preset])
            for key, fixed in preset.locked.items()
        ],
        "packs": [f"{name} {p.shown} ({public(p.source)})" for name, p in record.packs.items()],
        "answers": dict(record.answers),
        "files": list(record.files),
    }
