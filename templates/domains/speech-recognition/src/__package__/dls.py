"""What fastai makes of the table of examples: a DataBlock, and a Learner for speech."""

from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from fastai.basics import DataBlock, DataLoaders, Learner, TensorBase, Transform, TransformBlock
from fastai.data.transforms import ColReader, ColSplitter
from fastai.torch_core import TitledStr
from matplotlib.axes import Axes

from .config import Config
from .data import make_transform
from .learner import for_task, loaders, make_splitter
from .model import Spec, make_model
from .task import Task


class TensorSound(TensorBase):
    def show(self, ctx: Axes | None = None, **kwargs: Any) -> Axes:
        axes = ctx or plt.figure(figsize=(4, 2)).add_subplot()
        axes.plot(self.cpu())
        return axes


class Letters(TensorBase):
    """The numbers (LETTERS,) of the letters of a text."""


class ReadSound(Transform):
    def __init__(self, spec: Spec) -> None:
        super().__init__()
        self.train, self.valid = make_transform(spec, train=True), make_transform(spec)

    def __call__(self, item: Any, split_idx: int | None = None, **kwargs: Any) -> TensorSound:
        return TensorSound(self.train(item) if split_idx == 0 else self.valid(item))


class ToLetters(Transform):
    def __init__(self, task: Task) -> None:
        super().__init__()
        self.task = task

    def encodes(self, text: str) -> Letters:
        return Letters(self.task.encode(text))

    def decodes(self, letters: Letters) -> TitledStr:
        return TitledStr(self.task.decode(letters)["text"])


def make_dls(table: pd.DataFrame, task: Task, spec: Spec, config: Config) -> DataLoaders:
    block = DataBlock(
        blocks=(TransformBlock(ReadSound(spec)), TransformBlock(ToLetters(task))),
        get_x=ColReader("input"),
        get_y=ColReader("target"),
        splitter=ColSplitter("split", on="val"),
    )
    return loaders(block, table, config)


def make_learner(
    dls: DataLoaders, task: Task, spec: Spec, weights: str | None = None, **options: Any
) -> Learner:
    model = make_model(spec, len(task.names), weights)
    return Learner(dls, model, splitter=make_splitter(model), **for_task(task) | options)
