"""A template is tried before it is handed out: it must give what ptscaffold itself would.

Some ways to use an answer cannot be told from the text that comes out, such as `replace`.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from ptscaffold import __version__
from ptscaffold.errors import LayerError
from ptscaffold.render import Renderer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ptscaffold.answers import Answers
    from ptscaffold.export import Skeleton
    from ptscaffold.layers import Layer
    from ptscaffold.render import Tree

__all__ = ["rehearsals", "rehearse"]

_NAME: Final = "My-Own__Project.v2"
_TEXT: Final = '- {{ 1 }} {% x %} "*quoted*"\\n\t\\ a_b [c] & &amp; 5 < 6 <b> \n#ü \U0001f600 #'


def rehearsals(
    asks: Mapping[str, str], answers: Answers, layers: Sequence[Layer]
) -> list[tuple[Answers, Tree]]:
    """What to try a template with, and what ptscaffold makes of it."""
    strange = replace(
        answers,
        name=_NAME,
        description=_TEXT,
        more={key: _TEXT if key in asks else value for key, value in answers.more.items()},
    )
    renderer = Renderer()
    return [(tried, renderer.render(tried, layers, __version__)) for tried in (answers, strange)]


def rehearse(skeleton: Skeleton, trials: Sequence[tuple[Answers, Tree]]) -> None:
    """Compare a template with ptscaffold's own rendering; LayerError names a file that differs."""
    play = _player(skeleton)
    for answers, expected in trials:
        found = play(answers)
        for path, file in expected.items():
            if found.get(path) != file.data:
                raise LayerError(
                    f"{file.layer}, {path}: it changes an answer before it puts it into the text",
                    hint="cookiecutter and copier know no ptscaffold: use answers as they are,"
                    " or through the filters toml and md",
                )


def _player(skeleton: Skeleton) -> Callable[[Answers], dict[str, bytes]]:
    """What gives the project that an engine makes of a template."""
    from jinja2 import StrictUndefined
    from jinja2.sandbox import SandboxedEnvironment

    environment = SandboxedEnvironment(undefined=StrictUndefined, keep_trailing_newline=True)
    compiled = cache(environment.from_string)

    def play(answers: Answers) -> dict[str, bytes]:
        values: dict[str, Any] = {
            "name": answers.name,
            "description": answers.description,
            **answers.more,
        }
        context = {"cookiecutter": values} if skeleton.prefix else values

        def fill(text: str) -> str:
            return compiled(text).render(context) if "{" in text else text

        for name, expression in skeleton.computed.items():
            values[name] = fill(expression)
        made = {fill(path): file.data for path, file in skeleton.static.items()}
        for path, file in skeleton.templates.items():
            made[fill(path)] = fill(file.data.decode()).encode()
        return made

    return play
