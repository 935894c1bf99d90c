"""Completion by shells: the script that each takes, and the values that can stand at a place.

The functions that give values run when somebody completes, and import what they need then.
Nothing is fetched for them, and what cannot be read offers nothing.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

import typer

from ptscaffold.errors import PtscaffoldError, UsageError, unknown

if TYPE_CHECKING:
    from ptscaffold.layers.catalogue import Catalogue

SHELLS: Final = ("bash", "zsh", "fish", "powershell")
ASKED: Final = "_PTSCAFFOLD_COMPLETE"  # the variable by which the scripts ask

# A value, or a value and a phrase about it.
Values = Iterable[str | tuple[str, str]]


def prepare() -> None:
    """Let Typer answer the scripts, when one asks."""
    if ASKED in os.environ:
        from typer._completion_classes import completion_init

        completion_init()


def script(shell: str) -> str:
    """What a shell has to run; UsageError when it is none that is known."""
    from typer._completion_shared import get_completion_script

    if shell not in SHELLS:
        raise UsageError(unknown("shell", shell, "", SHELLS))
    return get_completion_script(prog_name="ptscaffold", complete_var=ASKED, shell=shell)


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
    from ptscaffold.layers.catalogue import Catalogue
    from ptscaffold.layers.packs import open_pack

    return Catalogue(packs=[open_pack(pack, online=False) for pack in typed.get("pack") or ()])


def _layers(kind: str, typed: Mapping[str, Any]) -> Values:
    return [(layer.name, layer.help) for layer in _catalogue(typed).choices(kind)]


def _features(typed: Mapping[str, Any], *, there: bool) -> Values:
    """The features that a project has, or those that it has not."""
    from ptscaffold.project.record import read_record

    has = read_record(typed["project"]).answers["features"]
    return has if there else [f for f in _layers("features", typed) if f[0] not in has]


def _packs(_typed: Mapping[str, Any]) -> Values:
    from ptscaffold.layers.packs import installed_packs

    return installed_packs()


def _presets(typed: Mapping[str, Any]) -> Values:
    from ptscaffold.layers.packs import presets

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
