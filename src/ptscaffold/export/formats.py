"""What cookiecutter and copier read: their settings and the files of a skeleton."""

from __future__ import annotations

import json
import keyword
import re
import sys
from collections.abc import Mapping, Sequence
from textwrap import indent, wrap
from typing import Any, Final

from ptscaffold import __version__
from ptscaffold.errors import UsageError, unknown
from ptscaffold.export import skeleton
from ptscaffold.layers.content import Content, Tree, text_of
from ptscaffold.layers.manifest import Layer
from ptscaffold.layers.names import LONGEST
from ptscaffold.render.answers import Answers, imports_of

ENGINES: Final = ("cookiecutter", "copier")

# By this an export is known, in any of these files, so that the next one may take its place.
MARK: Final = "written by `ptscaffold export`"
MARKED: Final = ("README.md", "copier.yml", "hooks/pre_gen_project.py")
TAKEN_NAME: Final = "Python, a library or a folder of every project has this name"

HOOK: Final = '''\
"""Refuse answers that make no project, before anything is written.

This template was {mark}.
"""

import keyword
import re
import sys

NAME = {{{{ cookiecutter.name | tojson }}}}
PACKAGE = {{{{ cookiecutter.__package | tojson }}}}
TEXTS = {{
{texts}
}}
TAKEN = """
{taken}
""".split()

if not re.search(r"{name}", NAME) or len(NAME) > {longest}:
    sys.exit(f"name {{NAME!r}}: {wrong_name}")
python = keyword.iskeyword(PACKAGE) or PACKAGE in sys.stdlib_module_names
if python or PACKAGE in TAKEN or NAME.split(".")[0].lower() in TAKEN:
    sys.exit(f"name {{NAME!r}}: {taken_name}")
for key, text in TEXTS.items():
    if not re.search(r\'\'\'{text}\'\'\', text):
        sys.exit(f"{{key}} {{text!r}}: {wrong_text}")
'''

COPIER: Final = """\
# This template was {mark}.
_min_copier_version: "9.0.0"
_subdirectory: template

# The rules for answers.
name_pattern: {{type: str, when: false, default: '{name}'}}
text_pattern: {{type: str, when: false, default: '{text}'}}
taken_names:
  type: str
  when: false
  default: >-
{taken}

# The questions.
name:
  type: str
  help: Name of the project
  default: {default}
  validator: >-
    {{% set package = {package} %}}
    {{% if not (name | regex_search(name_pattern)) or name | length > {longest} %}}
    {wrong_name}
    {{% elif package in taken_names.split() or name.split(".")[0].lower() in taken_names.split() %}}
    {taken_name}
    {{% endif %}}
{questions}
package:
  type: str
  when: false
  default: "{{{{ {package} }}}}"
"""

QUESTION: Final = """\
{named}:
  type: str
  help: {help}
  default: {default}
  validator: "{{% if not ({key} | regex_search(text_pattern)) %}}{wrong}{{% endif %}}"
"""


# What YAML takes for something else than a text
_WORDS: Final = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})


def check_engine(name: str) -> str:
    """The engine of that name; UsageError when there is none."""
    if name not in ENGINES:
        raise UsageError(unknown("engine", name, "--engine", ENGINES))
    return name


