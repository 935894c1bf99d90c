"""Sharding: every process holds a part of the weights, the gradients and the optimizer's state."""

import torch
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard

from .runtime import DTYPES, Runtime


def shard(model: nn.Module, runtime: Runtime) -> None:
    """Shard a model in place; while one block computes, the weights of the next are gathered.

    What is in none of the `blocks` is gathered for the forward pass and again for the backward one.
    """
    model.to(memory_format=torch.contiguous_format)  # FSDP shards no other
    mesh = init_device_mesh(runtime.device.type, (runtime.world_size,))
    # Weights travel and compute in the precision of the run; gradients are summed in fp32. The
    # inputs are left to autocast, which knows where fp32 is needed.
    policy = MixedPrecisionPolicy(
        param_dtype=DTYPES[runtime.precision],
        reduce_dtype=torch.float32,
        cast_forward_inputs=False,
    )
    for block in model.get_submodule("blocks").children():
        fully_shard(block, mesh=mesh, mp_policy=policy)
    # Or else the weights of an evaluation, which may be averages, would be left for the next step
    fully_shard(model, mesh=mesh, mp_policy=policy, reshard_after_forward=True)
