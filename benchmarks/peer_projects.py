"""The projects of `peers.py`: ours, those of the peers, and the work that is put into all of them.

Ours are as generated. In those of the peers the configuration names the model and the data in
`probe/peer_work.py`; no file that runs, logs, saves or evaluates is touched. The code generator has
no setting for them, so that its `data.py` and `models.py`, which hold nothing else, are replaced.
"""

from __future__ import annotations

import random
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from commands import run, tool

STYLES = ("plain", "lightning", "fastai", "accelerate", "trainer")
BATCH = 32
# What ours decay and clip by has no flag: the peers are told the same
SETTINGS = {"lr": 2e-3, "weight_decay": 0.05, "clip": 1.0}

TRAIN, VAL, CLASSES = 1024, 256, 4
WORDS = 100  # each of them one token
SIDE = 32  # pixels

ADAMW = ["model.optimizer._target_=torch.optim.AdamW", "+model.optimizer.fused=true"]
ADAMW += [f"model.optimizer.weight_decay={SETTINGS['weight_decay']}"]

TRAINITE = """\
preprocessor: {{_target_: preprocessors.char_tokenizer.CharTokenizer}}
model:
  _target_: peer_work.make_masked_model
  collate_fn_target: peer_work.collate
optimizer:
  _target_: torch.optim.AdamW
  lr: {lr}
  weight_decay: {weight_decay}
  fused: true
data:
  train:
    dataset: {{_target_: peer_work.make_split, name: train}}
    dataloader: {{batch_size: {batch}, shuffle: true, num_workers: 0}}
  val:
    dataset: {{_target_: peer_work.make_split, name: val}}
    dataloader: {{batch_size: {batch}, shuffle: false, num_workers: 0}}
trainer:
  epochs: {epochs}
  log_every_steps: 10
  early_stopping_patience: {epochs}
  grad_clip_norm: {clip}
output: {{root: outputs, run_name: peers}}
logger: tensorboard
seed: 0
device: cpu
"""


@dataclass(frozen=True)
class Work:
    """What the loops are given to train on."""

    name: str
    domain: str
    loss: float  # of the validation split: the seconds to it are taken
    lengths: tuple[int, int] = (0, 0)  # of texts, in words: the least and the most

    def data(self, folder: Path) -> Path:
        return folder / "data" / self.name


# With texts of one length no batch is padded: what is left is what the loops themselves take
_works = (
    Work("text", "text", 0.5, (8, 56)),
    Work("text of one length", "text", 0.5, (32, 32)),
    Work("vision", "vision", 1.0),
)
WORKS = {work.name: work for work in _works}


@dataclass(frozen=True)
class Loop:
    """A training: its folder and the arguments of Python."""

    folder: Path
    arguments: Sequence[str]


def make_ours(folder: Path, work: Work, epochs: int) -> dict[str, Loop]:
    """Generate all styles of a domain, unless they are there."""
    loops = {}
    domain = work.domain
    for style in STYLES:
        if not (folder / f"{domain}-{style}").exists():
            given = ["--domain", domain, "--style", style, "--no-input"]
            run([tool("ptscaffold"), "new", *given], folder)
        flags: dict[str, object] = {"data": work.data(folder), "epochs": epochs, "patience": epochs}
        flags |= {"lr": SETTINGS["lr"], "batch-size": BATCH, "num-workers": 0, "device": "cpu"}
        given = [part for name, value in flags.items() for part in (f"--{name}", str(value))]
        arguments = ["-m", f"{domain}_{style}.train", *given]
        loops[f"ptscaffold {style}"] = Loop(folder / f"{domain}-{style}", arguments)
    return loops


def make_trainite(folder: Path, python: Path, epochs: int) -> Loop:
    run(
        [str(python.parent / "trainite"), "init", "trainite", "--dataset", "string-reverse"], folder
    )
    content = TRAINITE.format(batch=BATCH, epochs=epochs, **SETTINGS)
    (folder / "trainite/config.yaml").write_text(content, encoding="utf-8")
    return Loop(folder / "trainite", ["main.py", "config.yaml"])


