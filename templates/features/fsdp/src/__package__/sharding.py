"""Sharding (FSDP2): each process holds a part of the weights, gradients and optimizer state."""

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard


def shard(model: nn.Module) -> None:
    """Shard a model in place; while one block computes, the weights of the next are gathered."""
    model.to(memory_format=torch.contiguous_format)  # no other can be sharded
    mesh = init_device_mesh(next(model.parameters()).device.type, (dist.get_world_size(),))
    lists = [m for m in model.modules() if isinstance(m, nn.ModuleList | nn.Sequential)]
    # The list that holds most of the weights; the first of those that hold as many
    blocks = max(lists, key=lambda m: sum(p.numel() for p in m.parameters()), default=())
    for block in blocks:
        if any(True for _ in block.parameters()):
            fully_shard(block, mesh=mesh)
    # Or else the weights of a validation would be left for the next step
    fully_shard(model, mesh=mesh, reshard_after_forward=True)
