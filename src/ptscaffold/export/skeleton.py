"""A project with symbols in the place of answers, in the words of an engine.

It is tried before it is handed out, and must give what ptscaffold itself would: some ways to use an
answer cannot be told from the text that comes out, such as `replace`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from ptscaffold import __version__
from ptscaffold.errors import LayerError
from ptscaffold.export.expressions import FILTERS, PACKAGE, expand, jinja_text
from ptscaffold.render.quoting import toml_value
from ptscaffold.render.renderer import Renderer, Tree

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ptscaffold.layers.manifest import Layer
    from ptscaffold.render.answers import Answers

__all__ = ["Branched", "Skeleton", "make_skeleton", "rehearsals", "rehearse", "render_symbols"]

# Characters for private use, in a row that no text holds by chance.
_OPEN, _CLOSE = "\ue000\ue001\ue000", "\ue001\ue000\ue001"


_TOKEN = re.compile(f"{_OPEN}([a-z0-9_]+)(?::([a-z]+))?{_CLOSE}")


_NAME: Final = "My-Own__Project.v2"


_TEXT: Final = '- {{ 1 }} {% x %} "*quoted*"\\n\t\\ a_b [c] & &amp; 5 < 6 <b> \n#ü \U0001f600 #'


class Branched(Exception):
    """A template does not only put an answer in, but goes by what it is."""

    def __init__(self, answer: str) -> None:
        super().__init__(f"it depends on what the answer {answer} is")
        self.answer = answer


class Symbol(str):
    """An answer that is not known yet: it can be put into text and nothing else."""

    __slots__ = ()

    def __new__(cls, answer: str) -> Symbol:
        return super().__new__(cls, f"{_OPEN}{answer}{_CLOSE}")

    def _refuse(self, *_: object) -> Any:
        raise Branched(str(self).strip(_OPEN + _CLOSE))

    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = _refuse
    __bool__ = __contains__ = __len__ = __iter__ = __getitem__ = _refuse
    __hash__ = str.__hash__


@dataclass(frozen=True)
class Skeleton:
    """A project in the words of one engine: `prefix` is what stands before the name of an answer.

    `templates` are rendered and `static` files copied; paths are rendered either way. `computed`
    values are worked out from the answers before that.
    """

    prefix: str
    templates: Tree
    static: Tree
    computed: Mapping[str, str]


def render_symbols(answers: Answers, layers: Sequence[Layer], asks: Mapping[str, str]) -> Tree:
    symbols = {key: Symbol(key) for key in (*asks, "package")}
    filters = {"toml": _toml, "md": _md}
    return Renderer(symbols, filters).render(answers, layers, __version__)


def _toml(value: Any) -> str:
    """`toml_value` of text in which symbols stand: each is to be escaped when it is known."""
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml, value))}]"
    if not isinstance(value, str):
        return toml_value(value)
    # Names hold nothing that has to be escaped.
    text = toml_value(str(value))
    return _TOKEN.sub(
        lambda f: f[0] if f[1] in ("name", "package") else f"{_OPEN}{f[1]}:toml{_CLOSE}", text
    )


def _md(value: str) -> str:
    from ptscaffold.render.quoting import markdown_text

    text = str(value)
    if _TOKEN.fullmatch(text):
        return _TOKEN.sub(f"{_OPEN}\\1:md{_CLOSE}", text)
    if _OPEN in text:
        raise ValueError("the filter md takes an answer as it is, or text without one")
    return markdown_text(text)


def _fill(text: str, prefix: str) -> str:
    """Put an engine's expressions in the place of the symbols, and keep all else from it."""
    parts = []
    end = 0
    for found in _TOKEN.finditer(text):
        literal = jinja_text(text[end : found.start()])
        if literal.endswith("{"):  # it would become one brace too many
            literal = literal[:-1] + "{{ '{' }}"
        parts += [literal, "{{ ", _variable(prefix, found[1], found[2]), " }}"]
        end = found.end()
    filled = "".join([*parts, jinja_text(text[end:])])
    if _OPEN in filled or _CLOSE in filled:
        raise LayerError("an answer is changed, as by a filter, before it is put into the text")
    return filled


def _variable(prefix: str, answer: str, changed: str | None) -> str:
    computed = f"{answer}_{changed}" if changed else answer
    private = "__" if prefix and (changed or answer == "package") else ""
    return f"{prefix}{private}{computed}"


def make_skeleton(tree: Tree, prefix: str) -> Skeleton:
    templates, static, needed = {}, {}, set()
    for path, file in tree.items():
        place = _fill(path, prefix).replace("{{ ", "{{").replace(" }}", "}}")
        text = _text(file.data)
        if text is None or _OPEN not in text:
            static[place] = file
            continue
        needed |= {(found[1], found[2]) for found in _TOKEN.finditer(text) if found[2]}
        try:
            templates[place] = file._replace(data=_fill(text, prefix).encode())
        except LayerError as error:
            raise LayerError(f"{file.layer}, {path}: {error}") from error
    computed = {_variable(prefix, "package", None): expand(PACKAGE, prefix, "name")}
    for answer, changed in sorted(needed):
        name = _variable(prefix, answer, changed)
        computed[name] = expand(FILTERS[changed], "", _variable(prefix, answer, None))
    return Skeleton(
        prefix,
        templates,
        static,
        {name.removeprefix(prefix): value for name, value in computed.items()},
    )


def _text(data: bytes) -> str | None:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return None


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
