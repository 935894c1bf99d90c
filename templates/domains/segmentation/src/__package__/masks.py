"""Masks: which pixels are of which class, in the forms that people keep them."""

import io
import json
import re
from collections import Counter, defaultdict
from collections.abc import Collection
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from PIL import ExifTags, Image, ImageDraw
from tqdm.contrib.concurrent import thread_map

from .config import Config
from .table import BAR, FILES, files_in, from_frame, locate, split_of

UNREADABLE = (OSError, ValueError, SyntaxError, Image.DecompressionBombError)
IGNORE = 255  # a pixel of no class
COLOR = 1 << 24  # or blue would be 255
IMAGES = ("images", "image", "imgs", "jpegimages")
MASKS = ("masks", "mask", "segmentationclass", "labels", "label", "annotations", "annotation")
END = re.compile("[-_](masks?|labels?|gt|seg|p)$", re.IGNORECASE)  # of x_mask.png for x.jpg
CLASSES = ("classes.txt", "codes.txt", "labels.txt")  # a name a line, from 0


def open_image(item: Any) -> Image.Image:
    """Open a path, an image, or what the Hugging Face hub gives: {"bytes": ..., "path": ...}."""
    if isinstance(item, dict):
        item = io.BytesIO(item["bytes"]) if item["bytes"] else item["path"]
    return item if isinstance(item, Image.Image) else Image.open(item)


def size_of(item: Any) -> tuple[int, int]:
    """Give width and height as a viewer shows them, (0, 0) if the image cannot be read."""
    with suppress(*UNREADABLE), open_image(item) as image:
        turned = image.getexif().get(ExifTags.Base.Orientation, 1) > 4
        return image.size[::-1] if turned else image.size
    return 0, 0


def read_mask(target: Any, size: tuple[int, int] | None = None) -> npt.NDArray[np.int64]:
    """Give the numbers (H, W) of a mask, at a (width, height); a color is COLOR and RRGGBB."""
    polygons = target.get("polygons") if isinstance(target, dict) else None
    drawn = open_image(target) if polygons is None else Image.new("L", tuple(target["size"]))
    for number, corners in polygons or ():
        ImageDraw.Draw(drawn).polygon(corners, fill=number)
    if drawn.format == "JPEG":  # which blurs numbers, but not black and white
        drawn = drawn.convert("L").point([255 * (value > 127) for value in range(256)])
    with drawn as image:
        image = image.resize(size, Image.Resampling.NEAREST) if size else image
        plain = image.mode in ("1", "L", "P") or image.mode.startswith("I")
        pixels = np.asarray(image if plain else image.convert("RGB"), dtype=np.int64)
    return pixels if pixels.ndim == 2 else pixels @ np.array([1 << 16, 1 << 8, 1]) + COLOR


def count(target: Any) -> Counter[int]:
    """Count the pixels of every number."""
    try:
        numbers, counts = np.unique(read_mask(target), return_counts=True)
    except (OSError, ValueError, SyntaxError) as error:
        raise SystemExit(f"cannot read the mask {str(target)[:200]}: {error}") from None
    return Counter(dict(zip(numbers.tolist(), counts.tolist(), strict=True)))


def read_pairs(root: Path, suffixes: Collection[str]) -> pd.DataFrame:
    """Find folders of images beside folders of masks: images/x.jpg and masks/x.png."""
    listed = {
        stem: split_of(file.stem)
        for file in sorted(root.rglob("ImageSets/Segmentation/*.txt"))
        if split_of(file.stem)
        for stem in file.read_text(encoding="utf-8").split()
    }
    rows, alone = [], 0
    for folder in sorted(p for p in root.rglob("*") if p.is_dir() and p.name.lower() in IMAGES):
        beside = {p.name.lower(): p for p in folder.parent.iterdir() if p.is_dir()}
        where = next((beside[name] for name in MASKS if name in beside), None)
        if where is None:
            continue
        drawn = [p for p in files_in(where) if p.suffix.lower() in suffixes]
        masks = {END.sub("", key(path, where)): path for path in drawn}
        masks |= {key(path, where): path for path in drawn}
        for path in (p for p in files_in(folder) if p.suffix.lower() in suffixes):
            mask, parts = masks.get(key(path, folder)), path.parent.relative_to(root).parts
            split = listed.get(path.stem) or next(filter(None, map(split_of, parts)), "")
            if mask is None or (listed and not split):
                alone += 1
            else:
                rows.append((str(path), str(mask), split))
    if alone:
        print(f"left out in {root}: {alone} images without a mask or a split")
    if not rows:
        raise SystemExit(f"{root}: no folder images beside a folder masks with equal names")
    return pd.DataFrame(rows, columns=["input", "target", "split"], dtype=object)


def read_names(root: Path) -> list[str]:
    """Read what classes are called, where that is written beside the images."""
    found = [root / name for name in CLASSES if (root / name).is_file()]
    return found[0].read_text(encoding="utf-8-sig").splitlines() if found else []


