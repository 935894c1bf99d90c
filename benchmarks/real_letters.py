"""Letters and digits drawn with many fonts, as if photographed."""

from __future__ import annotations

import random
import string
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

NAMES = """
    adf-accanthis adf-baskervald adf-berenis adf-gillius adf-irianis adf-libris adf-mekanus
    adf-oldania adf-romande adf-switzera adf-tribun adf-universalis averia-sans-gwf
    averia-serif-gwf b612 beteckna breip cabin cantarell cardo century-catalogue comfortaa
    comic-neue courier-prime crosextra-caladea dancingscript dejavu-core dosis dustin ebgaramond
    ecolier-court essays1743 eurofurence fantasque-sans fanwood femkeklaver firacode georgewilliams
    gfs-didot gnutypewriter go goudybookletter hack inconsolata isabella jetbrains-mono junction
    junicode jura karla kaushanscript kristi lato leckerli-one liberation linuxlibertine lobster
    millimetre monofur national-park ocr-a ocr-b okolaks oldstandard open-sans opendyslexic osifont
    paratype play prociono quattrocento quicksand radisnoir roadgeek roboto-slab rufscript
    sil-andika sil-charis sil-gentiumplus staypuft summersby
"""
FONT_PACKAGES = tuple(f"fonts-{name}" for name in NAMES.split())
# Small letters that are capitals, keys, and fonts that lack letters.
LEFT_OUT: tuple[str, ...] = (
    "IrianisADFStyle",
    "RomandeADFStyle",
    "MekanusADFTitling",
    "beteckna.otf",
    "Smallcaps",
)
LEFT_OUT += ("unifur", "Keyboard", "It_wasn", "LinLibertine_I", "Tamil", "Balker", "MarkedFool")
LEFT_OUT += ("Swift", "Winks", "flatline", "progenisis")

# As in EMNIST, small letters are classes of their own where their shape is not the capital's.
# O and I are left out: in many fonts nothing tells them from 0, 1 and l.
CHARACTERS = [c for c in string.digits + string.ascii_uppercase if c not in "OI"] + [*"abdefghnqrt"]
SHARES = {"train": 0.6, "val": 0.15, "test": 0.25}  # of the packages

Fonts = Mapping[str, Sequence[Path]]  # package, files
Floats = np.ndarray[tuple[int, ...], np.dtype[np.float64]]


def find_fonts() -> dict[str, list[Path]]:
    """Find the files of all font packages."""
    fonts: dict[str, list[Path]] = {}
    missing = []
    for package in FONT_PACKAGES:
        listed = subprocess.run(["dpkg", "-L", package], capture_output=True, text=True)
        files = [Path(line) for line in listed.stdout.splitlines()]
        fonts[package] = sorted(path for path in files if is_font(path))
        if not fonts[package]:
            missing.append(package)
    if missing:
        raise SystemExit(f"Install {' '.join(missing)}")
    return fonts


def is_font(path: Path) -> bool:
    left_out = any(part.lower() in path.name.lower() for part in LEFT_OUT)
    return path.suffix in (".ttf", ".otf") and not path.is_symlink() and not left_out


def write_letters(folder: Path, fonts: Fonts, sizes: Mapping[str, int], seed: int) -> None:
    """Write `folder/{train,val,test}/CLASS/*.png`, no package of fonts in two splits."""
    parts = divide_groups(sorted(fonts), seed)
    for place, (split, number) in enumerate(sizes.items()):
        for index in range(number):
            rng = np.random.default_rng([seed, place, index])
            character = CHARACTERS[index % len(CHARACTERS)]
            files = fonts[parts[split][rng.integers(len(parts[split]))]]
            image = photograph(character, files[int(rng.integers(len(files)))], rng)
            path = folder / split / label(character) / f"{index:05}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            image.save(path)


def label(character: str) -> str:
    """Name a class so that it is a folder of its own where case does not count, too."""
    return f"small-{character}" if character.islower() else character


def divide_groups(names: Sequence[str], seed: int) -> dict[str, list[str]]:
    """Divide names by the shares, one or more for each split."""
    shuffled = [*names]
    random.Random(seed).shuffle(shuffled)
    val = max(1, round(SHARES["val"] * len(names)))
    test = max(1, round(SHARES["test"] * len(names)))
    return {
        "train": shuffled[val + test :],
        "val": shuffled[:val],
        "test": shuffled[val : val + test],
    }


