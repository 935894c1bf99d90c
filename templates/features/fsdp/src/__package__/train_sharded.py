"""Train with the model in shards, a part of it in each process; the flags are those of train."""

from typing import Any

from torch import Tensor, nn
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.optim import Optimizer

from .device import RANK
from .run import parse
from .sharding import shard
from .train import train


def distribute(model: nn.Module, optimizer: Optimizer) -> nn.Module:
    """Shard the model and what the optimizer steps; checkpoints stay those of one process."""
    names = {parameter: name for name, parameter in model.named_parameters()}
    shard(model)
    shards = dict(model.named_parameters())
    for group in optimizer.param_groups:
        group["params"] = [shards[names[parameter]] for parameter in group["params"]]
    parameters = [p for group in optimizer.param_groups for p in group["params"]]

    def gather_model(module: nn.Module, state: dict[str, Any], *_: Any) -> None:
        state.update({name: gather(value) for name, value in state.items()})

    def scatter_model(module: nn.Module, state: dict[str, Any], *_: Any) -> None:
        for name in shards.keys() & state.keys():
            state[name] = scatter(state[name], shards[name])

    def gather_optimizer(optimizer: Optimizer, state: dict[str, Any]) -> dict[str, Any]:
        moments = {i: {k: gather(v) for k, v in each.items()} for i, each in state["state"].items()}
        return state | {"state": moments}

    def scatter_optimizer(optimizer: Optimizer, state: dict[str, Any]) -> dict[str, Any]:
        moments = {
            i: {key: scatter(value, parameters[i]) for key, value in each.items()}
            for i, each in state["state"].items()
        }
        return state | {"state": moments}

    model.register_state_dict_post_hook(gather_model)
    model.register_load_state_dict_pre_hook(scatter_model)
    optimizer.register_state_dict_post_hook(gather_optimizer)
    optimizer.register_load_state_dict_pre_hook(scatter_optimizer)
    return model


def gather(value: Any) -> Any:
    """Give the whole of a tensor in shards to the first process, which saves it."""
    if not isinstance(value, DTensor):
        return value
    whole = value.full_tensor()
    return whole.cpu() if RANK == 0 else None


def scatter(value: Tensor, parameter: nn.Parameter) -> Tensor:
    """Take the part of a whole tensor that goes with the part of its parameter."""
    if not isinstance(parameter, DTensor) or value.shape != parameter.shape:
        return value  # the number of steps
    value = value.contiguous().to(parameter.device)
    mesh, placements = parameter.device_mesh, parameter.placements
    return distribute_tensor(value, mesh, placements, src_data_rank=None)


if __name__ == "__main__":
    train(parse(__doc__), distribute)
