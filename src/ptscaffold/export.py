"""`export`: a choice of layers as templates that cookiecutter and copier take.

The layers are rendered once, with symbols in place of the answers that are left to ask. A file in
which a symbol turns up becomes a template, every other one is copied as it is. No hooks, no tasks,
nothing to trust.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from ptscaffold import __version__
from ptscaffold.errors import LayerError
from ptscaffold.expressions import (
    FILTERS,
    PACKAGE,
    control_check,
    expand,
    jinja_text,
    name_check,
    taken_names,
)
from ptscaffold.names import normalize
from ptscaffold.quoting import toml_value
from ptscaffold.rehearsal import rehearsals, rehearse
from ptscaffold.render import File, Renderer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ptscaffold.answers import Answers
    from ptscaffold.layers import Layer
    from ptscaffold.render import Tree

__all__ = ["ENGINES", "Engine", "Exported", "export"]

Engine: TypeAlias = Literal["cookiecutter", "copier"]
ENGINES: Final[tuple[Engine, ...]] = ("cookiecutter", "copier")

# What PyYAML refuses to read as it is.
_UNPRINTABLE = re.compile(r"[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")

# Characters for private use, in a row that no text holds by chance.
_OPEN, _CLOSE = "\ue000\ue001\ue000", "\ue001\ue000\ue001"
_TOKEN = re.compile(f"{_OPEN}([a-z0-9_]+)(?::([a-z]+))?{_CLOSE}")


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


@dataclass(frozen=True)
class Exported:
    """Files of a template by their path; the answers that it asks for, and those it has settled."""

    files: Tree
    asks: Mapping[str, str]
    fixed: Mapping[str, str]


def export(
    answers: Answers, layers: Sequence[Layer], engines: Sequence[Engine] = ENGINES
) -> Exported:
    """Make the templates; name, description and what layers ask for become their questions.

    `answers` are the defaults. An answer that a layer's template goes by, in an `if` for example,
    is fixed to what it is. LayerError when a layer uses an answer in yet another way.
    """
    asks = {"name": answers.name, "description": answers.description, **answers.more}
    while True:
        try:
            tree = _render(answers, layers, asks)
            break
        except LayerError as error:
            cause = error.__cause__
            if not isinstance(cause, Branched) or cause.answer not in answers.more:
                raise
            del asks[cause.answer]
    files: dict[str, File] = {}
    trials = rehearsals(asks, answers, layers)
    for engine in engines:
        prefix, write = _WRITERS[engine]
        skeleton = _skeleton(tree, prefix)
        rehearse(skeleton, trials)
        files |= write(skeleton, asks, layers)
    fixed = {key: value for key, value in answers.more.items() if key not in asks}
    files["README.md"] = File(_readme(answers, layers, engines, asks).encode(), 0o644, "ptscaffold")
    return Exported(dict(sorted(files.items())), asks, fixed)


def _render(answers: Answers, layers: Sequence[Layer], asks: Mapping[str, str]) -> Tree:
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
    from ptscaffold.quoting import markdown_text

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


def _skeleton(tree: Tree, prefix: str) -> Skeleton:
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


def _for_cookiecutter(
    skeleton: Skeleton, asks: Mapping[str, str], layers: Sequence[Layer]
) -> dict[str, File]:
    # cookiecutter has no validators: a wrong answer makes the folder's name one that is not there.
    folder = "{{cookiecutter[cookiecutter.__valid]}}"
    checks = [name_check("cookiecutter._taken.split()"), *map(control_check, list(asks)[1:])]
    wrong = "".join(
        expand(check, skeleton.prefix, key) for check, key in zip(checks, asks, strict=True)
    )
    variables = {
        **{key: jinja_text(value) for key, value in asks.items()},
        **skeleton.computed,
        "_taken": " ".join(_taken(layers)),
        "__valid": f"{{% set wrong %}}{wrong}{{% endset %}}{{{{ wrong or 'name' }}}}",
        "__prompts__": _questions(asks),
        "_copy_without_render": [re.sub(r"[\[*?]", r"[\g<0>]", path) for path in skeleton.static],
        "_new_lines": "\n",
    }
    settings = json.dumps(variables, indent=2, ensure_ascii=False) + "\n"
    return {
        "cookiecutter.json": File(settings.encode(), 0o644, "ptscaffold"),
        **{f"{folder}/{path}": file for path, file in skeleton.templates.items()},
        **{f"{folder}/{path}": file for path, file in skeleton.static.items()},
    }


def _for_copier(
    skeleton: Skeleton, asks: Mapping[str, str], layers: Sequence[Layer]
) -> dict[str, File]:
    questions: dict[str, Any] = {"_min_copier_version": "9.0.0", "_subdirectory": "template"}
    questions["taken_names"] = {"type": "str", "when": False, "default": " ".join(_taken(layers))}
    for key, text in _questions(asks).items():
        check = name_check("taken_names.split()") if key == "name" else control_check(key)
        questions[key] = {
            "type": "str",
            "help": text,
            "default": jinja_text(asks[key]),
            "validator": expand(check, "", key),
        }
    for key, value in skeleton.computed.items():
        questions[key] = {"type": "str", "when": False, "default": value}
    text = "\n".join(f"{key}: {_yaml(value)}" for key, value in questions.items()) + "\n"
    answers_file = "template/{{_copier_conf.answers_file}}.jinja"
    return {
        "copier.yml": File(text.encode(), 0o644, "ptscaffold"),
        answers_file: File(b"{{ _copier_answers | to_nice_yaml }}", 0o644, "ptscaffold"),
        **{f"template/{path}.jinja": file for path, file in skeleton.templates.items()},
        **{f"template/{path}": file for path, file in skeleton.static.items()},
    }


_WRITERS: Final = {
    "cookiecutter": ("cookiecutter.", _for_cookiecutter),
    "copier": ("", _for_copier),
}


def _readme(
    answers: Answers, layers: Sequence[Layer], engines: Sequence[Engine], asks: Mapping[str, str]
) -> str:
    """What the template is and how to use it."""
    chosen = ", ".join(layer.path for layer in layers)
    commands = {
        "cookiecutter": "cookiecutter path/to/this/folder",
        "copier": f"copier copy path/to/this/folder {answers.name}",
    }
    lines = ["# A project template", "", f"Makes projects of {chosen} (ptscaffold {__version__})."]
    lines += ["", "```sh", *(commands[engine] for engine in engines), "```", ""]
    lines += [f"It asks for {', '.join(asks)}. There are no hooks and no tasks, nothing to trust."]
    lines += ["It is written by `ptscaffold export`; change the layers and export it again."]
    return "\n".join(lines) + "\n"


def _questions(asks: Mapping[str, str]) -> dict[str, str]:
    known = {"name": "Name of the project", "description": "What it is, in one sentence"}
    return {key: known.get(key, key.replace("_", " ").capitalize()) for key in asks}


def _taken(layers: Sequence[Layer]) -> list[str]:
    brought = (r for layer in layers for r in (*layer.dependencies, *layer.dev_dependencies))
    return taken_names(map(normalize, brought))


def _yaml(value: Any) -> str:
    """JSON, which is YAML, but for characters that YAML takes in another spelling only."""
    text = json.dumps(value, ensure_ascii=False)
    return _UNPRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
