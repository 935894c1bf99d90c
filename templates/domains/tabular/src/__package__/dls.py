"""What fastai makes of the table of examples: a DataBlock, and a Learner for rows.

Not TabularPandas: its batches have two tensors of inputs, and the network of all styles takes one.
"""

from typing import Any

import pandas as pd
from fastai.data.transforms import ColReader, ColSplitter
from fastai.tabular.all import DataBlock, DataLoaders, Learner, TransformBlock
from fastai.torch_basics import TensorBase, TitledStr, Transform, dispatch, display_df

from .config import Config
from .data import decode, make_transform
from .learner import for_task, loaders, make_splitter, target_block
from .model import Spec, make_model
from .task import Task


class Cells(TensorBase):
    """An encoded row."""


class Encode(Transform):
    def __init__(self, spec: Spec) -> None:
        super().__init__()
        self.spec, self.transform = spec, make_transform(spec)

    def encodes(self, row: dict[str, Any]) -> Cells:
        return Cells(self.transform(row))

    def decodes(self, values: Cells) -> TitledStr:
        return TitledStr(", ".join(f"{k} {v}" for k, v in decode(values, self.spec).items()))


@dispatch
def show_batch(x: Cells, y: Any, samples: Any, max_n: int = 9, **kwargs: Any) -> None:
    rows = [(str(row), target) for row, target in list(samples)[:max_n]]
    display_df(pd.DataFrame(rows, columns=["row", "target"]))


@dispatch
def show_results(x: Cells, y: Any, samples: Any, outs: Any, max_n: int = 9, **kwargs: Any) -> None:
    pairs = list(zip(samples, outs, strict=False))[:max_n]
    rows = [(str(row), target, *found) for (row, target), found in pairs]
    display_df(pd.DataFrame(rows, columns=["row", "target", "prediction"]))


def make_dls(table: pd.DataFrame, task: Task, spec: Spec, config: Config) -> DataLoaders:
    block = DataBlock(
        blocks=(TransformBlock(Encode(spec)), target_block(task)),
        get_x=ColReader("input"),
        get_y=ColReader("target"),
        splitter=ColSplitter("split", on="val"),
    )
    return loaders(block, table, config)


def make_learner(
    dls: DataLoaders, task: Task, spec: Spec, weights: str | None = None, **options: Any
) -> Learner:
    model = make_model(spec, len(task.names))
    return Learner(dls, model, splitter=make_splitter(model), **for_task(task) | options)
