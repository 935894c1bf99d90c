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


@cache
def load() -> tuple[Any, Any]:
    """The configuration and the data sets of the plain project, from the files in `WORK`."""
    package = os.environ["PACKAGE"]
    config = import_module(f"{package}.config").Config(data=Path(os.environ["WORK"]))
    return config, import_module(f"{package}.data").make_datasets(config)


def make_model(**ignored: Any) -> nn.Module:
    config, datasets = load()
    made = import_module(f"{os.environ['PACKAGE']}.model").make_model(config, len(datasets.classes))
    # The memory layout that our projects choose, for all, so that nothing but the loops differs
    model: nn.Module = made.to(memory_format=torch.channels_last)
    return model


def make_split(name: str) -> Dataset[tuple[Tensor, int]]:
    split: Dataset[tuple[Tensor, int]] = getattr(load()[1], name)
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


def stack(items: list[tuple[Tensor, int]]) -> tuple[Tensor, Tensor]:
    """Inputs and labels of a batch: texts are padded to the longest of them."""
    data = import_module(f"{os.environ['PACKAGE']}.data")
    inputs, labels = getattr(data, "pad", default_collate)(items)
    return inputs, labels


def collate(items: list[tuple[Tensor, int]]) -> dict[str, Tensor]:
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
