"""With `--compile` a run meets every shape in its first epoch, and compiles nothing after it."""

from __future__ import annotations

import csv
import random
from pathlib import Path

import pytest
from training.conftest import Package

# Train, and print how many graphs were compiled before each epoch and in all.
PROBE = """
import sys
from functools import partialmethod
from importlib import import_module

from torch import nn

package, *flags = sys.argv[1:]
loaders, train = (import_module(f"{package}.{name}") for name in ("loaders", "train"))
set_epoch = loaders.Loader.set_epoch
graphs, counts = [], {}


def compile_eagerly(graph, inputs):  # every machine can, and the shapes are guarded alike
    graphs.append(graph)
    return graph.forward


def note(loader, epoch, start=0):
    counts.setdefault(epoch, len(graphs))
    set_epoch(loader, epoch, start)


loaders.Loader.set_epoch = note
nn.Module.compile = partialmethod(nn.Module.compile, backend=compile_eagerly)
train.train(import_module(f"{package}.flags").parse(None, flags))
print("graphs", *counts.values(), len(graphs))
"""
STYLES = ("plain", "lightning", "fastai")
CELLS = [f"{domain}-{style}" for domain in ("vision", "text", "audio") for style in STYLES]
FLAGS = ["--device", "cpu", "--epochs", "3", "--num-workers", "0", "--compile", "--recompute"]
OF_DOMAIN = {
    "vision": ["--image-size", "16", "--accumulate", "2"],
    "text": ["--data", "texts.csv", "--batch-size", "19"],
    "audio": ["--accumulate", "2"],
}


def write_texts(path: Path) -> None:
    """Write 640 texts of 1 to 60 words: of the 96 for validation, one is left for a last batch."""
    draw = random.Random(0)
    words = {"good": ["fine", "nice", "kind"], "bad": ["poor", "ugly", "mean"]}
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["text", "label"])
        for _ in range(320):
            for label, of_label in words.items():
                text = " ".join(draw.choices(of_label, k=draw.randint(1, 60)))
                rows.writerow([text, label])


@pytest.mark.nightly
@pytest.mark.parametrize("package", CELLS, indirect=True)
def test_nothing_is_compiled_after_the_first_epoch(package: Package) -> None:
    write_texts(package.folder / "texts.csv")
    domain = package.name.partition("_")[0]
    process = package.python("-c", PROBE, package.name, *FLAGS, *OF_DOMAIN[domain])
    stdout, stderr = process.communicate(timeout=300)
    assert process.returncode == 0, stderr
    (told,) = [line.split()[1:] for line in stdout.splitlines() if line.startswith("graphs")]
    first, *later = map(int, told)
    assert first == 0
    assert 2 <= later[0] <= 7
    assert later == [later[0]] * 3
