"""What fastai makes of the table of examples: a DataBlock, and a Learner for sounds."""

import random
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from fastai.basics import (
    ColReader,
    ColSplitter,
    DataBlock,
    DataLoaders,
    Learner,
    TensorBase,
    Transform,
    TransformBlock,
)
from matplotlib.axes import Axes

from .config import Config
from .data import MARGIN, to_input, try_to_read
from .learner import loader_options, make_splitter, target_block
from .model import Spec, make_model
from .task import Task


class TensorSound(TensorBase):
    def show(self, ctx: Axes | None = None, **kwargs: Any) -> Axes:
        axes = ctx or plt.figure(figsize=(4, 2)).add_subplot()
        draw = axes.plot if self.dim() == 1 else axes.imshow
        draw(self.cpu())
        return axes


class ReadSound(Transform):
    """Cut a clip out of a sound: somewhere for training, in the middle for the rest."""

    def __init__(self, spec: Spec) -> None:
        super().__init__()
        self.spec = spec

    def __call__(self, item: Any, split_idx: int | None = None, **kwargs: Any) -> TensorSound:
        place, margin = (random.random(), MARGIN) if split_idx == 0 else (0.5, 0.0)
        sound = try_to_read(item, self.spec.sample_rate, self.spec.seconds, place)
        return TensorSound(to_input(sound, self.spec, place, margin))


def make_dls(table: pd.DataFrame, task: Task, spec: Spec, config: Config) -> DataLoaders:
    block = DataBlock(
        blocks=(TransformBlock(ReadSound(spec)), target_block(task)),
        get_x=ColReader("input"),
        get_y=ColReader("target"),
        splitter=ColSplitter("split", on="val"),
    )
    rows = table[table["split"] != "test"]
    return block.dataloaders(rows, **loader_options(rows, config))


def make_learner(
    dls: DataLoaders, task: Task, spec: Spec, weights: str | None = None, **options: Any
) -> Learner:
    model = make_model(spec, len(task.names), weights)
    return Learner(dls, model, splitter=make_splitter(model), **options)
