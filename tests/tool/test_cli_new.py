"""`ptscaffold new`: exit code, both streams and the tree, for good input and bad."""

from __future__ import annotations

import json
import shlex
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
import typer

from ptscaffold import __version__
from ptscaffold.cli.app import app
from ptscaffold.layers.content import digest
from ptscaffold.project.show import show_project

Run = Callable[..., object]

VISION = ("--domain", "vision", "--style", "lightning")

PROJECT = [
    ".gitignore",
    ".ptscaffold.toml",
    "README.md",
    "logo.png",
    "pyproject.toml",
    "run.sh",
    "src/{package}/__init__.py",
    "src/{package}/data.py",
    "src/{package}/flags.py",
    "src/{package}/lit.py",
    "src/{package}/train.py",
    "tests/test_base.py",
]


def project(folder: str, package: str) -> list[str]:
    return [f"{folder}/{path.format(package=package)}" for path in PROJECT]


def test_one_line_makes_a_project(run: Run) -> None:
    ran = run("new", *VISION)
    assert ran.code == 0
    assert ran.out == "vision-lightning\n"
    assert (
        ran.err
        == """\
Created vision-lightning/ (12 files): vision, lightning, template X.Y.Z
Again:  ptscaffold new vision-lightning --domain vision --style lightning --no-input
Next:   cd vision-lightning
        python3 -m venv .venv
        .venv/bin/python -m pip install -e .
        .venv/bin/python -m vision_lightning.train
        .venv/bin/tensorboard --logdir runs
"""
    )
    assert ran.tree == project("vision-lightning", "vision_lightning")


@pytest.mark.parametrize("place", ["digits", "some where/digits"])
def test_a_name_may_be_an_absolute_path(run: Run, work: Path, place: str) -> None:
    there = work / place
    ran = run("new", str(there), *VISION)
    assert (ran.code, ran.out) == (0, f"{there}\n")
    assert ran.tree == project(place, "digits")
    assert show_project(there)["answers"]["name"] == "digits"
    again = shlex.join(["ptscaffold", "new", str(there), *VISION, "--no-input"])
    assert f"Again:  {again}\n" in ran.err
    assert f"cd {shlex.quote(str(there))}\n" in ran.err


@pytest.mark.parametrize(
    "name", [info.name for info in typer.main.get_command(app).commands.values()]
)
def test_every_command_takes_the_flags_that_all_have(name: str) -> None:
    command = typer.main.get_command(app).commands[name]
    flags = {flag for parameter in command.params for flag in parameter.opts}
    assert {"--json", "--no-input", "--debug"} <= flags


def test_with_uv_the_steps_are_shorter(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: f"/bin/{name}")
    ran = run("new", "digits", *VISION)
    assert (
        ran.err
        == """\
Created digits/ (12 files): vision, lightning, template X.Y.Z
Again:  ptscaffold new digits --domain vision --style lightning --no-input
Next:   cd digits
        uv sync
        uv run python -m digits.train
        uv run tensorboard --logdir runs
"""
    )


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ('floor = "0.9"\n', "Expect: accuracy 0.90 or more on its sample\n"),
        ('metric = "iou"\nfloor = "0.9"\n', "Expect: iou 0.90 or more on its sample\n"),
        ('metric = "wer"\nceiling = "0.1"\n', "Expect: wer 0.10 or less on its sample\n"),
        (
            'floor = "0.9"\nseconds = "60"\n',
            "Expect: accuracy 0.90 or more on its sample, within 60 s on two CPU cores\n",
        ),
        ('seconds = "60"\n', ""),
    ],
)
def test_what_to_expect_is_said_as_the_manifest_has_it(
    run: Run, layers_root: Path, table: str, expected: str
) -> None:
    with (layers_root / "domains/vision/layer.toml").open("a") as manifest:
        manifest.write(f"[test]\n{table}")
    ran = run("new", *VISION)
    said = ran.err.partition("--no-input\n")[2].partition("Next:")[0]
    assert (ran.code, said) == (0, expected)


def test_features_add_their_files_and_steps(run: Run) -> None:
    ran = run("new", *VISION, "--feature", "docker")
    assert ran.code == 0
    assert "vision-lightning/Dockerfile" in ran.tree
    assert (
        "Again:  ptscaffold new vision-lightning --domain vision --style lightning --feature"
        in (ran.err)
    )
    assert ran.err.endswith("        docker build -t vision-lightning .\n")


