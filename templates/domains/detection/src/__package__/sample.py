"""A small data set that needs no download: shapes on a noisy ground, and a file of their boxes."""

import json
import math
import os
import random
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

CORNERS = {"circle": 48, "square": 4, "triangle": 3}  # of each class
SCALE = 4  # images are drawn large, then reduced: smooth edges


def make_sample(root: Path, num_images: int = 500, size: int = 64, seed: int = 0) -> Path:
    """Write root/images/*.png and root/annotations.json, as COCO has it, unless they are there."""
    if not root.is_dir():
        rng, scratch = random.Random(seed), root.with_name(f"{root.name}.{os.getpid()}")
        (scratch / "images").mkdir(parents=True, exist_ok=True)
        images, annotations = list[Any](), list[Any]()
        for number in range(num_images):
            image, shapes = draw(size, rng)
            name = f"{number:04}.png"
            image.save(scratch / "images" / name)
            images.append({"id": number, "file_name": name, "width": size, "height": size})
            for kind, bbox in shapes:
                each = {"id": len(annotations), "image_id": number, "category_id": kind}
                annotations.append({**each, "bbox": bbox, "area": bbox[2] * bbox[3], "iscrowd": 0})
        kinds = [{"id": number, "name": name} for number, name in enumerate(CORNERS)]
        content = {"images": images, "annotations": annotations, "categories": kinds}
        (scratch / "annotations.json").write_text(json.dumps(content))
        scratch.rename(root)
    return root


def draw(size: int, rng: random.Random) -> tuple[Image.Image, list[tuple[int, list[float]]]]:
    """Give an image, and the class and the box (x, y, width, height) of each shape in it."""
    canvas = size * SCALE
    # Light on dark as often as the reverse, so that no pixel tells where something is
    dark = tuple(rng.randrange(0, 100) for _ in range(3))
    light = tuple(rng.randrange(150, 256) for _ in range(3))
    ground, ink = rng.sample([dark, light], 2)
    image, shapes = Image.new("RGB", (canvas, canvas), ground), []
    pen = ImageDraw.Draw(image)
    for _ in range(8):
        x, y, turn = (rng.uniform(0, high) for high in (canvas, canvas, 2 * math.pi))
        end = (x + 0.2 * canvas * math.cos(turn), y + 0.2 * canvas * math.sin(turn))
        pen.line((x, y, *end), fill=ink, width=SCALE)
    number = rng.choice((0, 2, 3, 4, 4))  # none in one of five
    for column, row in rng.sample([(x, y) for x in (1, 3) for y in (1, 3)], number):
        # In quarters of the canvas, so that no shape hides another
        radius = canvas * rng.uniform(0.12, 0.23)
        x = canvas * column / 4 + rng.uniform(-1, 1) * (canvas / 4 - radius)
        y = canvas * row / 4 + rng.uniform(-1, 1) * (canvas / 4 - radius)
        kind = rng.randrange(len(CORNERS))
        corners, first = list(CORNERS.values())[kind], rng.uniform(0, 2 * math.pi)
        turns = [first + 2 * math.pi * n / corners for n in range(corners)]
        points = [(x + radius * math.cos(t), y + radius * math.sin(t)) for t in turns]
        pen.polygon(points, fill=ink)
        (left, *_, right), (top, *_, bottom) = (sorted(side) for side in zip(*points, strict=True))
        box = (left, top, right - left, bottom - top)
        shapes.append((kind, [round(number / SCALE, 2) for number in box]))
    pixels = np.asarray(image.resize((size, size), Image.Resampling.BOX), dtype=np.float32)
    noise = np.random.default_rng(rng.getrandbits(32)).normal(0, 12, pixels.shape)
    return Image.fromarray((pixels + noise).clip(0, 255).astype(np.uint8)), shapes
