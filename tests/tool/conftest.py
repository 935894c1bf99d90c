"""A small catalogue of layers, and the command line run in process or for real."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import settings

import ptscaffold
from ptscaffold.cli import app as cli
from ptscaffold.layers.catalogue import Catalogue

# On a busy machine the time of one example says nothing.
settings.register_profile("ptscaffold", deadline=None)
settings.load_profile("ptscaffold")

PNG = bytes([137, 80, 78, 71, 13, 10, 26, 10, 0, 255])

LAYERS: Mapping[str, str | bytes] = {
    "base/layer.toml": """\
label = "Base"
help = "what every project has"
dependencies = ["torch>=2.8"]
dev-dependencies = ["pytest>=8"]
""",
    "base/README.md.jinja": """\
# {{ name }}

{{ description | md }}

{{ domain_layer.readme.data }}{{ style_layer.readme.training }}""",
    "base/pyproject.toml.jinja": """\
[project]
name = {{ name | toml }}
description = {{ description | toml }}
dependencies = {{ dependencies | toml }}
""",
    "base/.gitignore": "runs/\n",
    "base/logo.png": PNG,
    "base/run.sh": "#!/bin/sh\n",
    "base/src/__package__/__init__.py": "",
    "base/src/__package__/flags.py": 'BRACES = "{{ untouched }} {% raw"\n',
    "base/tests/test_base.py.jinja": "from {{ package }} import flags\n",
    "domains/vision/layer.toml": """\
label = "Vision"
help = "image classification"
order = 1
dependencies = ["torchvision>=0.23"]
[readme]
data = "Put images of {{ name }} in `data/`.\\n"
""",
    "domains/vision/src/__package__/data.py": "images = 1\n",
    "domains/text/layer.toml": """\
label = "Text"
help = "text classification"
order = 2
dependencies = ["tokenizers>=0.21"]
readme.data = "Texts.\\n"
""",
    "domains/text/src/__package__/data.py": "texts = 1\n",
    "styles/plain/layer.toml": """\
label = "plain PyTorch"
help = "one visible loop"
order = 1
readme.training = "One loop.\\n"
""",
    "styles/plain/src/__package__/train.py": "loop = 1\n",
    "styles/lightning/layer.toml": """\
label = "Lightning"
help = "a LightningModule"
order = 2
dependencies = ["lightning>=2.5"]
readme.training = "A Trainer.\\n"
""",
    "styles/lightning/src/__package__/train.py": "trainer = 1\n",
    "styles/lightning/src/__package__/lit.py": "module = 1\n",
    "features/docker/layer.toml": """\
label = "Docker"
help = "an image"
next-steps = ["docker build -t {{ name }} ."]
""",
    "features/docker/Dockerfile": "FROM python\n",
    "features/serve/layer.toml": """\
label = "Serve"
help = "an endpoint"
requires = ["features/docker"]
conflicts = ["styles/lightning"]
""",
    "features/serve/serve.py": "port = 80\n",
}

EXECUTABLE = "base/run.sh"


def write_layers(root: Path, files: Mapping[str, str | bytes] = LAYERS) -> Path:
    for path, content in files.items():
        place = root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content if isinstance(content, bytes) else content.encode())
    (root / EXECUTABLE).chmod(0o755)
    return root


@pytest.fixture
def layers_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The catalogue above in a folder of its own, to be changed at will."""
    return write_layers(tmp_path_factory.mktemp("layers"))


@pytest.fixture
def catalogue(layers_root: Path) -> Catalogue:
    return Catalogue(layers_root)


@dataclass(frozen=True)
class Ran:
    """What a command did: exit code, both streams, and the files that stand afterwards."""

    code: int
    out: str
    err: str
    tree: list[str]


def list_tree(folder: Path) -> list[str]:
    """Every file and every empty folder below `folder`."""
    return sorted(
        path.relative_to(folder).as_posix() + ("/" if path.is_dir() else "")
        for path in folder.rglob("*")
        if not path.is_dir() or not any(path.iterdir())
    )


Run = Callable[..., Ran]


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder, no uv on PATH, no terminal."""
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setattr("shutil.which", lambda _name: None)
    monkeypatch.delenv("CI", raising=False)
    return folder


@pytest.fixture
def run(
    work: Path,
    layers_root: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Run:
    """The command line in this process, on the catalogue above; its version is X.Y.Z."""
    monkeypatch.setattr("ptscaffold.layers.catalogue.templates_root", lambda: layers_root)
    monkeypatch.setattr("ptscaffold.cli.console.as_keyboard_interrupt", lambda: None)

    def run(*arguments: str) -> Ran:
        code = cli.run(list(arguments))
        out, err = (text.replace(ptscaffold.__version__, "X.Y.Z") for text in capsys.readouterr())
        return Ran(code, out, err, list_tree(work))

    return run


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package with the catalogue above inside it, laid out as a wheel lays it out."""
    site = tmp_path_factory.mktemp("site")
    source = Path(ptscaffold.__file__).parent
    ignored = shutil.ignore_patterns("__pycache__", "templates")
    shutil.copytree(source, site / "ptscaffold", ignore=ignored)
    write_layers(site / "ptscaffold" / "templates")
    return site


@pytest.fixture
def command(installed: Path, work: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """The command line as a process of its own, run in the working folder."""

    def command(
        *arguments: str, env: Mapping[str, str] | None = None, **options: object
    ) -> subprocess.CompletedProcess[str]:
        environment = {
            "PATH": os.defpath,
            "PYTHONPATH": str(installed),
            "PYTHONDONTWRITEBYTECODE": "1",
            **(env or {}),
        }
        return subprocess.run(
            [sys.executable, "-m", "ptscaffold", *arguments],
            cwd=work,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            **options,  # type: ignore[call-overload]
        )

    return command
