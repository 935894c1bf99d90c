"""What cookiecutter and copier read: their settings and the files of a skeleton."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from ptscaffold import __version__
from ptscaffold.errors import UsageError, unknown
from ptscaffold.export.expressions import control_check, expand, jinja_text, name_check, taken_names
from ptscaffold.layers.names import normalize
from ptscaffold.render.renderer import File

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ptscaffold.export.skeleton import Skeleton
    from ptscaffold.layers.manifest import Layer
    from ptscaffold.render.answers import Answers


__all__ = ["ENGINES", "WRITERS", "Engine", "check_engine", "readme"]

Engine: TypeAlias = Literal["cookiecutter", "copier"]


ENGINES: Final[tuple[Engine, ...]] = ("cookiecutter", "copier")


# What PyYAML refuses to read as it is.
_UNPRINTABLE = re.compile(r"[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")


def check_engine(name: str) -> Engine:
    """The engine of that name; UsageError when there is none."""
    for engine in ENGINES:
        if engine == name:
            return engine
    raise UsageError(unknown("engine", name, "--engine", ENGINES))


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


WRITERS: Final = {
    "cookiecutter": ("cookiecutter.", _for_cookiecutter),
    "copier": ("", _for_copier),
}


def readme(
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
