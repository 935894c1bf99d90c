"""What the engines compute is what ptscaffold computes."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from jinja2 import StrictUndefined
from jinja2.sandbox import SandboxedEnvironment

from ptscaffold.export.expressions import (
    FILTERS,
    PACKAGE,
    control_check,
    expand,
    jinja_text,
    name_check,
    taken_names,
)
from ptscaffold.layers.names import check_name, package_name
from ptscaffold.render.quoting import markdown_text, toml_value

ENVIRONMENT = SandboxedEnvironment(undefined=StrictUndefined, keep_trailing_newline=True)
COMPILED = {
    key: ENVIRONMENT.from_string(expand(text, "", "answer")) for key, text in FILTERS.items()
}
NAME = ENVIRONMENT.from_string(expand(name_check("taken"), "", "name"))
CONTROL = ENVIRONMENT.from_string(expand(control_check("answer"), "", "answer"))
TAKEN = taken_names(["brought"])

settings.register_profile("ptscaffold", deadline=None)
settings.load_profile("ptscaffold")

# Answers hold no control characters but these two, and no half of a pair.
CONTROLS = "".join(map(chr, range(32))) + "\x7f"
SOUND = st.characters(exclude_categories=["Cs"], exclude_characters=CONTROLS) | (
    st.sampled_from("\n\t")
)
MARKUP = st.text(st.sampled_from("\\`*_[]<>&;#~-+=.)1aü \n\t!{}%|$\"'/?x"), max_size=12)


@given(st.text(SOUND) | MARKUP)
@example("* a_b _c_ d__e 1. &amp; &#38; &x <b> <3 ~~ ~ # ## \\ \\a \\! ** * _")
@example("---")
@example("= - =")
@example("- * _ -")
@example("+")
@example("12) x")
@example("\u0661. x")
@example("# #")
@example("")
def test_text_in_markdown_and_toml(answer: str) -> None:
    assert COMPILED["md"].render(answer=answer) == markdown_text(answer)
    inside = COMPILED["toml"].render(answer=answer)
    assert f'"{inside}"' == toml_value(answer)
    assert tomllib.loads(f'x = "{inside}"')["x"] == answer


@given(st.text() | st.text(st.sampled_from("{%#}-\r\n\0'\\ x")))
@example("{{{")
@example("{{%{#")
@example("{%- raw -%}{{ x }}{%- endraw -%}\r\n")
def test_any_text_can_be_written_in_jinja(text: str) -> None:
    assert ENVIRONMENT.from_string(jinja_text(text)).render() == text


@given(st.from_regex(r"[A-Za-z][A-Za-z0-9._-]{0,30}[A-Za-z0-9]", fullmatch=True))
def test_packages_are_named_alike(name: str) -> None:
    assert ENVIRONMENT.from_string(expand(PACKAGE, "", "name")).render(name=name) == package_name(
        name
    )


@given(st.text(max_size=6) | st.text(st.sampled_from("aZ0._-é "), max_size=44))
@example("torch")
@example("Torch")
@example("types-tqdm")
@example("class")
@example("None")
@example("tests")
@example("brought")
@example("con.x")
@example("a" * 40)
@example("a" * 41)
@example("x\n")
def test_names_are_refused_alike(name: str) -> None:
    refused = bool(NAME.render(name=name, taken=TAKEN))
    assert refused == (check_name(name, ["brought"]) is not None)


@pytest.mark.parametrize(
    ("answer", "refused"),
    [("fine\n\t", False), ("", False), ("\x00", True), ("a\x7fb\x1b", True), ("\r", True)],
)
def test_control_characters_are_refused(answer: str, refused: bool) -> None:
    told = CONTROL.render(answer=answer)
    assert told == ("answer holds a control character" if refused else "")
