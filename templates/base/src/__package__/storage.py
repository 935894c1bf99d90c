"""Files of checkpoints: written in one step, read without running any code in them."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist


def save(path: Path, content: Mapping[str, Any]) -> None:
    """Write beside the file, then rename: a crash leaves the old checkpoint or the new one.

    All processes may call it; the first one writes.
    """
    if dist.is_initialized() and dist.get_rank() > 0:
        return
    scratch = path.with_name(path.name + ".tmp")
    with scratch.open("wb") as file:
        torch.save(dict(content), file)
        file.flush()
        os.fsync(file.fileno())
    scratch.replace(path)


def read(path: Path) -> Any:
    """Read a checkpoint to the CPU."""
    return torch.load(path, map_location="cpu", weights_only=True)