def make_lht(folder: Path, snapshot: Path, epochs: int) -> Loop:
    """Copy lightning-hydra-template; its settings come by Hydra's overrides."""
    shutil.copytree(snapshot, folder / "lht", ignore=shutil.ignore_patterns(".git", "logs"))
    arguments = ["src/train.py", "logger=tensorboard", "test=false", "seed=1", *ADAMW]
    arguments += ["data._target_=peer_work.make_data_module", f"data.batch_size={BATCH}"]
    arguments += ["model.net._target_=peer_work.make_model", f"trainer.max_epochs={epochs}"]
    arguments += [f"model.optimizer.lr={SETTINGS['lr']}", "trainer=cpu"]
    arguments += [f"+trainer.gradient_clip_val={SETTINGS['clip']}"]
    return Loop(folder / "lht", arguments)


def make_ignite(folder: Path, project: Path, epochs: int) -> Loop:
    """Copy a project that the site of the code generator has made."""
    place = folder / "ignite"
    shutil.copytree(project, place)
    for name, function in {"data": "setup_data", "models": "setup_model"}.items():
        (place / f"{name}.py").write_text(f"from peer_work import {function}\n", encoding="utf-8")
    changed: dict[str, object] = {"batch_size": BATCH, "eval_batch_size": BATCH, "num_workers": 0}
    changed |= {"max_epochs": epochs, "patience": epochs, "lr": SETTINGS["lr"]}
    config = place / "config.yaml"
    lines = config.read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines if line.partition(":")[0] not in changed]
    kept += [f"{name}: {value}" for name, value in changed.items()]
    config.write_text("\n".join(kept) + "\n", encoding="utf-8")
    return Loop(place, ["main.py", "config.yaml"])


def write_texts(folder: Path, least: int, most: int) -> None:
    """Write texts of so many words, whose class prefers a quarter of them."""
    folder.mkdir(parents=True)
    rng = random.Random(0)
    words = [f"{a}{b}{c}" for a in "bdgkm" for b in "aeiou" for c in "lnrt"][:WORDS]
    share = WORDS // CLASSES
    for name, count in {"train": TRAIN, "val": VAL}.items():
        rows = ["text,label"]
        for number in range(count):
            label = number % CLASSES
            own = words[label * share : (label + 1) * share]
            length = rng.randint(least, most)
            text = [rng.choice(own if rng.random() < 0.4 else words) for _ in range(length)]
            rows.append(f"{' '.join(text)},class{label}")
        (folder / f"{name}.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")


def write_images(folder: Path) -> None:
    """Write noise with the blurred picture of its class underneath."""
    from PIL import Image

    rng = random.Random(0)
    cells = [bytes(rng.randrange(256) for _ in range(4 * 4 * 3)) for _ in range(10)]
    for name, count in {"train": TRAIN, "val": VAL}.items():
        for number in range(count):
            label = number % 10
            picture = Image.frombytes("RGB", (4, 4), cells[label]).resize((SIDE, SIDE))
            noise = Image.frombytes("RGB", (SIDE, SIDE), rng.randbytes(3 * SIDE * SIDE))
            place = folder / name / f"class{label}" / f"{number}.png"
            place.parent.mkdir(parents=True, exist_ok=True)
            Image.blend(picture, noise, 0.7).save(place)


def make_environment(folder: Path) -> Path:
    """Make an environment with trainite; give its Python."""
    run([tool("uv"), "venv", "-q", "-p", sys.executable, "environment"], folder)
    python = folder / "environment/bin/python"
    run([tool("uv"), "pip", "install", "-q", "-p", str(python), "trainite==0.1.0"], folder)
    return python


def install(python: Path, folder: Path) -> None:
    """Install what all projects ask for together: the same releases for all."""
    asked = [*folder.glob("*/pyproject.toml"), *folder.glob("*/requirements.txt")]
    asked = [path for path in asked if path.parent.name != "lht" or path.suffix == ".txt"]
    files = [argument for path in asked for argument in ("-r", str(path))]
    run([tool("uv"), "pip", "install", "-q", "-p", str(python), *files], folder)
