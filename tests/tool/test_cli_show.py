"""`ptscaffold list`, `show`, `--help` and `--version`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., object]


def test_help_opens_with_the_one_line_and_the_exit_codes(run: Run) -> None:
    ran = run("--help")
    assert (ran.code, ran.err) == (0, "")
    assert (
        ran.out
        == """\
Usage: ptscaffold [OPTIONS] COMMAND [ARGS]...

  One line does it: ptscaffold new NAME --domain vision --style lightning
  Exit codes: 0 done, 1 failed, 2 usage, 3 needs you, 130 interrupted.
  Asks nothing without a terminal, with --no-input or with CI set. No telemetry.

Options:
  --version   Show the version.
  -h, --help  Show this message and exit.

Commands:
  new         Make a project.
  list        List the domains, styles and features.
  show        Show a layer, a choice of layers, or a project.
  update      Bring a project to the newest template.
  add         Add features to a project.
  remove      Remove features from a project.
  diff        Show what a project changed against its template, as a patch.
  check       Check that a project follows its template.
  export      Write a template for cookiecutter and copier.
  doctor      Find what is set up wrong: Python, PyTorch, GPU, the machine.
  test        Test that templates work.
  completion  Print what lets a shell complete commands and values.
"""
    )


def test_no_command_at_all_is_a_call_for_help(run: Run) -> None:
    assert run() == run("--help")


def test_version(run: Run) -> None:
    ran = run("--version")
    assert (ran.code, ran.out, ran.err) == (0, "ptscaffold X.Y.Z\n", "")


def test_list(run: Run) -> None:
    ran = run("list")
    assert (ran.code, ran.err) == (0, "")
    assert (
        ran.out
        == """\
domains (--domain)
  vision     image classification
  text       text classification

styles (--style)
  plain      one visible loop
  lightning  a LightningModule

features (--feature)
  docker     an image
  serve      an endpoint; not with lightning
"""
    )


def test_list_as_json(run: Run) -> None:
    listed = json.loads(run("list", "--json").out)
    assert list(listed) == ["domains", "styles", "features"]
    assert listed["styles"][1] == {
        "name": "lightning",
        "label": "Lightning",
        "help": "a LightningModule",
        "conflicts": [],
    }


def test_domains_are_listed_by_field(run: Run, layers_root: Path) -> None:
    for name in ("vision", "text"):
        manifest = layers_root / "domains" / name / "layer.toml"
        manifest.write_text(f'field = "{name}s"\n' + manifest.read_text())
    domains = run("list").out.partition("\n\n")[0]
    assert (
        domains
        == """\
domains (--domain)
  visions
    vision     image classification
  texts
    text       text classification"""
    )
    listed = json.loads(run("list", "--json").out)["domains"]
    assert [domain["field"] for domain in listed] == ["visions", "texts"]


def test_show_a_layer(run: Run) -> None:
    ran = run("show", "styles/lightning")
    assert ran.code == 0
    assert (
        ran.out
        == """\
layer: styles/lightning
label: Lightning
help: a LightningModule
dependencies: lightning>=2.5
2 files:
  src/__package__/lit.py
  src/__package__/train.py
"""
    )


def test_show_a_choice_of_layers(run: Run) -> None:
    ran = run("show", "--domain", "text", "--style", "plain", "--feature", "docker")
    assert ran.code == 0
    assert (
        ran.out
        == """\
layers: base, domains/text, styles/plain, features/docker
11 files:
  base             .gitignore
  features/docker  Dockerfile
  base             README.md
  base             logo.png
  base             pyproject.toml
  base             run.sh
  base             src/text_plain/__init__.py
  domains/text     src/text_plain/data.py
  base             src/text_plain/flags.py
  styles/plain     src/text_plain/train.py
  base             tests/test_base.py
"""
    )


def test_show_a_project(run: Run, work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run("new", "digits", "--domain", "vision", "--style", "plain")
    ran = run("show", "digits")
    assert ran.code == 0
    assert ran.out.startswith("""\
project: digits
tool version: X.Y.Z
template version: X.Y.Z
newest version: X.Y.Z
name: digits
description: Image classification (plain PyTorch)
domain: vision
style: plain
features: none
10 files:
  .gitignore
""")
    monkeypatch.chdir(work / "digits")
    shown = json.loads(run("show", "--json").out)
    assert shown["project"] == "."
    assert shown["newest_version"] == shown["template_version"] == "X.Y.Z"
    assert shown["locked"] == []
    assert shown["answers"]["domain"] == "vision"
    assert len(shown["files"]) == 10


def test_show_a_project_that_is_behind(
    run: Run, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("new", "digits", "--domain", "vision", "--style", "plain", "--feature", "docker")
    record = work / "digits/.ptscaffold.toml"
    text = record.read_text()
    record.write_text(text.replace("\n[answers]", 'locked = ["src/*", "run.sh"]\n\n[answers]'))
    monkeypatch.setattr("ptscaffold.project.show.__version__", "9.9.9")
    out = run("show", "digits").out
    assert "template version: X.Y.Z\nnewest version: 9.9.9\nlocked: src/*, run.sh\n" in out
    assert "features: docker\n" in out


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["show", "domains/vison"], "Did you mean 'domains/vision'?"),
        (["show"], "is no ptscaffold project"),
        (["show", "--domain", "vision"], "--style is missing (plain, lightning)"),
        (["show", "base", "--domain", "vision"], "give either a layer or folder, or --domain"),
    ],
)
def test_bad_usage_of_show(run: Run, arguments: list[str], error: str) -> None:
    ran = run(*arguments)
    assert (ran.code, ran.out) == (2, "")
    assert error in ran.err


def test_a_damaged_record_is_named(run: Run, work: Path) -> None:
    (work / ".ptscaffold.toml").write_text('tool-version = "1"\n')
    ran = run("show")
    assert ran.code == 1
    assert ran.err == (
        "error: cannot read .ptscaffold.toml: template-version is missing\n"
        "hint: restore the file from version control\n"
    )


def test_what_a_layer_asks_for_is_shown(run: Run, layers_root: Path) -> None:
    manifest = layers_root / "styles/plain/layer.toml"
    manifest.write_text(manifest.read_text() + '\n[answers]\nhidden_size = "64"\n')
    assert "hidden_size: 64\n" in run("show", "styles/plain").out
    chosen = ("show", "--domain", "vision", "--style", "plain")
    assert "hidden_size: 64\n" in run(*chosen).out
    assert json.loads(run(*chosen, "--json").out)["answers"] == {"hidden_size": "64"}
