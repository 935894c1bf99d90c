"""`ptscaffold export`: what is asked, what is fixed, what cannot be handed over."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from copier import run_copy
from export.toy import choose, contents, read, write_toy

from ptscaffold import __version__
from ptscaffold.cli import app as cli
from ptscaffold.errors import LayerError
from ptscaffold.export.template import export
from ptscaffold.layers.catalogue import Catalogue
from ptscaffold.layers.files import write_tree
from ptscaffold.render.renderer import Renderer


def exported(catalogue: Catalogue, folder: Path, **more: str) -> Path:
    write_tree(folder, export(*choose(catalogue, "toy", "plain", **more)).files)
    return folder


@pytest.mark.parametrize("name", ["torch", "2x", "a b", "", "x" * 41, "-x", "class", "x/../y"])
def test_a_bad_name_is_refused_by_both(name: str, cookies: Any, tmp_path: Path) -> None:
    template = exported(write_toy(tmp_path / "toy"), tmp_path / "template")
    baked = cookies.bake({"name": name}, template=str(template))
    assert baked.exception is not None
    with pytest.raises(ValueError, match="Validation error for question 'name': name: "):
        run_copy(str(template), tmp_path / "out", {"name": name}, defaults=True, quiet=True)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("text", ['say "hi"', "{{ 1 }}", "'); import os", "two\nlines", ""])
def test_a_text_with_markup_is_refused_by_both(text: str, cookies: Any, tmp_path: Path) -> None:
    template = exported(write_toy(tmp_path / "toy"), tmp_path / "template")
    given = {"description": "{% raw %}" + text + "{% endraw %}"}  # or cookiecutter renders it
    assert cookies.bake(given, template=str(template)).exception is not None
    data = {"description": text}
    with pytest.raises(ValueError, match="Validation error for question 'description'"):
        run_copy(str(template), tmp_path / "out", data, defaults=True, quiet=True)


def test_cookiecutter_keeps_what_it_is_told_to_keep(cookies: Any, tmp_path: Path) -> None:
    template = tmp_path / "template"
    write_tree(template, export(*choose(Catalogue(), "vision", "plain")).files)
    out = tmp_path / "out"
    command = [sys.executable, "-m", "cookiecutter", "--no-input", str(template), "-o", str(out)]
    subprocess.run(command, check=True)
    made = [path for path in out.rglob("*") if path.is_file()]
    for path in made:
        path.write_bytes(b"mine")
    subprocess.run([*command, "-f", "-s"], check=True)
    assert {path.read_bytes() for path in made} == {b"mine"}


def test_an_answer_that_templates_go_by_is_fixed(cookies: Any, tmp_path: Path) -> None:
    changes = {
        "features/extra/layer.toml": b"""label = "Extra"
