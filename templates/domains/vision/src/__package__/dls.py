"""What fastai makes of the table of examples: a DataBlock, and a Learner for images."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pandas as pd
from fastai.vision.all import (
    ColReader,
    ColSplitter,
    DataBlock,
    DataLoaders,
    ImageBlock,
    Learner,
    Normalize,
    Pipeline,
    aug_transforms,
    vision_learner,
)
from PIL import Image, ImageOps
from torch import nn

from .config import Config
from .data import KEEP, UNREADABLE, read_image
from .hub import fetching
from .learner import loader_options, target_block
from .model import Spec, make_model, source
from .task import Task


def make_dls(table: pd.DataFrame, task: Task, spec: Spec, config: Config) -> DataLoaders:
    rows = table[table["split"] != "test"]
    if len(rows) * spec.image_size**2 * 4 < KEEP:  # of more, one epoch takes as long
        with ThreadPoolExecutor() as pool:
            rows = rows[list(pool.map(readable, rows["input"]))]
    block = DataBlock(
        blocks=(ImageBlock, target_block(task)),
        get_x=Pipeline([ColReader("input"), partial(load, size=spec.image_size)]),
        get_y=ColReader("target"),
        splitter=ColSplitter("split", on="val"),
        batch_tfms=[  # where left and right do not matter, let it flip
            *aug_transforms(do_flip=False, max_zoom=1.2),
            Normalize.from_stats(spec.mean, spec.std),
        ],
    )
    return block.dataloaders(rows, **loader_options(rows, config))


def load(item: Any, size: int) -> Image.Image:
    """Read the middle of an image, as Resize of fastai does in ten times the time."""
    return ImageOps.fit(read_image(item, size), (size, size), Image.Resampling.BILINEAR)


def readable(item: Any) -> bool:
    try:
        return bool(read_image(item, 1))
    except UNREADABLE as error:
        print(f"left out, cannot be read: {item}: {error}")
        return False


def make_learner(
    dls: DataLoaders, task: Task, spec: Spec, weights: str | None = None, **options: Any
) -> Learner:
    if spec.arch is None:
        return Learner(dls, make_model(spec, len(task.names)), **options)
    arch = source(weights) if weights else spec.arch
    options |= {"n_out": len(task.names), "pretrained": bool(weights), "normalize": False}
    with fetching("--pretrained", arch):
        learn = vision_learner(dls, arch, **options)
    nn.init.zeros_(learn.model[1][-1].weight)  # every class equally likely at first
    return learn
