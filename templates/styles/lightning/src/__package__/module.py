"""The LightningModule: what a step does, and what is optimized."""

from typing import Any

import torch
from lightning import LightningModule
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor
from torchmetrics import MetricCollection

from . import optim
from .model import Spec, make_model
from .task import Task

Batch = tuple[Tensor, Tensor]


class Module(LightningModule):
    def __init__(
        self,
        spec: dict[str, Any],
        task: dict[str, Any],
        lr: float = 1e-3,
        freeze: bool = False,
        seed: int = 0,
        weights: str | None = None,
    ) -> None:
        """Build the network; `weights`, a name or a folder, only where training starts."""
        super().__init__()
        self.save_hyperparameters(ignore="weights")
        self.spec, self.task = Spec(**spec), Task(**task)
        model = make_model(self.spec, len(self.task.names), weights)
        self.model = model.to(memory_format=torch.channels_last)
        self.val_metrics = self.task.metrics().clone(prefix="val/")
        self.test_metrics = self.task.metrics().clone(prefix="test/")
        if freeze:
            optim.freeze(self.model)
            self.train()  # Lightning warns of modules that are in eval mode before it starts

    def forward(self, inputs: Tensor) -> Tensor:
        logits: Tensor = self.model(inputs)
        return logits

    def on_train_start(self) -> None:
        if self.hparams["freeze"]:
            optim.freeze(self.model)

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        # Dropout follows from the step, so that a resumed run repeats it
        step = self.trainer.fit_loop.total_batch_idx
        torch.manual_seed(self.hparams["seed"] + step * 1009 + self.global_rank)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        inputs, targets = batch
        loss = self.task.loss(self(inputs), targets)
        self.log("train/loss", loss, prog_bar=True)
        return loss

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        gradients = [p.grad for p in self.parameters() if p.grad is not None]
        self.log("grad_norm", torch.nn.utils.get_total_norm(gradients))

    def validation_step(self, batch: Batch, batch_idx: int) -> Tensor:
        return self.evaluate(batch, "val/loss", self.val_metrics)

    def test_step(self, batch: Batch, batch_idx: int) -> Tensor:
        return self.evaluate(batch, "test/loss", self.test_metrics)

    def evaluate(self, batch: Batch, name: str, metrics: MetricCollection) -> Tensor:
        inputs, targets = batch
        logits = self(inputs)
        scores = self.task.scores(logits)
        metrics.update(scores, targets)
        self.log(name, self.task.loss(logits, targets), sync_dist=True, batch_size=len(targets))
        self.log_dict(metrics, prog_bar=True, batch_size=len(targets))
        return scores

    def predict_step(self, batch: Batch, batch_idx: int) -> Tensor:
        return self.task.scores(self(batch[0]))

    def configure_optimizers(self) -> OptimizerLRScheduler:
        steps = int(self.trainer.estimated_stepping_batches)
        fused = self.trainer.precision == "32-true"  # else its gradients could not be clipped
        lr = self.hparams["lr"]
        optimizer, schedule = optim.make_optimizer(self.model, lr, steps, fused=fused)
        by_step: Any = {"scheduler": schedule, "interval": "step", "name": "lr"}
        return {"optimizer": optimizer, "lr_scheduler": by_step}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        found = self.trainer.callback_metrics.items()
        checkpoint["metrics"] = {k[4:]: float(v) for k, v in found if k.startswith("val/")}
