"""What fastai makes of the table of examples: a DataBlock, and a Learner for masks."""

from functools import partial
from typing import Any

import pandas as pd
from fastai.data.transforms import ColReader, ColSplitter, Normalize
from fastai.vision.all import DataBlock, DataLoaders, ImageBlock, Learner, MaskBlock, Pipeline
from fastai.vision.augment import aug_transforms
from PIL import Image

from .config import Config
from .data import load
from .learner import for_task, loaders, make_splitter
from .model import Spec, make_model
from .task import Task


def square(image: Image.Image, size: int) -> Image.Image:
    return image.resize((size, size), Image.Resampling.BILINEAR)  # as make_transform


def read_classes(target: Any, task: Task, size: int) -> Image.Image:
    return Image.fromarray(task.classes(target, (size, size)).numpy())


def make_dls(table: pd.DataFrame, task: Task, spec: Spec, config: Config) -> DataLoaders:
    size = spec.image_size
    image = [partial(load, size=size), partial(square, size=size)]
    block = DataBlock(
        blocks=(ImageBlock, MaskBlock(task.names)),
        get_x=Pipeline([ColReader("input"), *image]),
        get_y=Pipeline([ColReader("target"), partial(read_classes, task=task, size=size)]),
        splitter=ColSplitter("split", on="val"),
        batch_tfms=[  # where left and right do not matter, let it flip
            *aug_transforms(do_flip=False, max_zoom=1.2),
            Normalize.from_stats(spec.mean, spec.std),
        ],
    )
    return loaders(block, table, config)


def make_learner(
    dls: DataLoaders, task: Task, spec: Spec, weights: str | None = None, **options: Any
) -> Learner:
    model = make_model(spec, len(task.names), weights)
    return Learner(dls, model, splitter=make_splitter(model), **for_task(task) | options)
