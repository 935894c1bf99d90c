"""The flags that commands share, and the values that completion by shells offers for them.

The functions that give values run when somebody completes, and import what they need then.
Nothing is fetched for them, and what cannot be read offers nothing.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from ptscaffold.cli.console import say
from ptscaffold.errors import PtscaffoldError

if TYPE_CHECKING:
    from ptscaffold.layers.catalogue import Catalogue

SHELLS: Final = ("bash", "zsh", "fish", "powershell")
ASKED: Final = "_PTSCAFFOLD_COMPLETE"  # the variable by which the scripts ask

# A value, or a value and a phrase about it.
Values = Iterable[str | tuple[str, str]]


def _offer(
    find: Callable[[Mapping[str, Any]], Values],
) -> Callable[[typer.Context], Values] | None:
    """What Typer calls: the values of `find`, which sees what was typed so far by its name.

    None when no shell asks: Typer looks at the signature of each, a fifth of building the parsers.
    """
    if ASKED not in os.environ:
        return None

    def offer(ctx: typer.Context) -> Values:
        with suppress(PtscaffoldError, OSError):
            return list(find(ctx.params))
        return []

    return offer


def _catalogue(typed: Mapping[str, Any]) -> Catalogue:
    from ptscaffold.layers.catalogue import Catalogue, open_pack

    return Catalogue(packs=[open_pack(pack, online=False) for pack in typed.get("pack") or ()])


def _layers(kind: str, typed: Mapping[str, Any]) -> Values:
    return [(layer.name, layer.help) for layer in _catalogue(typed).choices(kind)]


def _features(typed: Mapping[str, Any], *, there: bool) -> Values:
    """The features that a project has, or those that it has not."""
    from ptscaffold.project.record import read_record

    has = read_record(typed["project"]).answers["features"]
    return has if there else [f for f in _layers("features", typed) if f[0] not in has]


def _packs(_typed: Mapping[str, Any]) -> Values:
    from ptscaffold.layers.catalogue import installed_packs

    return installed_packs()


def _presets(typed: Mapping[str, Any]) -> Values:
    from ptscaffold.render.given import presets

    return presets(_catalogue(typed).packs)


def _releases(_typed: Mapping[str, Any]) -> Values:
    from ptscaffold import __version__
    from ptscaffold.layers.history import History

    return dict.fromkeys((*History().releases(), __version__))


def _constant(module: str, name: str, _typed: Mapping[str, Any]) -> Values:
    values: Values = getattr(import_module(f"ptscaffold.{module}"), name)
    return values


domains, styles, features = (
    _offer(partial(_layers, kind)) for kind in ("domains", "styles", "features")
)
layers = _offer(lambda typed: _catalogue(typed).paths())
packs, presets, releases = map(_offer, (_packs, _presets, _releases))
engines = _offer(partial(_constant, "export.formats", "ENGINES"))
matrices = _offer(partial(_constant, "trial.matrix", "MATRICES"))
checks = _offer(partial(_constant, "trial.checks", "CHECKS"))
shells = _offer(lambda _typed: SHELLS)
to_add, to_remove = (_offer(partial(_features, there=there)) for there in (False, True))


def _settled(ctx: typer.Context, project: Path) -> Path:
    """The project, with what a run that died has left half-done put back, and that said."""
    if not ctx.resilient_parsing:  # a shell that completes changes nothing
        from ptscaffold.project.apply import recover

        if done := recover(project):
            say(f"{project}: {done}")
    return project


def named(text: str, offer: Any, *, metavar: str = "NAME", envvar: str | None = None) -> Any:
    """An option that takes a name, which shells complete."""
    return typer.Option(metavar=metavar, help=text, autocompletion=offer, envvar=envvar)


Pack = Annotated[
    list[str] | None,
    named(
        "More layers: a folder, git+URL, or the name of an installed pack; may be repeated.",
        packs,
        metavar="SOURCE",
    ),
]
Preset = Annotated[
    str | None,
    named(
        "A team's answers, packs and fixed values.",
        presets,
        metavar="FILE|NAME",
        envvar="PTSCAFFOLD_PRESET",
    ),
]
NoPreset = Annotated[bool, typer.Option("--no-preset", help="Take no preset.")]
Engine = Annotated[
    str | None,
    named("Render by cookiecutter or copier; the files are the same.", engines),
]
NoInput = Annotated[bool, typer.Option("--no-input", help="Never ask.")]
Domain = Annotated[str | None, named("What it learns from; see `ptscaffold list`.", domains)]
Style = Annotated[str | None, named("How its training loop is written.", styles)]
Feature = Annotated[list[str] | None, named("An optional layer; may be repeated.", features)]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Give any answer; may be repeated."),
]
AnswersFile = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Answers from a TOML or JSON file.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would be written.")]
ShowDiff = Annotated[bool, typer.Option("--diff", help="Show it as a patch; write nothing.")]
Force = Annotated[bool, typer.Option("--force", help="In spite of uncommitted changes.")]
Project = Annotated[
    Path,
    typer.Argument(
        metavar="[PROJECT]",
        help="Folder of the project; this one by default.",
        callback=_settled,
    ),
]
ProjectOption = Annotated[
    Path,
    typer.Option("--project", metavar="DIR", help="Folder of the project.", callback=_settled),
]
