"""Evaluate a checkpoint on a split of the data."""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import torch
import torch.distributed as dist
import tyro
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, Subset

from .config import Config
from .data import collate, make_table
from .dataset import Examples
from .device import RANK, WORLD_SIZE, start
from .model import Spec, make_model
from .run import find, load_config
from .task import Task


@torch.inference_mode()
def evaluate(
    model: nn.Module,
    examples: Dataset[Any],
    task: Task,
    device: torch.device,
    config: Config,
    autocast: AbstractContextManager[Any] | None = None,
) -> tuple[dict[str, float], Tensor, Tensor]:
    """Give the metrics, the scores (N, C) and the targets of all examples, from all processes."""
    training = model.training
    model.eval()
    size = len(examples)  # type: ignore[arg-type]
    each = -(-size // WORLD_SIZE)  # in all processes as many: the shards of a model come together
    part = Subset(examples, [(RANK + i * WORLD_SIZE) % size for i in range(each)])
    found, loss = [], torch.zeros(1)
    options: dict[str, Any] = {"num_workers": config.num_workers, "collate_fn": collate}
    for inputs, targets in DataLoader(part, config.batch_size, **options):
        targets = targets.to(device)
        with autocast or nullcontext():
            logits = model(inputs.to(device))
        found.append((task.scores(logits, targets).cpu(), targets.cpu()))
        loss += task.loss(logits, targets).cpu() * len(targets) / each
    model.train(training)
    own = (*(torch.cat(parts) for parts in zip(*found, strict=True)), loss)
    every: list[Any] = [own] * WORLD_SIZE
    if WORLD_SIZE > 1:
        dist.all_gather_object(every, own)
    scores, targets, losses = (
        torch.stack(parts, dim=1).flatten(0, 1)[:size] for parts in zip(*every, strict=True)
    )  # in the order of the examples
    metrics = {name: float(value) for name, value in task.metrics()(scores, targets).items()}
    return {"loss": float(losses.mean()), **metrics}, scores, targets


def load_model(checkpoint: Path | None, device: str = "cpu") -> tuple[nn.Module, Task, Spec]:
    """Rebuild a trained model, ready to predict; nothing is read but the checkpoint."""
    path = find(checkpoint, "best.pt")
    saved = torch.load(path, map_location=device, weights_only=True)
    task, spec = Task(**saved["task"]), Spec(**saved["spec"])
    model = make_model(spec, len(task.names)).to(device)
    model.load_state_dict(saved["model"])
    return model.eval(), task, spec


def main(
    checkpoint: Path | None = None,
    data: Path | None = None,
    split: Literal["train", "val", "test", "all"] | None = None,
    columns: str | None = None,
) -> None:
    """Evaluate.

    Args:
        checkpoint: default: the best of the newest run
        data: default: what the run has trained with
        split: default: test, where there is one, or else val; all of other data
        columns: as for training; default: those of the run
    """
    path = find(checkpoint, "best.pt")
    config = load_config(path.parent)
    device, _ = start(replace(config, device="auto", precision="fp32"))
    model, task, spec = load_model(path, str(device))
    table = make_table(replace(config, data=data or config.data, columns=columns or config.columns))
    other = data is not None and data.resolve() != Path(config.data or "data/sample").resolve()
    split = split or ("all" if other else "test" if (table["split"] == "test").any() else "val")
    rows = table[(table["split"] == split) | (split == "all")]
    if rows.empty:
        raise SystemExit(f"the data has no split {split}")
    examples = Examples(rows, task, spec)
    result, _, _ = evaluate(model, examples, task, device, config)
    last = task.monitor[0]
    print(split, *(f"{name} {value:.4f}" for name, value in result.items() if name != last))
    print(f"{last} {result[last]:.4f} on {len(examples)} examples")


if __name__ == "__main__":
    tyro.cli(main, description=__doc__)
