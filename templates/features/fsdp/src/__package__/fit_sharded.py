"""Train with the model in shards, a part of it in each process; the flags are those of train.

torchrun --nproc-per-node gpu -m <package>.fit_sharded
"""

import os

import torch
from lightning.pytorch.strategies import ModelParallelStrategy

from .module import Module
from .run import parse
from .sharding import shard
from .train import train


class Sharded(Module):
    def configure_model(self) -> None:
        shard(self.model)

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        gradients = [p.grad for p in self.parameters() if p.grad is not None]
        norm = torch.nn.utils.get_total_norm(gradients)  # a sum over all processes
        self.log("grad_norm", norm.full_tensor())  # type: ignore[attr-defined]


if __name__ == "__main__":
    config = parse(__doc__)
    if int(os.environ.get("WORLD_SIZE", 1)) == 1:
        train(config)
    else:  # whole checkpoints, as those of one process
        train(config, Sharded, strategy=ModelParallelStrategy(save_distributed_checkpoint=False))
