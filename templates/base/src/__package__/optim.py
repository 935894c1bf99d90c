"""The optimizer and the learning rate, the same in every run."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
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
    optimizer = AdamW(groups, lr=config.lr, betas=(0.9, 0.99), fused=fused)
    average_weights(optimizer, config.ema)
    return optimizer


def lr_factor(step: int, total_steps: int, warmup: float) -> float:
    """Share of the peak learning rate at a step: a linear rise, then half a cosine down to zero."""
    rise = max(1, round(warmup * total_steps))
    if step < rise:
        return (step + 1) / rise
    return 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1, total_steps - rise)))


def set_lr(optimizer: Optimizer, lr: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = lr


def average_weights(optimizer: Optimizer, decay: float) -> None:
    """Keep an exponential moving average of the weights (Tarvainen & Valpola, 2017); none if 0.

    It lies in the optimizer's state, not in a copy of the model such as `AveragedModel`: there it
    is saved, resumed and sharded with the rest, in every style. Over the first steps the decay
    rises from 2/11, since the first weights are far from good ones. Buffers, such as the statistics
    of a BatchNorm, are not averaged.
    """

    def update(*_: Any) -> None:
        if getattr(optimizer, "found_inf", False):  # fp16 has overflown: there was no step
            return
        group = optimizer.param_groups[0]
        step = group["averaged"] = group.get("averaged", 0) + 1
        for weight, state in optimizer.state.items():
            if "average" not in state:
                state["average"] = weight.detach().clone()
        weights = [weight.detach() for weight in optimizer.state]
        averages = [state["average"] for state in optimizer.state.values()]
        torch._foreach_lerp_(averages, weights, 1 - min(decay, (1 + step) / (10 + step)))

    def settle(*_: Any) -> None:
        if optimizer.param_groups[0].get("exchanged"):  # best.pt is written meanwhile
            exchange_averages(optimizer)
        if not decay:
            for state in optimizer.state.values():
                state.pop("average", None)

    if decay:
        optimizer.register_step_post_hook(update)
    optimizer.register_load_state_dict_post_hook(settle)


@torch.no_grad()
def exchange_averages(optimizer: Optimizer) -> None:
    """Put the averages, where there are any, in the place of the weights, or both back."""
    if not any("average" in state for state in optimizer.state.values()):
        return
    group = optimizer.param_groups[0]
    group["exchanged"] = not group.get("exchanged", False)
    for weight, state in optimizer.state.items():
        if "average" in state:
            before = weight.clone()
            weight.copy_(state["average"])
            state["average"].copy_(before)


@contextmanager
def averaged(optimizer: Optimizer) -> Iterator[None]:
    """Let the model have the averages of its weights, if there are any, in place of the last."""
    exchange_averages(optimizer)
    try:
        yield
    finally:
        exchange_averages(optimizer)
