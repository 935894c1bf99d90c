"""The edits that users of plain PyTorch make, at most five lines each, and the project's own tests.

A test of the project that an edit is about is left out by name; all others pass after it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from ptscaffold.project.new import Request, create

pytestmark = pytest.mark.nightly

Edits = tuple[
    tuple[str, str, str], ...
]  # a file of the package, what stands there, what replaces it
GUESS, HEART = "first_loss", "learned_by_heart"
MID_EPOCH = ("stopped_ends_like", "two_processes", "short_loop")

MIX = """\
            mix = v2.RandomChoice([k(num_classes=len(task.names)) for k in (v2.CutMix, v2.MixUp)])
            inputs, targets = mix(inputs, targets)
            with autocast:
                logits = net(inputs)
"""


@dataclass(frozen=True)
class Idiom:
    edits: Edits
    about: tuple[str, ...] = ()  # parts of names of the project's tests

    @property
    def lines(self) -> int:
        return sum(len(set(new.splitlines()) - set(old.splitlines())) for _, old, new in self.edits)


IDIOMS = {
    "resnet18 of torchvision": Idiom(
        (
            ("model.py", "import torch\n", "import torch\nimport torchvision\n"),
            (
                "model.py",
                "return ResNet(num_outputs)",
                "return torchvision.models.resnet18(num_classes=num_outputs)",
            ),
        ),
        (GUESS, HEART),
    ),
    "a model of timm": Idiom(
        (
            (
                "model.py",
                "return ResNet(num_outputs)",
                "import timm\n\n        return timm.create_model('test_convnext',"
                " num_classes=num_outputs)",
            ),
        ),
        (GUESS, HEART),
    ),
    "another loss": Idiom(
        (
            (
                "task.py",
                "F.cross_entropy(logits, targets, label_smoothing=0.1)",
                "F.multi_margin_loss(logits, targets)",
            ),
        ),
        (GUESS,),
    ),
    "label smoothing": Idiom((("task.py", "label_smoothing=0.1", "label_smoothing=0.2"),)),
    "SGD": Idiom(
        (
            ("train.py", "import AdamW, Optimizer", "import SGD, Optimizer"),
            ("train.py", "-> AdamW:", "-> SGD:"),
            ("train.py", "AdamW(options, lr, fused=True)", "SGD(options, lr, momentum=0.9)"),
        ),
        (HEART,),
    ),
    "CutMix and MixUp": Idiom(
        (
            (
                "train.py",
                "            with autocast:\n                logits = net(inputs)\n",
                MIX,
            ),
            (
                "train.py",
                "from tqdm import",
                "from torchvision.transforms import v2\nfrom tqdm import",
            ),
        ),
        ("short_loop",),
    ),
    "a DataLoader of one's own": Idiom(
        (
            (
                "train.py",
                "DataLoader(train_set, batch_sampler=batches, **options)",
                "DataLoader(train_set, config.batch_size, shuffle=True, drop_last=True)",
            ),
        ),
        MID_EPOCH,
    ),
    "a Dataset of one's own": Idiom(
        (
            (
                "train.py",
                'train_set = Examples(table[table["split"] == "train"], task, spec, True, ',
                "train_set: Any = FakeData(40, (3, 32, 32), 4, ToTensor(), None, ",
            ),
            (
                "train.py",
                "from tqdm import",
                "from torchvision.datasets import FakeData\n"
                "from torchvision.transforms import ToTensor\n"
                "from tqdm import",
            ),
        ),
        MID_EPOCH,
    ),
}

# What a notebook's kernel does: another thread, a backend of its own
NOTEBOOK = """\
import threading
from project.config import Config
from project.train import train
found = []
cell = threading.Thread(target=lambda: found.append(train(Config(epochs=1, device="cpu"))))
cell.start()
cell.join()
assert found[0]["accuracy"] > 0
"""
BOARD = """\
import sys
import wandb
wandb.init(mode="offline", project="x", sync_tensorboard=True)
from project.config import Config
from project.train import train
train(Config(epochs=1, device="cpu", dry_run=True))
assert wandb.run.summary["train/loss"] > 0, dict(wandb.run.summary)
wandb.finish()
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    create(Request(name=str(tmp_path / "project"), domain="vision", style="plain"))
    return tmp_path / "project"


def python(project: Path, *arguments: str, also: str = "") -> None:
    path = os.pathsep.join([str(project / "src"), *filter(None, [also])])
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=project,
        env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-4000:]


@pytest.mark.parametrize("name", IDIOMS)
def test_the_own_tests_pass_after_an_edit(name: str, project: Path) -> None:
    idiom = IDIOMS[name]
    assert idiom.lines <= 5
    for file, old, new in idiom.edits:
        path = project / "src/project" / file
        text = path.read_text()
        assert text.count(old) == 1, (file, old)
        path.write_text(text.replace(old, new))
    others = " and ".join(f"not {part}" for part in idiom.about) or "test"
    python(project, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", others)


def test_a_notebook_trains(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    python(project, "-c", NOTEBOOK)


def test_wandb_takes_what_tensorboard_gets(project: Path, tmp_path: Path) -> None:
    folder = tmp_path / "wandb-package"
    command = ["uv", "pip", "install", "--quiet", "--target", str(folder), "wandb"]
    subprocess.run([*command, "--python", sys.executable], check=True)
    python(project, "-c", BOARD, also=str(folder))
