"""The LightningModule: the steps of training and validation, the optimizer, the checkpoint."""

from collections import deque
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from lightning.pytorch import LightningModule
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from .checkpoint import describe
from .config import Config
from .evaluate import Tally
from .loaders import Datasets
from .model import make_model
from .optim import exchange_averages, lr_factor, make_optimizer
from .runtime import Runtime

Batch = tuple[Tensor, Tensor]


class LitClassifier(LightningModule):
    """Trains `model.py`, which turns inputs (B, ...) into logits (B, classes)."""

    def __init__(self, config: Config, datasets: Datasets, runtime: Runtime, steps: int) -> None:
        super().__init__()
        self.config, self.datasets, self.runtime, self.steps = config, datasets, runtime, steps
        self.model = runtime.place(make_model(config, len(datasets.classes)))
        self.sums = torch.zeros(2, device=runtime.device)  # loss, examples of the epoch so far
        self.losses: deque[Tensor] = deque(maxlen=config.accumulate)  # of the step
        self.lr = 0.0

    def forward(self, inputs: Tensor) -> Tensor:
        return self.model(inputs)

    def configure_optimizers(self) -> Any:
        # Lightning leaves the unscaling of fp16 to a fused optimizer, and then cannot clip
        optimizer = make_optimizer(self.model, self.config, fused=self.runtime.precision != "fp16")
        factor = partial(lr_factor, total_steps=self.steps, warmup=self.config.warmup)
        schedule = {"scheduler": LambdaLR(optimizer, factor), "interval": "step"}
        return {"optimizer": optimizer, "lr_scheduler": schedule}

    def on_train_epoch_start(self) -> None:
        self.sums.zero_()
        loader: Any = self.trainer.train_dataloader
        loader.set_epoch(self.current_epoch)

    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        inputs, labels = batch
        if batch_idx % self.config.accumulate == 0:
            self.runtime.seed_step(self.config.seed, self.global_step)
        logits = self(inputs)
        loss = F.cross_entropy(logits, labels)
        self.losses.append(loss.detach())
        self.sums += torch.stack([loss.detach(), torch.ones_like(loss)]) * len(labels)
        return {"loss": loss, "logits": logits.detach()}

    def configure_gradient_clipping(
        self,
        optimizer: Optimizer,
        gradient_clip_val: Any = None,
        gradient_clip_algorithm: Any = None,
    ) -> None:
        self.lr = optimizer.param_groups[0]["lr"]
        self.grad_norm = nn.utils.clip_grad_norm_(self.parameters(), gradient_clip_val)

    def on_validation_start(self) -> None:
        self.exchange_averages()

    def on_validation_end(self) -> None:
        self.exchange_averages()

    def exchange_averages(self) -> None:
        for optimizer in self.trainer.optimizers:
            exchange_averages(optimizer)

    def on_validation_epoch_start(self) -> None:
        self.tally = Tally(len(self.datasets.classes), self.runtime.device)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        inputs, labels = batch
        self.tally.add(self(inputs), labels)

    def on_validation_epoch_end(self) -> None:
        self.result = self.tally.total(self.runtime)
        scalars = {"val/loss": self.result.loss, "val/accuracy": self.result.accuracy}
        self.log_dict({**scalars, "step": float(self.global_step)})

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        loop: Any = self.trainer.fit_loop
        checkpoint.update(describe(self.model, self.config, self.datasets))
        checkpoint["epoch"] = loop.epoch_progress.current.processed
        checkpoint["batch"] = (loop.batch_idx + 1) % self.trainer.num_training_batches
        checkpoint["step"] = self.global_step
        checkpoint["sums"] = self.runtime.sum(self.sums.clone())

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self.sums = checkpoint["sums"].to(self.runtime.device) * self.runtime.is_main
        for schedule in checkpoint["lr_schedulers"]:  # --lr may have changed
            schedule["base_lrs"] = [self.config.lr] * len(schedule["base_lrs"])
