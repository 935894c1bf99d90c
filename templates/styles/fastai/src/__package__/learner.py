"""What a Learner needs: the task as loss and metrics, and the callbacks that fill the run's folder."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import torch
from fastai.basics import (
    AccumMetric,
    Callback,
    CancelEpochException,
    CategoryBlock,
    MultiCategoryBlock,
    RegressionBlock,
    TransformBlock,
    default_device,
    set_seed,
)
from fastai.callback.all import GradientClip
from torch import Tensor, nn
from torch.utils.tensorboard import SummaryWriter

from .boards import add_confusion, add_predictions
from .config import Config
from .task import Task

LOG_EVERY = 10  # steps


def target_block(task: Task) -> TransformBlock:
    if task.kind == "classification":
        return CategoryBlock(vocab=task.names, sort=False)
    if task.kind == "multilabel":
        return MultiCategoryBlock(vocab=task.names)
    return RegressionBlock(n_out=len(task.names))


def loader_options(config: Config, num_examples: int) -> dict[str, Any]:
    device = default_device() if config.device == "auto" else torch.device(config.device)
    options = {"bs": config.batch_size, "num_workers": config.num_workers, "device": device}
    return options | {"drop_last": num_examples > config.batch_size}


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
    names = task.metrics().keys()
    return [AccumMetric(partial(metric, task, name), flatten=False, name=name) for name in names]


def metric(task: Task, name: str, logits: Tensor, targets: Tensor) -> float:
    return float(task.metrics()[name](task.scores(logits), targets))


class GradientNorm(GradientClip):
    """Clip, and keep the norm that is found on the way."""

    def before_step(self) -> None:
        self.learn.grad_norm = nn.utils.clip_grad_norm_(self.parameters(), self.max_norm)


class TensorBoard(Callback):
    """The tags that all styles share; those of fastai's TensorBoardCallback are fixed."""

    order = 55  # the Recorder comes first

    def __init__(self, writer: SummaryWriter, task: Task, spec: Any, every: int = LOG_EVERY) -> None:
        self.writer, self.task, self.spec, self.every, self.epochs = writer, task, spec, every, 0

    def before_epoch(self) -> None:
        self.step = self.epochs * len(self.dls.train)  # fastai's own count begins anew with each fit
        self.epochs += 1

    def before_train(self) -> None:
        self.began = time.perf_counter()

    def before_validate(self) -> None:
        self.logits: list[Tensor] = []

    def after_batch(self) -> None:
        if not self.training:
            self.logits.append(self.pred.float().cpu())
            return
        self.step += 1
        if self.step % self.every == 0:
            speed = (self.iter + 1) * self.dls.bs / (time.perf_counter() - self.began)
            scalars = {"train/loss": self.loss, "grad_norm": self.grad_norm}
            scalars |= {"lr": self.opt.hypers[-1]["lr"], "examples_per_second": speed}
            self.log(scalars)

    def after_validate(self) -> None:
        names = [name.removeprefix("valid_") for name in self.recorder.metric_names[2:-1]]
        self.log({f"val/{name}": value for name, value in zip(names, self.recorder.log[2:])})
