"""The questions that `new` asks a person: four, and those of layers, each with flag and default."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import typer

from ptscaffold.layers.names import split_path
from ptscaffold.render.answers import FLAGS, declared_answers, problems_of

if TYPE_CHECKING:
    from ptscaffold.layers.catalogue import Catalogue
    from ptscaffold.render.given import Given


def may_ask(*, no_input: bool) -> bool:
    """Whether somebody is there to answer: a terminal on both sides, no --no-input, no CI."""
    return not (no_input or os.environ.get("CI")) and sys.stdin.isatty() and sys.stderr.isatty()


def ask(given: Given, catalogue: Catalogue) -> Given:
    """Ask for what is missing. Questions go to stderr; the end of input counts as Ctrl-C."""
    for key, kind in (("domain", "domains"), ("style", "styles")):
        if key not in given.values:
            layers = catalogue.choices(kind)
            for layer in layers:
                typer.echo(f"  {layer.name:<12}{layer.help}", err=True)
            question = f"{key.capitalize()} ({FLAGS[key]})"
            given = _asked(given, catalogue, key, question, layers[0].name)
    features = ", ".join(layer.name for layer in catalogue.choices("features"))
    if "features" not in given.values and features:
        question = f"Features ({FLAGS['features']}), any of {features}"
        given = _asked(given, catalogue, "features", question, "none")
    if "name" not in given.values:
        default = f"{given.values['domain']}-{given.values['style']}"
        given = _asked(given, catalogue, "name", f"Project name ({FLAGS['name']})", default)
    for key, default in declared_answers(given.values, catalogue).items():
        if key not in given.values:
            question = f"{key.replace('_', ' ').capitalize()} (--set {key}=TEXT)"
            given = _asked(given, catalogue, key, question, default)
    return given


def _asked(given: Given, catalogue: Catalogue, key: str, question: str, default: str) -> Given:
    """The answers with one more, asked for until it goes with those so far."""
    while True:
        typer.echo(f"{question} [{default}]: ", err=True, nl=False)
        line = sys.stdin.readline()
        if not line:
            raise KeyboardInterrupt
        answer: Any = line.strip() or default
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
