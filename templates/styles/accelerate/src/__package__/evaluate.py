"""Evaluate a checkpoint on a split of the data."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Literal

import torch
import tyro
from accelerate import Accelerator
from accelerate.state import is_initialized
from torch import Tensor, nn
from torch.utils.data import DataLoader

from .accelerator import start
from .data import collate, make_table
from .dataset import Examples
from .model import Spec, make_model
from .run import find, load_config
from .task import Task


@torch.no_grad()
def evaluate(
    model: nn.Module, loader: Iterable[tuple[Tensor, Tensor]], task: Task, accelerator: Accelerator
) -> tuple[dict[str, float], Tensor, Tensor]:
    """Give the metrics, the scores (N, C) and the targets of all examples, from all processes."""
    model.eval()
    found, loss = [], 0.0
    for inputs, targets in loader:
        logits, targets = accelerator.gather_for_metrics((model(inputs), targets))
        found.append((task.scores(logits, targets).cpu(), targets.cpu()))
        loss += float(task.loss(logits, targets)) * len(targets)
    scores, targets = (torch.cat(parts) for parts in zip(*found, strict=True))
    metrics = {name: float(value) for name, value in task.metrics()(scores, targets).items()}
    return {"loss": loss / len(targets), **metrics}, scores, targets


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
    config = replace(load_config(path.parent), device="auto", precision="fp32")
    accelerator = Accelerator() if is_initialized() else start(config)  # a process has one state
    model, task, spec = load_model(path)
    table = make_table(replace(config, data=data or config.data, columns=columns or config.columns))
    other = data is not None and data.resolve() != Path(config.data or "data/sample").resolve()
    split = split or ("all" if other else "test" if (table["split"] == "test").any() else "val")
    rows = table[(table["split"] == split) | (split == "all")]
    if rows.empty:
        raise SystemExit(f"the data has no split {split}")
    examples = Examples(rows, task, spec)
    size, workers = config.batch_size * accelerator.num_processes, config.num_workers
    loader = DataLoader(examples, size, num_workers=workers, collate_fn=collate)
    loader, model = accelerator.prepare(loader), model.to(accelerator.device)
    result, _, _ = evaluate(model, loader, task, accelerator)
    last = task.monitor[0]
    print(split, *(f"{name} {value:.4f}" for name, value in result.items() if name != last))
    print(f"{last} {result[last]:.4f} on {len(examples)} examples")
    accelerator.end_training()


if __name__ == "__main__":
    tyro.cli(main, description=__doc__)
