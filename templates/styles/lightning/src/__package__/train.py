"""Train the model with a Lightning Trainer.

From the folder of the project:

    python -m <package>.train
    python -m <package>.train --data MY_DATA --epochs 30
    python -m <package>.train --resume auto
    torchrun --nproc-per-node 2 -m <package>.train
"""

import logging
import os
import sys
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any

from lightning.fabric.utilities.warnings import PossibleUserWarning
from lightning.pytorch import Trainer
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.utilities.exceptions import SIGTERMException
from torch.distributed.elastic.multiprocessing.errors import record

from . import checkpoint, tracking
from .callbacks import Checkpoint, Record, Stop
from .config import Config
from .data import make_datasets, make_loaders
from .flags import exit_cleanly, parse, to_dict
from .lit import LitClassifier
from .runtime import Runtime, StopRequest, start
from .strategy import AtomicIO, make_strategy

PRECISIONS: dict[str, Any] = {"fp32": "32-true", "bf16": "bf16-mixed", "fp16": "16-mixed"}


def train(config: Config) -> dict[str, float]:
    """Train, fill the run's folder and return the last row of its `metrics.jsonl`."""
    with start(config) as runtime, StopRequest(runtime) as stop:
        return fit(config, runtime, stop)


def fit(config: Config, runtime: Runtime, stop: StopRequest) -> dict[str, float]:
    silence()
    datasets = make_datasets(config)
    loaders = make_loaders(datasets, config, runtime)
    epochs = 1 if config.dry_run else config.epochs
    steps = epochs * len(loaders.train) // config.accumulate
    lit = LitClassifier(config, datasets, runtime, steps)

    epoch = step = 0
    if config.resume:
        saved = checkpoint.restore(Path(config.resume), lit.model, config, datasets, key="loops")
        epoch, step = saved["epoch"], saved["step"]
        loaders.train.set_epoch(epoch, start=saved["batch"])
    run_dir = tracking.start_run(config, runtime, datasets, step)
    logger = TensorBoardLogger(
        run_dir, name="", version="", default_hp_metric=False, purge_step=step + 1
    )
    logger.log_hyperparams(to_dict(config))
    tracking.log_graph(logger.experiment, lit.model, next(iter(loaders.val))[0].to(runtime.device))
    if config.compile:
        lit.model.compile()

    record = Record(run_dir, logger.experiment, step)
    devices = int(os.environ.get("LOCAL_WORLD_SIZE", 1))
    trainer = Trainer(
        accelerator=runtime.device.type,
        devices=devices,
        num_nodes=runtime.world_size // devices,
        strategy=make_strategy(lit),
        precision=PRECISIONS[runtime.precision],
        max_epochs=max(epochs, epoch),
        accumulate_grad_batches=config.accumulate,
        gradient_clip_val=config.clip_norm,
        logger=logger,
        log_every_n_steps=config.log_every,
        callbacks=[
            record,
            Stop(stop, run_dir / "last.pt"),
            Checkpoint(run_dir / "best.pt", monitor="val/accuracy", mode="max"),
            Checkpoint(run_dir / "last.pt"),
        ],
        plugins=AtomicIO(),
        num_sanity_val_steps=0,
        use_distributed_sampler=False,  # the loaders divide the batches themselves
        enable_model_summary=False,
        # Lightning draws the bar on stdout
        enable_progress_bar=sys.stdout.isatty() and sys.stderr.isatty(),
    )
    with suppress(SIGTERMException):
        trainer.fit(lit, loaders.train, loaders.val, ckpt_path=config.resume)
    return record.close(trainer)


def silence() -> None:
    """Leave out what Lightning says of devices and limits: the run has its own lines."""
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    # Hints at the number of workers and at the logging interval, both chosen on purpose
    warnings.filterwarnings("ignore", category=PossibleUserWarning)
    # The folder of a run holds its settings before the first checkpoint
    warnings.filterwarnings("ignore", "Checkpoint directory .* exists and is not empty")
    # Lightning 2.6 with newer PyTorch
    warnings.filterwarnings("ignore", ".*LeafSpec", FutureWarning)


@record  # the error of a process goes to the end of what torchrun prints
def main() -> None:
    with exit_cleanly():
        train(parse(__doc__))


if __name__ == "__main__":
    main()
