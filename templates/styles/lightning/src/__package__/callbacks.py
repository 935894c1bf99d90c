"""What is printed, drawn and saved while a model is trained."""

import time
from typing import Any

import torch
from lightning import Callback, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import TensorBoardLogger

from .boards import add_graph, add_pictures, spread


class Lines(Callback):
    """Print a line an epoch, and log the speed."""

    def on_train_start(self, trainer: Trainer, module: Any) -> None:
        self.began, self.examples = time.perf_counter(), 0

    # Lightning leaves this one out where a run goes on within an epoch
    on_train_epoch_start = on_train_start  # type: ignore[assignment]

    def on_train_batch_end(
        self, trainer: Trainer, module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if trainer.global_step % 10 == 0 and outputs["loss"].isnan():
            raise SystemExit("train/loss is not a number: try a lower --lr")
        self.examples += len(batch[0]) * trainer.world_size
        module.log("examples_per_second", self.examples / (time.perf_counter() - self.began))

    def on_train_epoch_end(self, trainer: Trainer, module: Any) -> None:
        found = {k: float(v) for k, v in trainer.callback_metrics.items()}
        shown = [f"{k} {v:.4f}" for k, v in found.items() if k.startswith(("train/", "val/"))]
        module.print(f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}", *shown, sep="  ")


class Boards(Callback):
    """Draw what the first process validates, where TensorBoard is a logger."""

    def on_validation_epoch_start(self, trainer: Trainer, module: Any) -> None:
        loggers = [each for each in trainer.loggers if isinstance(each, TensorBoardLogger)]
        self.writer = loggers[0].experiment if loggers and trainer.is_global_zero else None
        self.seen: list[Any] = []
        self.examples: list[Any] = []

    def on_validation_batch_end(
        self, trainer: Trainer, module: Any, outputs: Any, batch: Any, batch_idx: int, *_: int
    ) -> None:
        if outputs is None:  # a validation_step of one's own
            return
        self.seen.append((outputs.cpu(), batch[1].cpu()))
        if batch_idx % max(1, int(trainer.num_val_batches[0]) // 9) == 0:
            self.examples += spread([part.cpu() for part in (*batch, outputs)])
        if batch_idx == 0 and self.writer and trainer.sanity_checking:
            add_graph(self.writer, module.model, batch[0])

    def on_validation_epoch_end(self, trainer: Trainer, module: Any) -> None:
        if not self.seen:
            return
        self.scores, self.targets = map(torch.cat, zip(*self.seen, strict=True))
        often = max(1, (trainer.max_epochs or 0) // 10)
        if self.writer and not trainer.sanity_checking and trainer.current_epoch % often == 0:
            found: Any = self.examples, self.scores, self.targets
            add_pictures(self.writer, trainer.global_step, module.task, module.spec, *found)


class Last(ModelCheckpoint):
    def on_exception(self, trainer: Trainer, module: Any, exception: BaseException) -> None:
        # Resumed within a validation, Lightning would leave out the rest; no loss, nothing to keep
        if trainer.training and type(exception) is not SystemExit:
            super().on_exception(trainer, module, exception)
