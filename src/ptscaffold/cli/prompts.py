"""The questions that `new` asks a person: five, and those of layers.

Each has a line that says what it decides, its flag and its default, which Enter takes.
"""

from __future__ import annotations

import os
import sys
from typing import Any, Final

import typer

from ptscaffold.errors import unknown
from ptscaffold.layers.catalogue import Catalogue
from ptscaffold.layers.manifest import Layer
from ptscaffold.layers.names import split_path
from ptscaffold.render.answers import FLAGS, chosen, conflicts_of, declared_answers, problems_of
from ptscaffold.render.given import Given


def may_ask(*, no_input: bool) -> bool:
    """Whether somebody is there to answer: a terminal on both sides, no --no-input, no CI."""
    return not (no_input or os.environ.get("CI")) and sys.stdin.isatty() and sys.stderr.isatty()


_ABOUT: Final = {
    "field": "What it learns from:",
    "domain": "What it learns decides data, network and the sample of the first run:",
    "style": "How its training loop is written; commands and files are the same in all:",
    "features": "What not every project needs; ptscaffold add brings it later too:",
    "name": "The folder that is made, and the package in it.",
}


def ask(given: Given, catalogue: Catalogue) -> Given:
    """Ask for what is missing. Questions go to stderr; the end of input counts as Ctrl-C.

    Whoever gave domain and style has said enough: no features then, and a name made of the two.
    """
    enough = {"domain", "style"} <= given.values.keys()
    for key, kind in (("domain", "domains"), ("style", "styles"), ("features", "features")):
        others = chosen(given.values, catalogue)
        layers = [one for one in catalogue.choices(kind) if not conflicts_of([*others, one])]
        if key not in given.values and layers and not enough:
            if key == "domain" and len(layers := _of_a_field(layers)) == 1:
                given = given.also(domain=layers[0].name)
                continue
            width = max(14, *(len(layer.name) + 2 for layer in layers))
            rows = [f"  {layer.name:<{width}}{layer.help}" for layer in layers]
            question = f"{key.capitalize()} ({FLAGS[key]})"
            default = layers[0].name
            if key == "features":
                question, default = f"{question}, with commas between", "none"
            given = _asked(given, catalogue, key, [_ABOUT[key], *rows], question, default)
    if "name" not in given.values and not enough:
        default = f"{given.values['domain']}-{given.values['style']}"
        question = f"Project name ({FLAGS['name']})"
        given = _asked(given, catalogue, "name", [_ABOUT["name"]], question, default)
    for key, default in declared_answers(given.values, catalogue).items():
        if key not in given.values:
            layer = next(one for one in chosen(given.values, catalogue) if key in one.answers)
            question = f"{key.replace('_', ' ').capitalize()} (--set {key}=TEXT)"
            about = [f"What {layer.path} asks for."]
            given = _asked(given, catalogue, key, about, question, default)
    return given


def _of_a_field(domains: list[Layer]) -> list[Layer]:
    """The domains of one field, which is asked for where there are several."""
    fields: dict[str, list[Layer]] = {}
    for layer in domains:
        fields.setdefault(layer.field, []).append(layer)
    if len(fields) == 1:
        return domains
    rows = [f"  {name:<14}{', '.join(x.name for x in some)}" for name, some in fields.items()]
    typer.echo("\n".join([_ABOUT["field"], *rows]), err=True)
    while (answer := _typed("Field", next(iter(fields)))) not in fields:
        typer.echo(f"  {unknown('field', answer, '', fields)}", err=True)
    return fields[answer]


def _typed(question: str, default: str) -> str:
    typer.echo(f"{question} [{default}]: ", err=True, nl=False)
    line = sys.stdin.readline()
    if not line:
        raise KeyboardInterrupt
    return line.strip() or default


def _asked(
    given: Given, catalogue: Catalogue, key: str, about: list[str], question: str, default: str
) -> Given:
    """The answers with one more, asked for until it goes with those so far."""
    typer.echo("\n".join(about), err=True)
    while True:
        answer: Any = _typed(question, default)
        last, problem = answer, None
        if key == "name":
            path, problem = split_path(answer, typed=True)
            last = path.name
        elif key == "features":
            names = tuple(filter(None, (part.strip() for part in answer.split(","))))
            answer = last = () if names == ("none",) else names
        problems = [problem] if problem else problems_of(given.also(**{key: last}), catalogue)
        if not problems:
            return given.also(**{key: answer})
        for said in problems:
            typer.echo(f"  {said}", err=True)
