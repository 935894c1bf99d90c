"""Scenes of digits, capitals and small letters drawn with many fonts, and their masks."""

from __future__ import annotations

import string
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image
from real_letters import Floats, Fonts, blur, divide_groups, draw, slope, smooth

SIZE = 96  # pixels of a side
KINDS = {
    "digit": string.digits,
    "capital": "ABDEFGHKLMNPQRTY",
    "small": "abdefghnqrty",
}  # no letter whose shape is that of another kind


def write_glyphs(folder: Path, fonts: Fonts, sizes: Mapping[str, int], seed: int) -> None:
    """Write `folder/SPLIT/{images,masks}/*.png`, no package of fonts in two splits."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "classes.txt").write_text("\n".join(["ground", *KINDS]), encoding="utf-8")
    parts = divide_groups(sorted(fonts), seed)
    for place, (split, number) in enumerate(sizes.items()):
        files = [path for package in parts[split] for path in fonts[package]]
        for kind in ("images", "masks"):
            (folder / split / kind).mkdir(parents=True)
        for index in range(number):
            image, mask = write(files, np.random.default_rng([seed, place, index]))
            image.save(folder / split / "images" / f"{index:05}.png")
            mask.save(folder / split / "masks" / f"{index:05}.png")


def write(files: list[Path], rng: np.random.Generator) -> tuple[Image.Image, Image.Image]:
    """Draw 3 to 7 characters, each light or dark, on an unevenly lit ground; blur, add noise."""
    ground = rng.uniform(70, 190, 3)
    picture = ground * (1 + rng.uniform(0, 0.1) * smooth(SIZE, SIZE, 8, rng))[..., None]
    mask = np.zeros((SIZE, SIZE), np.uint8)
    for _ in range(rng.integers(3, 8)):
        number = int(rng.integers(len(KINDS)))
        characters = [*KINDS.values()][number]
        character = characters[rng.integers(len(characters))]
        font = files[int(rng.integers(len(files)))]
        ink = paste(draw(character, font, rng.uniform(14, 30), rng), rng)
        color = ground + rng.choice([-1, 1]) * rng.uniform(50, 130) + rng.normal(0, 15, 3)
        picture = picture + ink[..., None] * (color - picture)
        mask[ink > 0.5] = number + 1
    sigma = rng.uniform(0.2, 1.2)
    picture = np.stack([blur(picture[..., channel], sigma) for channel in range(3)], axis=-1)
    light = 1 - rng.uniform(0, 0.35) * slope(SIZE, SIZE, rng)
    picture = picture * light[..., None] + rng.normal(0, rng.uniform(1, 12), picture.shape)
    return Image.fromarray(picture.clip(0, 255).astype(np.uint8)), Image.fromarray(mask)


def paste(glyph: Image.Image, rng: np.random.Generator) -> Floats:
    """Put a character anywhere in the scene, over its edge too; give the ink, 0 to 1."""
    canvas = Image.new("L", (SIZE, SIZE))
    x, y = (int(rng.integers(-side // 3, SIZE - 2 * side // 3)) for side in glyph.size)
    canvas.paste(glyph, (x, y))
    return np.asarray(canvas, np.float64) / 255
