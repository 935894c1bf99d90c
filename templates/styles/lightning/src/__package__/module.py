"""The LightningModule: what a step does, and what is optimized."""

from typing import Any

import torch
from lightning import LightningModule
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn
from torch.optim import AdamW
from torch.optim.lr_scheduler import OneCycleLR
from torchmetrics import MeanMetric, MetricCollection

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
        self.mean_loss = MeanMetric()  # exact over processes, as `log` alone is not
        if freeze:  # the running statistics of what is frozen too
            self.model.requires_grad_(False).eval()
            self.head.requires_grad_(True).train()

    @property
    def head(self) -> nn.Module:
        """What learns at the full rate: the head of a pretrained network, or all of a new one."""
        return getattr(self.model, "get_classifier", lambda: self.model)()

    def forward(self, inputs: Tensor) -> Tensor:
        return self.model(inputs)

    def on_fit_start(self) -> None:
        for metric in (self.val_metrics, self.test_metrics, self.mean_loss):
            metric.reset()  # what a validation before has left is of inference mode

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        # Dropout follows from the step, so that a resumed run repeats it
        step = self.trainer.fit_loop.total_batch_idx
        torch.manual_seed(self.hparams["seed"] + step * 1009 + self.global_rank)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        inputs, targets = batch
        loss = self.task.loss(self(inputs), targets)
        self.log("train/loss", loss, prog_bar=True)
        return loss

    def configure_gradient_clipping(self, *_: Any, **options: Any) -> None:
        # Lightning's own refuses a fused optimizer in bf16, and logs no norm
        most = options.get("gradient_clip_val") or 1.0
        self.log("grad_norm", nn.utils.clip_grad_norm_(self.parameters(), most))

    def validation_step(self, batch: Batch, batch_idx: int) -> Tensor:
        return self.evaluate(batch, "val/loss", self.val_metrics)

    def test_step(self, batch: Batch, batch_idx: int) -> Tensor:
        return self.evaluate(batch, "test/loss", self.test_metrics)

    def evaluate(self, batch: Batch, name: str, metrics: MetricCollection) -> Tensor:
        logits, targets = self(batch[0]), batch[1]
        scores = self.task.scores(logits, targets)
        metrics.update(scores, targets)
        self.mean_loss.update(self.task.loss(logits, targets), len(targets))
        self.log(name, self.mean_loss, batch_size=len(targets))
        self.log_dict(metrics, prog_bar=True, batch_size=len(targets))
        return scores

    def predict_step(self, batch: Batch, batch_idx: int) -> Tensor:
        return self.task.scores(self(batch[0]))

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Decay matrices, not norms and biases; what is pretrained learns at a lower rate."""
        lr, body = self.hparams["lr"], set(self.model.parameters()) - set(self.head.parameters())
        below = lr * getattr(self.model, "below_head", 0.1)
        decay = getattr(self.model, "weight_decay", 0.05)
        groups: dict[tuple[float, float], list[nn.Parameter]] = {}
        for p in self.parameters():  # the frozen too, which a callback may free
            key = (below if p in body else lr, decay if p.dim() > 1 else 0.0)
            groups.setdefault(key, []).append(p)
        options = [{"params": ps, "lr": r, "weight_decay": d} for (r, d), ps in groups.items()]
        fused = self.trainer.precision != "16-mixed"  # else clipped before they are unscaled
        optimizer = AdamW(options, lr, fused=fused)
        rates, steps = [r for r, _ in groups], int(self.trainer.estimated_stepping_batches)
        # Not 0.2: where the rise has one step, OneCycleLR divides by zero
        schedule = OneCycleLR(optimizer, rates, steps, pct_start=0.21, cycle_momentum=False)
        by_step: Any = {"scheduler": schedule, "interval": "step", "name": "lr"}
        return {"optimizer": optimizer, "lr_scheduler": by_step}
