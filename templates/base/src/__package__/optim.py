"""AdamW and its rates: one cycle, and for a pretrained network less below the head."""

from typing import Any

from torch import nn
from torch.optim import AdamW
from torch.optim.lr_scheduler import OneCycleLR

from .hub import split


def freeze(model: nn.Module) -> None:
    """Leave all below the head as it is, running statistics too: call it after `model.train()`."""
    for parameter in split(model)[0]:
        parameter.requires_grad_(False)
    for module in model.modules():
        own = list(module.parameters())
        if own and not any(parameter.requires_grad for parameter in own):
            module.eval()


def make_optimizer(
    model: nn.Module, lr: float, steps: int, weight_decay: float = 0.05, fused: bool = True
) -> tuple[AdamW, OneCycleLR]:
    groups: list[dict[str, Any]] = []
    below_head = lr * getattr(model, "below_head", 0.1)
    for parameters, rate in zip(split(model), (below_head, lr), strict=True):
        for decayed in (True, False):  # norms and biases are not
            chosen = [p for p in parameters if (p.dim() > 1) == decayed and p.requires_grad]
            decay = weight_decay if decayed else 0.0
            groups.append({"params": chosen, "lr": rate, "weight_decay": decay})
    groups = [group for group in groups if group["params"]]
    rates = [group["lr"] for group in groups]
    optimizer = AdamW(groups, lr, fused=fused)
    # Not 0.2: where the rise has one step, OneCycleLR divides by zero
    return optimizer, OneCycleLR(optimizer, rates, steps, pct_start=0.21, cycle_momentum=False)
