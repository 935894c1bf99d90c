"""What a Learner needs: loss and metrics of the task, callbacks that fill the run's folder."""

import json
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import pandas as pd
import torch
from fastai.basics import (
    AccumMetric,
    Callback,
    CancelEpochException,
    CategoryBlock,
    Learner,
    MultiCategoryBlock,
    Recorder,
    RegressionBlock,
    TransformBlock,
    default_device,
    set_seed,
)
from fastai.callback.all import GradientClip
from torch import Tensor, nn
from torch.utils.tensorboard import SummaryWriter

from .boards import add_pictures, spread
from .config import Config
from .hub import split
from .run import leave
from .task import Task


def target_block(task: Task) -> TransformBlock:
    if task.kind == "classification":
        return CategoryBlock(vocab=task.names, sort=False)
    if task.kind == "multilabel":
        return MultiCategoryBlock(vocab=task.names)
    return RegressionBlock(n_out=len(task.names))


def loader_options(rows: pd.DataFrame, config: Config) -> dict[str, Any]:
    device = default_device() if config.device == "auto" else torch.device(config.device)
    full = (rows["split"] == "train").sum() > config.batch_size
    options = {"bs": config.batch_size, "num_workers": config.num_workers, "device": device}
    return options | {"drop_last": bool(full)}


def make_splitter(model: nn.Module) -> Callable[[nn.Module], list[list[nn.Parameter]]]:
    """Give what parts a model for `freeze` and `fine_tune`; what is fixed at first stays so."""
    return partial(part, {name for name, p in model.named_parameters() if p.requires_grad})


def part(trained: set[str], model: nn.Module) -> list[list[nn.Parameter]]:
    chosen = {p for name, p in model.named_parameters() if name in trained}
    groups = [[p for p in group if p in chosen] for group in split(model)]
    return [group for group in groups if group]


def to_precision(learn: Learner, config: Config) -> Learner:
    """fastai has mixed precision for CUDA alone."""
    cuda, precision = learn.dls.device.type == "cuda", config.precision
    if precision == "auto":
        bf16 = cuda and torch.cuda.is_bf16_supported(including_emulation=False)
        precision = "bf16" if bf16 else "fp16"
    precision = precision if cuda else "fp32"
    print(f"device {learn.dls.device}, precision {precision}")
    if precision == "fp32":
        return learn
    return learn.to_bf16() if precision == "bf16" else learn.to_fp16()


class TaskLoss:
    """The loss of the task, and what `get_preds`, `predict` and Interpretation want of a loss."""

    reduction = "mean"
    y_int = True  # MixUp mixes losses, not targets

    def __init__(self, task: Task) -> None:
        self.task = task

    def __call__(self, logits: Tensor, targets: Tensor) -> Tensor:
        if self.reduction == "mean":
            return self.task.loss(logits, targets)
        pairs = zip(logits.split(1), targets.split(1), strict=True)
        return torch.stack([self.task.loss(*pair) for pair in pairs])

    def activation(self, logits: Tensor) -> Tensor:
        return self.task.scores(logits)

    def decodes(self, scores: Tensor) -> Tensor:
        if self.task.kind == "regression":
            return scores
        return scores.argmax(dim=1) if self.task.kind == "classification" else scores > 0.5


def make_metrics(task: Task) -> list[AccumMetric]:
    names = [str(name) for name in task.metrics()]
    return [AccumMetric(partial(measure, task, name), flatten=False, name=name) for name in names]


def measure(task: Task, name: str, logits: Tensor, targets: Tensor) -> float:
    return float(task.metrics()[name](task.scores(logits), targets))


def print_row(recorder: Recorder, row: list[Any]) -> None:
    """Print a row of the table of epochs so that a log file can be read."""
    pairs = zip(recorder.metric_names, row, strict=True)
    print(*(f"{k} {v:.4f}" if isinstance(v, float) else f"{k} {v}" for k, v in pairs), sep="  ")


class GradientNorm(GradientClip):
    """Clip, and keep the norm that is found on the way."""

    def before_step(self) -> None:
        self.learn.grad_norm = nn.utils.clip_grad_norm_(self.parameters(), self.max_norm)


class TensorBoard(Callback):
    """Write the tags that all styles share; those of fastai's TensorBoardCallback are fixed."""

    order = 55  # the Recorder comes first

    def __init__(self, writer: SummaryWriter, task: Task, spec: Any, every: int = 10) -> None:
        self.writer, self.task, self.spec, self.every, self.epochs = writer, task, spec, every, 0

    def before_epoch(self) -> None:
        self.step = self.epochs * len(self.dls.train)  # fastai's own count begins anew in each fit
        self.epochs += 1

    def before_train(self) -> None:
        self.began = time.perf_counter()

    def before_validate(self) -> None:
        self.seen: list[tuple[Tensor, ...]] = []
        self.examples: list[Any] = []

    def after_batch(self) -> None:
        if not self.training:
            scores = self.task.scores(self.pred.float().cpu())
            if self.iter % max(1, self.n_iter // 9) == 0:
                self.examples += spread([self.x.cpu(), self.y.cpu(), scores])
            self.seen.append((scores, self.y.cpu()))
            return
        self.step += 1
        if self.step % self.every == 0:
            speed = (self.iter + 1) * self.dls.bs / (time.perf_counter() - self.began)
            scalars = {"train/loss": self.loss.item(), "grad_norm": float(self.grad_norm)}
            self.log(scalars | {"lr": self.opt.hypers[-1]["lr"], "examples_per_second": speed})

    def after_validate(self) -> None:
        names = [name.removeprefix("valid_") for name in self.recorder.metric_names[2:-1]]
        values = self.recorder.log[2:]
        self.log({f"val/{name}": value for name, value in zip(names, values, strict=True)})
        if self.epoch % max(1, self.n_epoch // 10) == 0 or self.epoch + 1 == self.n_epoch:
            scores, targets = (torch.cat(parts) for parts in zip(*self.seen, strict=True))
            found = self.examples, scores, targets
            add_pictures(self.writer, self.step, self.task, self.spec, *found)

    def log(self, scalars: dict[str, float]) -> None:
        for tag, value in scalars.items():
            if tag.endswith("loss") and value != value:
                raise SystemExit(f"{tag} is {value} at step {self.step}: try a lower --lr")
            self.writer.add_scalar(tag, value, self.step)


class Resumable(Callback):
    """Save last.pth, and go on from it.

    An epoch depends on its number and the seed alone. Those that are done are left out, with their
    metrics for all that watches these: `start_epoch` of fastai leaves none, where SaveModelCallback
    fails.
    """

    order = 62  # after the progress bar and SaveModelCallback, before EarlyStoppingCallback

    def __init__(self, seed: int, stop: list[int], done: list[list[float]]) -> None:
        self.seed, self.stop, self.done, self.skip, self.number = seed, stop, done, len(done), 0

    def before_epoch(self) -> None:
        self.number += 1  # over all fits: `fine_tune` has two
        if self.number <= self.skip:
            self.recorder.log += self.done[self.number - 1]
            raise CancelEpochException
        if self.number == self.skip + 1 > 1:
            self.learn.load("last", with_opt=self.epoch > 0)
        set_seed(self.seed + self.number)
        self.dls.train.rng.seed(self.seed + self.number)

    def after_batch(self) -> None:
        if self.stop:
            self.csv_logger.file.close()
            leave(self.path, self.stop)

    def after_epoch(self) -> None:
        if self.number > self.skip:
            self.done.append(list(self.learn.final_record))
            self.learn.save("saving.tmp").replace(self.path / "last.pth")
            (self.path / "last.json").write_text(json.dumps(self.done))
