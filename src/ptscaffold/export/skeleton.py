"""A project with symbols in the place of answers, in the words of an engine.

It is tried before it is handed out, and must give what ptscaffold itself would: some ways to use an
answer cannot be told from the text that comes out, such as `replace`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from ptscaffold import __version__
from ptscaffold.errors import LayerError, UsageError
from ptscaffold.layers.content import Tree, text_of
from ptscaffold.layers.manifest import Layer
from ptscaffold.layers.names import FOLDERS, IMPORTS, LONGEST, WINDOWS_DEVICES
from ptscaffold.render.answers import Answers
from ptscaffold.render.renderer import Renderer, markdown_text, toml_value

NAME: Final = r"\A[A-Za-z][A-Za-z0-9]*([-_.][A-Za-z0-9]+)*\Z"
PACKAGE: Final = "{{ <name> | lower | replace('-', '_') | replace('.', '_') }}"
# Single spaces alone, no number of a list; then nothing that TOML, Markdown or Jinja would read,
# which "_" within a word is not
TEXT: Final = (
    r"""\A(?!.*(?:  | \Z|[^\S ])|\d+[.)](?: |\Z))"""
    r"""[^\W_](?:[^\x00-\x1f\x7f"\\`*_\[\]<>&#~{}]|(?<=[^\W_])_(?=[^\W_]))*\Z"""
)

WRONG_NAME: Final = (
    f"up to {LONGEST} letters and digits of ASCII, a letter first, with single '-', '_' or '.'"
    " between them"
)
WRONG_TEXT: Final = (
    "one line of plain words, a letter or digit first, without the characters of markup"
)

# A run of braces that Jinja would read as the start of something, and what it or cookiecutter
# would change: carriage returns, and the control characters that make a file count as binary.
_SPECIAL = re.compile(r"\{*[\x00-\x08\x0b-\x1f]+|\{{2,}|\{(?=[%#])")

# Characters for private use, in a row that no text holds by chance.
_OPEN, _CLOSE = "\ue000\ue001\ue000", "\ue001\ue000\ue001"
_TOKEN = re.compile(f"{_OPEN}([a-z0-9_]+){_CLOSE}")

# To try a template with: what changes an answer changes one of these.
_NAME: Final = "My-Own_Project.v2"
_TEXT: Final = "Äny thing; it's 50% (or $5), say - yes! 😀"


def check(asks: Mapping[str, str]) -> None:
    """Refuse defaults that a template would refuse as answers; UsageError names all of them."""
    wrong = [
        f"{key} {value!r}: an export takes {WRONG_NAME if key == 'name' else WRONG_TEXT}"
        for key, value in asks.items()
        if not re.search(NAME if key == "name" else TEXT, value)
    ]
    if wrong:
        raise UsageError(*wrong, hint="choose others with --set KEY=VALUE")


def taken(imports: Iterable[str], python: Iterable[str] = ()) -> list[str]:
    """Every name that a package cannot have: of folders, of what it imports, of `python` itself."""
    words = {"true", "false", "none", *FOLDERS, *IMPORTS, *WINDOWS_DEVICES, *imports, *python}
    return sorted({word.lower() for word in words if not word.startswith("_")})


def jinja_text(text: str) -> str:
    """Jinja that renders to `text`, whatever stands in it."""
    return _SPECIAL.sub(lambda found: f"{{{{ {found[0]!r} }}}}", text)


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


def render_symbols(answers: Answers, layers: Sequence[Layer], asks: Mapping[str, str]) -> Tree:
    symbols = {key: Symbol(key) for key in (*asks, "package")}
    filters = {"toml": _toml, "md": lambda value: markdown_text(str(value))}
    return Renderer(symbols, filters).render(answers, layers, __version__)


def _toml(value: Any) -> str:
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml, value))}]"
    return toml_value(str(value) if isinstance(value, str) else value)


def _fill(text: str, variables: Mapping[str, str]) -> str:
    """Put an engine's expressions in the place of the symbols, and keep all else from it."""
    parts = []
    end = 0
    for found in _TOKEN.finditer(text):
        literal = jinja_text(text[end : found.start()])
        if literal.endswith("{"):  # it would become one brace too many
            literal = literal[:-1] + "{{ '{' }}"
        parts += [literal, "{{ ", variables[found[1]], " }}"]
        end = found.end()
    filled = "".join([*parts, jinja_text(text[end:])])
    if _OPEN in filled or _CLOSE in filled:
        raise LayerError("an answer is changed, as by a filter, before it is put into the text")
    return filled


def make_skeleton(tree: Tree, variables: Mapping[str, str]) -> tuple[Tree, Tree]:
    """Part a rendering with symbols into what an engine renders and what it copies.

    `variables` is what the engine calls each answer.
    """
    templates, static = {}, {}
    for path, file in tree.items():
        place = _fill(path, variables).replace("{{ ", "{{").replace(" }}", "}}")
        text = text_of(file.data)
        if text is None or _OPEN not in text:
            static[place] = file
            continue
        try:
            templates[place] = replace(file, data=_fill(text, variables).encode())
        except LayerError as error:
            raise LayerError(f"{file.layer}, {path}: {error}") from error
    return templates, static


def rehearse(
    tree: Tree, asks: Mapping[str, str], answers: Answers, layers: Sequence[Layer]
) -> None:
    """Put answers into a rendering with symbols; LayerError names a file that ptscaffold's differs
    from."""
    from jinja2.sandbox import SandboxedEnvironment

    templates, static = make_skeleton(tree, {key: key for key in (*asks, "package")})
    environment = SandboxedEnvironment(keep_trailing_newline=True)
    package = environment.from_string(PACKAGE.replace("<name>", "name"))
    strange = {key: _TEXT if key in asks else value for key, value in answers.more.items()}
    for tried in (answers, replace(answers, name=_NAME, description=_TEXT, more=strange)):
        values: dict[str, Any] = {
            "name": tried.name,
            "description": tried.description,
            **tried.more,
            "package": package.render(name=tried.name),
        }

        def fill(text: str, values: dict[str, Any] = values) -> str:
            return environment.from_string(text).render(values) if "{" in text else text

        found = {fill(path): file.data for path, file in static.items()}
        for path, file in templates.items():
            found[fill(path)] = fill(file.data.decode()).encode()
        for path, file in Renderer().render(tried, layers, __version__).items():
            if found.get(path) != file.data:
                raise LayerError(
                    f"{file.layer}, {path}: it changes an answer before it puts it into the text",
                    hint="cookiecutter and copier know no ptscaffold: use answers as they are,"
                    " or through the filters toml and md",
                )