def test_the_command_to_make_it_again_makes_the_same(run: Run, work: Path) -> None:
    import shlex

    description = 'it\'s "{{ x }}" \\ {% raw %}\nand more'
    ran = run("new", "deep er/digits", *VISION, "--set", f"description={description}", "--json")
    first = json.loads(ran.out)
    before = {p: (work / "deep er/digits" / p).read_bytes() for p in first["files"]}
    (work / "deep er").rename(work / "gone")
    words = shlex.split(first["command"])
    assert words[0] == "ptscaffold"
    assert run(*words[1:]).code == 0
    assert before == {p: (work / "deep er/digits" / p).read_bytes() for p in first["files"]}
    assert first["next_steps"][0] == "cd 'deep er/digits'"
    recorded = tomllib.loads(before[".ptscaffold.toml"].decode())
    assert recorded["answers"]["description"] == description
    assert tomllib.loads(before["pyproject.toml"].decode())["project"]["description"] == description


def test_dry_run_prints_the_tree_and_writes_nothing(run: Run) -> None:
    ran = run("new", "digits", *VISION, "--dry-run")
    assert ran.code == 0
    assert (
        ran.out
        == """\
digits/
  .gitignore
  .ptscaffold.toml
  README.md
  logo.png
  pyproject.toml
  run.sh
  src/digits/
    __init__.py
    data.py
    flags.py
    lit.py
    train.py
  tests/
    test_base.py
"""
    )
    assert ran.err == "12 files, 2 kB; nothing written\n"
    assert ran.tree == []


def test_json_is_one_object(run: Run) -> None:
    ran = run("new", "digits", *VISION, "--json")
    assert json.loads(ran.out) == {
        "directory": "digits",
        "answers": {
            "name": "digits",
            "description": "Image classification (Lightning)",
            "domain": "vision",
            "style": "lightning",
            "features": [],
        },
        "layers": ["base", "domains/vision", "styles/lightning"],
        "template_version": "X.Y.Z",
        "preset": None,
        "files": [path.format(package="digits") for path in PROJECT],
        "written": [path.format(package="digits") for path in PROJECT],
        "kept": [],
        "dry_run": False,
        "installed": False,
        "command": "ptscaffold new digits --domain vision --style lightning --no-input",
        "expected": {},
        "next_steps": [
            "cd digits",
            "python3 -m venv .venv",
            ".venv/bin/python -m pip install -e .",
            ".venv/bin/python -m digits.train",
            ".venv/bin/tensorboard --logdir runs",
        ],
    }
    assert ran.err.startswith("Created digits/")


def test_json_of_a_dry_run_and_of_an_error(run: Run) -> None:
    planned = json.loads(run("new", *VISION, "--dry-run", "--json").out)
    assert planned["dry_run"]
    assert planned["written"] == []
    ran = run("new", "--domain", "vision", "--json")
    assert json.loads(ran.out) == {
        "errors": ["--style is missing (plain, lightning)"],
        "hint": "see ptscaffold list, then ptscaffold new NAME --domain DOMAIN --style STYLE",
        "exit_code": 2,
    }
    assert ran.tree == []


def test_the_record_holds_versions_answers_and_hashes(run: Run, work: Path) -> None:
    run("new", "digits", *VISION)
    record = show_project(work / "digits")
    assert record["tool_version"] == record["template_version"] == __version__
    table = tomllib.loads((work / "digits/.ptscaffold.toml").read_text())
    assert ".ptscaffold.toml" not in table["files"]
    for path, recorded in table["files"].items():
        assert digest((work / "digits" / path).read_bytes()) == recorded
    assert digest(b"a\r\nb\n") == digest(b"a\nb\n")


