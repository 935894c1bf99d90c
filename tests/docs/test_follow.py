"""What docs/follow.md says: the session, the policy, the two checks."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from ptscaffold.cli import app as cli

ROOT = Path(__file__).parents[2]


def blocks(language: str) -> list[str]:
    text = (ROOT / "docs/follow.md").read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


@pytest.fixture
def digits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    assert cli.run(["new", "digits", "--domain", "vision", "--style", "lightning"]) == 0
    return tmp_path / "digits"


def without_numbers(text: str) -> str:
    text = re.sub(r"template \d+\.\d+\.\d+\S*", "template VERSION", text)
    return re.sub(r"\d+ more as they were", "N more as they were", text)


def clash(folder: Path) -> None:
    """Edit a paragraph that every style has in its own words, and a file of Lightning's."""
    readme, module = folder / "digits/README.md", folder / "digits/src/digits/module.py"
    text = readme.read_text(encoding="utf-8")
    readme.write_text(re.sub(r"^Learns from .*? timm\.", "Learns digits.", text, flags=re.M))
    module.write_text(module.read_text(encoding="utf-8") + "# ours\n")


def keep_house(folder: Path) -> None:
    (folder / "old").mkdir()
    (folder / "old/README.md").write_text("# Ours\n")


@pytest.mark.parametrize(
    ("number", "prepare", "code"), [(0, lambda folder: None, 0), (1, clash, 3), (2, keep_house, 3)]
)
def test_the_sessions_are_real_ones(
    number: int,
    prepare: Callable[[Path], None],
    code: int,
    digits: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    sessions = blocks("console")
    assert len(sessions) == 3
    command, _, expected = sessions[number].removeprefix("$ ptscaffold ").partition("\n")
    prepare(digits.parent)
    capsys.readouterr()
    assert cli.run(shlex.split(command)) == code
    assert without_numbers(capsys.readouterr().err) == without_numbers(expected)
    if prepare is clash:
        (marked,) = blocks("text")
        merged = (digits / "README.md").read_text(encoding="utf-8")
        assert without_numbers(marked) in without_numbers(merged)


def test_a_locked_file_is_found_edited(digits: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (line,) = blocks("toml")
    patterns = tomllib.loads(line)["locked"]
    table = digits / "src/digits/table.py"
    table.write_text(table.read_text(encoding="utf-8") + "# edited\n", encoding="utf-8")
    assert cli.run(["check", "digits"]) == 0
    assert cli.run(["check", "digits", "--locked", patterns[0]]) == 3
    record = digits / ".ptscaffold.toml"
    text = record.read_text(encoding="utf-8")
    record.write_text(text.replace("\n[answers]", f"{line}\n[answers]"), encoding="utf-8")
    capsys.readouterr()
    assert cli.run(["check", "digits"]) == 3
    assert "src/digits/table.py is locked, but was edited" in capsys.readouterr().err
    assert cli.run(["add", "ci", "--project", "digits"]) == 0
    assert tomllib.loads(record.read_text(encoding="utf-8"))["locked"] == patterns


def test_the_hook_and_the_workflow_run_a_command_that_exists() -> None:
    hook, workflow = map(yaml.safe_load, blocks("yaml"))
    (repository,) = hook["repos"]
    (only,) = repository["hooks"]
    assert {"id", "name", "entry", "language"} <= only.keys()
    assert repository["repo"] == "local"
    (job,) = workflow["jobs"].values()
    assert {"runs-on", "steps"} <= job.keys()
    ran = [step["run"] for step in job["steps"] if "run" in step]
    for command in (only["entry"], *(part.partition("git+URL ")[2] for part in ran)):
        tool, name, *flags = shlex.split(command)
        group: Any = typer.main.get_command(cli.app)
        known = {flag for parameter in group.commands[name].params for flag in parameter.opts}
        assert tool == "ptscaffold"
        assert set(flags) <= known


def test_the_hook_refuses_a_commit(digits: Path) -> None:
    """As pre-commit runs it: the entry, in the folder of the project, without names of files."""
    entry = yaml.safe_load(blocks("yaml")[0])["repos"][0]["hooks"][0]["entry"]
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {**os.environ, "PATH": path}
    record = digits / ".ptscaffold.toml"
    for pattern, code in (("tests/*", 0), ("src/*", 3)):
        text = record.read_text(encoding="utf-8")
        locked = re.sub(
            r"(locked = .*\n)?\n\[answers\]", f'locked = ["{pattern}"]\n\n[answers]', text
        )
        record.write_text(locked, encoding="utf-8")
        (digits / "src/digits/model.py").write_text("model = 1\n")
        done = subprocess.run(
            ["bash", "-c", entry], cwd=digits, env=environment, capture_output=True, text=True
        )
        assert done.returncode == code, done.stderr


def test_an_adopted_folder_follows_the_template(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "old").mkdir()
    readme = tmp_path / "old/README.md"
    readme.write_text("# Ours\n")
    assert cli.run(["new", "--into", "old", "--domain", "text", "--style", "plain"]) == 3
    assert "Kept as it was, different from the template (1 file):\n  README.md" in (
        capsys.readouterr().err
    )
    assert cli.run(["check", "old"]) == 0
    assert "1 file edited, 0 deleted" in capsys.readouterr().err
    assert cli.run(["update", "old", "--set", "style=fastai"]) == 3  # it changes README.md too
    assert "# Ours\n" in readme.read_text()
    assert cli.run(["update", "old", "--abort"]) == 0
    assert readme.read_text() == "# Ours\n"
