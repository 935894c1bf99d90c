"""The site builds without a warning, has all of the program, and loads nothing from elsewhere."""

from __future__ import annotations

import html
import json
import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import typer

from ptscaffold.cli import app as cli
from ptscaffold.layers.manifest import Layer

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder


def text_of(page: Path) -> str:
    return html.unescape(re.sub(r"<[^>]+>", "", page.read_text(encoding="utf-8")))


def test_the_reference_has_every_command_flag_and_key(site: Path) -> None:
    text = text_of(site / "reference/index.html")
    group: Any = typer.main.get_command(cli.app)
    for name, command in group.commands.items():
        assert f"ptscaffold {name}" in text
        for parameter in command.params:
            for flag in parameter.opts:
                assert not flag.startswith("--") or flag in text, f"{name} {flag}"
    for spec in fields(Layer):
        if spec.name not in ("path", "folder"):
            assert re.search(rf"^{spec.name.replace('_', '-')}$", text, re.M), spec.name


def test_every_page_is_whole(site: Path) -> None:
    pages = list(site.rglob("index.html"))
    assert len(pages) == len(list((ROOT / "docs").glob("*.md")))
    for page in pages:
        content = page.read_text(encoding="utf-8")
        assert not re.search("<!-- (commands|flags|layer)", content), "no hook has replaced it"
        assert not re.search(r'<(?:script|img|iframe)[^>]* src="?https?:', content)
        assert not re.search(r'<link[^>]* rel="?stylesheet[^>]* href="?https?:', content)
        assert all(re.search(r' alt="?\w', tag) for tag in re.findall(r"<img[^>]*>", content))


WORDS = "resume cookiecutter torchrun conflict preset SLURM onnx csv learning checkpoint"


@pytest.mark.parametrize("word", WORDS.split())
def test_search_finds_what_people_type(site: Path, word: str) -> None:
    index = json.loads((site / "search/search_index.json").read_text(encoding="utf-8"))
    assert any(word.lower() in (doc["title"] + doc["text"]).lower() for doc in index["docs"])
