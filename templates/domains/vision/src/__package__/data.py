"""Images: the table of examples, and what becomes of an image on its way to the network."""

import io
import math
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pandas as pd
import torch
import torchvision
from PIL import Image, ImageFile, ImageOps
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter
from torchvision.transforms import v2
from tqdm.contrib.concurrent import thread_map

from .config import Config
from .model import Spec, pretrained_spec
from .run import fetching
from .sample import make_sample
from .table import BAR, divide, from_hub, read

ImageFile.LOAD_TRUNCATED_IMAGES = True  # a damaged image is gray where it ends, and ends no run
SUFFIXES = {".png", ".jpg", ".jpeg", ".jfif", ".jpe", ".webp", ".tif", ".tiff", ".bmp", ".gif"}
KEEP = 2**30  # bytes of pixels that are kept, so that every file is decoded once
collate = None  # all images have one size


def make_table(config: Config) -> pd.DataFrame:
    """Give the rows input (a path, an image), target and split: replace this for other data."""
    if config.data or config.dataset is None:
        rows = read(config.data or make_sample(Path("data/sample")), config, SUFFIXES)
    elif hasattr(torchvision.datasets, config.dataset):
        with fetching("--dataset", config.dataset):
            rows = from_torchvision(config.dataset)
    else:
        rows = from_hub(config.dataset, config, SUFFIXES)
    return divide(rows, config, side_of)


def from_torchvision(name: str) -> pd.DataFrame:
    """Download a data set of torchvision that is divided by `train=True` and False."""
    rows = []
    for train in (True, False):
        part = getattr(torchvision.datasets, name)("data", train=train, download=True)
        split = "train" if train else "test"
        rows += [(image, part.classes[target], split) for image, target in part]
    return pd.DataFrame(rows, columns=["input", "target", "split"])


def make_spec(config: Config, table: pd.DataFrame) -> Spec:
    if config.pretrained:
        return pretrained_spec(config.pretrained, config.image_size)
    sides = [side_of(item) for item in table["input"][:: len(table) // 100 + 1]]
    return Spec(config.image_size or min(max(round(median(sides) / 16) * 16, 32), 128))


def make_transform(spec: Spec, train: bool = False) -> v2.Compose:
    """Make what turns an item of the table into float (3, size, size), normalized."""
    size = spec.image_size
    steps: list[Any] = [v2.Resize(size), v2.CenterCrop(size)]
    if train:  # where left and right do not matter, add v2.RandomHorizontalFlip()
        steps = [
            v2.RandomResizedCrop(size, scale=(0.7, 1.0), ratio=(0.8, 1.25)),
            v2.RandomRotation(10, v2.InterpolationMode.BILINEAR),
            v2.ColorJitter(0.2, 0.2, 0.2),
        ]
    to_float = [v2.ToImage(), v2.ToDtype(torch.float32, scale=True)]
    normalize = v2.Normalize(spec.mean, spec.std)
    return v2.Compose([partial(load, size=size), *steps, *to_float, normalize])


def preload(items: list[Any], spec: Spec) -> list[Any]:
    """Decode the images of a small data set once."""
    if len(items) * spec.image_size**2 * 4 > KEEP:
        return items
    return thread_map(partial(load, size=spec.image_size), items, **BAR)


def open_image(item: Any) -> Image.Image:
    """Open a path, an image, or what the Hugging Face hub gives: {"bytes": ..., "path": ...}."""
    if isinstance(item, dict):
        item = io.BytesIO(item["bytes"]) if item["bytes"] else item["path"]
    return item if isinstance(item, Image.Image) else Image.open(item)


def side_of(item: Any) -> float:
    """Give the side of a square with as many pixels, 0 if the image cannot be read."""
    try:
        with open_image(item) as image:
            return math.sqrt(image.width * image.height)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return 0


def wide(image: Image.Image) -> bool:
    """Whether to cut the ends off could lose what an image shows."""
    return max(image.size) > 4 / 3 * min(image.size)


def load(item: Any, size: int) -> Image.Image:
    """Read an image as RGB, its shorter side not much longer than `size`; squeeze a wide one."""
    enough = size * 9 // 8
    kept = isinstance(item, Image.Image) and item.mode == "RGB" and min(item.size) <= enough
    if kept and not wide(item):
        return item
    with open_image(item) as opened:
        opened.draft("RGB", (size * 2, size * 2))  # a JPEG is decoded at a fraction of its size
        image = ImageOps.exif_transpose(opened)
    if image.mode.startswith(("I", "F")):  # 12 bits, 16 bits, numbers: by the range they use
        known = np.ma.masked_invalid(np.asarray(image, dtype=np.float64))
        known = 255 * (known - known.min()) / (np.ma.ptp(known) or 1)
        image = Image.fromarray(np.uint8(known.filled(0)))
    if image.has_transparency_data:
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA"))
    image = image.convert("RGB")
    if wide(image):
        side = min(round(math.sqrt(image.width * image.height)), enough)
        image = image.resize((side, side), Image.Resampling.BILINEAR, reducing_gap=2)
    if min(image.size) > enough:
        image = ImageOps.cover(image, (enough, enough), Image.Resampling.BOX)
    return image


def draw(writer: SummaryWriter, step: int, inputs: Tensor, titles: Any, spec: Spec) -> None:
    """Show images (B, 3, H, W) and what is predicted, (text, right), in red where it is wrong."""
    from matplotlib.figure import Figure  # here: it takes a second

    figure = Figure(figsize=(7, 6.93))  # as the axes
    axes = figure.add_axes((0, 0, 1, 1), frame_on=False, yticks=[], xlim=(-0.03, 3), ylim=(3, 0))
    for (y, x), image, (text, right) in zip(np.ndindex(3, 3), inputs, titles, strict=False):
        pixels = image * Tensor(spec.std)[:, None, None] + Tensor(spec.mean)[:, None, None]
        axes.imshow(pixels.clamp(0, 1).permute(1, 2, 0), extent=(x, x + 0.8, y + 1, y + 0.2))
        color, text = "green" if right else "red", text.replace(" (is ", "\n(is ")
        axes.text(x, y + 0.18, text, color=color, size=12, parse_math=False)
    writer.add_figure("predictions", figure, step)
