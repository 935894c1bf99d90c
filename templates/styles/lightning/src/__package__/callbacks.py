"""What is printed and drawn while a model is trained."""

import time
from typing import Any

import torch
from lightning import Callback, Trainer
from lightning.pytorch.loggers import TensorBoardLogger
from torch import Tensor

from .boards import add_confusion, add_graph, add_predictions
from .module import Batch, Module


class Lines(Callback):
    """Print a line an epoch, and log the speed."""

    def on_train_epoch_start(self, trainer: Trainer, module: Module) -> None:
        self.began, self.examples = time.perf_counter(), 0

    def on_train_batch_end(
        self, trainer: Trainer, module: Module, outputs: Any, batch: Batch, batch_idx: int
    ) -> None:
        self.examples += len(batch[0]) * trainer.world_size
        module.log("examples_per_second", self.examples / (time.perf_counter() - self.began))

    def on_train_epoch_end(self, trainer: Trainer, module: Module) -> None:
        found = trainer.callback_metrics.items()
        shown = [f"{k} {v:.4f}" for k, v in found if k.startswith(("train/", "val/"))]
        module.print(f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}", *shown, sep="  ")
        if trainer.callback_metrics["train/loss"].isnan():
            raise SystemExit("train/loss is not a number: try a lower --lr")


class Boards(Callback):
    """Draw what the first process validates, where TensorBoard is a logger."""

    def on_fit_start(self, trainer: Trainer, module: Module) -> None:
        loggers = [each for each in trainer.loggers if isinstance(each, TensorBoardLogger)]
        self.writer = loggers[0].experiment if loggers and trainer.is_global_zero else None

    def on_validation_epoch_start(self, trainer: Trainer, module: Module) -> None:
        self.batches = list[tuple[Tensor, Tensor]]()

    def on_validation_batch_end(
        self, trainer: Trainer, module: Module, outputs: Tensor, batch: Batch, batch_idx: int
    ) -> None:
        self.batches.append((outputs.cpu(), batch[1].cpu()))
        if batch_idx == 0:
            self.examples = [(x.cpu(), y.cpu()) for x, y in zip(*batch, strict=True)][:9]
            if self.writer and trainer.sanity_checking:
                add_graph(self.writer, module.model, batch[0])

    def on_validation_epoch_end(self, trainer: Trainer, module: Module) -> None:
        self.scores, self.targets = (torch.cat(part) for part in zip(*self.batches, strict=True))
        often = max(1, (trainer.max_epochs or 0) // 10)
        if self.writer and not trainer.sanity_checking and trainer.current_epoch % often == 0:
            task, step = module.task, trainer.global_step
            add_predictions(self.writer, self.examples, self.scores, task, module.spec, step)
            add_confusion(self.writer, self.scores, self.targets, task, step)
