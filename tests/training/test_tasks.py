"""Several labels and numbers in every cell: trained, evaluated and predicted from a table."""

from __future__ import annotations

import csv
import json
import random
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image
from training.conftest import Package, finish

from ptscaffold.layers.catalogue import Catalogue

FEW = {"vision-plain", "vision-lightning", "text-plain"}
LAYERS = Catalogue()
# Those that have the choice
WITHOUT = {"detection", "language-model", "segmentation", "speech-recognition", "tagging"}
DOMAINS = sorted(LAYERS.names("domains") - WITHOUT)
CELLS = [
    cell if cell in FEW else pytest.param(cell, marks=pytest.mark.nightly)
    for cell in map("-".join, product(DOMAINS, sorted(LAYERS.names("styles"))))
]
TASKS = {
    "multilabel": ("tags", "f1", "labels"),
    "regression": ("first,second", "mae", "values"),
}
# All in one process: the libraries are imported once
SCRIPT = """\
import runpy, sys
for line in sys.stdin.read().splitlines():
    module, *sys.argv[1:] = line.split()
    try:
        runpy.run_module(f"{package}.{module}", run_name="__main__")
    except SystemExit as end:
        assert not end.code, (line, end.code)
"""


def write_example(domain: str, path: Path, rng: random.Random) -> str:
    """Give what stands in the column of inputs."""
    if domain in ("text", "tabular"):
        number = 8 if domain == "text" else 1
        return " ".join(rng.choices(["this", "that", "rain", "sun", "wind", "snow"], k=number))
    if domain == "vision":
        color = tuple(rng.randrange(256) for _ in range(3))
        Image.new("RGB", (32, 32), color).save(path.with_suffix(".png"))
        return f"{path.name}.png"
    sound = np.random.default_rng(rng.getrandbits(32)).normal(0, 0.1, 8000)
    soundfile.write(path.with_suffix(".wav"), sound, 8000)
    return f"{path.name}.wav"


def write_table(domain: str, folder: Path) -> str:
    """Write examples and their table; give an input for `predict`, run in the folder's parent."""
    rng = random.Random(0)
    folder.mkdir()
    rows = []
    for number in range(60):
        name = write_example(domain, folder / f"{number}", rng)
        tags = [tag for tag in ("red", "big", "old") if rng.random() < 0.5]
        rows.append((name, ";".join(tags), rng.random(), 10 * rng.random()))
    with (folder / "table.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("item", "tags", "first", "second"), *rows])
    given = {"text": "rain", "tabular": '{"item":"rain"}'}
    return given.get(domain, f"{folder.name}/{rows[-1][0]}")


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("package", CELLS, indirect=True)
def test_a_task_is_trained_evaluated_and_predicted(package: Package, task: str) -> None:
    columns, metric, answer = TASKS[task]
    item = write_table(package.name.partition("_")[0], package.folder / "own")
    train = f"train --data own/table.csv --task {task} --columns item:{columns}"
    lines = [
        f"{train} --device cpu --dry-run --run-dir runs/x",
        "evaluate --split val",
        f"predict {item}",
    ]
    process = package.python("-c", f"package = {package.name!r}\n{SCRIPT}")
    stdout = finish(process, "\n".join(lines))
    *_, evaluated, predicted = stdout.splitlines()
    assert evaluated.startswith(f"{metric} ")
    assert evaluated.endswith(" on 9 examples")
    said = json.loads(predicted)
    assert set(said) >= {"input", answer}
    if task == "regression":
        assert list(said[answer]) == columns.split(",")
