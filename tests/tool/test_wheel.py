"""The wheel, installed in an empty environment away from the checkout, makes every project."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from itertools import product
from pathlib import Path

import pytest

from ptscaffold import __version__
from ptscaffold.layers.catalogue import Catalogue, templates_root
from ptscaffold.project.plan import make_plan
from ptscaffold.render.answers import complete, select_layers
from ptscaffold.render.given import gather
from ptscaffold.render.renderer import Renderer

CHECKOUT = Path(__file__).parents[2]


def build(source: Path, kind: str, out: Path) -> Path:
    command = [sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", str(out)]
    subprocess.run(command, cwd=source, check=True, capture_output=True)
    return next(out.iterdir())


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(CHECKOUT, "wheel", tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def ptscaffold(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command of an environment that holds the wheel and what it requires, nothing else."""
    uv = shutil.which("uv", path=str(Path(sys.executable).parent)) or shutil.which("uv")
    assert uv, "uv is in the dev dependencies"
    venv = tmp_path_factory.mktemp("venv") / "venv"
    subprocess.run([uv, "venv", "-q", "--python", sys.executable, venv], check=True)
    scripts = venv / ("Scripts" if os.name == "nt" else "bin")
    # Compiled, as pip does it: the layers get a __pycache__ that must not reach a project.
    install = [uv, "pip", "install", "-q", "--compile-bytecode", "--python", scripts / "python"]
    subprocess.run([*install, wheel], check=True)
    return scripts / "ptscaffold"


def test_the_wheel_holds_the_package_and_every_layer_file(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        entries = {entry.filename: entry for entry in archive.infolist()}
        root = templates_root()
        for path in (path for path in root.rglob("*") if path.is_file()):
            if "__pycache__" in path.parts:
                continue
            entry = entries.pop(f"ptscaffold/templates/{path.relative_to(root).as_posix()}")
            assert archive.read(entry) == path.read_bytes()
            assert entry.external_attr >> 16 & 0o111 == path.stat().st_mode & 0o111
    source = CHECKOUT / "src"
    package = {
        path.relative_to(source).as_posix()
        for path in (source / "ptscaffold").rglob("*")
        if path.suffix in (".py", ".typed")
    }
    rest = {name for name in entries if ".dist-info/" not in name}
    assert rest == package
    assert "ptscaffold/py.typed" in rest


def test_a_wheel_from_the_sdist_is_the_same(
    wheel: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("sdist")
    sdist = build(CHECKOUT, "sdist", folder / "sdist")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    again = build(folder / f"ptscaffold-{__version__}", "wheel", folder / "wheel")
    assert zipfile.ZipFile(again).namelist() == zipfile.ZipFile(wheel).namelist()


def test_the_installed_command_makes_every_project(ptscaffold: Path, tmp_path: Path) -> None:
    environment = {"PATH": os.defpath, "HOME": str(tmp_path)}

    def run(*arguments: str) -> str:
        done = subprocess.run(
            [ptscaffold, *arguments],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout

    assert run("--version") == f"ptscaffold {__version__}\n"
    layers = json.loads(run("list", "--json"))
    names = [[layer["name"] for layer in layers[kind]] for kind in ("domains", "styles")]
    cells = list(product(*names))
    assert cells
    catalogue = Catalogue()
    for domain, style in cells:
        run("new", "--domain", domain, "--style", style)
        answers = complete(gather({"domain": domain, "style": style}, (), None), catalogue)
        layers = select_layers(answers, catalogue)
        plan = make_plan(answers, layers, tmp_path, False, Renderer())
        project = tmp_path / f"{domain}-{style}"
        written = {
            path.relative_to(project).as_posix(): path.read_bytes()
            for path in project.rglob("*")
            if path.is_file()
        }
        assert written == {path: file.data for path, file in plan.files.items()}
