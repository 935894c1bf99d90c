"""Evaluate a checkpoint on a split of the data."""

from dataclasses import replace
from pathlib import Path
from typing import Literal

import torch
import tyro
from torch import nn
from transformers import TrainingArguments

from .data import make_table
from .dataset import Examples
from .model import Spec, make_model
from .run import find, load_config
from .task import Task
from .trainer import ModelTrainer, Network, machine, named


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
    options = machine(replace(config, device="auto", precision="fp32"))
    model, task, spec = load_model(path)
    table = make_table(replace(config, data=data or config.data, columns=columns or config.columns))
    other = data is not None and data.resolve() != Path(config.data or "data/sample").resolve()
    split = split or ("all" if other else "test" if (table["split"] == "test").any() else "val")
    rows = table[(table["split"] == split) | (split == "all")]
    if rows.empty:
        raise SystemExit(f"the data has no split {split}")
    arguments = TrainingArguments(
        str(path.parent),
        per_device_eval_batch_size=config.batch_size,
        dataloader_num_workers=config.num_workers,
        remove_unused_columns=False,
        **options,
    )
    trainer = ModelTrainer(Network(model, task), arguments)
    examples, last = Examples(rows, task, spec), task.monitor[0]
    result = named(trainer.evaluate(examples), task)
    print(split, *(f"{name} {value:.4f}" for name, value in result.items() if name != last))
    print(f"{last} {result[last]:.4f} on {len(examples)} examples")


if __name__ == "__main__":
    tyro.cli(main, description=__doc__)
