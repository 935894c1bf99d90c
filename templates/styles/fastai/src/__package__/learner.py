"""What a Learner needs: target, loss and metrics of the task, callbacks that fill the folder."""

import json
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import pandas as pd
import torch
from fastai.basics import AccumMetric, Callback, CancelEpochException, OptimWrapper, set_seed
from fastai.callback.all import GradientClip  # and what it gives a Learner, such as fit_one_cycle
from fastai.data.block import CategoryBlock, DataBlock, MultiCategoryBlock, RegressionBlock
from fastai.data.core import DataLoaders
from torch import Tensor, nn
from torch.optim import AdamW
from torch.utils.tensorboard import SummaryWriter

from .config import Config
from .data import draw
from .run import catch_signals, leave, optional
from .task import Task


def target_block(task: Task) -> Any:
    if task.kind == "regression":
        return RegressionBlock(n_out=len(task.names))
    block = CategoryBlock if task.kind == "classification" else MultiCategoryBlock
    return block(vocab=task.names)


def loaders(block: DataBlock, table: pd.DataFrame, config: Config) -> DataLoaders:
    rows = table[table["split"] != "test"]
    full = (rows["split"] == "train").sum() > config.batch_size
    options = {"bs": config.batch_size, "num_workers": config.num_workers, "drop_last": bool(full)}
    device = None if config.device == "auto" else torch.device(config.device)
    return block.dataloaders(rows, device=device, **options)


def for_task(task: Task) -> dict[str, Any]:
    """Give the loss, the metrics and the optimizer of a Learner: Adam, fused; norms decay too."""
    metrics = [TaskMetric(task, str(name)) for name in task.metrics()]
    how = {"fused": True, "foreach": False}  # not None, which TensorBoardCallback cannot write
    adam = partial(OptimWrapper, opt=AdamW, betas=(0.9, 0.99), eps=1e-5, **how)
    return {"loss_func": TaskLoss(task), "metrics": metrics, "opt_func": adam}


class TaskMetric(AccumMetric):
    """A metric of the task: of all scores of a validation."""

    def __init__(self, task: Task, name: str) -> None:
        super().__init__(self.measure, flatten=False, name=name)
        self.task = task

    def measure(self, scores: Tensor, targets: Tensor) -> float:
        return float(self.task.metrics()[self.name](scores, targets))

    def accumulate(self, learn: Any) -> None:
        self.accum_values(self.task.scores(learn.pred, learn.y), learn.y, learn)


class TaskLoss:
    """The loss of the task, and what `get_preds`, `predict` and Interpretation want of a loss."""

    reduction, y_int = "mean", True  # MixUp mixes losses, not targets

    def __init__(self, task: Task) -> None:
        self.task, self.activation = task, task.scores

    def __call__(self, logits: Tensor, targets: Tensor) -> Tensor:
        if self.reduction == "mean":
            return self.task.loss(logits, targets)
        pairs = zip(logits.split(1), targets.split(1), strict=True)
        return torch.stack([self.task.loss(*pair) for pair in pairs])

    def decodes(self, scores: Tensor) -> Tensor:
        if self.task.kind == "classification":
            return scores.argmax(dim=1)
        return scores > 0.5 if self.task.kind == "multilabel" else scores


def make_splitter(model: nn.Module) -> Callable[[Any], list[list[nn.Parameter]]]:
    """Part a model for `freeze` and `fine_tune`; what is fixed at first stays so."""
    names = [name for name, p in model.named_parameters() if p.requires_grad]

    def split(model: Any) -> list[list[nn.Parameter]]:
        head = set(getattr(model, "get_classifier", lambda: model)().parameters())
        free = [model.get_parameter(name) for name in names]
        return [[p for p in free if p not in head], [p for p in free if p in head]]

    return split


class GradientNorm(GradientClip):
    """Clip, and keep the norm that is found on the way."""

    def before_fit(self) -> None:
        self.learn.grad_norm = 0.0  # before a step, which may take several batches

    def before_step(self) -> None:
        self.learn.grad_norm = nn.utils.clip_grad_norm_(self.parameters(), self.max_norm)


class RunFolder(Callback):
    """Write last.pth, to go on from, and to TensorBoard the tags that all styles share.

    An epoch depends on its number and the seed alone. Those that are done are left out, their
    metrics stay for SaveModelCallback, which fails where fastai's `start_epoch` leaves none.
    """

    order = 62  # after Recorder and SaveModelCallback, before EarlyStoppingCallback

    def __init__(
        self, config: Config, task: Task, spec: Any, writer: SummaryWriter, done: list[list[float]]
    ) -> None:
        self.config, self.task, self.spec, self.writer = config, task, spec, writer
        self.done, self.skip, self.number, self.stop = done, len(done), 0, catch_signals()

    def before_epoch(self) -> None:
        self.number += 1  # over all fits: `fine_tune` has two
        if self.number <= self.skip:
            self.recorder.log += self.done[self.number - 1]
            raise CancelEpochException
        if self.number == self.skip + 1 > 1:
            self.learn.load("last", with_opt=self.epoch > 0)
        set_seed(self.config.seed + self.number)
        self.dls.train.rng.seed(self.config.seed + self.number)
        self.step, self.began = (self.number - 1) * len(self.dls.train), time.perf_counter()

    def after_batch(self) -> None:
        if self.stop:
            self.csv_logger.file.close()
            leave(self.path, self.stop)
        self.step += self.training
        if self.training and (self.step % 10 == 0 or self.config.dry_run):
            speed = (self.iter + 1) * self.dls.bs / (time.perf_counter() - self.began)
            scalars = {"train/loss": self.loss.item(), "grad_norm": float(self.grad_norm)}
            self.log(scalars | {"lr": self.opt.hypers[-1]["lr"], "examples_per_second": speed})

    def after_validate(self) -> None:
        names = ["val/loss", *(f"val/{metric.name}" for metric in self.metrics)]
        self.log(dict(zip(names, self.recorder.log[2:], strict=False)))
        if self.epoch % max(1, self.n_epoch // 10) == 0 or self.epoch + 1 == self.n_epoch:
            with optional("pictures"):
                found = self.learn.metrics[0]
                scores, targets = torch.cat(found.preds), torch.cat(found.targs)
                titles = list(map(self.task.describe, scores[:9], targets))
                inputs = self.dls.valid.one_batch()[0][:9].cpu()
                draw(self.writer, self.step, inputs, titles, self.spec)
                self.task.draw(self.writer, self.step, scores, targets)
                if hasattr(self.model, "draw"):
                    self.model.draw(self.writer, self.step)

    def log(self, scalars: dict[str, float]) -> None:
        for tag, value in scalars.items():
            if tag.endswith("loss") and value != value:
                raise SystemExit(f"{tag} is {value} at step {self.step}: try a lower --lr")
            self.writer.add_scalar(tag, value, self.step)

    def after_epoch(self) -> None:
        if self.number > self.skip:
            self.done.append(list(self.learn.final_record))
            self.learn.save("saving.tmp").replace(self.path / "last.pth")
            (self.path / "last.json").write_text(json.dumps(self.done))
