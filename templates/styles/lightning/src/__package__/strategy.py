"""How several processes train one model, and the files of its checkpoints."""

from pathlib import Path
from typing import Any

from lightning.pytorch.plugins.io import TorchCheckpointIO
from lightning.pytorch.strategies import DDPStrategy, Strategy

from . import storage
from .lit import LitClassifier


def make_strategy(lit: LitClassifier) -> Strategy | str:
    """Every process has a copy of the model, and the gradients are averaged."""
    return DDPStrategy() if lit.runtime.world_size > 1 else "auto"


class AtomicIO(TorchCheckpointIO):
    """Writes beside the old file; Lightning writes to /tmp, and a move between disks can be cut."""

    def save_checkpoint(self, content: Any, path: Any, storage_options: Any = None) -> None:
        storage.save(Path(path), content)
