"""What the Trainer does beside training: the records of a run, its checkpoints, a polite end."""

import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.utilities.exceptions import SIGTERMException
from torch.utils.tensorboard import SummaryWriter

from . import boards, tracking
from .lit import LitClassifier
from .optim import averaged
from .runtime import StopRequest


class Record(Callback):
    """Writes metrics.jsonl, and to TensorBoard the points of the steps and the validation split.

    Comes before `Stop`, which may leave after any step.
    """

    def __init__(self, run_dir: Path, writer: SummaryWriter, step: int) -> None:
        self.run_dir, self.writer = run_dir, writer
        self.rows = tracking.read_metrics(run_dir, step)
        self.rate = self.wait_share = 0.0

    def on_train_start(self, trainer: Trainer, lit: LitClassifier) -> None:  # type: ignore[override]
        self.start_epoch()  # a run that goes on inside an epoch does not start one
        if lit.config.log_level == "full" and trainer.is_global_zero:
            every, step = 10 * lit.config.log_every, trainer.global_step
            boards.watch_gradients(self.writer, lit.model, trainer.optimizers[0], every, step)

    def on_train_epoch_start(self, *_: Any) -> None:
        self.start_epoch()

    def start_epoch(self) -> None:
        self.examples, self.began = 0, time.perf_counter()

    def on_train_batch_end(
        self, trainer: Trainer, lit: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        _, labels = batch
        self.examples += len(labels) * lit.runtime.world_size
        self.rate = self.examples / (time.perf_counter() - self.began)
        loader: Any = trainer.train_dataloader
        self.wait_share = loader.wait_share
        step = trainer.global_step
        if (batch_idx + 1) % lit.config.accumulate or step % lit.config.log_every:
            return
        hits = outputs["logits"].argmax(dim=1) == labels  # of the last part
        own = torch.stack([torch.stack([*lit.losses]).mean(), hits.float().mean()])
        loss, accuracy = lit.runtime.mean(own).tolist()
        tracking.check_finite(loss, step)
        scalars = {"train/loss": loss, "train/accuracy": accuracy}
        scalars |= {"grad_norm": lit.grad_norm.item(), "lr": lit.lr}
        scalars |= {"examples_per_second": self.rate, "data_wait": self.wait_share}
        if trainer.logger:  # `lit.log_dict` would take a millisecond of every step
            trainer.logger.log_metrics(scalars, step=step)

    def on_train_epoch_end(self, trainer: Trainer, lit: LitClassifier) -> None:  # type: ignore[override]
        train_loss, seen = lit.runtime.sum(lit.sums.clone()).tolist()
        tracking.check_finite(train_loss, trainer.global_step)
        row = {
            "epoch": trainer.current_epoch + 1,
            "step": trainer.global_step,
            "train/loss": train_loss / seen,
            "val/loss": lit.result.loss,
            "val/accuracy": lit.result.accuracy,
            "lr": lit.lr,
            "examples_per_second": self.rate,
            "data_wait": self.wait_share,
        }
        self.rows.append(row)
        if trainer.is_global_zero:
            tracking.write_metrics(self.run_dir, self.rows)
            lit.print(tracking.format_row(row))
        with averaged(trainer.optimizers[0]):
            writer = self.writer if trainer.is_global_zero else None
            loader: Any = trainer.val_dataloaders
            together = lit.model, loader, lit.datasets, lit.config, lit.runtime, row
            tracking.log_pictures(writer, *together, lit.result.confusion)
            if lit.config.log_level == "full":
                boards.log_validation(writer, *together)

    def on_train_end(self, trainer: Trainer, lit: LitClassifier) -> None:  # type: ignore[override]
        if trainer.is_global_zero and trainer.current_epoch == trainer.max_epochs:
            tracking.log_hparams(self.writer, lit.config, self.rows[-1])

    def close(self, trainer: Trainer) -> dict[str, float]:
        """Say where the run is, and return the last row."""
        if trainer.is_global_zero:
            best, last = self.run_dir / "best.pt", self.run_dir / "last.pt"
            finished = trainer.current_epoch == trainer.max_epochs
            print(f"finished: {best}" if finished else f"stopped: go on with --resume {last}")
        return self.rows[-1] if self.rows else {}


class Stop(Callback):
    """Saves and leaves after the step in which SIGTERM or Ctrl-C came."""

    def __init__(self, request: StopRequest, path: Path) -> None:
        self.request, self.path = request, path

    def on_train_start(self, *args: Any) -> None:
        # In place of Lightning's handler, which talks to the other processes wherever they are
        self.request.listen()

    def on_train_batch_end(
        self, trainer: Trainer, lit: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        complete = (batch_idx + 1) % trainer.accumulate_grad_batches == 0
        if complete and not trainer.is_last_batch and self.request.agreed(trainer.global_step):
            trainer.save_checkpoint(self.path)
            raise SIGTERMException

    def on_train_epoch_end(self, trainer: Trainer, *args: Any) -> None:
        if self.request.agreed():
            trainer.should_stop = True


class Checkpoint(ModelCheckpoint):
    """Keeps one file, written over; its folder may be moved before the run goes on."""

    FILE_EXTENSION = ".pt"

    def __init__(self, path: Path, **options: Any) -> None:
        super().__init__(path.parent, path.stem, enable_version_counter=False, **options)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        score, path = state_dict["best_model_score"], self.format_checkpoint_name({})
        if score is not None:
            here = {"dirpath": self.dirpath, "best_model_path": path, "kth_best_model_path": path}
            super().load_state_dict({**state_dict, **here, "best_k_models": {path: score}})

    def on_train_epoch_end(self, trainer: Trainer, lit: LitClassifier) -> None:  # type: ignore[override]
        # The best weights are those that were validated: with `--ema`, the averages
        with averaged(trainer.optimizers[0]) if self.monitor else nullcontext():
            super().on_train_epoch_end(trainer, lit)
