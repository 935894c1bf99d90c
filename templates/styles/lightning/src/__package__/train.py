"""Train the model.

python -m <package>.train --data MY_DATA --epochs 20
python -m <package>.train --resume auto
torchrun --nproc-per-node 2 -m <package>.train
"""

import csv
import logging
import os
import signal
import sys
import warnings
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from lightning import Trainer, seed_everything
from lightning.pytorch.callbacks import EarlyStopping, LearningRateMonitor, ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from lightning.pytorch.utilities import rank_zero_only
from lightning.pytorch.utilities.exceptions import SIGTERMException

from .boards import add_end
from .callbacks import Boards, Lines
from .config import Config
from .datamodule import DataModule
from .module import Module
from .run import find, parse, start_run


def train(config: Config) -> dict[str, float]:
    """Train, and give the validation metrics of the best epoch."""
    hush()
    seed_everything(config.seed, verbose=False)
    data = DataModule(config)
    data.setup("fit")
    config, task = data.config, data.task
    described: dict[str, Any] = {"spec": asdict(data.spec), "task": asdict(task)}
    hparams = described | {"lr": config.lr, "freeze": config.freeze, "seed": config.seed}
    module = Module(**hparams, weights=None if config.resume else config.pretrained)
    if config.compile:
        module.model.compile()

    first = rank_zero_only.rank == 0
    folder = start_run(config, **described) if first else Path("runs/other")
    place: dict[str, Any] = {"save_dir": folder.parent, "name": "", "version": folder.name}
    tensorboard, table = TensorBoardLogger(**place, default_hp_metric=False), CSVLogger(**place)
    if (folder / "metrics.csv").exists():  # a resumed run: CSVLogger would begin a new file
        rows = list(csv.DictReader((folder / "metrics.csv").read_text().splitlines()))
        table.experiment.metrics.extend(rows)
    monitor: dict[str, Any] = {"monitor": f"val/{task.monitor[0]}", "mode": task.monitor[1]}
    files: dict[str, Any] = {"dirpath": folder, "enable_version_counter": False}
    best, boards = ModelCheckpoint(**files, **monitor, filename="best"), Boards()
    limit = 2 if config.dry_run else None
    trainer = Trainer(
        **machine(config),
        max_epochs=1 if config.dry_run else config.epochs,
        limit_train_batches=limit,
        limit_val_batches=limit,
        gradient_clip_val=1.0,
        log_every_n_steps=limit or min(10, len(data.train_dataloader())),
        logger=[tensorboard, table],
        callbacks=[
            best,
            ModelCheckpoint(**files, filename="last", save_on_exception=True),
            EarlyStopping(**monitor, patience=config.patience),
            LearningRateMonitor(),
            Lines(),
            boards,
        ],
        enable_progress_bar=sys.stdout.isatty(),
    )
    # Ctrl-C waits for the end of the step, as SIGTERM does
    signal.signal(signal.SIGINT, lambda *_: signal.raise_signal(signal.SIGTERM))
    last = find(config.resume, "last.ckpt") if config.resume else None
    try:
        trainer.fit(module, data, ckpt_path=last, weights_only=True)
    except SIGTERMException:
        print(f"stopped: go on with --resume {folder}")
        raise SystemExit(128 + signal.SIGTERM) from None
    result: dict[str, float] = torch.load(best.best_model_path, weights_only=True)["metrics"]
    if first:
        seen, step = (boards.scores, boards.targets), trainer.global_step
        add_end(tensorboard.experiment, task, *seen, asdict(config), result, step)
        tensorboard.finalize("success")
        print(f"finished: {best.best_model_path}")
    return result


def machine(config: Config) -> dict[str, Any]:
    """Choose accelerator, processes and precision for a Trainer."""
    name, _, number = config.device.partition(":")
    precision = config.precision
    if name == "cuda" or (name == "auto" and torch.cuda.is_available()):
        torch.set_float32_matmul_precision("high")  # TF32 for what stays in fp32
        if precision == "auto":
            bf16 = torch.cuda.is_bf16_supported(including_emulation=False)
            precision = "bf16" if bf16 else "fp16"
    here = int(os.environ.get("LOCAL_WORLD_SIZE", 1))  # torchrun
    return {
        "accelerator": name,
        "devices": [int(number)] if number else here,
        "num_nodes": int(os.environ.get("WORLD_SIZE", 1)) // here,
        "precision": {"bf16": "bf16-mixed", "fp16": "16-mixed"}.get(precision, "32-true"),
    }


def hush() -> None:
    """Leave out warnings of what is so on purpose, and advertisements."""
    for message in (
        r"(Experiment logs|Checkpoint) directory .* exists and is not empty",  # the run's folder
        r".* does not have many workers",  # with_defaults has chosen
        r"You're resuming from a checkpoint that ended before the epoch",  # TrainLoader can
        r"`isinstance\(treespec, LeafSpec\)` is deprecated",  # Lightning 2.6 with torch 2.15
    ):
        warnings.filterwarnings("ignore", message)
    lines = logging.getLogger("lightning.pytorch.utilities.rank_zero")
    lines.addFilter(lambda record: "Tip: For seamless cloud" not in record.getMessage())


if __name__ == "__main__":
    train(parse(__doc__))
