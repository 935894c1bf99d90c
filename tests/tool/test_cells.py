"""Every project that the built-in layers can make, rendered in memory."""

from __future__ import annotations

import ast
import subprocess
import tomllib
from itertools import product
from pathlib import Path

import pytest

from ptscaffold import __version__
from ptscaffold.layers.catalogue import Catalogue
from ptscaffold.layers.content import Tree
from ptscaffold.layers.names import LONGEST
from ptscaffold.render.answers import complete, select_layers
from ptscaffold.render.given import gather
from ptscaffold.render.renderer import Renderer

CATALOGUE = Catalogue()
RENDERER = Renderer()
CELLS = sorted(product(CATALOGUE.names("domains"), CATALOGUE.names("styles")))

# What makes an answer dangerous: Jinja, quotes, escapes, line breaks, Markdown.
HOSTILE = '{{ 1 + 1 }} {% raw %} "\'\'\'""" \\n \\ # <b>\n\n```\n% ü'


def render(domain: str, style: str, **answers: str) -> Tree:
    flags = {"domain": domain, "style": style, **answers}
    chosen = complete(gather(flags, (), None), CATALOGUE)
    return RENDERER.render(chosen, select_layers(chosen, CATALOGUE), __version__)


def test_there_are_cells() -> None:
    assert CELLS


@pytest.mark.parametrize(("domain", "style"), CELLS)
def test_a_cell_is_well_formed(domain: str, style: str) -> None:
    tree = render(domain, style)
    for path, file in tree.items():
        assert len(f"{domain}-{style}/{path}") < 120, "Windows has short paths"
        assert b"\r\n" not in file.data, path
        assert b"ptscaffold" not in file.data.lower(), path
        if path.endswith(".py"):
            ast.parse(file.data, path)
            assert file.data == b"" or file.data.endswith(b"\n"), path
    table = tomllib.loads(tree["pyproject.toml"].data.decode())
    assert table["project"]["name"] == f"{domain}-{style}"
    for name in ("README.md", ".gitignore", ".gitattributes"):
        assert tree[name].data.endswith(b"\n")


@pytest.mark.parametrize("name", ["q", "x" * LONGEST])
@pytest.mark.parametrize(("domain", "style"), CELLS)
def test_a_name_of_any_length_leaves_the_code_formatted(
    domain: str, style: str, name: str, tmp_path: Path
) -> None:
    tree = render(domain, style, name=name)
    for path, file in tree.items():
        place = tmp_path / name / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(file.data)
    for arguments in (["check", "--no-cache"], ["format", "--check", "--no-cache"]):
        done = subprocess.run(["ruff", *arguments], cwd=tmp_path / name, capture_output=True)
        assert done.returncode == 0, done.stdout.decode()


def test_the_tests_install_what_projects_ask_for() -> None:
    table = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
    installed = {*table["dependency-groups"]["stack"], *table["dependency-groups"]["tool"]}
    for layer in map(CATALOGUE.layer, CATALOGUE.paths()):
        assert {*layer.dependencies, *layer.dev_dependencies} <= installed, layer


@pytest.mark.parametrize(("domain", "style"), CELLS)
def test_a_hostile_answer_comes_out_literally(domain: str, style: str) -> None:
    tree = render(domain, style, description=HOSTILE, name="My-Own.Net")
    table = tomllib.loads(tree["pyproject.toml"].data.decode())
    assert table["project"]["description"] == HOSTILE
    assert table["project"]["name"] == "My-Own.Net"
    assert "{{ 1 + 1 }}" in tree["README.md"].data.decode()
    harmless = render(domain, style, description="x", name="My-Own.Net")
    differing = {path for path in tree if tree[path] != harmless[path]}
    assert differing <= {"README.md", "pyproject.toml"}


def test_an_answer_is_never_rendered() -> None:
    domain, style = CELLS[0]
    readme = render(domain, style, description="{{ name }}{{ 7 * 7 }}")["README.md"].data.decode()
    assert "{{ name }}{{ 7 * 7 }}" in readme
    assert "49" not in readme.splitlines()[:6]