USAGE = "hint: see ptscaffold list, then ptscaffold new NAME --domain DOMAIN --style STYLE\n"


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (
            ["new"],
            "error: --domain is missing (vision, text)\n"
            "error: --style is missing (plain, lightning)\n" + USAGE,
        ),
        (
            ["new", "--domain", "vision", "--style", "lightening"],
            "error: unknown style 'lightening' for --style (plain, lightning). "
            "Did you mean 'lightning'?\n" + USAGE,
        ),
        (
            ["new", "torch", "--domain", "visoin", "--set", "styl=x"],
            "error: unknown answer 'styl' for --set (domain, style, features, name, description)."
            " Did you mean 'style'?\n"
            "error: 'torch' cannot be a project name: the package would hide the installed library"
            " 'torch'. Try 'my-torch'\n"
            "error: unknown domain 'visoin' for --domain (vision, text). Did you mean 'vision'?\n"
            "error: --style is missing (plain, lightning)\n" + USAGE,
        ),
        (
            ["new", "../x", *VISION],
            "error: '../x' leads out of this folder. Use --into ../x or cd there first\n" + USAGE,
        ),
        (
            ["new", "--set", "name=/tmp/x", *VISION],
            "error: '/tmp/x' is an absolute path, not a name. Use --into /tmp/x or cd there first\n"
            + USAGE,
        ),
        (
            ["new", "a/b", *VISION, "--into", "x"],
            "error: 'a/b' is a path, but --into already says where to go. Give a plain name\n"
            + USAGE,
        ),
        (
            ["new", "--stile", "plain"],
            "error: unknown option '--stile' for ptscaffold new (--domain, --style, --feature, "
            "--set, --answers, --pack, --preset, --no-preset, --engine, --into, --dry-run, "
            "--install, --no-input, --json, --debug, --help). "
            "Did you mean '--style'?\nhint: see ptscaffold new --help\n",
        ),
        (
            ["--verson"],
            "error: unknown option '--verson' for ptscaffold (--version, --help). "
            "Did you mean '--version'?\nhint: see ptscaffold --help\n",
        ),
        (
            ["nwe"],
            "error: unknown command 'nwe' "
            "(new, list, show, update, add, remove, diff, check, export, doctor, test, "
            "completion). Did you mean 'new'?\n"
            "hint: see ptscaffold --help\n",
        ),
        (
            ["new", "a", "b"],
            "error: got unexpected extra argument(s) (b)\nhint: see ptscaffold new --help\n",
        ),
        (
            ["new", "--domain"],
            "error: option '--domain' requires an argument\nhint: see ptscaffold --help\n",
        ),
        (
            ["list", "--json=yes"],
            "error: option '--json' does not take a value\nhint: see ptscaffold --help\n",
        ),
    ],
)
def test_bad_usage_changes_nothing(run: Run, arguments: list[str], error: str) -> None:
    ran = run(*arguments)
    assert (ran.code, ran.out, ran.err, ran.tree) == (2, "", error, [])


@pytest.mark.parametrize(
    "name",
    ["class", "3d", "torch", "test", "größe", "my net", "../x", "x" * 300, "con", "net.", ""],
)
def test_a_name_that_is_no_package_changes_nothing(run: Run, name: str) -> None:
    ran = run("new", name, *VISION)
    assert (ran.code, ran.out, ran.tree) == (2, "", [])
    assert ran.err.startswith("error: ")
    assert "Try '" in ran.err or "--into" in ran.err


def test_an_occupied_destination_is_listed_and_left_alone(run: Run, work: Path) -> None:
    (work / "digits").mkdir()
    for index in range(10):
        (work / f"digits/{index}.txt").write_text("mine")
    ran = run("new", "digits", *VISION)
    assert ran.code == 1
    assert ran.err == (
        "error: digits is not empty, nothing was written; in the way: 0.txt, 1.txt, 2.txt, 3.txt, "
        "4.txt, 5.txt, 6.txt, 7.txt and 2 more\n"
        "hint: choose another name, or keep what is there: --into digits\n"
    )
    assert ran.tree == [f"digits/{index}.txt" for index in range(10)]


def test_a_project_at_the_destination_is_to_be_updated(run: Run) -> None:
    run("new", "digits", *VISION)
    again = run("new", "digits", *VISION)
    assert again.code == 1
    assert again.err.splitlines()[-1] == (
        "hint: choose another name, or change the project: ptscaffold update digits --set KEY=VALUE"
    )


def test_a_file_at_the_destination_is_left_alone(run: Run, work: Path) -> None:
    (work / "digits").write_text("mine")
    ran = run("new", "digits", *VISION)
    assert ran.code == 1
    assert ran.err.startswith("error: digits exists and is not a folder\n")
    assert ran.tree == ["digits"]


