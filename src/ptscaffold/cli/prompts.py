"""The questions that `new` asks a person: four, and those of layers, each with flag and default."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from ptscaffold.layers.names import split_path
from ptscaffold.render.answers import FLAGS, declared_answers, problems_of
from ptscaffold.render.given import Given

if TYPE_CHECKING:
    from collections.abc import Callable

    from ptscaffold.layers.catalogue import Catalogue


def may_ask(*, no_input: bool) -> bool:
    """Whether somebody is there to answer: a terminal on both sides, no --no-input, no CI."""
    return not (no_input or os.environ.get("CI")) and sys.stdin.isatty() and sys.stderr.isatty()


def ask(given: Given, catalogue: Catalogue) -> Given:
    """Ask for what is missing. Questions go to stderr; the end of input counts as Ctrl-C."""
    for key, kind in (("domain", "domains"), ("style", "styles")):
        if key not in given.values:
            layers = catalogue.choices(kind)
            for layer in layers:
                _say(f"  {layer.name:<12}{layer.help}")
            question = f"{key.capitalize()} ({FLAGS[key]})"
            given = given.also(
                **{key: _answer(question, layers[0].name, _check(given, key, catalogue))}
            )
    features = ", ".join(layer.name for layer in catalogue.choices("features"))
    if "features" not in given.values and features:
        question = f"Features ({FLAGS['features']}), any of {features}"
        answer = _answer(question, "none", _check(given, "features", catalogue))
        given = given.also(features=_split(answer))
    if "name" not in given.values:
        default = f"{given.values['domain']}-{given.values['style']}"
        check = _check(given, "name", catalogue)
        given = given.also(name=_answer(f"Project name ({FLAGS['name']})", default, check))
    for key, default in declared_answers(given.values, catalogue).items():
        if key not in given.values:
            question = f"{key.replace('_', ' ').capitalize()} (--set {key}=TEXT)"
            check = _check(given, key, catalogue)
            given = given.also(**{key: _answer(question, default, check)})
    return given


def _answer(question: str, default: str, check: Callable[[str], list[str]]) -> str:
    while True:
        _say(f"{question} [{default}]: ", end="")
        line = sys.stdin.readline()
        if not line:
            raise KeyboardInterrupt
        answer = line.strip() or default
        problems = check(answer)
        if not problems:
            return answer
        for problem in problems:
            _say(f"  {problem}")


def _check(given: Given, key: str, catalogue: Catalogue) -> Callable[[str], list[str]]:
    """What is wrong with an answer to `key`, given the answers so far."""

    def check(answer: str) -> list[str]:
        if key == "features":
            return problems_of(given.also(features=_split(answer)), catalogue)
        if key == "name":
            path, problem = split_path(answer, typed=True)
            return [problem] if problem else problems_of(given.also(name=path.name), catalogue)
        return problems_of(given.also(**{key: answer}), catalogue)

    return check


def _split(answer: str) -> tuple[str, ...]:
    names = tuple(filter(None, (part.strip() for part in answer.split(","))))
    return () if names == ("none",) else names


def _say(text: str, end: str = "\n") -> None:
    sys.stderr.write(text + end)
    sys.stderr.flush()
