"""How several processes train one model: each holds a shard of it (FSDP2)."""

from collections.abc import Mapping
from typing import Any

from torch import nn
from torch.optim import Optimizer

from . import storage
from .runtime import Runtime
from .sharding import shard


def distribute(model: nn.Module, runtime: Runtime) -> nn.Module:
    """Shard the model, which the loop goes on to call; optimizers are made after it."""
    if runtime.world_size > 1:
        shard(model, runtime)
    return model


def sum_gradients(net: nn.Module, enabled: bool) -> None:
    """Do nothing: every backward pass adds them up.

    Otherwise each process would hold the gradients of the whole model, not those of its shard,
    between the parts of a step.
    """


def load_optimizer(optimizer: Optimizer, saved: Mapping[str, Any]) -> None:
    """Load the state of the optimizer from a checkpoint: every process the part that it needs."""
    storage.load_optimizer(optimizer, saved, "optimizer")
