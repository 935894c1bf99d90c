"""What docs/from-elsewhere.md says is where it says, and what is carried over trains."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from docs.layouts import LAYOUTS, lay_out
from docs.test_commands import blocks, run
from PIL import Image

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs/from-elsewhere.md").read_text(encoding="utf-8")
SECTIONS = TEXT.split("\n## ")[1:]
PACKAGES = {"mnist": "digits", "pets": "pets", "notebooks/pets": "pets"}
NET = """

class Net(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(inputs, 8), nn.Linear(8, outputs))

    def forward(self, images: Tensor) -> Tensor:
        return self.layers(images)
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The three projects after the commands of the page."""
    folder = tmp_path_factory.mktemp("elsewhere")
    lay_out(folder)
    for block in blocks("docs/from-elsewhere.md"):
        for command in block:
            done = run(command, folder)
            assert done.returncode == 0, f"$ {command}\n{done.stderr}"
            assert "Kept as it was" not in done.stderr
    return folder


def train(folder: Path, *flags: str) -> None:
    package = PACKAGES[folder.name]
    command = [sys.executable, "-m", f"{package}.train", "--dry-run", "--device", "cpu", *flags]
    env = {**os.environ, "PYTHONPATH": "src"}
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "finished: " in done.stdout


def test_the_places_of_the_tables_are_there(place: Path) -> None:
    seen = 0
    for (name, files), section in zip(LAYOUTS.items(), SECTIONS, strict=True):
        there = {path for file in files.split() for path in (file, *parents(file))}
        for left, right in re.findall(r"^\| (.*?) \| (.*) \|$", section, re.M):
            for path in re.findall(r"`([\w./-]*[./][\w./-]*)`", left):
                assert path in there, f"{name}: {path}"
                seen += 1
            for path in re.findall(r"`((?:src|tests)/[\w./]+|pyproject\.toml)`", right):
                assert (place / name / path).is_file(), f"{name}: {path}"
                seen += 1
    assert seen > 60


def parents(file: str) -> list[str]:
    return [f"{parent}/" for parent in Path(file).parents]


def test_flags_are_those_of_the_project(place: Path) -> None:
    config = (place / "mnist/src/digits/config.py").read_text(encoding="utf-8")
    typed = re.findall(r"`digits\.train (--.*?)` \|", SECTIONS[0])
    assert len(typed) >= 5
    for flag in re.findall(r"--[a-z-]+", " ".join(typed)):
        assert re.search(rf"^    {flag[2:].replace('-', '_')}: ", config, re.M), flag


def test_a_network_carried_over_trains(place: Path) -> None:
    (line,) = re.findall(r"^return Net.*$", TEXT, re.M)
    model = place / "mnist/src/digits/model.py"
    text = model.read_text(encoding="utf-8")
    assert text.count("return ResNet(num_outputs)") == 1
    model.write_text(text.replace("return ResNet(num_outputs)", line) + NET)
    train(place / "mnist", "--epochs", "20", "--lr", "1e-4", "--precision", "fp32")


def test_a_table_among_processed_data_is_read(place: Path) -> None:
    (head,) = re.findall(r"^```text\n(image,label\n)", TEXT, re.M)
    rows = re.findall(r"^(\.\./raw/)1\.png,cat", TEXT, re.M)
    for number in range(20):
        rows.append(f"{rows[0]}{number}.png,{('cat', 'dog')[number % 2]}")
        Image.new("RGB", (32, 32), (12 * number, 9, 9)).save(place / f"pets/data/raw/{number}.png")
    table = place / "pets/data/processed/labels.csv"
    table.write_text(head + "\n".join(rows[1:]))
    train(place / "pets", "--data", "data/processed/labels.csv")


def test_a_cell_that_trains(place: Path) -> None:
    (cell,) = re.findall(r"^```python\n(from pets.*?)^```", TEXT, re.S | re.M)
    env = {**os.environ, "PYTHONPATH": "src"}
    command = [sys.executable, "-c", cell.replace("dry_run", "device='cpu', dry_run")]
    done = subprocess.run(
        command, cwd=place / "notebooks/pets", env=env, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "finished: " in done.stdout
