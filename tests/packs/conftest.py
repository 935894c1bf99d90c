"""The command line in this process, on a small template, with a pack beside the working folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from export.toy import write_toy

from ptscaffold.cli import app as cli

ACME: Mapping[str, str] = {
    "pack.toml": 'name = "acme"\nversion = "1.0"\n',
    "base/layer.toml": 'label = "Acme"\nhelp = "ours"\noverrides = [".hidden/.dot"]\n',
    "base/.hidden/.dot": "acme's\n",
    "base/OWNERS.jinja": "{{ name }} of {{ team }}\n",
    "domains/graph/layer.toml": 'label = "Graph"\nhelp = "graphs"\n',
    "domains/graph/src/__package__/graph.py": "nodes = 1\n",
    "styles/fabric/layer.toml": 'label = "Fabric"\nhelp = "Lightning Fabric"\n',
    "styles/fabric/fabric.txt": "fabric\n",
    "features/wandb/layer.toml": 'label = "W&B"\nhelp = "Weights & Biases"\n',
    "features/wandb/wandb.txt": "one\ntwo\nthree\n",
    "presets/team.toml": '[answers]\nfeatures = ["wandb"]\n',
}


def put(folder: Path, files: Mapping[str, str | None]) -> Path:
    """Write files, or remove those that are None."""
    for path, text in files.items():
        place = folder / path
        if text is None:
            place.unlink()
            continue
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(text.encode())
    return folder


@dataclass(frozen=True)
class Ran:
    """What a command did: exit code and both streams."""

    code: int
    out: str
    err: str


Run = Callable[..., Ran]


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder, no uv on PATH, a home of its own."""
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setattr("shutil.which", lambda _name: None)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("PTSCAFFOLD_PRESET", raising=False)
    return folder


@pytest.fixture
def acme(tmp_path: Path) -> Path:
    return put(
        tmp_path / "acme",
        {**ACME, "base/layer.toml": ACME["base/layer.toml"] + '[answers]\nteam = "acme"\n'},
    )


@pytest.fixture
def run(
    work: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Run:
    root = write_toy(tmp_path / "toy").root
    monkeypatch.setattr("ptscaffold.layers.catalogue.templates_root", lambda: root)
    monkeypatch.setattr("ptscaffold.cli.console.as_keyboard_interrupt", lambda: None)

    def run(*arguments: str) -> Ran:
        code = cli.run(list(arguments))
        return Ran(code, *capsys.readouterr())

    return run


def files(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
