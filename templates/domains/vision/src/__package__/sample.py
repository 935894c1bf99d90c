"""A small data set that needs no download: shapes in any place, size, rotation and color."""

import math
import random

import torch
from PIL import Image, ImageDraw
from torch import Tensor
from torchvision.transforms.v2.functional import pil_to_tensor

CLASSES = ["circle", "cross", "ring", "triangle"]
SCALE = 4  # drawn large, then reduced: smooth edges


def make_sample(num_images: int, size: int, seed: int) -> tuple[Tensor, list[str]]:
    """Draw images, uint8 (num_images, 3, size, size), and give their classes, in equal shares."""
    rng = random.Random(seed)
    labels = [CLASSES[i % len(CLASSES)] for i in range(num_images)]
    return torch.stack([pil_to_tensor(draw(label, size, rng)) for label in labels]), labels


def draw(label: str, size: int, rng: random.Random) -> Image.Image:
    canvas = size * SCALE
    # A light shape on a dark ground as often as the reverse, so that no pixel tells the class
    dark = [rng.randrange(0, 110) for _ in range(3)]
    light = [rng.randrange(140, 256) for _ in range(3)]
    ground, ink = rng.sample([tuple(dark), tuple(light)], 2)
    image = Image.new("RGB", (canvas, canvas), ground)
    pen = ImageDraw.Draw(image)
    for _ in range(6):
        left, top = rng.randrange(canvas), rng.randrange(canvas)
        speck = rng.randrange(2, SCALE * 2)
        pen.ellipse((left, top, left + speck, top + speck), fill=ink)
    radius = canvas * rng.uniform(0.26, 0.42)
    x, y = (rng.uniform(radius, canvas - radius) for _ in range(2))
    turn = rng.uniform(0, 2 * math.pi)
    box = (x - radius, y - radius, x + radius, y + radius)
    if label == "circle":
        pen.ellipse(box, fill=ink)
    elif label == "ring":
        pen.ellipse(box, outline=ink, width=round(radius * 0.4))
    else:
        pen.polygon([(x + radius * a, y + radius * b) for a, b in outline(label, turn)], fill=ink)
    return image.resize((size, size), Image.Resampling.BOX)


def outline(label: str, turn: float) -> list[tuple[float, float]]:
    """Give the corners of a shape around the origin, radius 1, turned by an angle in radians."""
    points = [(math.cos(a), math.sin(a)) for a in (0, 2 * math.pi / 3, 4 * math.pi / 3)]
    if label == "cross":
        arm = 0.28
        corners = [(arm, 1), (arm, arm), (1, arm), (1, -arm), (arm, -arm), (arm, -1)]
        points = [*corners, *[(-a, -b) for a, b in corners]]
    sin, cos = math.sin(turn), math.cos(turn)
    return [(a * cos - b * sin, a * sin + b * cos) for a, b in points]
