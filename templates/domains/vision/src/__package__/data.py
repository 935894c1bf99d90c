"""Images: the table of examples, and what becomes of an image on its way to the network."""

import io
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pandas as pd
import torch
import torchvision
from PIL import Image, ImageOps
from torch import Tensor
from torch.utils.data import Dataset
from torchvision.transforms import v2

from .config import Config
from .model import Spec, pretrained_spec
from .sample import make_sample
from .table import divide, from_hub, read
from .task import Task

SUFFIXES = {".png", ".jpg", ".jpeg", ".jfif", ".jpe", ".webp", ".tif", ".tiff", ".bmp", ".gif"}
UNREADABLE = (OSError, ValueError, SyntaxError, Image.DecompressionBombError)
KEEP = 2**30  # bytes of pixels that are kept, so that every file is decoded once


def make_table(config: Config) -> pd.DataFrame:
    """Give the rows input (a path, an image), target and split: replace this for other data."""
    if config.dataset is None:
        data = config.data or make_sample(Path("data/sample"))
        return read(data, config, SUFFIXES)
    if hasattr(torchvision.datasets, config.dataset):
        return divide(from_torchvision(config.dataset), config)
    return from_hub(config.dataset, config, SUFFIXES)


def from_torchvision(name: str) -> pd.DataFrame:
    """Download a data set of torchvision that is divided by `train=True` and False."""
    frames = []
    for train in (True, False):
        part = getattr(torchvision.datasets, name)("data", train=train, download=True)
        inputs, targets = zip(*part, strict=True)
        rows = {"input": inputs, "target": [part.classes[target] for target in targets]}
        frames.append(pd.DataFrame(rows | {"split": "train" if train else "test"}))
    return pd.concat(frames).reset_index(drop=True)


def make_spec(config: Config, table: pd.DataFrame) -> Spec:
    if config.pretrained:
        return pretrained_spec(config.pretrained, config.image_size)
    sides = [shorter_side(item) for item in table["input"][:: len(table) // 100 + 1]]
    return Spec(config.image_size or min(max(round(median(sides) / 16) * 16, 32), 128))


class Examples(Dataset[tuple[Tensor, Tensor]]):
    """Images, float (3, size, size), and targets; those of a small set are decoded once."""

    epoch = 0

    def __init__(
        self, rows: pd.DataFrame, task: Task, spec: Spec, train: bool = False, seed: int = 0
    ) -> None:
        self.spec, self.seed, self.transform = spec, seed, make_transform(spec, train)
        self.inputs, targets = list(rows["input"]), list(rows["target"])
        if len(rows) * spec.image_size**2 * 4 < KEEP:
            with ThreadPoolExecutor(os.cpu_count()) as pool:
                found = list(pool.map(self.read_or_none, self.inputs))
            self.inputs = [image for image in found if image is not None]
            targets = [t for image, t in zip(found, targets, strict=True) if image is not None]
        self.targets = [task.encode(target) for target in targets]

    def read_or_none(self, item: Any) -> Image.Image | None:
        try:
            return read_image(item, self.spec.image_size)
        except UNREADABLE as error:
            print(f"cannot be read: {item}: {error}")
            return None

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        image = self.read_or_none(self.inputs[index])
        image = image or Image.new("RGB", (self.spec.image_size, self.spec.image_size))
        with torch.random.fork_rng(devices=[]):  # so that a resumed run repeats the augmentation
            torch.default_generator.manual_seed(hash((self.seed, self.epoch, index)))
            return self.transform(image), self.targets[index]


collate = None  # all images have one size


def make_transform(spec: Spec, train: bool = False) -> v2.Compose:
    """Images of PIL to float (3, size, size), normalized."""
    size = spec.image_size
    steps: list[Any] = [v2.Resize(size), v2.CenterCrop(size)]
    if train:  # where left and right do not matter, add v2.RandomHorizontalFlip()
        steps = [
            v2.RandomResizedCrop(size, scale=(0.7, 1.0), ratio=(0.8, 1.25)),
            v2.RandomRotation(10, v2.InterpolationMode.BILINEAR),
            v2.ColorJitter(0.2, 0.2, 0.2),
        ]
    steps += [
        v2.ToImage(),
        v2.ToDtype(torch.float32, scale=True),
        v2.Normalize(spec.mean, spec.std),
    ]
    return v2.Compose(steps)


def load_input(item: Any, spec: Spec) -> Tensor:
    """Give an image as validation sees it, float (3, size, size)."""
    transform = make_transform(spec)
    image: Tensor = transform(read_image(item, spec.image_size))
    return image


def open_image(item: Any) -> Image.Image:
    """Open a path, encoded bytes or an image."""
    if isinstance(item, dict):
        item = io.BytesIO(item["bytes"])
    return item if isinstance(item, Image.Image) else Image.open(item)


def shorter_side(item: Any) -> int:
    try:
        with open_image(item) as image:
            return min(image.size)
    except UNREADABLE:
        return 0


def read_image(item: Any, size: int) -> Image.Image:
    """Read an image as RGB, its shorter side not much longer than `size`."""
    if isinstance(item, Image.Image) and item.mode == "RGB" and min(item.size) <= size * 5 // 4:
        return item
    with open_image(item) as opened:
        opened.draft("RGB", (size * 2, size * 2))  # a JPEG is decoded at a fraction of its size
        image = ImageOps.exif_transpose(opened)
    if image.mode.startswith(("I", "F")):  # 12 bits, 16 bits, numbers: by the range they use
        pixels = np.asarray(image, dtype=np.float64)
        image = Image.fromarray(np.uint8(255 * (pixels - pixels.min()) / max(np.ptp(pixels), 1e-9)))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    image = image.convert("RGB")
    scale = size * 9 / 8 / min(image.size)
    if scale < 1:
        width, height = (max(1, round(side * scale)) for side in image.size)
        image = image.resize((width, height), Image.Resampling.BOX, reducing_gap=2.0)
    return image
