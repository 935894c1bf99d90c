"""Evaluate a checkpoint on a split of the data."""

from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import tyro
from lightning import Trainer
from torch import nn
from torch.utils.data import DataLoader

from .data import collate, make_table
from .datamodule import Examples
from .model import Spec
from .module import Module
from .run import find, load_config
from .task import Task
from .train import hush, machine


def load_model(checkpoint: Path | None, device: str = "cpu") -> tuple[nn.Module, Task, Spec]:
    """Rebuild a trained model, ready to predict; nothing is read but the checkpoint."""
    path = find(checkpoint, "best.ckpt")
    module = Module.load_from_checkpoint(path, device, weights_only=True)
    return module.model.eval(), module.task, module.spec


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
    hush()
    path = find(checkpoint, "best.ckpt")
    config = replace(load_config(path.parent), device="auto", precision="fp32")
    module = Module.load_from_checkpoint(path, "cpu", weights_only=True)
    table = make_table(replace(config, data=data or config.data, columns=columns or config.columns))
    other = data is not None and data.resolve() != Path(config.data or "data/sample").resolve()
    split = split or ("all" if other else "test" if (table["split"] == "test").any() else "val")
    rows = table[(table["split"] == split) | (split == "all")]
    if rows.empty:
        raise SystemExit(f"the data has no split {split}")
    examples = Examples(rows, module.task, module.spec)
    options: dict[str, Any] = {"num_workers": config.num_workers, "collate_fn": collate}
    loader: Any = DataLoader(examples, config.batch_size, **options)
    trainer = Trainer(**machine(config), logger=False, enable_progress_bar=False)
    [found] = trainer.test(module, loader, verbose=False)
    metric = f"test/{module.task.monitor[0]}"
    print(split, *(f"{k[5:]} {v:.4f}" for k, v in found.items() if k != metric))
    print(f"{metric[5:]} {found[metric]:.4f} on {len(examples)} examples")


if __name__ == "__main__":
    tyro.cli(main, description=__doc__)
