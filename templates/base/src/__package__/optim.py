"""The optimizer and the learning rate, the same in every run."""

import math

from torch import nn
from torch.optim import AdamW, Optimizer

from .config import Config


def make_optimizer(model: nn.Module, config: Config, fused: bool = True) -> AdamW:
    """AdamW (Loshchilov & Hutter, 2019) without decay on norms and biases."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.dim() >= 2], "weight_decay": config.weight_decay},
        {"params": [p for p in parameters if p.dim() < 2], "weight_decay": 0.0},
    ]
    return AdamW(groups, lr=config.lr, betas=(0.9, 0.99), fused=fused)


def lr_factor(step: int, total_steps: int, warmup: float) -> float:
    """Share of the peak learning rate at a step: a linear rise, then half a cosine down to zero."""
    rise = max(1, round(warmup * total_steps))
    if step < rise:
        return (step + 1) / rise
    return 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1, total_steps - rise)))


def set_lr(optimizer: Optimizer, lr: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = lr
