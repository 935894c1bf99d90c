"""The fixture `scaffold`, in the tests of a pack and on its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from export.toy import ODD

from ptscaffold.errors import UsageError
from ptscaffold.project.new import Request, create
from ptscaffold.trial.pytest_plugin import Baked

EXAMPLE = Path(__file__).parents[2] / "docs/example-pack"

Scaffold = Callable[..., Baked]


def run_pytest(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST", "COV"))}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


def test_the_example_pack_passes_its_own_tests() -> None:
    done = run_pytest(EXAMPLE, "-W", "error")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 passed" in done.stdout


def test_what_a_failing_command_printed_is_in_the_report(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text("""
def test_it(scaffold):
    scaffold(domain="vision", style="plain").run("python -c 'import sys; sys.exit(chr(120) * 9)'")
""")
    done = run_pytest(tmp_path)
    assert done.returncode == 1
    assert "ended with 1 in " in done.stdout
    assert "xxxxxxxxx" in done.stdout


def test_pytest_cookies_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text("def test_it(scaffold):\n    pass\n")
    done = run_pytest(tmp_path, "-p", "no:cookies")
    assert done.returncode == 1
    assert "pip install 'ptscaffold[test]'" in done.stdout


def test_a_baked_project_is_the_one_of_new(
    scaffold: Scaffold, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    baked = scaffold(
        domain="text", style="fastai", features=["docker"], name="net", description=ODD
    )
    assert baked.answers == {
        "name": "net",
        "description": ODD,
        "domain": "text",
        "style": "fastai",
        "features": ["docker"],
    }
    monkeypatch.chdir(tmp_path)
    sets = (f"description={ODD}",)
    request = Request(name="net", domain="text", style="fastai", features=("docker",), sets=sets)
    plan = create(request, dry_run=True).plan
    for path, file in plan.files.items():
        if path != ".ptscaffold.toml":
            assert (baked.path / path).read_bytes() == file.data


def test_a_command_runs_in_the_project(scaffold: Scaffold) -> None:
    baked = scaffold(
        domain="vision",
        style="plain",
        features=["hooks"],
        packs=[EXAMPLE],
        ruff_version="9.9.9",
    )
    code = (
        "import os; print(os.getcwd()); print(os.environ['X']); print('VIRTUAL_ENV' in os.environ)"
    )
    done = baked.run(f'{sys.executable} -c "{code}"', X="y")
    assert done.stdout.splitlines() == [str(baked.path), "y", "False"]
    assert baked.run(f"{sys.executable} -c 1/0", check=False).returncode == 1


def test_a_wrong_choice_is_a_usage_error(scaffold: Scaffold) -> None:
    with pytest.raises(UsageError, match="unknown domain 'vison'"):
        scaffold(domain="vison", style="plain")
