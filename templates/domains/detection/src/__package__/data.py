"""Images and boxes: the table of examples, and what becomes of both on the way to the network."""

from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from PIL import Image, ImageFile, ImageOps
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter
from torchvision import tv_tensors
from torchvision.transforms import v2
from torchvision.utils import draw_bounding_boxes, make_grid
from tqdm.contrib.concurrent import thread_map

from . import boxes
from .boxes import open_image, size_of
from .config import Config
from .model import STRIDE, Spec, pretrained_spec
from .sample import make_sample
from .table import BAR, LISTS, divide, files_in, from_hub, read, split_of, tables_in, unpack

ImageFile.LOAD_TRUNCATED_IMAGES = True  # a damaged image is gray where it ends, and ends no run
SUFFIXES = {".png", ".jpg", ".jpeg", ".jfif", ".jpe", ".webp", ".tif", ".tiff", ".bmp", ".gif"}
KEEP = 2**30  # bytes of pixels that are kept, so that every file is decoded once
collate = None  # all images have one size


def make_table(config: Config) -> pd.DataFrame:
    """Give the rows input (an image), target and split: replace this for other data.

    A target is {"size": (width, height), "boxes": [(class, left, top, right, bottom), ...]}.
    """
    if config.dataset and not config.data:
        rows = from_hub(config.dataset, config, SUFFIXES, boxes.from_columns)
        rows = boxes.name_classes(rows, config.dataset)
        return divide(rows, config, lambda item: min(size_of(item)))
    data = config.data or make_sample(Path("data", "sample"))
    data = data.parent if data.suffix in (".yaml", ".yml") else data  # as YOLO is given its data
    data = unpack(data)
    files = files_in(data)
    root = data if data.is_dir() else data.parent
    notes = [p for p in files if p.suffix.lower() == ".xml"]
    if coco := boxes.find_coco(files):
        rows = boxes.read_coco(coco, root)
    elif notes:
        rows = boxes.read_voc(notes, root, SUFFIXES)
    elif data.is_dir() and not any(split_of(p.stem) or p.stem in LISTS for p in tables_in(data)):
        rows = boxes.read_yolo(data, SUFFIXES)
    else:
        rows = read(data, config, SUFFIXES, boxes.from_columns)
    return divide(rows, config, lambda item: min(size_of(item)))


def make_spec(config: Config, table: pd.DataFrame) -> Spec:
    if config.pretrained:
        return pretrained_spec(config.pretrained, config.image_size)
    sides = [max(size_of(item)) for item in table["input"][:: len(table) // 100 + 1]]
    size = config.image_size or min(max(median(sides), 64), 256)
    return Spec(-(-int(size) // STRIDE) * STRIDE)


class Transform:
    """Make of an image float (3, size, size), normalized; of its boxes (most, 5) what stays."""

    def __init__(self, spec: Spec, train: bool = False) -> None:
        self.size = spec.image_size
        steps: list[Any] = [v2.Resize((self.size, self.size))]
        if train:  # where left and right do not matter, add v2.RandomHorizontalFlip()
            how = v2.InterpolationMode.BILINEAR
            move = v2.RandomAffine(0, (0.1, 0.1), (0.8, 1.2), interpolation=how)
            steps += [move, v2.ColorJitter(0.2, 0.2, 0.2), v2.ClampBoundingBoxes()]
            steps += [v2.SanitizeBoundingBoxes(min_size=2)]
        to_float = [v2.ToImage(), v2.ToDtype(torch.float32, scale=True)]
        normalize = v2.Normalize(spec.mean, spec.std)
        self.steps = v2.Compose([*steps, *to_float, normalize, v2.ToPureTensor()])

    def __call__(self, item: Any, target: Tensor | None = None) -> Any:
        image = load(item, self.size)
        if target is None:
            return self.steps(image)
        width, height = image.size
        real = target[target[:, 0] >= 0]
        corners = real[:, 1:] * torch.tensor([width, height, width, height])
        kept: Any = {"canvas_size": (height, width), "format": "XYXY"}
        given = {"boxes": tv_tensors.BoundingBoxes(corners, **kept), "labels": real[:, :1]}
        inputs, found = self.steps(image, given)
        rows = torch.cat([found["labels"], found["boxes"] / self.size], dim=1)
        return inputs, F.pad(rows, (0, 0, 0, len(target) - len(rows)), value=-1)


make_transform = Transform


def preload(items: list[Any], spec: Spec) -> list[Any]:
    """Decode the images of a small data set once."""
    if len(items) * spec.image_size**2 * 4 > KEEP:
        return items
    return thread_map(partial(load, size=spec.image_size), items, **BAR)


def load(item: Any, size: int) -> Image.Image:
    """Read an image as RGB, its shorter side not much longer than `size`."""
    enough = size * 9 // 8
    if isinstance(item, Image.Image) and item.mode == "RGB" and min(item.size) <= enough:
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
    if min(image.size) > enough:
        image = ImageOps.cover(image, (enough, enough), Image.Resampling.BOX)
    return image


def draw(writer: SummaryWriter, step: int, inputs: Tensor, titles: Any, spec: Spec) -> None:
    """Show images (B, 3, H, W) with their true boxes, each beside the same with those found."""
    shown = []
    for image, (found, true) in zip(inputs, titles, strict=False):
        pixels = image * Tensor(spec.std)[:, None, None] + Tensor(spec.mean)[:, None, None]
        large = F.interpolate(pixels.clamp(0, 1)[None], 256, mode="bilinear")[0]  # for the titles
        for (names, corners), color in ((true, "lime"), (found, "orange")):
            shown.append(draw_bounding_boxes(large, corners * 256, names, color, width=2))
    writer.add_image("predictions", make_grid(shown, nrow=6), step)
