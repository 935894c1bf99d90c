"""Flags that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def _settled(project: Path) -> Path:
    """The project, with what a run that died has left half-done put back, and that said."""
    from ptscaffold.cli.console import say
    from ptscaffold.project.apply import recover

    if done := recover(project):
        say(f"{project}: {done}")
    return project


Pack = Annotated[
    list[str] | None,
    typer.Option(
        "--pack",
        metavar="SOURCE",
        help="More layers: a folder, git+URL, or the name of an installed pack; may be repeated.",
    ),
]
Preset = Annotated[
    str | None,
    typer.Option(
        metavar="FILE|NAME",
        envvar="PTSCAFFOLD_PRESET",
        help="A team's answers, packs and fixed values.",
    ),
]
NoPreset = Annotated[bool, typer.Option("--no-preset", help="Take no preset.")]
Engine = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Render by cookiecutter or copier; the files are the same."),
]
NoInput = Annotated[bool, typer.Option("--no-input", help="Never ask.")]
Domain = Annotated[
    str | None, typer.Option(metavar="NAME", help="What it learns from; see `ptscaffold list`.")
]
Style = Annotated[
    str | None, typer.Option(metavar="NAME", help="How its training loop is written.")
]
Feature = Annotated[
    list[str] | None, typer.Option(metavar="NAME", help="An optional layer; may be repeated.")
]
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
