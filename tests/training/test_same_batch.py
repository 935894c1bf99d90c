"""Any number of processes does what one does: the same gradients, evaluation and loss curve.

A step of several processes takes the same batch as a step of one, each process its share of it.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from training.conftest import Package
from training.test_processes import losses
from training.test_resume import rows

DOMAINS, STYLES = ("vision", "text", "audio"), ("plain", "lightning", "fastai")
CELLS = [f"{domain}-{style}" for domain in DOMAINS for style in STYLES]

# Runs a module of the package, and keeps what each process found: the gradients of the first step
# after they were put together, and the counts of each evaluation. The head, which starts at zero
# and would let no gradient through, starts at random.
PROBE = """
import importlib
import os
import sys

import torch
from torch import nn
from torch.optim.optimizer import register_optimizer_step_post_hook

package, module, out, *sys.argv[1:] = sys.argv[1:]
file = f"{out}-{os.environ.get('RANK', '0')}.pt"
found = {"gradients": [], "counts": []}
nn.init.zeros_ = lambda tensor: nn.init.normal_(tensor, std=0.1)


def keep_gradients(optimizer, *_):
    if not found["gradients"]:
        for group in optimizer.param_groups:
            found["gradients"] += [p.grad.clone() for p in group["params"]]


register_optimizer_step_post_hook(keep_gradients)
evaluate = importlib.import_module(package + ".evaluate")
total = evaluate.Tally.total


def keep_counts(self, runtime):
    result = total(self, runtime)
    found["counts"].append(result.confusion.clone())
    torch.save(found, file)
    return result


evaluate.Tally.total = keep_counts
importlib.import_module(f"{package}.{module}").main()
"""


def run(package: Package, number: int, module: str, out: str, *flags: str) -> list[dict[str, Any]]:
    """Run a module in a number of processes; give what each of them found."""
    (package.folder / "probe.py").write_text(PROBE)
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(number)]
    arguments = ["probe.py", package.name, module, out, *flags]
    finish(package.python(*(launcher if number > 1 else []), *arguments))
    return [torch.load(package.folder / f"{out}-{rank}.pt") for rank in range(number)]


def finish(process: subprocess.Popen[str]) -> None:
    _, stderr = process.communicate(timeout=280)
    assert process.returncode == 0, stderr


def make_images(folder: Path, **splits: int) -> None:
    """Write noise, brightest in one color for each of three classes, in splits of these sizes."""
    rng = np.random.default_rng(0)
    for split, size in splits.items():
        for number in range(size):
            place = folder / split / f"class{number % 3}"
            place.mkdir(parents=True, exist_ok=True)
            pixels = rng.integers(0, 60, (16, 16, 3))
            pixels[..., number % 3] += 190
            Image.fromarray(pixels.astype(np.uint8)).save(place / f"{number}.png")


def check_like_one(package: Package, number: int) -> None:
    """One epoch that leaves the weights as they are, by one process and by that number of them."""
    val = 77  # the last batch of 13 can be divided by neither 2 nor 4
    make_images(package.folder / "images", train=128, val=val)
    flags = ["--data", "images", "--device", "cpu", "--epochs", "1", "--image-size", "16"]
    flags += ["--batch-size", "64", "--num-workers", "0", "--lr", "1e-15", "--clip-norm", "1e9"]
    flags += ["--seed", "10"]  # whose random head does not give all images to one class
    (one,) = run(package, 1, "train", "one", *flags, "--run-dir", "runs/one")
    several = run(package, number, "train", "several", *flags, "--run-dir", "runs/several")
    assert min(g.abs().max() for g in one["gradients"]) > 1e-3, "a gradient that says nothing"
    for process in several:
        for ours, expected in zip(process["gradients"], one["gradients"], strict=True):
            torch.testing.assert_close(ours, expected, rtol=1e-5, atol=1e-5)
        (counts,) = process["counts"]
        assert counts.sum() == val
        assert torch.equal(counts, one["counts"][0])
    assert (one["counts"][0].sum(dim=0) > 0).sum() > 1, "all predictions are the same"
    runs = package.folder / "runs"
    (row,), (expected_row,) = rows(runs / "several"), rows(runs / "one")
    assert row["val/accuracy"] == expected_row["val/accuracy"]
    assert row["val/loss"] == pytest.approx(expected_row["val/loss"], rel=1e-6)


@pytest.mark.nightly
@pytest.mark.parametrize("number", [2, 4])
@pytest.mark.parametrize("package", [f"vision-{style}" for style in STYLES], indirect=True)
def test_any_number_finds_the_gradients_and_counts_of_one(package: Package, number: int) -> None:
    check_like_one(package, number)


@pytest.mark.nightly
@pytest.mark.parametrize("package", ["vision-plain"], indirect=True)
def test_evaluate_counts_every_example_once(package: Package) -> None:
    """The last batch of `test` is smaller than the number of processes: one joins another."""
    sizes = {"val": 77, "test": 65}
    make_images(package.folder / "images", train=128, **sizes)
    flags = ["--data", "images", "--device", "cpu", "--epochs", "1", "--image-size", "16"]
    flags += ["--batch-size", "64", "--num-workers", "0", "--run-dir", "run"]
    package.run(*flags)
    checkpoint = ("--checkpoint", "run/last.pt", "--device", "cpu", "--split")
    for split, size in sizes.items():
        reports = []
        for number in (1, 2, 4):
            run(package, number, "evaluate", "evaluated", *checkpoint, split)
            reports.append(
                json.loads((package.folder / f"run/evaluation-{split}.json").read_text())
            )
        assert reports[0]["examples"] == size
        found = [report.pop("loss") for report in reports]
        assert reports[1] == reports[2] == reports[0]
        assert found == pytest.approx([found[0]] * 3, rel=1e-6)


# At the end of model.py, what makes a model draw nothing in training. Every process draws for its
# own examples: dropout and masks differ with the number of processes as they do with the seed.
DRAW_NOTHING = {
    "vision": "",
    "text": "\nDROPOUT = 0.0\n",
    "audio": "\nSpecAugment.forward = lambda self, log_mel: log_mel\n",
}
CURVE = ["--device", "cpu", "--epochs", "2", "--num-workers", "0", "--batch-size", "64"]
CURVE += ["--lr", "2e-4"]  # with a large one, rounding grows into other curves


@pytest.mark.nightly
@pytest.mark.parametrize("package", CELLS, indirect=True)
def test_any_number_has_the_loss_curve_of_one(package: Package) -> None:
    domain = package.name.partition("_")[0]
    with (package.source / package.name / "model.py").open("a") as file:
        file.write(DRAW_NOTHING[domain])
    flags = [*CURVE, *(["--image-size", "16"] if domain == "vision" else [])]
    package.run(*flags, "--run-dir", "runs/1")
    expected = losses(package.folder / "runs/1")
    assert expected[0] - expected[2] > 2e-3, "a flat curve says nothing"
    for number in (2, 4):
        finish(package.start_processes(number, *flags, "--run-dir", f"runs/{number}"))
        assert losses(package.folder / f"runs/{number}") == pytest.approx(expected, abs=1e-4)
