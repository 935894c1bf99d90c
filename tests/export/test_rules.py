"""What an export takes as an answer comes out of every engine as it went in."""

from __future__ import annotations

import json
import keyword
import re
import sys
import tomllib

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from jinja2 import StrictUndefined
from jinja2.sandbox import SandboxedEnvironment

from ptscaffold.errors import UsageError
from ptscaffold.export.skeleton import NAME, PACKAGE, TEXT, check, jinja_text, taken
from ptscaffold.layers.names import check_name, package_name
from ptscaffold.render.renderer import markdown_text, toml_value

ENVIRONMENT = SandboxedEnvironment(undefined=StrictUndefined, keep_trailing_newline=True)
PYTHON = {*keyword.kwlist, *sys.stdlib_module_names}

settings.register_profile("ptscaffold", deadline=None)
settings.load_profile("ptscaffold")

MARKUP = st.text(st.sampled_from("\\`*__[]<>&;#~-+=.)1aü \n\t!{}%|$\"'/?x"), max_size=12)


@given(st.text() | MARKUP | MARKUP.map("a".__add__))
@example("a - * b")
@example("a\u00a0b")
@example("a  b")
@example("a ")
@example("A price of $5, or 50 % (it's cheap)")
def test_a_plain_text_needs_no_escapes(answer: str) -> None:
    if re.search(TEXT, answer):
        assert markdown_text(answer) == answer
        assert toml_value(answer) == f'"{answer}"'
        assert tomllib.loads(f'x = "{answer}"')["x"] == answer
        assert jinja_text(answer) == answer


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("Sorts letters (of 12 fonts), it's quick", True),
        ("Über Töne", True),
        ("x", True),
        ("", False),
        ("9.9.9", True),
        ("12. July", False),
        ("- a", False),
        ('say "hi"', False),
        ("two\nlines", False),
        ("ml_platform of Acme", True),
        ("a _b", False),
        ("a_ b", False),
        ("a__b", False),
        ("{{ x }}", False),
    ],
)
def test_which_texts_are_plain(text: str, plain: bool) -> None:
    assert bool(re.search(TEXT, text)) == plain
    if not plain:
        with pytest.raises(UsageError, match="one line of plain words"):
            check({"name": "x", "description": text})


@given(st.text() | st.text(st.sampled_from("{%#}-\r\n\0'\\ x")))
@example("{{{")
@example("{{%{#")
@example("{%- raw -%}{{ x }}{%- endraw -%}\r\n")
def test_any_text_can_be_written_in_jinja(text: str) -> None:
    assert ENVIRONMENT.from_string(jinja_text(text)).render() == text


@given(
    st.text(max_size=6)
    | st.text(st.sampled_from("aZ0._-é "), max_size=38)
    | st.sampled_from(["torch", "Torch", "types-tqdm", "class", "None", "brought", "con.x", "x\n"])
)
def test_a_name_that_engines_take_is_one_of_ours(name: str) -> None:
    package = ENVIRONMENT.from_string(PACKAGE.replace("<name>", "name")).render(name=name)
    words = taken(["brought"], PYTHON)
    if re.search(NAME, name) and package not in words and name.split(".")[0].lower() not in words:
        assert check_name(name, ["brought"]) is None
        assert package == package_name(name)


def test_texts_are_python_literals_in_the_hook() -> None:
    text = "it's </script> \\ \" & x"
    made = ENVIRONMENT.from_string("{{ text | tojson }}").render(text=text)
    assert json.loads(made) == text
    assert eval(made) == text
