"""Train with the model in shards, a part of it in each process; the flags are those of train."""

import os
from typing import Any

from lightning.pytorch.strategies import ModelParallelStrategy
from torch import nn
from torch.distributed.tensor import DTensor

from .module import Module
from .run import parse
from .sharding import shard
from .train import train


class Sharded(Module):
    def configure_model(self) -> None:
        device = self.trainer.strategy.root_device
        if device.type == "cuda":  # this strategy leaves `sync_batchnorm` of a Trainer out
            self.model = nn.SyncBatchNorm.convert_sync_batchnorm(self.model)
        shard(self.model.to(device))  # where the shards are to be

    def log(self, name: str, value: Any, **options: Any) -> None:  # type: ignore[override]
        # The norm of the gradients is a sum over all processes
        super().log(name, value.full_tensor() if isinstance(value, DTensor) else value, **options)


if __name__ == "__main__":
    config = parse(__doc__)
    if int(os.environ.get("WORLD_SIZE", 1)) == 1:
        train(config)
    else:  # whole checkpoints, as those of one process
        train(config, Sharded, strategy=ModelParallelStrategy(save_distributed_checkpoint=False))
