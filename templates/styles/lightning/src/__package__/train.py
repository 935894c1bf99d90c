"""Train the model."""

import os
import signal
import sys
import time
import warnings
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from lightning import Callback, Trainer, seed_everything
from lightning.pytorch.callbacks import EarlyStopping, LearningRateMonitor, ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from lightning.pytorch.utilities import rank_zero_only
from lightning.pytorch.utilities.data import extract_batch_size
from lightning.pytorch.utilities.exceptions import SIGTERMException
from torch import Tensor

from .config import Config
from .data import draw
from .datamodule import DataModule
from .module import Module
from .run import catch_signals, find, leave, main, optional, settings, start_run


def train(config: Config, kind: type[Module] = Module, **options: Any) -> dict[str, float]:
    """Train, and give the best of the metric; `options`, `callbacks` too, go to the Trainer."""
    hush()
    seed_everything(config.seed % 2**32, verbose=False)
    data = DataModule(config)
    data.setup("fit")
    config, task = data.config, data.task
    about: dict[str, Any] = {"spec": asdict(data.spec), "task": asdict(task)}
    hparams = about | {"lr": config.lr, "freeze": config.freeze, "seed": config.seed}
    module = kind(**hparams, weights=None if config.resume else config.pretrained)
    last = find(config.resume, "last.ckpt") if config.resume else None
    saved = torch.load(last, "cpu", weights_only=True) if last else {"callbacks": {}}
    for state in saved["callbacks"].values():
        # Lightning would train an epoch more
        if state.get("stopped_epoch") and state["wait_count"] >= config.patience:
            print(f"finished before: {config.resume}")
            return {task.monitor[0]: float(state["best_score"])}
    first = getattr(rank_zero_only, "rank", 0) == 0
    folder = start_run(config, examples=len(data.table), **about) if first else Path("runs/other")
    place: dict[str, Any] = {"save_dir": folder.parent, "name": "", "version": folder.name}
    board = TensorBoardLogger(**place, default_hp_metric=False, purge_step=saved.get("global_step"))
    with optional("graph"):
        board.experiment.add_graph(module.model, data.val_set[0][0][None], verbose=False)
    if config.compile:
        module.model.compile()
    monitor: dict[str, Any] = {"monitor": f"val/{task.monitor[0]}", "mode": task.monitor[1]}
    files: dict[str, Any] = {"dirpath": folder, "enable_version_counter": False}
    best = Saver(**files, **monitor, filename="best")
    progress = Progress()
    limit = 2 if config.dry_run else None
    chosen: dict[str, Any] = {
        **machine(config),
        "max_epochs": config.epochs,
        "limit_train_batches": limit,
        "limit_val_batches": limit,
        "log_every_n_steps": limit or min(10, len(data.train_set) // data.batch_size or 1),
        "logger": [board, CSVLogger(folder, name=""), *options.pop("loggers", [])],
        "enable_progress_bar": sys.stdout.isatty(),
    }
    callbacks = [
        best,
        Saver(**files, filename="last", save_on_train_epoch_end=True, save_on_exception=True),
        EarlyStopping(**monitor, patience=config.patience),
        LearningRateMonitor(),
        progress,
        *options.pop("callbacks", []),
    ]
    trainer = Trainer(callbacks=callbacks, **chosen | options)
    stop, keys = catch_signals(), list[int]()

    def interrupt(number: int, frame: Any) -> None:
        keys.append(number)
        signal.raise_signal(signal.SIGTERM)  # with which Lightning ends after its step

    with suppress(ValueError):  # in a thread of a notebook there are no signals
        if sys.platform == "win32":  # where Lightning listens to no SIGTERM, but to this itself
            signal.signal(signal.SIGINT, signal.default_int_handler)
        else:
            signal.signal(signal.SIGINT, interrupt)
    with suppress(SIGTERMException):
        trainer.fit(module, data, ckpt_path=last, weights_only=True)
    if torch.distributed.is_initialized():  # or threads of gloo may abort what ends with them
        torch.distributed.destroy_process_group()
    if trainer.interrupted:
        leave(folder, keys or stop)
    result = {task.monitor[0]: float(best.best_model_score or 0)}
    if first:
        with optional("settings or embeddings"):
            board.log_hyperparams(settings(config), {f"final/{k}": v for k, v in result.items()})
            board.save()
            task.embed(board.experiment, *progress.found)
        print(f"finished: {folder / 'best.ckpt'}")
    return result


class Progress(Callback):
    """Print a line an epoch, log the speed, and draw what is validated, where TensorBoard is."""

    def on_train_start(self, trainer: Trainer, module: Any) -> None:
        self.began, self.examples = time.perf_counter(), 0

    # Lightning leaves this one out where a run goes on within an epoch
    on_train_epoch_start = on_train_start  # type: ignore[assignment]

    def on_train_batch_end(
        self, trainer: Trainer, module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        loss = dict(outputs or {}).get("loss")  # a training_step of your own need not give it
        if trainer.global_step % 10 == 0 and loss is not None and loss.isnan():
            raise SystemExit("train/loss is not a number: try a lower --lr")
        self.examples += extract_batch_size(batch) * trainer.world_size
        module.log("examples_per_second", self.examples / (time.perf_counter() - self.began))

    def on_train_epoch_end(self, trainer: Trainer, module: Any) -> None:
        found = {k: float(v) for k, v in trainer.callback_metrics.items()}
        shown = [f"{k} {v:.4f}" for k, v in found.items() if k.startswith(("train/", "val/"))]
        module.print(f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}", *shown, sep="  ")

    def on_validation_epoch_start(self, trainer: Trainer, module: Any) -> None:
        self.seen: list[tuple[Tensor, Tensor]] = []

    def on_validation_batch_end(
        self, trainer: Trainer, module: Any, outputs: Any, batch: Any, batch_idx: int, *_: int
    ) -> None:
        shape = getattr(outputs, "shape", ())
        match batch:  # a step of your own may take and give what it likes
            case [Tensor() as inputs, Tensor() as targets] if shape[:1] == targets.shape[:1]:
                if not self.seen:
                    self.inputs = inputs[:9].cpu()
                self.seen.append((outputs.cpu(), targets.cpu()))

    def on_validation_epoch_end(self, trainer: Trainer, module: Any) -> None:
        boards = [each for each in trainer.loggers if isinstance(each, TensorBoardLogger)]
        if self.seen:
            self.found = tuple(map(torch.cat, zip(*self.seen, strict=True)))
        due = (trainer.current_epoch + 1) % max(1, (trainer.max_epochs or 0) // 10) == 0
        if due and boards and self.seen and trainer.is_global_zero and not trainer.sanity_checking:
            writer, step = boards[0].experiment, trainer.global_step
            with optional("pictures"):
                titles = list(map(module.task.describe, *(part[:9] for part in self.found)))
                draw(writer, step, self.inputs, titles, module.spec)
                module.task.draw(writer, step, *self.found)
                if trainer.world_size == 1 and hasattr(module.model, "draw"):
                    module.model.draw(writer, step)


class Saver(ModelCheckpoint):
    def check_monitor_top_k(self, trainer: Trainer, current: Tensor | None = None) -> bool:
        # Of equals the later: on few examples there are many, and the early have hardly learned
        same = current is not None and bool(current == self.best_model_score)
        return super().check_monitor_top_k(trainer, current) or same

    def on_exception(self, trainer: Trainer, module: Any, exception: BaseException) -> None:
        # Resumed within a validation, Lightning would leave out the rest; no loss, nothing to keep
        # Of several processes one alone would wait for the others, which wait for its gradients
        alone = trainer.world_size == 1 or isinstance(exception, SIGTERMException)
        if trainer.training and type(exception) is not SystemExit and alone:
            super().on_exception(trainer, module, exception)


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
        # MPS is one device, and talks to no other
        "accelerator": "cpu" if here > 1 and torch.backends.mps.is_available() else name,
        "devices": [int(number)] if number else here,
        "num_nodes": int(os.environ.get("GROUP_WORLD_SIZE", 1)),
        "sync_batchnorm": cuda,
        "precision": {"bf16": "bf16-mixed", "fp16": "16-mixed"}.get(precision, "32-true"),
    }


def hush() -> None:
    """Leave out warnings of what is so on purpose."""
    for message in (
        r"Checkpoint directory .* exists and is not empty",  # the run's folder
        r".* does not have many workers",  # with_defaults has chosen their number
        r"Consider setting `persistent_workers=True`",  # where processes are not forked
        r"Precision .*-mixed is not supported by the model summary",  # so on every GPU
        r"You're resuming from a checkpoint that ended before the epoch",  # see TrainLoader
        r"`isinstance\(treespec, LeafSpec\)` is deprecated",  # Lightning 2.6 with torch 2.15
    ):
        warnings.filterwarnings("ignore", message)


if __name__ == "__main__":
    main(train, __doc__)