help = "more"
answers = {kind = "b", who = "me"}
""",
        "features/extra/a.txt.jinja": b"{% if kind == 'a' %}A{% else %}B{% endif %} {{ who }}",
    }
    catalogue = write_toy(tmp_path / "toy", changes)
    answers, layers = choose(catalogue, "toy", "plain", "extra", kind="a")
    made = export(answers, layers)
    assert dict(made.fixed) == {"kind": "a"}
    assert list(made.asks) == ["name", "description", "owner", "who"]
    write_tree(tmp_path / "template", made.files)
    baked = cookies.bake({"who": "you"}, template=str(tmp_path / "template"))
    answers, layers = choose(catalogue, "toy", "plain", "extra", kind="a", who="you")
    assert read(baked.project_path) == contents(Renderer().render(answers, layers, __version__))
    assert (baked.project_path / "a.txt").read_text() == "A you"


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{% if name == 'x' %}y{% endif %}", "it depends on what the answer name is"),
        ("{{ name | length }}", "it depends on what the answer name is"),
        ("{% for c in description %}{{ c }}{% endfor %}", "the answer description is"),
        ("{{ name | upper }}", "an answer is changed"),
        ("{{ name | replace('-', '+') }}", "it changes an answer before"),
        ("{{ name[0] }}", "it depends on what the answer name is"),
    ],
)
def test_what_other_engines_cannot_follow_is_said(
    template: str, message: str, tmp_path: Path
) -> None:
    catalogue = write_toy(tmp_path / "toy", {"base/odd.txt.jinja": template.encode()})
    with pytest.raises(LayerError, match=message) as raised:
        export(*choose(catalogue, "toy", "plain"))
    assert "base" in str(raised.value)
    assert "odd.txt" in str(raised.value)


def test_the_template_says_what_it_is(tmp_path: Path) -> None:
    folder = exported(write_toy(tmp_path / "toy"), tmp_path / "template")
    readme = (folder / "README.md").read_text()
    assert "base, domains/toy, styles/plain" in readme
    assert "It asks for name, description, owner;" in readme
    settings = json.loads((folder / "cookiecutter.json").read_text())
    assert [key for key in settings if key[0] != "_"] == ["name", "description", "owner"]
    assert settings["description"] == "Toys (Plain)"
    assert settings["__prompts__"]["owner"] == "Owner"
    assert [path.name for path in (folder / "hooks").iterdir()] == ["pre_gen_project.py"]
    assert max(map(len, (folder / "cookiecutter.json").read_text().splitlines())) < 300
    copier = (folder / "copier.yml").read_text()
    assert not any(word in copier for word in ("_tasks", "_migrations", "_jinja_extensions"))


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    root = write_toy(tmp_path / "toy").root
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    monkeypatch.setattr("ptscaffold.layers.catalogue.templates_root", lambda: root)
    monkeypatch.setattr("ptscaffold.cli.console.as_keyboard_interrupt", lambda: None)

    def run(*arguments: str) -> tuple[int, str, str]:
        code = cli.run(list(arguments))
        return (code, *capsys.readouterr())

    return run


CHOICE = ("--domain", "toy", "--style", "plain")


def test_the_command_says_how_to_go_on(run: Any, tmp_path: Path) -> None:
    code, out, err = run("export", "our template", *CHOICE, "--set", "owner=us")
    assert (code, out) == (0, "our template\n")
    assert err == (
        f"Exported our template/ (53 files): toy, plain, template {__version__}\n"
        "Asks:   name, description, owner\n"
        "Use:    cookiecutter 'our template'\n"
        "        copier copy 'our template' toy-plain\n"
    )
    settings = json.loads((tmp_path / "work/our template/cookiecutter.json").read_text())
    assert settings["owner"] == "us"
    code, out, err = run("export", "our template", *CHOICE)
    assert (code, out) == (1, "")
    assert "our template is not empty, nothing was written" in err
    assert "hint: choose another folder, or commit the export that is there" in err


def commit(folder: Path) -> None:
    git = ["git", "-c", "user.name=x", "-c", "user.email=x@localhost"]
    for command in (["add", "-A"], ["commit", "-qm", "one"]):
        subprocess.run([*git, *command], cwd=folder, check=True)


@pytest.fixture
def template(run: Any, tmp_path: Path) -> Path:
    """An export that git keeps, in a folder of its repository."""
    subprocess.run(["git", "init", "-q"], cwd=tmp_path / "work", check=True)
    assert run("export", "t", *CHOICE)[0] == 0
    commit(tmp_path / "work")
    return tmp_path / "work" / "t"


def test_an_export_takes_the_place_of_the_last_one(run: Any, template: Path) -> None:
    (template / "template/own.txt").write_text("own")
    (template / "README.md").write_text("ours")
    (template / "LICENSE").write_text("ours")
    commit(template)
    (template / "LICENSE").write_text("not a part of it")
    again = ("export", "t", *CHOICE, "--set", "owner=us", "--engine", "copier")
    for flags in (("--dry-run",), ()):
        code, _, err = run(*again, *flags)
        assert code == 0
        assert "Without template/own.txt, which git keeps\n" in err
        assert "Without cookiecutter.json, which git keeps\n" in err
        assert (template / "template/own.txt").exists() == bool(flags)
    assert "us" in (template / "copier.yml").read_text()
    assert not (template / "cookiecutter.json").exists()
    assert (template / "README.md").read_text() == "ours"
    assert (template / "LICENSE").read_text() == "not a part of it"


@pytest.mark.parametrize("ignored", [False, True])
@pytest.mark.parametrize("file", ["copier.yml", "template/own.txt", "template/Makefile"])
def test_what_git_does_not_hold_of_the_last_export_is_said(
    file: str, ignored: bool, run: Any, template: Path, tmp_path: Path
) -> None:
    layer = tmp_path / "toy/features/extra/Makefile"
    layer.write_text("all:\n")
    if ignored:
        (template.parent / ".git/info/exclude").write_text("Makefile\n")
    (template / file).write_text("edited")
    code, _, err = run("export", "t", *CHOICE, "--feature", "extra")
    assert code == 1
    assert f"git does not hold all of the export that is there: {file}\n" in err
    assert "hint: commit these, with git add -f what it ignores, or remove them" in err
    assert (template / file).read_text() == "edited"


def test_a_link_in_the_last_export_is_said(run: Any, template: Path) -> None:
    (template / "template/LINK").symlink_to("../README.md")
    commit(template)
    code, _, err = run("export", "t", *CHOICE)
    assert (code, "t/template/LINK: it is a link" in err) == (1, True)


def test_a_repository_that_has_just_begun_takes_an_export(run: Any, tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", "t"], cwd=tmp_path / "work", check=True)
    assert run("export", "t", *CHOICE)[0] == 0
    assert (tmp_path / "work/t/.git").is_dir()


def test_one_engine_only_and_a_dry_run(run: Any, tmp_path: Path) -> None:
    code, out, err = run("export", "t", *CHOICE, "--engine", "copier", "--dry-run")
    assert code == 0
    assert "copier.yml" in out
    assert "cookiecutter.json" not in out
    assert err.endswith("; nothing written\n")
    code, out, _ = run("export", "t", *CHOICE, "--engine", "copier", "--dry-run", "--json")
    told = json.loads(out)
    assert code == 0
    assert told["asks"] == {
        "name": "toy-plain",
        "description": "Toys (Plain)",
        "owner": "somebody",
    }
    assert (told["dry_run"], told["fixed"]) == (True, {})
    assert list((tmp_path / "work").iterdir()) == []


@pytest.mark.parametrize("command", [("export", "t"), ("new", "t")])
def test_bad_input_is_said(run: Any, command: tuple[str, ...], tmp_path: Path) -> None:
    code, out, err = run(*command, *CHOICE, "--engine", "coper")
    assert (code, out) == (2, "")
    assert err.startswith(
        "error: unknown engine 'coper' for --engine (cookiecutter, copier). Did you mean 'copier'?"
    )
    code, _, err = run(*command, "--domain", "toi")
    assert code == 2
    assert "--style is missing" in err
    assert list((tmp_path / "work").iterdir()) == []


@pytest.mark.parametrize("engine", ["cookiecutter", "copier"])
def test_an_engine_that_is_not_installed_is_said(
    engine: str, run: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, engine, None)
    monkeypatch.setitem(sys.modules, f"{engine}.main", None)
    code, out, err = run("new", "x", *CHOICE, "--engine", engine)
    assert (code, out) == (2, "")
    assert err == (f"error: {engine} is not installed\nhint: pip install 'ptscaffold[engines]'\n")
    assert list((tmp_path / "work").iterdir()) == []


def test_an_engine_that_fails_is_said(
    run: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("boom")

    monkeypatch.setattr("copier.run_copy", fail)
    code, _, err = run("new", "x", *CHOICE, "--engine", "copier")
    assert code == 1
    assert "copier failed: boom" in err
    assert list((tmp_path / "work").iterdir()) == []
