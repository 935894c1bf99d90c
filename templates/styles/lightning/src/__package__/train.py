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
from .callbacks import Boards, Last, Lines
from .config import Config
from .datamodule import DataModule
from .module import Module
from .run import catch_signals, find, leave, main, start_run


def train(config: Config, kind: type[Module] = Module, **options: Any) -> dict[str, float]:
    """Train, and give the validation metrics of the best epoch; `options` go to the Trainer."""
    hush()
    seed_everything(config.seed % 2**32, verbose=False)
    data = DataModule(config)
    data.setup("fit")
    config, task = data.config, data.task
    described: dict[str, Any] = {"spec": asdict(data.spec), "task": asdict(task)}
    hparams = described | {"lr": config.lr, "freeze": config.freeze, "seed": config.seed}
    module = kind(**hparams, weights=None if config.resume else config.pretrained)
    if config.compile:
        module.model.compile()

    last = find(config.resume, "last.ckpt") if config.resume else None
    saved = torch.load(last, "cpu", weights_only=True) if last else {}
    waited = [state.get("wait_count", 0) for state in saved.get("callbacks", {}).values()]
    if max(waited, default=0) >= config.patience:  # Lightning would train one more epoch
        print(f"finished before: {config.resume}")
        path = find(config.resume, "best.ckpt")
        return dict(torch.load(path, "cpu", weights_only=True)["metrics"])
    step = saved.get("global_step", 0)
    first = rank_zero_only.rank == 0  # type: ignore[attr-defined]
    folder = start_run(config, **described) if first else Path("runs/other")
    place: dict[str, Any] = {"save_dir": folder.parent, "name": "", "version": folder.name}
    board = TensorBoardLogger(**place, default_hp_metric=False, purge_step=step)
    table = CSVLogger(**place)
    if (folder / "metrics.csv").exists():  # CSVLogger would begin a new one
        rows = csv.DictReader((folder / "metrics.csv").read_text().splitlines())
        kept = [row for row in rows if int(row["step"]) < step]
        table.experiment.metrics.extend(kept)
    monitor: dict[str, Any] = {"monitor": f"val/{task.monitor[0]}", "mode": task.monitor[1]}
    files: dict[str, Any] = {"dirpath": folder, "enable_version_counter": False}
    best, boards = ModelCheckpoint(**files, **monitor, filename="best"), Boards()
    limit = 2 if config.dry_run else None
    trainer = Trainer(
        **machine(config),
        max_epochs=1 if limit else config.epochs,
        limit_train_batches=limit,
        limit_val_batches=limit,
        gradient_clip_val=1.0,
        log_every_n_steps=limit or min(10, len(data.train_dataloader())),
        logger=[board, table],
        callbacks=[
            best,
            Last(**files, filename="last", save_on_train_epoch_end=True, save_on_exception=True),
            EarlyStopping(**monitor, patience=config.patience),
            LearningRateMonitor(),
            Lines(),
            boards,
        ],
        enable_progress_bar=sys.stdout.isatty(),
        **options,
    )
    # Ctrl-C waits for the end of the step, as SIGTERM does
    stop = catch_signals(lambda: signal.raise_signal(signal.SIGTERM))
    try:
        trainer.fit(module, data, ckpt_path=last, weights_only=True)
    except SIGTERMException:
        leave(folder, stop)
    result: dict[str, float] = torch.load(best.best_model_path, weights_only=True)["metrics"]
    if first and trainer.global_step > step:
        seen = boards.scores, boards.targets
        add_end(board.experiment, task, *seen, asdict(config), result, trainer.global_step)
        board.experiment.close()
        print(f"finished: {folder / 'best.ckpt'}")
    return result


def machine(config: Config) -> dict[str, Any]:
    """Choose accelerator, processes and precision for a Trainer."""
    name, _, number = config.device.partition(":")
    cuda, precision = name in ("auto", "cuda") and torch.cuda.is_available(), config.precision
    if cuda:
        torch.set_float32_matmul_precision("high")  # TF32 for what stays in fp32
        if precision == "auto":
            bf16 = torch.cuda.is_bf16_supported(including_emulation=False)
            precision = "bf16" if bf16 else "fp16"
    here = int(os.environ.get("LOCAL_WORLD_SIZE", 1))  # torchrun
    return {
        "accelerator": name,
        "devices": [int(number)] if number else here,
        "num_nodes": int(os.environ.get("WORLD_SIZE", 1)) // here,
        "sync_batchnorm": cuda,
        "precision": {"bf16": "bf16-mixed", "fp16": "16-mixed"}.get(precision, "32-true"),
    }


def hush() -> None:
    """Leave out warnings of what is so on purpose, and advertisements."""
    for message in (
        r"(Experiment logs|Checkpoint) directory .* exists and is not empty",  # the run's folder
        r".* does not have many workers",  # with_defaults has chosen their number
        r"You're resuming from a checkpoint that ended before the epoch",  # see TrainLoader
        r"`isinstance\(treespec, LeafSpec\)` is deprecated",  # Lightning 2.6 with torch 2.15
    ):
        warnings.filterwarnings("ignore", message)
    lines = logging.getLogger("lightning.pytorch.utilities.rank_zero")
    lines.addFilter(lambda record: "Tip: For seamless cloud" not in record.getMessage())


if __name__ == "__main__":
    main(train, __doc__)
