"""A small data set that needs no download: shapes on a ground, and masks that tell them apart."""

import math
import os
import random
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

CLASSES = ["ground", "circle", "cross", "triangle"]
SCALE = 4  # images are drawn large, then reduced: smooth edges


def make_sample(root: Path, num_images: int = 600, size: int = 48, seed: int = 0) -> Path:
    """Write root/images/*.png, root/masks/*.png and root/classes.txt unless they are there."""
    if not root.is_dir():
        rng, scratch = random.Random(seed), root.with_name(f"{root.name}.{os.getpid()}")
        for folder in ("images", "masks"):
            (scratch / folder).mkdir(parents=True, exist_ok=True)
        for number in range(num_images):
            image, mask = draw(size, rng)
            image.save(scratch / "images" / f"{number:04}.png")
            mask.save(scratch / "masks" / f"{number:04}.png")
        (scratch / "classes.txt").write_text("\n".join(CLASSES))
        scratch.rename(root)
    return root


def draw(size: int, rng: random.Random) -> tuple[Image.Image, Image.Image]:
    canvas = size * SCALE
    # Light on dark as often as the reverse, so that no pixel tells the class
    dark = tuple(rng.randrange(0, 110) for _ in range(3))
    light = tuple(rng.randrange(140, 256) for _ in range(3))
    ground, ink = rng.sample([dark, light], 2)
    image, mask = Image.new("RGB", (canvas, canvas), ground), Image.new("L", (canvas, canvas))
    places = rng.sample([(x, y) for x in (1, 3) for y in (1, 3)], rng.randint(1, 4))
    for column, row in places:  # quarters of the canvas, so that no shape hides another
        radius = canvas * rng.uniform(0.17, 0.23)
        x = canvas * column / 4 + rng.uniform(-1, 1) * (canvas / 4 - radius)
        y = canvas * row / 4 + rng.uniform(-1, 1) * (canvas / 4 - radius)
        kind, turn = rng.randrange(1, len(CLASSES)), rng.uniform(0, math.pi)
        for picture, fill in ((image, ink), (mask, kind)):
            put(ImageDraw.Draw(picture), CLASSES[kind], x, y, radius, turn, fill)
    pen = ImageDraw.Draw(image)
    for _ in range(12):
        left, top, speck = rng.randrange(canvas), rng.randrange(canvas), rng.randrange(2, 2 * SCALE)
        pen.ellipse((left, top, left + speck, top + speck), fill=ink)
    return image.resize((size, size), Image.Resampling.BOX), mask.resize((size, size), 0)


def put(
    pen: ImageDraw.ImageDraw, kind: str, x: float, y: float, radius: float, turn: float, fill: Any
) -> None:
    if kind == "circle":
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=fill)
    elif kind == "triangle":
        pen.regular_polygon((x, y, radius), 3, rotation=math.degrees(turn), fill=fill)
    else:
        for angle in (turn, turn + math.pi / 2):
            dx, dy = radius * math.cos(angle), radius * math.sin(angle)
            pen.line((x - dx, y - dy, x + dx, y + dy), fill=fill, width=round(radius * 0.5))