def leave_out_other_shapes(table: pd.DataFrame) -> pd.DataFrame:
    """Keep pairs of one shape, whatever their sizes: a mask of another is that of another image."""
    kept = thread_map(alike, table["input"], table["target"], **BAR)
    if not all(kept):
        first = str(table["input"].iloc[kept.index(False)])[:200]
        print(f"left out {kept.count(False)} whose mask has another shape, such as that of {first}")
    return table[kept]


def alike(item: Any, target: Any) -> bool:
    """Whether the sides have one ratio; what cannot be read is told elsewhere."""
    with suppress(*UNREADABLE):
        (width, height), (rows, columns) = size_of(item), read_mask(target).shape
        return abs(width * rows - height * columns) <= 0.02 * height * columns
    return True


def key(path: Path, root: Path) -> str:
    """Name what an image and its mask have in common, such as train/x of train/x.png."""
    return str(path.relative_to(root).with_suffix(""))


def split_in(path: Path) -> str:
    """Tell the split that a folder or a file is named for, such as instances_train2017.json."""
    parts = (split_of(word) for part in path.parts for word in re.split(r"[\W\d_]+", part))
    return next(filter(None, parts), "")


def find_coco(files: list[Path]) -> dict[Path, dict[str, Any]]:
    """Read the JSON files that hold annotations of COCO, those of key points apart."""
    found = {}
    for file in (f for f in files if f.suffix.lower() == ".json"):
        with suppress(ValueError):  # what is no JSON is something else
            content = json.loads(file.read_text(encoding="utf-8-sig"))
            coco = isinstance(content, dict) and {"images", "annotations"} <= set(content)
            kinds = content.get("categories", []) if coco else []
            if kinds and not any("keypoints" in kind for kind in kinds):
                found[file] = content
    return found


def nearest(paths: list[Path], file: Path, root: Path) -> list[Path]:
    """Sort images of one name: those of the split of their annotations come first."""
    split = split_in(file.relative_to(root))
    return sorted(paths, key=lambda path: split_in(path.relative_to(root)) != split)


def read_coco(files: dict[Path, dict[str, Any]], root: Path) -> pd.DataFrame:
    """Take polygons of COCO: a file for each split, or one; the first class is the background."""
    places = defaultdict[str, list[Path]](list)
    for path in files_in(root):
        places[path.name].append(path)
    kinds = [kind for content in files.values() for kind in content["categories"]]
    kinds.sort(key=lambda kind: kind["id"])  # of any file: each may have numbers of its own
    names, rows, left_out = list(dict.fromkeys(["background", *(k["name"] for k in kinds)])), [], 0
    for file, content in files.items():
        number = {kind["id"]: names.index(kind["name"]) for kind in content["categories"]}
        polygons: dict[int, list[Any]] = {image["id"]: [] for image in content["images"]}
        for each in content["annotations"]:
            known = each["image_id"] in polygons and each.get("category_id") in number
            parts = each["segmentation"] if isinstance(each.get("segmentation"), list) else []
            if known and (parts := [part for part in parts if len(part) >= 6]):
                polygons[each["image_id"]] += [[number[each["category_id"]], p] for p in parts]
            else:
                left_out += 1
        split = split_in(file.relative_to(root))
        for image in content["images"]:
            tried = [file.parent / image["file_name"], root / image["file_name"]]
            tried += nearest(places[tried[0].name], file, root)
            path = next((p for p in tried if p.exists()), tried[0])
            size = [image.get("width"), image.get("height")]
            size = size if all(size) else list(size_of(path))
            rows.append((str(path), {"size": size, "polygons": polygons[image["id"]]}, split))
    if left_out:
        print(f"left out {left_out} annotations that are no polygons of a listed image and class")
    table = pd.DataFrame(rows, columns=["input", "target", "split"], dtype=object)
    table.attrs["classes"] = names
    return table


def from_columns(
    frame: pd.DataFrame, config: Config, suffixes: Collection[str], source: Path, split: str = ""
) -> pd.DataFrame:
    """Take the columns of the images, the masks and the split out of any table."""
    names = [str(name) for name in frame.columns]
    image, _, mask = (config.columns or "").partition(":")
    image = image or next((n for n in names if n.lower() in FILES), "")
    mask = mask or next((n for wanted in MASKS for n in names if n.lower() == wanted), "")
    if {image, mask} - set(names):
        raise SystemExit(f"{source} has the columns {', '.join(names)}: say --columns IMAGE:MASK")
    masks = locate(frame[mask], source, suffixes)
    named = frame.assign(**{mask: "a mask"})  # `from_frame` takes targets for words
    table = from_frame(named, replace(config, columns=f"{image}:{mask}"), suffixes, source, split)
    return table.assign(target=masks)
