"""Boxes: what is where in an image, in the forms that people keep them."""

import io
import json
import math
import re
import xml.etree.ElementTree as ET
from collections import defaultdict
from collections.abc import Collection
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from PIL import ExifTags, Image

from .config import Config
from .table import FILES, files_in, from_frame, split_of, tidy

NAMES = ("data.yaml", "data.yml", "dataset.yaml", "classes.txt", "obj.names")  # of YOLO's numbers
OBJECTS = ("objects", "target", "boxes", "annotations")  # a column of all boxes of an image
CORNERS = (("xmin", "ymin", "xmax", "ymax"), ("x1", "y1", "x2", "y2"))  # columns of one box a row
KINDS = ("class", "label", "category", "name")
BOXES = ("bbox", "boxes", "bboxes")  # of `objects`, x, y, width and height each, as COCO has them
LABELS = ("category", "categories", "label", "labels", "name", "class")


def open_image(item: Any) -> Image.Image:
    """Open a path, an image, or what the Hugging Face hub gives: {"bytes": ..., "path": ...}."""
    if isinstance(item, dict):
        item = io.BytesIO(item["bytes"]) if item["bytes"] else item["path"]
    return item if isinstance(item, Image.Image) else Image.open(item)


def size_of(item: Any) -> tuple[int, int]:
    """Give width and height as a viewer shows them, (0, 0) if the image cannot be read."""
    with (
        suppress(OSError, ValueError, SyntaxError, Image.DecompressionBombError),
        open_image(item) as image,
    ):
        turned = image.getexif().get(ExifTags.Base.Orientation, 1) > 4
        return image.size[::-1] if turned else image.size
    return 0, 0


def make_rows(rows: list[tuple[Any, Any, list[Any], str]]) -> pd.DataFrame:
    """Make a table of images, their sizes (None: as they are), boxes and splits; mend the boxes.

    A box is a class and left, top, right and bottom in pixels, or as fractions where a size is 1.
    """
    table, left_out, turned, where = [], 0, 0, ""
    for item, size, boxes, split in rows:
        shown = size_of(item)
        width, height = size if size and min(size) > 0 else shown
        if (height, width) == shown != (width, height):
            turned += 1
            continue
        kept = []
        for name, *corners in boxes:
            try:
                left, top, right, bottom = map(float, corners)
            except (TypeError, ValueError):  # an empty cell
                left = top = right = bottom = math.nan
            left, right = max(left, 0.0), min(right, width)
            top, bottom = max(top, 0.0), min(bottom, height)
            if left < right and top < bottom:  # not so where one is no number
                kept.append([name, left, top, right, bottom])
            else:
                left_out, where = left_out + 1, where or str(item)[:200]
        table.append((item, {"size": [width, height], "boxes": kept}, split))
    if turned:
        print(f"left out {turned} images whose boxes are of them on their side, as before EXIF")
    if left_out:
        print(f"left out {left_out} boxes without an area in their image, such as one of {where}")
    return pd.DataFrame(table, columns=["input", "target", "split"], dtype=object)


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
    """Take the boxes of COCO, a file for each split, or one; those of crowds are left out."""
    places, rows, left_out = defaultdict[str, list[Path]](list), [], 0
    for path in files_in(root):
        places[path.name].append(path)
    for file, content in files.items():
        names = {kind["id"]: tidy(kind["name"]) for kind in content["categories"]}
        boxes: dict[Any, list[Any]] = {image["id"]: [] for image in content["images"]}
        for each in content["annotations"]:
            known = each["image_id"] in boxes and each.get("category_id") in names
            if each.get("iscrowd") or not each.get("bbox") or not known:
                left_out += 1
                continue
            x, y, width, height = each["bbox"]
            name = names[each["category_id"]]
            boxes[each["image_id"]].append((name, x, y, x + width, y + height))
        for image in content["images"]:
            size, found = (image.get("width", 0), image.get("height", 0)), boxes[image["id"]]
            tried = [file.parent / image["file_name"], root / image["file_name"]]
            tried += nearest(places[tried[0].name], file, root)
            path = next((p for p in tried if p.exists()), tried[0])
            rows.append((str(path), size, found, split_in(file.relative_to(root))))
    if missing := [row[0] for row in rows if not Path(row[0]).exists()]:
        raise SystemExit(f"{root}: {len(missing)} files are missing, such as {missing[0]}")
    if left_out:
        print(f"left out {left_out} annotations of crowds, or without a box, image or category")
    return make_rows(rows)


