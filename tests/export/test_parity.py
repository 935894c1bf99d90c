"""The same bytes and modes from ptscaffold, cookiecutter and copier."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from itertools import combinations, product
from pathlib import Path
from typing import Any

import pytest
from copier import run_copy
from export.toy import ODD, choose, contents, read, write_toy
from fitting import fitting

from ptscaffold import __version__
from ptscaffold.export.formats import ENGINES
from ptscaffold.export.template import EngineRenderer, export
from ptscaffold.layers.catalogue import Catalogue
from ptscaffold.layers.files import write_tree
from ptscaffold.project.new import Request, create
from ptscaffold.render.renderer import Renderer

CATALOGUE = Catalogue()
RENDERER = Renderer()
CELLS = list(product(sorted(CATALOGUE.names("domains")), sorted(CATALOGUE.names("styles"))))
FEATURES = sorted(CATALOGUE.names("features"))
SIZES = (0, 1, 2, len(FEATURES) - 1, len(FEATURES))  # some layers exclude another
SUBSETS = [subset for size in SIZES for subset in combinations(FEATURES, size)]
NAME = "My-Own_Net.v2"

Bake = Callable[..., Any]


@pytest.fixture
def bake(cookies: Any, tmp_path: Path) -> Bake:
    """Both engines on an export: pytest-cookies, and copier's API without `unsafe`."""

    def bake(catalogue: Catalogue, *choice: str, **more: str) -> dict[str, Any]:
        answers, layers = choose(catalogue, *choice)
        made = export(answers, layers)
        template = tmp_path / "template"
        write_tree(template, made.files)
        baked = cookies.bake(more, template=str(template))
        assert baked.exception is None, baked.exception
        run_copy(str(template), tmp_path / "copied", dict(more), defaults=True, quiet=True)
        answers, layers = choose(catalogue, *choice, **more)
        return {
            "native": contents(RENDERER.render(answers, layers, __version__)),
            "cookiecutter": read(baked.project_path),
            "copier": read(tmp_path / "copied"),
        }

    return bake


def choices() -> list[Any]:
    """Every domain in every style, bare and with all that goes; at night with some of that too."""
    found = []
    for domain, style in CELLS:
        fit = set(fitting(CATALOGUE, domain, style))
        for features in (subset for subset in SUBSETS if fit.issuperset(subset)):
            marks = [pytest.mark.nightly] if 0 < len(features) < len(fit) else []
            name = "+".join((f"{domain}-{style}", *features))
            found.append(pytest.param(domain, style, features, marks=marks, id=name))
    return found


@pytest.mark.parametrize(("domain", "style", "features"), choices())
def test_every_project_is_the_same(
    domain: str, style: str, features: tuple[str, ...], bake: Bake
) -> None:
    made = bake(CATALOGUE, domain, style, *features, name=NAME, description=ODD)
    assert made["cookiecutter"] == made["native"]
    assert made["copier"] == made["native"]


@pytest.mark.parametrize("features", [(), ("extra",)])
@pytest.mark.parametrize(
    "answers",
    [
        {},
        {"name": NAME, "description": ODD, "owner": "Nobody | else"},
    ],
)
def test_no_file_is_too_strange(
    features: tuple[str, ...], answers: dict[str, str], bake: Bake, tmp_path: Path
) -> None:
    made = bake(write_toy(tmp_path / "toy"), "toy", "plain", *features, **answers)
    assert made["cookiecutter"] == made["native"]
    assert made["copier"] == made["native"]
    assert made["native"]["run.sh"][1]
    assert made["native"]["rendered.sh"][1]
    assert len(made["native"]) == 24 + len(features)


def test_an_answer_may_have_a_name_that_yaml_takes_for_more(bake: Bake, tmp_path: Path) -> None:
    layer = b'label = "Extra"\nhelp = "more"\nanswers = {yes = "a", off = "b", null = "c"}\n'
    changes = {
        "features/extra/layer.toml": layer,
        "features/extra/a.txt.jinja": b"{{ yes }} {{ off }} {{ null }}",
    }
    made = bake(write_toy(tmp_path / "toy", changes), "toy", "plain", "extra", yes="d")
    assert made["native"]["a.txt"][0] == b"d b c"
    assert made["cookiecutter"] == made["native"]
    assert made["copier"] == made["native"]


@pytest.mark.parametrize("engine", ENGINES)
def test_new_renders_through_an_engine(
    engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    catalogue = write_toy(tmp_path / "toy")
    results = {}
    for kind in (None, engine):
        folder = tmp_path / f"by-{kind}"
        folder.mkdir()
        monkeypatch.chdir(folder)
        request = Request(
            name="x", domain="toy", style="plain", sets=(f"description={ODD}",), engine=kind
        )
        create(request, catalogue=catalogue, renderer=EngineRenderer(kind) if kind else None)
        results[kind] = read(folder)
    assert results[engine] == results[None]
    assert "x/.ptscaffold.toml" in results[engine]
    assert not (tmp_path / "home").exists(), "an engine remembers what it was asked"


@pytest.mark.parametrize(("domain", "style"), CELLS[::4])
def test_the_command_lines_agree(domain: str, style: str, tmp_path: Path) -> None:
    def run(*command: str) -> None:
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr

    choice = ["--domain", domain, "--style", style, "--feature", "ci"]
    run("ptscaffold", "new", "net", *choice)
    run("ptscaffold", "export", "template", *choice)
    run("cookiecutter", "--no-input", "template", "--output-dir", "baked", "name=net")
    run("copier", "copy", "--defaults", "--data", "name=net", "template", "copied")
    native = read(tmp_path / "net")
    native.pop(".ptscaffold.toml")
    assert read(tmp_path / "baked/net") == native
    assert read(tmp_path / "copied") == native
