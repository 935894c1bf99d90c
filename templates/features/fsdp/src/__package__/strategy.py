"""How several processes train one model, each with a shard of it (FSDP2), and its checkpoints."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from lightning.pytorch.plugins.io import TorchCheckpointIO
from lightning.pytorch.strategies import ModelParallelStrategy, SingleDeviceStrategy, Strategy
from torch.optim import Optimizer

from . import checkpoint, storage
from .flags import UserError
from .lit import LitClassifier
from .sharding import shard


def make_strategy(lit: LitClassifier) -> Strategy:
    """Every process has a shard of the model: `configure_model` makes it before the optimizer."""
    runtime = lit.runtime
    if runtime.world_size == 1:
        return OneProcess(runtime.device)
    if runtime.precision == "fp16":
        raise UserError("Lightning trains no sharded model in fp16: give --precision bf16 or fp32.")
    lit.configure_model = partial(shard, lit.model, runtime)  # type: ignore[method-assign]
    return ShardedStrategy(runtime.world_size, tensor_parallel_size=1)


class ShardedStrategy(ModelParallelStrategy):
    """`ModelParallelStrategy` with the checkpoints of this project, which any number can load."""

    def lightning_module_state_dict(self) -> dict[str, Any]:
        return {}  # LitClassifier puts that of the model into the checkpoint

    def optimizer_state(self, optimizer: Optimizer) -> dict[str, Any]:
        return optimizer.state_dict()

    def save_checkpoint(self, content: Any, path: Any, storage_options: Any = None) -> None:
        storage.save(Path(path), content)

    def load_checkpoint(self, path: Any, weights_only: bool | None = None) -> dict[str, Any]:
        """Load the optimizer's state; the model has had its weights since before it was sharded."""
        saved = checkpoint.load(Path(path))
        storage.load_optimizer(self.optimizers[0], saved, "optimizer_states", 0)
        return saved


class OneProcess(SingleDeviceStrategy):
    """Goes on with what several processes have saved."""

    def load_optimizer_state_dict(self, saved: Mapping[str, Any]) -> None:
        storage.load_optimizer(self.optimizers[0], saved, "optimizer_states", 0)


class AtomicIO(TorchCheckpointIO):
    """The checkpoints of one process."""

    def save_checkpoint(self, content: Any, path: Any, storage_options: Any = None) -> None:
        storage.save(Path(path), content)

    def load_checkpoint(self, path: Any, *args: Any, **options: Any) -> dict[str, Any]:
        content = checkpoint.load(Path(path))
        weights = {f"model.{name}": value for name, value in content["model"].items()}
        return {**content, "state_dict": weights}
