"""Every feature in every cell, alone and with all others: lint, types, tests, README's commands.

`ptscaffold test --matrix pairwise` makes an environment for each project; here some 180 projects
share that of the tests.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest
from cells.harness import with_features

from ptscaffold.layers.catalogue import Catalogue
from ptscaffold.project.new import Request, Result, create
from ptscaffold.trial.checks import commands_of
from ptscaffold.trial.matrix import write_scripts

CATALOGUE = Catalogue()
CHECKS = ("ruff check", "ruff format --check", "mypy")


def run(command: str, project: Path) -> None:
    source = {"PYTHONPATH": str(project / "src"), "OMP_NUM_THREADS": "1"}
    source["MYPY_CACHE_DIR"] = str(project.parents[1] / "mypy")  # of the libraries, for all
    source |= {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(
        command,
        shell=True,  # commands of a README are a shell's
        cwd=project,
        env={**os.environ, **source},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"


def make(place: Path, domain: str, style: str, *features: str) -> Result:
    request = Request(domain=domain, style=style, features=features, into=place / "mine")
    return create(request, catalogue=CATALOGUE)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], Path]:
    """Projects without a feature that have a run, as far as a test has asked for one."""
    return {}


def choices() -> Iterator[tuple[str, str, tuple[str, ...]]]:
    for domain, style in product(*(sorted(CATALOGUE.names(k)) for k in ("domains", "styles"))):
        features = with_features(domain, style).features
        for chosen in [*((feature,) for feature in features), features]:
            yield domain, style, chosen


@pytest.mark.nightly
@pytest.mark.parametrize(
    ("domain", "style", "features"),
    [
        pytest.param(*case, id="-".join([*case[:2], case[2][0] if len(case[2]) == 1 else "all"]))
        for case in choices()
    ],
)
def test_features_stand(
    domain: str,
    style: str,
    features: tuple[str, ...],
    trained: dict[tuple[str, str], Path],
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    if (domain, style) not in trained:
        place = tmp_path_factory.mktemp(f"{domain}-{style}")
        bare = make(place, domain, style)
        for script in write_scripts(bare.plan.layers, place):
            run(script.removeprefix("uv run "), bare.plan.directory)
        run("python -m mine.train --epochs 1", bare.plan.directory)
        trained[domain, style] = bare.plan.directory
    bare_project = trained[domain, style]
    project = make(tmp_path, domain, style, *features).plan.directory
    before = {path.relative_to(bare_project) for path in bare_project.rglob("*.py")}
    own = [path for path in project.rglob("test_*.py") if path.relative_to(project) not in before]
    for check in CHECKS:
        run(check, project)
    if own:
        run(shlex.join(["pytest", "-q", *map(str, own)]), project)
    said = commands_of((bare_project / "README.md").read_text(encoding="utf-8"))

    def there(folder: str, names: list[str]) -> list[str]:
        place = project / Path(folder).relative_to(bare_project)
        return [name for name in names if (place / name).is_file()]

    shutil.copytree(bare_project, project, dirs_exist_ok=True, ignore=there)
    for command in commands_of((project / "README.md").read_text(encoding="utf-8")):
        if command not in said and not command.endswith(".serve"):  # which does not end
            run(command.replace("uv run ", ""), project)
