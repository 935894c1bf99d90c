"""What fastai makes of the table of examples: a DataBlock, and a Learner for images."""

from functools import partial
from typing import Any

import pandas as pd
from fastai.data.transforms import ColReader, ColSplitter, Normalize
from fastai.torch_basics import dispatch
from fastai.vision.all import DataBlock, DataLoaders, ImageBlock, Learner, Pipeline
from fastai.vision.augment import aug_transforms
from fastai.vision.core import TensorImage
from fastai.vision.data import get_grid
from fastai.vision.learner import vision_learner
from PIL import Image, ImageOps
from torch import Tensor, nn

from .config import Config
from .data import load
from .learner import for_task, loaders, target_block
from .model import Spec, make_model, source
from .run import fetching
from .task import Task


@dispatch
def show_results(
    x: TensorImage, y: Tensor, samples: Any, outs: Any, max_n: int = 9, **kwargs: Any
) -> None:
    """Show numbers over images: what fastai 2.8 has for them fails."""
    for axes, pair, found in zip(get_grid(min(len(samples), max_n)), samples, outs, strict=False):
        for shown in (*pair, *found):
            shown.show(ctx=axes)


def make_dls(table: pd.DataFrame, task: Task, spec: Spec, config: Config) -> DataLoaders:
    size = spec.image_size
    how = Image.Resampling.BILINEAR  # as make_transform
    middle = partial(ImageOps.fit, size=(size, size), method=how)  # faster than fastai's Resize
    block = DataBlock(
        blocks=(ImageBlock, target_block(task)),
        get_x=Pipeline([ColReader("input"), partial(load, size=size), middle]),
        get_y=ColReader("target"),
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
    options = for_task(task) | options
    if spec.arch is None:
        return Learner(dls, make_model(spec, len(task.names)), **options)
    arch = source(weights) if weights else spec.arch
    options |= {"n_out": len(task.names), "pretrained": bool(weights), "normalize": False}
    with fetching("--pretrained", weights or "."):
        learn = vision_learner(dls, arch, **options)
    nn.init.zeros_(learn.model[1][-1].weight)  # every class equally likely at first
    return learn