def read_voc(files: list[Path], root: Path, suffixes: Collection[str]) -> pd.DataFrame:
    """Take the boxes of Pascal VOC, an XML file for each image, divided by its lists or folders."""
    listed = {
        stem: split_of(file.stem)
        for file in sorted(root.rglob("ImageSets/Main/*.txt"))
        if split_of(file.stem)
        for stem in file.read_text(encoding="utf-8").split()
    }
    images = [p for p in files_in(root) if p.suffix.lower() in suffixes]
    beside, places = {p.with_suffix(""): p for p in images}, defaultdict[str, list[Path]](list)
    for path in images:
        places[path.stem].append(path)
    rows = []
    for file in files:
        try:
            tree = ET.parse(file).getroot()
            boxes = [
                (tidy(each.findtext("name")), *(each.findtext(f"bndbox/{c}") for c in CORNERS[0]))
                for each in tree.iter("object")
            ]
            size = tuple(int(float(tree.findtext(f"size/{s}") or 0)) for s in ("width", "height"))
        except (ET.ParseError, TypeError, ValueError) as error:
            raise SystemExit(f"cannot read {file}: {error}") from None
        own = beside.get(file.with_suffix(""))
        found = [own] if own else nearest(places[file.stem], file, root)
        if found and (not listed or file.stem in listed):
            split = listed.get(file.stem) or split_in(file.relative_to(root).parent)
            rows.append((str(found[0]), size, boxes, split))
    if not rows:
        raise SystemExit(f"{root}: no image has the name of an .xml")
    if alone := len(images) - len(rows):
        print(f"left out {alone} images without an .xml or a split")
    return make_rows(rows)


def read_yolo(root: Path, suffixes: Collection[str]) -> pd.DataFrame:
    """Take images/x.jpg and labels/x.txt, or both in one folder; an image may have no boxes."""
    names, rows, labels = read_names(root), [], 0
    for path in (p for p in files_in(root) if p.suffix.lower() in suffixes):
        inner = path.relative_to(root)
        parts = ["labels" if part == "images" else part for part in inner.parts]
        file, boxes = root.joinpath(*parts).with_suffix(".txt"), []
        if file.exists():
            labels += 1
            for line in filter(None, file.read_text(encoding="utf-8").splitlines()):
                try:
                    kind, *numbers = int(line.split()[0]), *map(float, line.split()[1:])
                    boxes.append((names.get(kind, str(kind)), *corners_of(numbers)))
                except (IndexError, ValueError):
                    raise SystemExit(f"{file}: {line[:80]!r} is no class and box") from None
        rows.append((str(path), (1, 1), boxes, split_in(inner.parent)))
    if not labels:
        raise SystemExit(
            f"{root}: no annotations of COCO (.json) or Pascal VOC (.xml), no labels of YOLO (.txt)"
        )
    if labels < len(rows):
        print(f"{len(rows) - labels} images have no file of labels: they count as empty")
    return make_rows(rows)


def corners_of(numbers: list[float]) -> tuple[float, float, float, float]:
    """Give the corners of a box by its middle and sides, or around a polygon."""
    if len(numbers) in (4, 5):  # the fifth is a confidence
        x, y, width, height = numbers[:4]
        return x - width / 2, y - height / 2, x + width / 2, y + height / 2
    if len(numbers) % 2 or max(numbers) > 1.5:  # of a pose, or in pixels
        raise ValueError
    xs, ys = numbers[::2], numbers[1::2]
    return min(xs), min(ys), max(xs), max(ys)


