"""A small data set that needs no download: shapes of any place, size, rotation and color."""

import math
import os
import random
from pathlib import Path

from PIL import Image, ImageDraw

CLASSES = ["circle", "cross", "ring", "triangle"]
SCALE = 4  # drawn large, then reduced: smooth edges


def make_sample(root: Path, num_images: int = 1200, size: int = 32, seed: int = 0) -> Path:
    """Write root/CLASS/*.png unless they are there."""
    if not root.is_dir():
        rng, scratch = random.Random(seed), root.with_name(f"{root.name}.{os.getpid()}")
        for number in range(num_images):
            label = CLASSES[number % len(CLASSES)]
            (scratch / label).mkdir(parents=True, exist_ok=True)
            draw(label, size, rng).save(scratch / label / f"{number:04}.png")
        scratch.rename(root)
    return root


def draw(label: str, size: int, rng: random.Random) -> Image.Image:
    canvas = size * SCALE
    # A light shape on a dark ground as often as the reverse, so that no pixel tells the class
    dark = tuple(rng.randrange(0, 110) for _ in range(3))
    light = tuple(rng.randrange(140, 256) for _ in range(3))
    ground, ink = rng.sample([dark, light], 2)
    image = Image.new("RGB", (canvas, canvas), ground)
    pen = ImageDraw.Draw(image)
    for _ in range(6):
        left, top, speck = rng.randrange(canvas), rng.randrange(canvas), rng.randrange(2, 2 * SCALE)
        pen.ellipse((left, top, left + speck, top + speck), fill=ink)
    radius = canvas * rng.uniform(0.26, 0.42)
    x, y = (rng.uniform(radius, canvas - radius) for _ in range(2))
    box = (x - radius, y - radius, x + radius, y + radius)
    if label == "circle":
        pen.ellipse(box, fill=ink)
    elif label == "ring":
        pen.ellipse(box, outline=ink, width=round(radius * 0.4))
    elif label == "triangle":
        pen.regular_polygon((x, y, radius), 3, rotation=rng.uniform(0, 360), fill=ink)
    else:
        turn = rng.uniform(0, math.pi)
        for angle in (turn, turn + math.pi / 2):
            dx, dy = radius * math.cos(angle), radius * math.sin(angle)
            pen.line((x - dx, y - dy, x + dx, y + dy), fill=ink, width=round(radius * 0.5))
    return image.resize((size, size), Image.Resampling.BOX)
