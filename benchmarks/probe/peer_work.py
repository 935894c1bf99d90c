"""What every training has in common: the model and the data of our plain project.

The projects of the peers reach them by the names in here, from their own configuration.
"""

import os
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, default_collate


def module(name: str) -> Any:
    return import_module(f"{os.environ['PACKAGE']}.{name}")


@cache
def load() -> tuple[Any, Any, Any]:
    """The table of the files in `WORK`, what the plain project learns from it, and its task."""
    config = module("config").Config(data=Path(os.environ["WORK"]))
    table = module("data").make_table(config)
    spec = module("data").make_spec(config, table)
    return table, spec, module("task").Task.fit(config.task, table)


def make_model(**ignored: Any) -> nn.Module:
    _, spec, task = load()
    made = module("model").make_model(spec, len(task.names))
    # The memory layout that our projects choose, for all, so that nothing but the loops differs
    model: nn.Module = made.to(memory_format=torch.channels_last)
    return model


def make_split(name: str) -> Dataset[tuple[Tensor, Tensor]]:
    table, spec, task = load()
    rows = table[table["split"] == name]
    split: Dataset[tuple[Tensor, Tensor]] = module("dataset").Examples(
        rows, task, spec, train=name == "train"
    )
    return split


def make_masked_model() -> nn.Module:
    """The model for trainite, which hands a mask over too; ours finds the padding itself."""
    model = make_model()
    kind: Any = type(model)

    class Masked(kind):
        def forward(self, input_ids: Tensor, attention_mask: Tensor | None = None) -> Tensor:
            logits: Tensor = super().forward(input_ids)
            return logits

    model.__class__ = Masked
    return model


def stack(items: list[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    """A batch; texts are padded to the longest of them."""
    inputs, labels = (module("data").collate or default_collate)(items)
    return inputs, labels


def collate(items: list[tuple[Tensor, Tensor]]) -> dict[str, Tensor]:
    """A batch for trainite."""
    ids, labels = stack(items)
    return {"input_ids": ids, "labels": labels}


def make_data_module(batch_size: int, num_workers: int, **ignored: Any) -> Any:
    """The data for lightning-hydra-template."""
    from lightning import LightningDataModule

    return LightningDataModule.from_datasets(
        make_split("train"), make_split("val"), batch_size=batch_size, num_workers=num_workers
    )


def setup_data(config: Any) -> tuple[DataLoader[Any], DataLoader[Any]]:
    """The data for the code generator, in the words of its own `data.py`."""
    import ignite.distributed as idist

    train = idist.auto_dataloader(
        make_split("train"), batch_size=config.batch_size, shuffle=True, num_workers=0
    )
    val = idist.auto_dataloader(
        make_split("val"), batch_size=config.eval_batch_size, shuffle=False, num_workers=0
    )
    return train, val


def setup_model(name: str) -> nn.Module:
    return make_model()