def read_names(root: Path) -> dict[int, str]:
    """Read what YOLO's numbers are called."""
    for file in (root / name for name in NAMES if (root / name).is_file()):
        text = file.read_text(encoding="utf-8-sig")
        given = yaml.safe_load(text) if file.suffix in (".yaml", ".yml") else text.splitlines()
        names = given.get("names", []) if isinstance(given, dict) else given
        pairs = names.items() if isinstance(names, dict) else enumerate(names)
        return {int(number): tidy(name) for number, name in pairs}
    return {}


def from_columns(
    frame: pd.DataFrame, config: Config, suffixes: Collection[str], source: Path, split: str = ""
) -> pd.DataFrame:
    """Take images, boxes and splits out of a table of an image a row, or of a box a row."""
    names = {str(name).lower(): str(name) for name in frame.columns}
    image, _, objects = (config.columns or "").partition(":")
    image = image or next((names[n] for n in names if n in FILES), "")
    objects = objects or next((names[n] for n in OBJECTS if n in names), "")
    corners = next((c for c in CORNERS if set(c) <= set(names)), None)
    kind = next((names[n] for n in KINDS if n in names), None)
    if {image, objects} <= set(frame.columns):
        boxes = [read_objects(cell, source) for cell in frame[objects]]
    elif image in frame.columns and corners and kind:
        columns = [kind, *(names[c] for c in corners)]
        frame["boxes"] = list(map(list, frame[columns].itertuples(index=False)))
        largest = frame[columns[1:]].apply(pd.to_numeric, errors="coerce").max(axis=None)
        size = (1, 1) if largest <= 1 else None  # fractions, or pixels
        splits = names.get("split")
        grouped = frame.groupby(image, sort=False)
        boxes = [(size, [(tidy(n), *c) for n, *c in rows]) for rows in grouped["boxes"].agg(list)]
        frame = grouped.first().reset_index()[[image, *([splits] if splits else [])]]
    else:
        there = ", ".join(map(str, frame.columns))
        raise SystemExit(
            f"{source} has the columns {there}: say --columns IMAGE:OBJECTS,"
            " or give image, class, xmin, ymin, xmax, ymax"
        )
    named = frame.assign(**{"boxes ": "boxes"})  # `from_frame` takes targets for words
    table = from_frame(named, replace(config, columns=f"{image}:boxes "), suffixes, source, split)
    rows = zip(table["input"], boxes, table["split"], strict=True)
    return make_rows([(item, size, found, part) for item, (size, found), part in rows])


def read_objects(cell: Any, source: Path) -> tuple[Any, list[Any]]:
    """Read the boxes of an image, as this table, COCO or a data set of the hub keeps them."""
    try:
        cell = json.loads(cell) if isinstance(cell, str) else cell
        if isinstance(cell, dict) and "size" in cell:
            return cell["size"], cell["boxes"]
        if isinstance(cell, dict):  # of lists side by side
            cell = [dict(zip(cell, row, strict=True)) for row in zip(*cell.values(), strict=True)]
        boxes = []
        for each in cell:
            x, y, width, height = next(each[key] for key in BOXES if key in each)
            name = next(each[key] for key in LABELS if key in each)
            boxes.append([tidy(name), x, y, x + width, y + height])
        return None, boxes
    except (StopIteration, TypeError, ValueError):
        raise SystemExit(f"{source}: {str(cell)[:100]} has no bbox and category of each") from None


def name_classes(table: pd.DataFrame, dataset: str) -> pd.DataFrame:
    """Give the numbers of classes in a data set of the hub their names, where it has them."""
    import datasets

    features = datasets.load_dataset_builder(dataset).info.features or {}
    names = names_in({name: kind for name, kind in features.items() if name in OBJECTS})
    for target in table["target"] if names else []:
        for box in target["boxes"]:
            box[0] = names[int(box[0])]
    return table


def names_in(kind: Any) -> list[str]:
    """Find the names of classes in features of the hub, however deep they lie."""
    inner = kind.values() if isinstance(kind, dict) else [getattr(kind, "feature", None)]
    found = map(names_in, filter(None, inner))
    return getattr(kind, "names", None) or next(filter(None, found), [])
