"""Files of checkpoints, of which every process may have a part.

`best.pt` is whole, for one process to predict with. In `last.pt` of several processes the shapes
stand for the tensors that are sharded; each process writes its shards to a folder beside it.
"""

import os
import shutil
import warnings
from collections.abc import Callable, Mapping
from itertools import count
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.distributed.checkpoint as dcp
from torch import Tensor
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.optim import Optimizer

WHOLE = "best.pt"


def save(path: Path, content: Mapping[str, Any]) -> None:
    """Write a checkpoint, all processes together: a crash leaves the old one or the new one."""
    shards: dict[str, Tensor] = {}

    def gather(key: str, value: Tensor) -> Tensor:
        if not isinstance(value, DTensor):
            return value
        whole = value.full_tensor()
        return whole.cpu() if dist.get_rank() == 0 else whole.to("meta")

    def set_apart(key: str, value: Tensor) -> Tensor:
        if not isinstance(value, DTensor):
            return value
        shards[key] = value
        return torch.empty(value.shape, dtype=value.dtype, device="meta")

    content = replace_tensors(content, gather if path.name == WHOLE else set_apart)
    folder = None
    if shards:
        folder = agree_on_folder(path)
        dcp.save(dict(shards), checkpoint_id=folder)
        content = {**content, "shards": folder.name}
    if not dist.is_initialized() or dist.get_rank() == 0:
        write(path, content)
        for old in path.parent.glob(f"{path.name}.shards-*"):
            if old != folder:
                shutil.rmtree(old)


def agree_on_folder(path: Path) -> Path:
    """Choose a new folder for shards, the same for all processes."""
    names = (f"{path.name}.shards-{number}" for number in count())
    chosen = [next(name for name in names if not path.with_name(name).exists())]
    dist.broadcast_object_list(chosen)
    return path.with_name(chosen[0])


def write(path: Path, content: Mapping[str, Any]) -> None:
    scratch = path.with_name(path.name + ".tmp")
    with scratch.open("wb") as file:
        torch.save(dict(content), file)
        file.flush()
        os.fsync(file.fileno())
    scratch.replace(path)


def read(path: Path) -> Any:
    """Read a checkpoint to the CPU, and its shards, however many processes have written them.

    Where there are several processes, the state of the optimizer is left to `load_optimizer`.
    """
    content = torch.load(path, map_location="cpu", weights_only=True)
    if not isinstance(content, dict) or "shards" not in content:
        return content
    shards: dict[str, Tensor] = {}
    content["shards"] = path.with_name(content["shards"])

    def find(key: str, value: Tensor) -> Tensor:
        if value.is_meta and not (dist.is_initialized() and key.startswith("/optimizer")):
            shards[key] = torch.empty_like(value, device="cpu")
        return shards.get(key, value)

    content = replace_tensors(content, find)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "torch.distributed is")  # not needed: each reads all
        load_shards(content["shards"], shards, no_dist=True)
    return content


def load_optimizer(optimizer: Optimizer, saved: Mapping[str, Any], *keys: str | int) -> None:
    """Load the state of an optimizer, which stands at `keys` in the checkpoint.

    Of each tensor every process gets the part that goes with its part of the parameter.
    """
    state: Any = saved
    for key in keys:
        state = state[key]
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    shards: dict[str, Tensor] = {}

    def take_part(key: str, value: Tensor) -> Tensor:
        parameter = parameters[int(key.split("/")[-2])]
        if value.shape != parameter.shape:  # the number of steps
            return value
        if value.is_meta:
            shards[key] = torch.empty_like(parameter, dtype=value.dtype)
            return shards[key]
        if isinstance(parameter, DTensor):
            value = value.contiguous().to(parameter.device)
            mesh, placements = parameter.device_mesh, parameter.placements
            return distribute_tensor(value, mesh, placements, src_data_rank=None)
        # In the layout of the parameter: a fused step takes them as they lie in memory
        return torch.empty_like(parameter, dtype=value.dtype).copy_(value)

    prefix = "".join(f"/{key}" for key in (*keys, "state"))
    parts = replace_tensors(state["state"], take_part, prefix)
    if shards:
        load_shards(saved["shards"], shards)
    optimizer.load_state_dict({**state, "state": parts})


def load_shards(folder: Path, tensors: dict[str, Tensor], **options: Any) -> None:
    """Fill tensors from a folder of shards; raises `OSError` when they are not there or damaged."""
    if not folder.is_dir():
        raise OSError(None, f"its shards, the folder {folder.name}, are not beside it")
    try:
        dcp.load(dict(tensors), checkpoint_id=folder, **options)
    except CheckpointException as error:
        raise OSError(None, f"its shards, the folder {folder.name}, are damaged") from error


def replace_tensors(value: Any, change: Callable[[str, Tensor], Tensor], key: str = "") -> Any:
    """Rebuild nested dicts and lists, with `change(key, tensor)` in the place of every tensor."""
    if isinstance(value, Mapping):
        return {k: replace_tensors(v, change, f"{key}/{k}") for k, v in value.items()}
    if isinstance(value, list):
        return [replace_tensors(v, change, f"{key}/{i}") for i, v in enumerate(value)]
    return change(key, value) if isinstance(value, Tensor) else value
