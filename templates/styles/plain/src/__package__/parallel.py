"""How several processes train one model: each has a copy, and the gradients are averaged."""

from collections.abc import Mapping
from typing import Any

from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim import Optimizer

from .runtime import Runtime


def distribute(model: nn.Module, runtime: Runtime) -> nn.Module:
    """Give what the loop calls in place of the model; optimizers are made after it."""
    return DistributedDataParallel(model) if runtime.world_size > 1 else model


def sum_gradients(net: nn.Module, enabled: bool) -> None:
    """Say whether the next backward pass adds up the gradients of all processes."""
    if isinstance(net, DistributedDataParallel):
        net.require_backward_grad_sync = enabled


def load_optimizer(optimizer: Optimizer, saved: Mapping[str, Any]) -> None:
    """Load the state of the optimizer from a checkpoint: every process all of it."""
    optimizer.load_state_dict(saved["optimizer"])