def photograph(character: str, font: Path, rng: np.random.Generator) -> Image.Image:
    """Draw a dark character on a light ground, not evenly lit, blurred and noisy."""
    height = int(rng.integers(48, 81))
    width = int(height * rng.uniform(0.85, 1.2))
    ink = place(draw(character, font, height * rng.uniform(0.5, 0.75), rng), width, height, rng)
    ground = rng.uniform(130, 255, 3)
    dark = ground * rng.uniform(0.1, 0.5) * rng.uniform(0.6, 1.0, 3)
    ground_light = 1 + rng.uniform(0, 0.08) * smooth(width, height, 8, rng)
    light = 1 - rng.uniform(0, 0.35) * slope(width, height, rng)
    picture = ground + ink[..., None] * (dark - ground)
    picture = picture * (light * ground_light)[..., None]
    picture = picture + rng.normal(0, rng.uniform(1, 12), picture.shape)
    return Image.fromarray(picture.clip(0, 255).astype(np.uint8))


def draw(character: str, font: Path, capital: float, rng: np.random.Generator) -> Image.Image:
    """Draw a character with capitals so many pixels high, turned and sheared a little."""
    probe = ImageFont.truetype(str(font), 100)
    _, top, _, bottom = probe.getbbox("H")
    size = max(8, round(100 * 2 * capital / max(bottom - top, 1)))  # twice, for smooth edges
    face = ImageFont.truetype(str(font), size)
    left, top, right, bottom = (int(edge) for edge in face.getbbox(character))
    margin = size // 2
    canvas = Image.new("L", (right - left + 2 * margin, bottom - top + 2 * margin))
    ImageDraw.Draw(canvas).text((margin - left, margin - top), character, font=face, fill=255)
    shear = rng.uniform(-0.12, 0.12)
    canvas = canvas.transform(
        canvas.size,
        Image.Transform.AFFINE,
        (1, shear, -shear * canvas.height / 2, 0, 1, 0),
        Image.Resampling.BILINEAR,
    ).rotate(rng.uniform(-10, 10), Image.Resampling.BICUBIC)
    inked = canvas.crop(canvas.getbbox())
    half = (max(1, inked.width // 2), max(1, inked.height // 2))
    return inked.resize(half, Image.Resampling.BOX)


def place(glyph: Image.Image, width: int, height: int, rng: np.random.Generator) -> Floats:
    """Put a character about the middle of a picture that holds it; give the ink, 0 to 1."""
    too_large = max(glyph.width / (0.95 * width), glyph.height / (0.95 * height))
    if too_large > 1:
        fitting = (max(1, int(glyph.width / too_large)), max(1, int(glyph.height / too_large)))
        glyph = glyph.resize(fitting, Image.Resampling.BOX)
    canvas = Image.new("L", (width, height))
    x, y = rng.uniform(0.35, 0.65, 2) * (width - glyph.width, height - glyph.height)
    canvas.paste(glyph, (round(x), round(y)))
    return blur(np.asarray(canvas, np.float64) / 255, rng.uniform(0.2, 1.2))


def blur(values: Floats, sigma: float) -> Floats:
    """Blur with a Gaussian, as a lens out of focus does."""
    offsets = np.arange(-4, 5)
    weights = np.exp(-0.5 * (offsets / sigma) ** 2)
    weights /= weights.sum()
    for axis in (0, 1):
        padded = np.pad(values, [(4, 4) if axis == each else (0, 0) for each in (0, 1)], "edge")
        length = values.shape[axis]
        parts = [np.take(padded, range(k, k + length), axis) for k in range(9)]
        values = np.tensordot(weights, np.stack(parts), 1)
    return values


def smooth(width: int, height: int, cell: int, rng: np.random.Generator) -> Floats:
    """Give the texture of a ground: noise of cells so large."""
    coarse = rng.normal(size=(height // cell + 1, width // cell + 1)).astype(np.float32)
    image = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
    return np.asarray(image, np.float64)


def slope(width: int, height: int, rng: np.random.Generator) -> Floats:
    """Give light that falls from one side, 0 to 1."""
    angle = rng.uniform(0, 2 * np.pi)
    x = np.linspace(-0.5, 0.5, width)[None, :]
    y = np.linspace(-0.5, 0.5, height)[:, None]
    return np.asarray(0.5 + (np.cos(angle) * x + np.sin(angle) * y) / np.sqrt(2))
