"""The fastai `Learner` of this project and its callbacks."""

import time
import warnings
from collections import deque
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.amp import GradScaler
from torch.nn.parallel import DistributedDataParallel

from .config import Config
from .evaluate import Tally
from .loaders import Loaders
from .optim import exchange_averages, lr_factor, make_optimizer
from .runtime import Runtime, StopRequest
from .tracking import Tracker

with warnings.catch_warnings():
    # While it is imported, fastai uses what torch and pandas have deprecated
    warnings.filterwarnings("ignore", "`torch.jit.script` is deprecated", FutureWarning)
    warnings.filterwarnings("ignore", "The 'mode.chained_assignment'", DeprecationWarning)
    from fastai.callback.core import Callback, CancelFitException, TrainEvalCallback
    from fastai.callback.fp16 import MixedPrecision
    from fastai.callback.schedule import ParamScheduler
    from fastai.callback.training import GradientAccumulation, GradientClip
    from fastai.data.core import DataLoaders
    from fastai.learner import Learner
    from fastai.optimizer import OptimWrapper
    from fastai.torch_core import default_device, get_model, to_device


def make_learner(model: nn.Module, loaders: Loaders, config: Config, runtime: Runtime) -> Learner:
    callbacks: list[Callback] = [ClipNorm(config.clip_norm)]
    if runtime.precision != "fp32":
        callbacks.append(Precision(runtime))
    if config.accumulate > 1:
        callbacks.append(GradientAccumulation(config.batch_size // runtime.world_size))
    if runtime.world_size > 1:
        callbacks.append(Distributed(config.accumulate))
    default_device(runtime.device.type != "cpu")  # without it, a GPU that is there would be used
    return AsyncLearner(
        DataLoaders(loaders.train, loaders.val),
        model,
        loss_func=nn.CrossEntropyLoss(),  # fastai's own makes slower tensors, of a class of its own
        opt_func=OptimWrapper(opt=make_optimizer(model, config)),
        lr=config.lr,
        cbs=callbacks,
    )


class AsyncLearner(Learner):
    """A `Learner` that does not wait for a batch to be on the GPU."""

    def _set_device(self, b: Any) -> Any:
        return to_device(b, default_device(), non_blocking=True)


def warmup_cosine(config: Config, total_batches: int) -> ParamScheduler:
    total_steps = total_batches // config.accumulate

    def lr(pct: float) -> float:
        step = round(pct * total_batches) // config.accumulate
        return config.lr * lr_factor(step, total_steps, config.warmup)

    return ParamScheduler({"lr": lr})


class Precision(MixedPrecision):
    """`MixedPrecision` as the runtime says; fastai's own is for CUDA alone."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime

    def before_fit(self) -> None:
        self.autocast = self.runtime.autocast()
        self.scales: list[float] = []
        scaled = self.runtime.precision == "fp16"
        self.learn.scaler = GradScaler(self.runtime.device.type, enabled=scaled)


class ClipNorm(GradientClip):
    """`GradientClip` that keeps the norm it has found."""

    def before_step(self) -> None:
        parameters = self.learn.model.parameters()
        self.learn.grad_norm = nn.utils.clip_grad_norm_(parameters, self.max_norm)

    def after_cancel_step(self) -> None:
        self.learn.grad_norm = self.loss.new_tensor(torch.inf)  # fp16 has overflown


class Distributed(Callback):
    """Trains through `DistributedDataParallel`; validates and saves the model itself.

    fastai's `distrib_ctx` needs accelerate, and as many batches in one process as in another.
    """

    order = TrainEvalCallback.order + 1

    def __init__(self, accumulate: int) -> None:
        self.accumulate = accumulate

    def before_fit(self) -> None:
        self.replica = DistributedDataParallel(self.learn.model)

    def before_train(self) -> None:
        self.learn.model = self.replica

    def before_batch(self) -> None:
        # Gradients travel with the last part of a step
        self.replica.require_backward_grad_sync = (self.iter + 1) % self.accumulate == 0

    def before_validate(self) -> None:
        self.learn.model = self.replica.module

    def after_fit(self) -> None:
        self.learn.model = self.replica.module


class RunRecorder(Callback):
    """Stands in for fastai's `Recorder`: rows of metrics, TensorBoard, checkpoints, exact resume.

    Its sums stay on the device; `Recorder` waits for each batch, and gathers it from all processes.
    """

    name, order = "recorder", 50
    # With `values`, what EarlyStoppingCallback and its like can monitor
    metric_names = ("epoch", "train/loss", "val/loss", "val/accuracy")

    def __init__(self, tracker: Tracker, stop: StopRequest, saved: Mapping[str, Any]) -> None:
        self.tracker, self.stop, self.saved = tracker, stop, saved
        self.config, self.runtime = tracker.config, tracker.runtime
        self.batch, self.best = saved["batch"], saved["best"]
        self.sums = saved["sums"].to(self.runtime.device) * self.runtime.is_main  # loss, examples
        self.losses: deque[Tensor] = deque(maxlen=self.config.accumulate)  # of the step
        self.values: list[list[float]] = []
        self.stopped = False

    def before_fit(self) -> None:
        self.learn.train_iter = self.saved["step"] * self.config.accumulate
        self.tracker.watch(self.learn.model, self.opt.opt)
        if self.saved["scaler"] and hasattr(self, "scaler"):
            self.scaler.load_state_dict(self.saved["scaler"])

    def before_train(self) -> None:
        self.learn.pct_train += self.batch / (len(self.dl) * self.n_epoch)
        self.dl.set_epoch(self.epoch, start=self.batch)
        self.examples, self.began = 0, time.perf_counter()

    def before_batch(self) -> None:
        if self.training and self.batch % self.config.accumulate == 0:
            self.runtime.seed_step(self.config.seed, self.step)

    @property
    def step(self) -> int:
        return self.train_iter // self.config.accumulate

    def before_validate(self) -> None:
        exchange_averages(self.opt.opt)
        self.tally = Tally(len(self.tracker.datasets.classes), self.runtime.device)

    def after_batch(self) -> None:
        if not self.training:
            self.tally.add(self.pred, self.y)
            return
        self.batch, self.examples = self.batch + 1, self.examples + len(self.y)
        loss = self.loss.detach()
        self.losses.append(loss)
        self.sums += torch.stack([loss, torch.ones_like(loss)]) * len(self.y)
        self.rate = self.examples * self.runtime.world_size / (time.perf_counter() - self.began)
        if self.batch % self.config.accumulate:
            return
        step = self.step
        if step % self.config.log_every == 0:
            loss = torch.stack([*self.losses]).mean()
            accuracy = (self.pred.argmax(dim=1) == self.y).float().mean()  # of the last part
            lr = self.opt.hypers[-1]["lr"]
            speed = self.rate, self.learn.dls.train.wait_share
            self.tracker.log_step(step, loss, accuracy, self.grad_norm, lr, *speed)
        if self.batch < self.n_iter and self.stop.agreed(step):
            self.runtime.sum(self.sums)
            self.save("last.pt", self.epoch)
            self.leave()

    def after_validate(self) -> None:
        train_loss, seen = self.runtime.sum(self.sums).tolist()
        result = self.tally.total(self.runtime)
        row = {
            "epoch": self.epoch + 1,
            "step": self.step,
            "train/loss": train_loss / seen,
            "val/loss": result.loss,
            "val/accuracy": result.accuracy,
            "lr": self.opt.hypers[-1]["lr"],
            "examples_per_second": self.rate,
            "data_wait": self.learn.dls.train.wait_share,
        }
        self.tracker.log_epoch(row, self.learn.model, self.dl, result.confusion)
        self.values.append([row[name] for name in self.metric_names[1:]])
        self.batch = 0
        self.sums.zero_()
        if result.accuracy > self.best:
            self.best = result.accuracy
            self.save("best.pt", self.epoch + 1)
        exchange_averages(self.opt.opt)
        self.save("last.pt", self.epoch + 1)
        if self.stop.agreed():
            self.leave()

    def save(self, name: str, epoch: int) -> None:
        state = {"epoch": epoch, "batch": self.batch, "step": self.step, "best": self.best}
        state |= {"sums": self.sums, "optimizer": self.opt.state_dict()}
        state["scaler"] = self.scaler.state_dict() if hasattr(self, "scaler") else {}
        self.tracker.save(name, get_model(self.learn.model), state)

    def leave(self) -> None:
        self.stopped = True
        raise CancelFitException
