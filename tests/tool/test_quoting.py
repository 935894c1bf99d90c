"""Answers come out of TOML and Markdown as they went in."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.common.utils import escapeHtml

from ptscaffold.errors import shell_command
from ptscaffold.render.renderer import markdown_text, toml_value

texts = st.text(st.characters(exclude_categories=["Cs"]))


@given(st.one_of(texts, st.booleans(), st.integers(-(2**62), 2**62), st.lists(texts)))
def test_toml_reads_back(value: object) -> None:
    assert tomllib.loads(f"key = {toml_value(value)}") == {"key": value}


@given(texts)
def test_toml_stays_on_its_line(value: str) -> None:
    assert "\n" not in toml_value(value)


def test_toml_refuses_what_it_cannot_write() -> None:
    with pytest.raises(TypeError, match="cannot write dict as TOML"):
        toml_value({})


@pytest.mark.parametrize(
    ("text", "markdown"),
    [
        ("plain words, 50% {{ 7 * 7 }}", "plain words, 50% {{ 7 * 7 }}"),
        ("two\n\nlines", "two lines"),
        ("# no heading", r"\# no heading"),
        ("1. no list", r"1\. no list"),
        ("- no item", r"\- no item"),
        ("3.5 > 2", "3.5 > 2"),
        ("a_b and _c_", r"a_b and \_c\_"),
        ("<b>*x*</b> [l](u)", r"\<b>\*x\*\</b> \[l\](u)"),
        ("AT&T &amp; `code`", r"AT&T \&amp; \`code\`"),
        ("C:\\new \\*", r"C:\new \\\*"),
    ],
)
def test_markdown_escapes_what_it_must(text: str, markdown: str) -> None:
    assert markdown_text(text) == markdown


markup = st.text(st.sampled_from(r"ab 1.)-+*_=#>~`\[]()!<>&;|:{}%'\n" + '"'), max_size=30)


@settings(max_examples=500)
@given(st.one_of(markup, texts))
def test_markdown_shows_text_as_it_is(text: str) -> None:
    shown = " ".join(text.replace("\0", "\ufffd").split())
    for prefix, kind in (("", "p"), ("# ", "h1")):
        html = (
            MarkdownIt("commonmark")
            .enable(["strikethrough", "table"])
            .render(prefix + markdown_text(text) + "\n")
        )
        wanted = f"<{kind}>{escapeHtml(shown)}</{kind}>\n"
        assert html == (wanted if shown or prefix else "")


def test_a_command_is_quoted_for_the_shell_that_reads_it(monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["a b", "$HOME", 'say "x"']
    assert shell_command(words) == """'a b' '$HOME' 'say "x"'"""
    monkeypatch.setattr("os.name", "nt")
    assert shell_command(words) == '"a b" $HOME "say \\"x\\""'


@pytest.mark.parametrize("value", [None, {}, {1}, object()])
def test_what_is_no_answer_is_not_written_as_toml(value: object) -> None:
    with pytest.raises(TypeError, match=f"cannot write {type(value).__name__} as TOML"):
        toml_value(value)
