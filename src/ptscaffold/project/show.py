"""What a project is, and how it stands to its template: `list`, `show`, `diff` and `check`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from ptscaffold import __version__
from ptscaffold.errors import ProvenanceError, UsageError, in_project, unknown
from ptscaffold.layers.catalogue import Catalogue
from ptscaffold.layers.content import Content, digest, read_content, with_endings_of
from ptscaffold.layers.files import read_folder
from ptscaffold.layers.git import public
from ptscaffold.layers.history import History
from ptscaffold.layers.manifest import KINDS, MANIFEST, Layer
from ptscaffold.project.apply import pending
from ptscaffold.project.git import Delta, left_out
from ptscaffold.project.record import RECORD, Record, read_record
from ptscaffold.project.state import catalogues, from_elsewhere, open_project, recorded, render
from ptscaffold.render.given import against, gather, presets

_FORMS = "ptscaffold show LAYER | FOLDER, or ptscaffold show --domain DOMAIN --style STYLE"


def list_layers(catalogue: Catalogue) -> dict[str, list[dict[str, Any]]]:
    """Every domain, style and feature: name, label, one phrase about it, what it excludes.

    Of a domain also its field; of packs also the `base` that comes with each project; and presets,
    where there are any, with their files.
    """
    keys = ("name", "label", "help", "conflicts")
    layers = {kind: catalogue.choices(kind) for kind in KINDS}
    if catalogue.packs:
        layers["base"] = catalogue.bases()[1:]
    found = {
        kind: [{key: getattr(layer, key) for key in keys} for layer in some]
        for kind, some in layers.items()
    }
    for row, layer in zip(found["domains"], layers["domains"], strict=True):
        row["field"] = layer.field
    named = presets(catalogue.packs)
    if named or catalogue.packs:
        found["presets"] = [
            {"name": name, "label": name, "help": public(str(path)), "conflicts": ()}
            for name, (path, _) in named.items()
        ]
    return found


def show(
    what: str | None = None,
    *,
    domain: str | None = None,
    style: str | None = None,
    features: Sequence[str] = (),
    catalogue: Catalogue,
) -> dict[str, Any]:
    """Show a layer by its path, or the project in a folder, here by default.

    Of a choice of layers, the files of a project made from them, each with the layer that owns it.
    """
    chosen = domain or style or features
    if chosen and what:
        raise UsageError("give either a layer or folder, or --domain and --style", hint=_FORMS)
    if chosen:
        given = gather({"domain": domain, "style": style, "features": features}, (), None)
        made = render(given, __version__, catalogue)
        return {
            "layers": [layer.path for layer in made.layers],
            "answers": dict(made.answers.more),
            "files": {path: file.layer for path, file in made.tree.items()},
        }
    folder = Path(what or ".")
    if (folder / RECORD).is_file():
        return show_project(folder)
    if what is None:
        raise UsageError(f"{folder.resolve()} is no ptscaffold project", hint=_FORMS)
    paths = catalogue.paths()
    if what not in paths:
        raise UsageError(unknown("layer", what, "", paths), hint=_FORMS)
    return show_layer(catalogue.layer(what))


def show_layer(layer: Layer) -> dict[str, Any]:
    """A layer's manifest and its files as they are named in the layer."""
    lists = ("dependencies", "dev_dependencies", "requires", "conflicts")
    return {
        "layer": layer.path,
        **{key: getattr(layer, key) for key in ("label", "help", "summary")},
        **{key: list(getattr(layer, key)) for key in lists},
        "answers": dict(layer.answers),
        "files": [path for path in read_folder(layer.folder, layer.path) if path != MANIFEST],
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


@dataclass(frozen=True, kw_only=True)
class Report:
    """What `check` found. `problems` want somebody to do something, each with the way out."""

    project: Path
    template_version: str
    newest_version: str
    edited: tuple[str, ...]
    deleted: tuple[str, ...]
    problems: tuple[tuple[str, str], ...]
    idle: tuple[str, ...] = ()  # patterns that lock nothing

    def as_dict(self) -> dict[str, Any]:
        problems = [{"problem": what, "fix": fix} for what, fix in self.problems]
        return {**vars(self), "project": str(self.project), "problems": problems}


def edits(project: Path, history: History | None = None, packs: Sequence[str] = ()) -> list[Delta]:
    """What the project changed against the template that it was made from."""
    record = open_project(project)
    with catalogues(project, record, history or History(), packs) as (catalogue, _):
        tree = recorded(record, catalogue).tree
    deltas = []
    for path, file in tree.items():
        there = read_content(project, path)
        if not isinstance(there, Content):
            deltas.append(Delta(path, file, None))
        elif digest(there.data) != digest(file.data) or there.mode != file.mode:
            # Else every line of a checkout with other line endings would differ
            before = replace(file, data=with_endings_of(there.data, file.data))
            deltas.append(Delta(path, before, there))
    return deltas


def check(
    project: Path,
    locked: Sequence[str] = (),
    history: History | None = None,
    packs: Sequence[str] = (),
) -> Report:
    """Find out whether a project is current, what it was made from, and its locked files unedited.

    `locked` are patterns of paths beside those of `.ptscaffold.toml`, such as `.github/*`; a star
    stands for any text, slashes included.
    """
    history = history or History()
    record = open_project(project)
    problems: list[tuple[str, str]] = []
    edited: list[str] = []
    deleted: list[str] = []
    # Of a version that is not known, an update to an older one would be the wrong advice.
    if record.template_version != history.version and record.template_version in history.releases():
        what = f"made from template {record.template_version}, the newest is {history.version}"
        problems.append((what, in_project(project, "update")))
    try:
        newest, online = history.version, bool(packs)
        both = catalogues(project, record, history, packs, newest=newest, online=online)
        with both as (catalogue, today):
            problems += _older_packs(project, record, today)
            recorded(record, catalogue)
    except ProvenanceError as error:
        problems.append((error.problems[0], error.hint))
    if record.preset:
        fix = in_project(project, "update", "--set", "KEY=VALUE")
        problems += [(what, fix) for what in against(record.answers, record.preset)]
    patterns = {  # a folder stands for what is in it
        given: (f"{given}*" if given.endswith("/") else given).removeprefix("./")
        for given in (*record.locked, *locked)
    }
    absent = left_out(project, record.files)
    for path, expected in record.files.items():
        found = read_content(project, path)
        if path in absent or (isinstance(found, Content) and digest(found.data) == expected):
            continue
        (deleted if found is None else edited).append(path)
        if any(fnmatchcase(path, pattern) for pattern in patterns.values()):
            what = f"{path} is locked, but was {'deleted' if found is None else 'edited'}"
            problems.append((what, f"{in_project(project, 'diff')} shows how"))
    return Report(
        project=project,
        template_version=record.template_version,
        newest_version=history.version,
        edited=tuple(edited),
        deleted=tuple(deleted),
        problems=tuple(problems),
        idle=tuple(
            given
            for given, pattern in patterns.items()
            if not any(fnmatchcase(path, pattern) for path in record.files)
        ),
    )


def _older_packs(project: Path, record: Record, newest: Catalogue) -> list[tuple[str, str]]:
    found = []
    for pack in (pack for pack in newest.packs if pack.name in record.packs):
        origin = record.packs[pack.name]
        if pack.stale:
            what = f"whether the pack {pack.name} has changed is not known"
            found.append((what, f"see that git reaches {pack.source}"))
        if origin.moved(pack):
            what = f"made from {origin.shown} of the pack {pack.name}, which is {pack.shown} now"
            way = from_elsewhere(project, record, [pack])
            found.append((what, in_project(project, "update", *way)))
    return found
