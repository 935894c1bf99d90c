"""What fastai makes of the table of examples: a DataBlock, and a Learner for boxes."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from fastai.data.transforms import ColReader, ColSplitter, Normalize
from fastai.torch_basics import TensorBase, Transform, dispatch
from fastai.vision.all import DataBlock, DataLoaders, Learner, Pipeline, TransformBlock
from fastai.vision.core import LabeledBBox, TensorBBox, TensorImage
from fastai.vision.data import get_grid
from PIL import Image
from torch import Tensor

from .config import Config
from .data import load, make_transform
from .learner import TaskLoss, for_task, loaders, make_splitter
from .model import Spec, make_model
from .task import NONE, SURE, Task


class Boxes(TensorBase):
    """The classes and boxes (most, 5) of an image."""


class BoxLoss(TaskLoss):
    def decodes(self, scores: Tensor) -> Tensor:
        """Give what is found as targets are, so that it can be shown beside them."""
        boxes = torch.cat([scores[..., 5:], scores[..., :4]], dim=-1)
        return torch.where(scores[..., 4:5] >= SURE, boxes, NONE)


class Read(Transform):
    """Read an image of the table, or any that `predict` and `test_dl` are given."""

    input_types = str, Path, Image.Image, dict

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    def encodes(self, item: Any) -> Image.Image:
        return load(item, self.size)


class ToBoxes(Transform):
    def __init__(self, task: Task, spec: Spec) -> None:
        super().__init__()
        self.task, self.spec = task, spec

    def encodes(self, target: Any) -> Boxes:
        return Boxes(self.task.encode(target))

    def decodes(self, boxes: Boxes) -> LabeledBBox:
        real = boxes[boxes[:, 0] != NONE].as_subclass(Tensor)
        names = [self.task.names[int(number)] for number in real[:, 0]]
        return LabeledBBox(TensorBBox(real[:, 1:] * self.spec.image_size), names)


class Together(Transform):
    """Transform an image and its boxes alike."""

    def __init__(self, task: Task, spec: Spec) -> None:
        super().__init__()
        self.task, plain = task, replace(spec, mean=(0, 0, 0), std=(1, 1, 1))  # see batch_tfms
        self.train, self.valid = make_transform(plain, train=True), make_transform(plain)

    def __call__(self, pair: Any, split_idx: int | None = None, **kwargs: Any) -> Any:
        transform, (item, *boxes) = self.train if split_idx == 0 else self.valid, pair
        if not boxes:  # to predict
            return (TensorImage(transform(item)),)
        image, target = self.task.pair(transform, item, boxes[0].as_subclass(Tensor))
        return TensorImage(image), Boxes(target)


def make_dls(table: pd.DataFrame, task: Task, spec: Spec, config: Config) -> DataLoaders:
    block = DataBlock(
        blocks=(TransformBlock(), TransformBlock(ToBoxes(task, spec))),
        get_x=Pipeline([ColReader("input"), Read(spec.image_size)]),
        get_y=ColReader("target"),
        splitter=ColSplitter("split", on="val"),
        item_tfms=Together(task, spec),
        batch_tfms=Normalize.from_stats(spec.mean, spec.std),
    )
    return loaders(block, table, config)


def make_learner(
    dls: DataLoaders, task: Task, spec: Spec, weights: str | None = None, **options: Any
) -> Learner:
    model = make_model(spec, len(task.names), weights)
    options = for_task(task) | {"loss_func": BoxLoss(task)} | options
    return Learner(dls, model, splitter=make_splitter(model), **options)


@dispatch  # fastai has none for targets of this kind
def show_results(
    x: TensorImage, y: Boxes, samples: Any, outs: Any, ctxs: Any = None, max_n: int = 9, **_: Any
) -> Any:
    ctxs = ctxs or get_grid(min(len(samples), max_n))
    for row, found, ctx in zip(samples, outs, ctxs, strict=False):
        for part in (*row[:2], found[0]):
            part.show(ctx=ctx)
    return ctxs