def _for_cookiecutter(tree: Tree, asks: Mapping[str, str], layers: Sequence[Layer]) -> Tree:
    variables = {key: f"cookiecutter.{key}" for key in asks} | {"package": "cookiecutter.__package"}
    templates, static = skeleton.make_skeleton(tree, variables)
    # cookiecutter renders every text: what looks like Jinja, or is not UTF-8, is kept from it.
    odd = [path for path, file in static.items() if _odd(file.data)]
    settings: dict[str, Any] = {
        **asks,
        "__package": skeleton.PACKAGE.replace("<name>", "cookiecutter.name"),
        "__prompts__": {key: _question(key) for key in asks},
    }
    if odd:
        escaped = [re.sub(r"[\[*?]", r"[\g<0>]", path) for path in odd]
        settings |= {"_copy_without_render": escaped, "_new_lines": "\n"}
    texts = "\n".join(
        f'    "{key}": {{{{ cookiecutter.{key} | tojson }}}},' for key in asks if key != "name"
    )
    hook = HOOK.format(
        mark=MARK,
        texts=texts,
        taken="\n".join(wrap(" ".join(skeleton.taken(imports_of(layers))), 98)),
        name=skeleton.NAME,
        text=skeleton.TEXT,
        longest=LONGEST,
        wrong_name=skeleton.WRONG_NAME,
        wrong_text=skeleton.WRONG_TEXT,
        taken_name=TAKEN_NAME,
    )
    folder = "{{cookiecutter.name}}"
    return {
        "cookiecutter.json": _file(json.dumps(settings, indent=2, ensure_ascii=False) + "\n"),
        "hooks/pre_gen_project.py": _file(hook),
        **{f"{folder}/{path}": file for path, file in {**templates, **static}.items()},
    }


def _odd(data: bytes) -> bool:
    text = text_of(data)
    return text is None or re.search(r"\{[{%#]|\r", text) is not None


def _for_copier(tree: Tree, asks: Mapping[str, str], layers: Sequence[Layer]) -> Tree:
    templates, static = skeleton.make_skeleton(tree, {key: key for key in (*asks, "package")})
    questions = [
        QUESTION.format(
            key=key,
            named=_plain(key),
            help=_plain(_question(key)),
            default=_yaml(asks[key]),
            wrong=f"{key}: {skeleton.WRONG_TEXT}",
        )
        for key in asks
        if key != "name"
    ]
    words = skeleton.taken(imports_of(layers), {*keyword.kwlist, *sys.stdlib_module_names})
    settings = COPIER.format(
        mark=MARK,
        name=skeleton.NAME,
        text=skeleton.TEXT.replace("'", "''"),
        taken=indent("\n".join(wrap(" ".join(words), 96)), "    "),
        default=_yaml(asks["name"]),
        package=skeleton.PACKAGE.replace("<name>", "name").strip("{} "),
        longest=LONGEST,
        wrong_name=f"name: {skeleton.WRONG_NAME}",
        taken_name=f"name: {TAKEN_NAME}",
        questions="".join(questions),
    )
    answers_file = "template/{{_copier_conf.answers_file}}.jinja"
    return {
        "copier.yml": _file(settings),
        answers_file: _file("{{ _copier_answers | to_nice_yaml }}"),
        **{f"template/{path}.jinja": file for path, file in templates.items()},
        **{f"template/{path}": file for path, file in static.items()},
    }


WRITERS: Final = {"cookiecutter": _for_cookiecutter, "copier": _for_copier}


def readme(
    answers: Answers, layers: Sequence[Layer], engines: Sequence[str], asks: Mapping[str, str]
) -> str:
    """What the template is and how to use it."""
    chosen = ", ".join(layer.path for layer in layers)
    commands = {
        "cookiecutter": "cookiecutter path/to/this/folder",
        "copier": f"copier copy path/to/this/folder {answers.name}",
    }
    lines = ["# A project template", "", f"Makes projects of {chosen} (ptscaffold {__version__})."]
    lines += ["", "```sh", *(commands[engine] for engine in engines), "```", ""]
    lines += [f"It asks for {', '.join(asks)}; answers that make no project are refused."]
    lines += [f"It is {MARK}; the same command writes it anew once git holds your changes."]
    return "\n".join(lines) + "\n"


def _question(key: str) -> str:
    known = {"name": "Name of the project", "description": "What it is, in one sentence"}
    return known.get(key, key.replace("_", " ").capitalize())


def _plain(text: str) -> str:
    return _yaml(text) if text.lower() in _WORDS else text


def _yaml(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)  # plain words, as `check` has them, are YAML so


def _file(text: str) -> Content:
    return Content(text.encode())