def test_into_keeps_what_is_there_and_asks_for_a_look(run: Run, work: Path) -> None:
    (work / "README.md").write_text("mine")
    (work / ".gitignore").write_text("runs/\n")
    ran = run("new", "digits", *VISION, "--into", ".")
    assert ran.code == 3
    assert (
        ran.err
        == """\
Added to ./ (10 files): vision, lightning, template X.Y.Z
Again:  ptscaffold new digits --domain vision --style lightning --into . --no-input
Next:   python3 -m venv .venv
        .venv/bin/python -m pip install -e .
        .venv/bin/python -m digits.train
        .venv/bin/tensorboard --logdir runs
Kept as it was, different from the template (1 file):
  README.md
hint: ptscaffold diff shows how; take what you need by hand
"""
    )
    assert (work / "README.md").read_text() == "mine"
    assert ran.tree == [path.format(package="digits") for path in PROJECT]


def test_into_takes_the_name_from_the_folder_and_may_make_it(run: Run, work: Path) -> None:
    ran = run("new", *VISION, "--into", "../elsewhere")
    assert ran.code == 0
    assert "Again:  ptscaffold new --domain vision --style lightning --into ../elsewhere" in ran.err
    assert (work.parent / "elsewhere/src/elsewhere/train.py").is_file()
    again = run("new", *VISION, "--into", "../elsewhere")
    assert (again.code, again.err.splitlines()[0]) == (
        0,
        "Added to ../elsewhere/ (0 files): vision, lightning, template X.Y.Z",
    )


def test_into_refuses_a_project_of_another_kind(run: Run, work: Path) -> None:
    run("new", "digits", *VISION)
    before = (work / "digits/.ptscaffold.toml").read_bytes()
    ran = run("new", "--domain", "text", "--style", "plain", "--into", "digits")
    assert ran.code == 1
    assert ran.err == (
        "error: digits is already a ptscaffold project, made with other answers\n"
        "hint: ptscaffold show digits tells which, "
        "ptscaffold update digits --set KEY=VALUE changes them\n"
    )
    assert (work / "digits/.ptscaffold.toml").read_bytes() == before


def test_an_answers_file_answers_everything(run: Run, work: Path) -> None:
    (work / "answers.toml").write_text('domain = "text"\nstyle = "plain"\nname = "reviews"\n')
    ran = run("new", "--answers", "answers.toml")
    assert ran.code == 0
    assert "reviews/src/reviews/train.py" in ran.tree


def test_a_broken_layer_is_reported_and_nothing_written(run: Run, layers_root: Path) -> None:
    (layers_root / "base/README.md.jinja").write_text("{{ oops }}")
    ran = run("new", *VISION)
    assert (ran.code, ran.tree) == (1, [])
    assert ran.err.startswith("error: base/README.md.jinja:1: 'oops' is undefined\nhint: fix the")


def test_an_unexpected_error_is_one_line(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def explode(*_: object, **__: object) -> None:
        raise RuntimeError("boom")

    monkeypatch.setattr("ptscaffold.project.new.create", explode)
    ran = run("new", *VISION)
    assert (ran.code, ran.err) == (
        1,
        "error: ptscaffold X.Y.Z failed: RuntimeError: boom\n"
        "hint: run it again with --debug to see where it failed\n",
    )
    debugged = run("new", *VISION, "--debug")
    assert "Traceback (most recent call last)" in debugged.err
    assert 'raise RuntimeError("boom")' in debugged.err


def test_a_repository_that_has_just_begun_takes_a_project(run: Run, work: Path) -> None:
    (work / "digits/.git").mkdir(parents=True)
    assert run("new", "digits", *VISION).code == 0
    assert (work / "digits/.git").is_dir()


def test_a_pyproject_of_ones_own_comes_first(run: Run, work: Path) -> None:
    (work / "old").mkdir()
    (work / "old/pyproject.toml").write_text("[project]\n")
    steps = json.loads(run("new", "--into", "old", *VISION, "--json").out)["next_steps"]
    assert steps[:2] == [
        "ptscaffold diff old  # pyproject.toml is yours: take over dependencies and packages",
        "cd old",
    ]


@pytest.mark.parametrize("kind", ["a file", "a link"])
def test_a_folder_that_cannot_be_is_no_file_that_is_kept(run: Run, work: Path, kind: str) -> None:
    (work / "old").mkdir()
    (work / "elsewhere").mkdir()
    place = work / "old/src"
    place.touch() if kind == "a file" else place.symlink_to(work / "elsewhere")
    ran = run("new", "--into", "old", *VISION)
    assert ran.code == 1
    assert "src/old/" in ran.err
    assert "cannot be written" in ran.err
    assert [path.name for path in (work / "old").iterdir()] == ["src"]
