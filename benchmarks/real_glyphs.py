"""Scenes of digits, capitals and small letters of many fonts: their masks, or their boxes."""

from __future__ import annotations

import string
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image
from real_letters import Floats, Fonts, blur, divide_groups, draw, slope, smooth

SIZE = 96  # pixels of a side
SHOWN = 0.6  # of a character, to count as one that is there
KINDS = {
    "digit": string.digits,
    "capital": "ABDEFGHKLMNPQRTY",
    "small": "abdefghnqrty",
}  # no letter whose shape is that of another kind


Box = tuple[int, int, int, int, int]  # kind, left, top, right, bottom


class Scene(NamedTuple):
    image: Image.Image
    mask: Image.Image  # of the kinds, from 1
    boxes: list[Box]  # of what shows well


def write_glyphs(folder: Path, fonts: Fonts, sizes: Mapping[str, int], seed: int) -> None:
    """Write `folder/SPLIT/{images,masks}/*.png`, no package of fonts in two splits."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "classes.txt").write_text("\n".join(["ground", *KINDS]), encoding="utf-8")
    for split, index, scene in make_scenes(fonts, sizes, seed):
        for kind, image in (("images", scene.image), ("masks", scene.mask)):
            path = folder / split / kind / f"{index:05}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            image.save(path)


def write_scenes(folder: Path, fonts: Fonts, sizes: Mapping[str, int], seed: int) -> None:
    """Write `folder/SPLIT/{images,labels}` of YOLO, no package of fonts in two splits."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "classes.txt").write_text("\n".join(KINDS), encoding="utf-8")
    for split, index, scene in make_scenes(fonts, sizes, seed):
        for kind in ("images", "labels"):
            (folder / split / kind).mkdir(parents=True, exist_ok=True)
        scene.image.save(folder / split / "images" / f"{index:05}.png")
        lines = []
        for number, left, top, right, bottom in scene.boxes:
            middle = ((left + right) / 2, (top + bottom) / 2, right - left, bottom - top)
            lines.append(" ".join([str(number - 1), *(f"{part / SIZE:.5f}" for part in middle)]))
        text = "\n".join(lines)
        (folder / split / "labels" / f"{index:05}.txt").write_text(text, encoding="utf-8")


def make_scenes(
    fonts: Fonts, sizes: Mapping[str, int], seed: int
) -> Iterator[tuple[str, int, Scene]]:
    parts = divide_groups(sorted(fonts), seed)
    for place, (split, number) in enumerate(sizes.items()):
        files = [path for package in parts[split] for path in fonts[package]]
        for index in range(number):
            yield split, index, compose(files, np.random.default_rng([seed, place, index]))


def compose(files: list[Path], rng: np.random.Generator) -> Scene:
    """Draw 3 to 7 characters, each light or dark, on an unevenly lit ground; blur, add noise."""
    ground = rng.uniform(70, 190, 3)
    picture = ground * (1 + rng.uniform(0, 0.1) * smooth(SIZE, SIZE, 8, rng))[..., None]
    mask, owners = np.zeros((SIZE, SIZE), np.uint8), np.zeros((SIZE, SIZE), np.uint8)
    drawn = []
    for owner in range(1, rng.integers(3, 8) + 1):
        number = int(rng.integers(len(KINDS)))
        characters = [*KINDS.values()][number]
        character = characters[rng.integers(len(characters))]
        font = files[int(rng.integers(len(files)))]
        glyph = draw(character, font, rng.uniform(14, 30), rng)
        ink = paste(glyph, rng)
        color = ground + rng.choice([-1, 1]) * rng.uniform(50, 130) + rng.normal(0, 15, 3)
        picture = picture + ink[..., None] * (color - picture)
        mask[ink > 0.5], owners[ink > 0.5] = number + 1, owner
        drawn.append((owner, number + 1, ink > 0.5, np.count_nonzero(np.asarray(glyph) > 127)))
    sigma = rng.uniform(0.2, 1.2)
    picture = np.stack([blur(picture[..., channel], sigma) for channel in range(3)], axis=-1)
    light = 1 - rng.uniform(0, 0.35) * slope(SIZE, SIZE, rng)
    picture = picture * light[..., None] + rng.normal(0, rng.uniform(1, 12), picture.shape)
    boxes = []
    for owner, kind, place, whole in drawn:
        if np.count_nonzero(owners == owner) >= max(1, SHOWN * whole):
            ys, xs = np.nonzero(place)
            boxes.append((kind, int(xs.min()), int(ys.min()), int(xs.max() + 1), int(ys.max() + 1)))
    image = Image.fromarray(picture.clip(0, 255).astype(np.uint8))
    return Scene(image, Image.fromarray(mask), boxes)


def paste(glyph: Image.Image, rng: np.random.Generator) -> Floats:
    """Put a character anywhere in the scene, over its edge too; give the ink, 0 to 1."""
    canvas = Image.new("L", (SIZE, SIZE))
    x, y = (int(rng.integers(-side // 3, SIZE - 2 * side // 3)) for side in glyph.size)
    canvas.paste(glyph, (x, y))
    return np.asarray(canvas, np.float64) / 255
