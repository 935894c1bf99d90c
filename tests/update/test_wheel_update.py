"""From one installed wheel to the next, without a network: what users of releases do."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ptscaffold import __version__

CHECKOUT = Path(__file__).parents[2]
NEXT = "99.0.0"
OLD_LINE = '"""The run: its flags'
NEW_LINE = '"""Every run: its flags'
Run = Callable[..., "subprocess.CompletedProcess[str]"]

# A stray import of the checkout, a clone or a download would show itself.
NO_NETWORK = """\
import socket

def refuse(*args, **kwargs):
    raise AssertionError("the network was asked for")

socket.socket = socket.create_connection = socket.getaddrinfo = refuse
"""

PTSCAFFOLD = Path("bin/ptscaffold") if os.name != "nt" else Path("Scripts/ptscaffold.exe")


def release(checkout: Path, out: Path) -> Path:
    """The steps of a release: put the templates into the history, build the wheel."""
    environment = {**os.environ, "PYTHONPATH": str(checkout / "src")}
    for command in (
        [sys.executable, "-m", "ptscaffold.layers.history"],
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)],
    ):
        done = subprocess.run(
            command, cwd=checkout, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
    return next(out.glob("*.whl"))


def install(wheel: Path, venv: Path) -> Path:
    uv = shutil.which("uv", path=str(Path(sys.executable).parent)) or shutil.which("uv")
    assert uv, "uv is in the dev dependencies"
    subprocess.run([uv, "venv", "-q", "--python", sys.executable, venv], check=True)
    python = venv / PTSCAFFOLD.parent / "python"
    subprocess.run([uv, "pip", "install", "-q", "--python", python, wheel], check=True)
    (package,) = venv.rglob("site-packages/ptscaffold")
    (package.parent / "nonetwork.py").write_text(NO_NETWORK)
    (package.parent / "nonetwork.pth").write_text("import nonetwork\n")
    probe = [str(python), "-c", "import socket; socket.create_connection(('localhost', 1))"]
    refused = subprocess.run(probe, capture_output=True, text=True)
    assert "the network was asked for" in refused.stderr
    return venv / PTSCAFFOLD


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1, f"{path}: {old!r}"
    path.write_text(text.replace(old, new), encoding="utf-8", newline="\n")


def append(path: Path, text: str) -> None:
    path.write_text(path.read_text(encoding="utf-8") + text, encoding="utf-8", newline="\n")


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The command of this version, and that of a next one, whose templates differ."""
    folder = tmp_path_factory.mktemp("releases")
    checkout, templates = folder / "checkout", folder / "checkout/templates"
    left_out = shutil.ignore_patterns(".*", "__pycache__", "demo", "dist", "build", "templates")
    shutil.copytree(CHECKOUT, checkout, ignore=left_out)
    shutil.copytree(CHECKOUT / "templates", templates, ignore=shutil.ignore_patterns("__pycache__"))
    first = install(release(checkout, folder / "first"), folder / "venv1")
    package = templates / "base/src/__package__"
    change(package / "run.py", OLD_LINE, NEW_LINE)
    append(package / "task.py", "\n# The next version\n")
    (package / "extra.py").write_text('"""New in the next version."""\n')
    (package / "extra.py").chmod(0o755)
    append(templates / "base/README.md.jinja", "\nThe end of {{ name }}.\n")
    change(checkout / "src/ptscaffold/__init__.py", f'"{__version__}"', f'"{NEXT}"')
    change(checkout / "pyproject.toml", f'\nversion = "{__version__}"', f'\nversion = "{NEXT}"')
    return first, install(release(checkout, folder / "second"), folder / "venv2")


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run a command away from the checkout, by default with git."""

    def run(
        command: Path, *arguments: str, path: str = os.defpath
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [command, *arguments],
            cwd=tmp_path,
            env={"PATH": path, "HOME": str(tmp_path)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )

    return run


@pytest.fixture
def project(tools: tuple[Path, Path], run: Run, tmp_path: Path) -> Path:
    """A project of the first release."""
    options = ["--domain", "vision", "--style", "plain", "--feature", "ci"]
    done = run(tools[0], "new", "digits", *options)
    assert done.returncode == 0, done.stderr
    return tmp_path / "digits"


def files(project: Path) -> dict[str, tuple[bytes, int]]:
    return {
        path.relative_to(project).as_posix(): (path.read_bytes(), path.stat().st_mode)
        for path in project.rglob("*")
        if path.is_file()
    }


def test_the_next_release_updates_a_project(
    tools: tuple[Path, Path], run: Run, project: Path
) -> None:
    first, second = tools
    package = project / "src/digits"
    append(package / "run.py", "\n# Mine\n")
    append(package / "model.py", "\n# Mine too\n")
    (project / "notes.txt").write_text("mine\n")
    (package / "task.py").unlink()

    shown = json.loads(run(second, "show", "digits", "--json").stdout)
    assert (shown["template_version"], shown["newest_version"]) == (__version__, NEXT)
    assert shown["answers"]["features"] == ["ci"]
    checked = run(second, "check", "digits")
    assert checked.returncode == 3
    assert f"made from template {__version__}, the newest is {NEXT} (ptsc" in checked.stderr

    before = files(project)
    preview = run(second, "update", "digits", "--diff")
    assert preview.returncode == 0
    assert "+The end of digits." in preview.stdout
    assert files(project) == before

    done = run(second, "update", "digits")
    assert done.returncode == 0, done.stderr
    assert f"template {__version__} -> {NEXT}" in done.stderr
    after = files(project)
    edited = after["src/digits/run.py"][0].decode()
    assert edited.startswith(NEW_LINE)
    assert edited.endswith("# Mine\n")
    assert after["src/digits/model.py"] == before["src/digits/model.py"]
    assert after["README.md"][0].endswith(b"The end of digits.\n")
    assert after["src/digits/extra.py"][1] & 0o111
    assert "src/digits/task.py" not in after
    assert "task.py" in done.stderr
    assert after["notes.txt"] == before["notes.txt"]

    checked = run(second, "check", "digits")
    assert checked.returncode == 0, checked.stderr
    shown = json.loads(run(second, "show", "digits", "--json").stdout)
    assert (shown["template_version"], shown["tool_version"]) == (NEXT, NEXT)
    again = run(second, "update", "digits")
    assert (again.returncode, files(project)) == (0, after)
    assert "nothing to do" in again.stderr

    # The release before knows nothing of it, and says so
    assert run(first, "show", "digits").returncode == 0
    refused = run(first, "update", "digits")
    assert (refused.returncode, files(project)) == (1, after)
    assert f"was written by ptscaffold {NEXT}, and this is {__version__}" in refused.stderr
    checked = run(first, "check", "digits")
    assert checked.returncode == 3
    assert f"was written by ptscaffold {NEXT}, and this is {__version__}" in checked.stderr
    assert "the newest is" not in checked.stderr


def test_an_untouched_project_becomes_a_new_one(
    tools: tuple[Path, Path], run: Run, project: Path, tmp_path: Path
) -> None:
    """Without git on the path: where nothing is merged, nothing needs it."""
    second, nowhere = tools[1], str(tmp_path / "nowhere")
    done = run(second, "update", "digits", path=nowhere)
    assert done.returncode == 0, done.stderr
    again = ["--domain", "vision", "--style", "plain", "--feature", "ci", "--set", "name=digits"]
    assert run(second, "new", "--into", "other", *again, path=nowhere).returncode == 0
    assert files(project) == files(tmp_path / "other")
    for arguments in (
        ["update", "digits", "--set", "style=lightning"],
        ["add", "docker", "--project", "digits"],
        ["remove", "ci", "--project", "digits"],
        ["diff", "digits"],
        ["check", "digits"],
        ["show", "digits"],
    ):
        done = run(second, *arguments, path=nowhere)
        assert done.returncode == 0, done.stderr


def test_a_change_of_the_template_that_is_not_there_is_never_made_up(
    tools: tuple[Path, Path], run: Run, project: Path
) -> None:
    """Other answers are those of the version that the project has: one thing at a time."""
    second = tools[1]
    done = run(second, "update", "digits", "--set", "style=lightning")
    assert done.returncode == 0, done.stderr
    assert (project / "src/digits/module.py").is_file()
    assert not (project / "src/digits/extra.py").exists()
    shown = json.loads(run(second, "show", "digits", "--json").stdout)
    assert (shown["template_version"], shown["tool_version"]) == (__version__, NEXT)
    assert shown["answers"]["style"] == "lightning"


def test_a_merge_without_git_says_what_is_missing(
    tools: tuple[Path, Path], run: Run, project: Path, tmp_path: Path
) -> None:
    append(project / "src/digits/run.py", "\n# Mine\n")
    before = files(project)
    done = run(tools[1], "update", "digits", path=str(tmp_path / "nowhere"))
    assert (done.returncode, done.stdout, files(project)) == (1, "", before)
    assert done.stderr == (
        "error: cannot run git: No such file or directory\nhint: install git; merging is its work\n"
    )
