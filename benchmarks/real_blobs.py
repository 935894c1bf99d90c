"""Find things without a network: what differs from its ground, told apart by a linear model."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image
from scipy import ndimage
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor
from torchmetrics.detection import MeanAveragePrecision
from torchvision.ops import box_iou

SPLITS = ("train", "val", "test")
LEAST = 20  # pixels of a blob
SIDE = 16  # pixels of what the linear model sees
NOTHING = -1  # the class of a blob that is no thing

Floats = np.ndarray[tuple[int, ...], np.dtype[np.float64]]


class Scene(NamedTuple):
    blobs: Floats  # (N, 4) left, top, right, bottom
    seen: Floats  # (N, features)
    boxes: Floats  # (M, 4)
    kinds: Floats  # (M,)


def fit_blobs(data: Path) -> list[tuple[str, float, float]]:
    """Give name, validation and test mean average precision of each threshold and model."""
    found = []
    for threshold in (2.0, 3.0, 4.0):
        scenes = {split: list(read(data / split, threshold)) for split in SPLITS}
        inputs = np.concatenate([scene.seen for scene in scenes["train"]])
        targets = np.concatenate([label(scene) for scene in scenes["train"]])
        for c in (0.0003, 0.003, 0.03):
            model = make_pipeline(StandardScaler(), LogisticRegression(C=c, max_iter=300))
            model.fit(inputs, targets)
            val, test = (measure(model, scenes[split]) for split in SPLITS[1:])
            found.append((f"blobs over {threshold:g} deviations, logistic C={c:g}", val, test))
    return found


def read(folder: Path, threshold: float) -> Iterator[Scene]:
    """Read images and the boxes of YOLO; find blobs."""
    for path in sorted((folder / "images").iterdir()):
        with Image.open(path) as image:
            grey = np.asarray(image.convert("L"), np.float64)
        text = (folder / "labels" / f"{path.stem}.txt").read_text(encoding="utf-8")
        rows = np.array([line.split() for line in text.splitlines()], float).reshape(-1, 5)
        middles, halves = rows[:, 1:3] * grey.shape[::-1], rows[:, 3:] * grey.shape[::-1] / 2
        boxes = np.hstack([middles - halves, middles + halves])
        blobs, seen = find(grey, threshold)
        yield Scene(blobs, seen, boxes, rows[:, 0])


def find(grey: Floats, threshold: float) -> tuple[Floats, Floats]:
    """Give boxes of what is lighter or darker than its ground by so many deviations of noise."""
    smooth = ndimage.gaussian_filter(grey, 0.7)
    ground = ndimage.median_filter(smooth[::4, ::4], 11, mode="reflect")
    apart = smooth - ndimage.zoom(ground, np.divide(grey.shape, ground.shape), order=1)
    noise = 1.4826 * np.median(np.abs(apart)) + 1e-6  # of a normal distribution
    blobs, seen = [], []
    for sign in (1, -1):
        labels, _ = ndimage.label(sign * apart > threshold * noise, np.ones((3, 3)))
        sizes = np.bincount(labels.ravel())
        for number, (rows, columns) in enumerate(ndimage.find_objects(labels), start=1):
            if sizes[number] < LEAST:
                continue
            box = (columns.start, rows.start, columns.stop, rows.stop)
            height, width = rows.stop - rows.start, columns.stop - columns.start
            shape = Image.fromarray(labels[rows, columns] == number).convert("L")
            crop = np.asarray(shape.resize((SIDE, SIDE), Image.Resampling.BOX), np.float64) / 255
            sides = [height, width, np.log(width / height), sizes[number] / (height * width)]
            blobs.append(box)
            seen.append([*crop.ravel(), *sides])
    return np.array(blobs, float).reshape(-1, 4), np.array(seen).reshape(-1, SIDE * SIDE + 4)


def label(scene: Scene) -> Floats:
    """Give each blob the class of the box that it covers at least by half, or none."""
    if not len(scene.boxes) or not len(scene.blobs):
        return np.full(len(scene.blobs), float(NOTHING))
    overlap = box_iou(torch.tensor(scene.blobs), torch.tensor(scene.boxes)).numpy()
    return np.where(overlap.max(1) >= 0.5, scene.kinds[overlap.argmax(1)], NOTHING)


def measure(model: Any, scenes: list[Scene]) -> float:
    """Give the mean average precision of COCO."""
    metric = MeanAveragePrecision()
    for scene in scenes:
        found: dict[str, Tensor] = {
            "boxes": torch.zeros(0, 4),
            "scores": torch.zeros(0),
            "labels": torch.zeros(0, dtype=torch.int),
        }
        if len(scene.blobs):
            things = np.where(model.classes_ == NOTHING, -1, model.predict_proba(scene.seen))
            found["boxes"] = torch.tensor(scene.blobs).float()
            found["scores"] = torch.tensor(things.max(1)).float()
            found["labels"] = torch.tensor(model.classes_[things.argmax(1)]).int()
        boxes, kinds = torch.tensor(scene.boxes).float(), torch.tensor(scene.kinds).int()
        metric.update([found], [{"boxes": boxes, "labels": kinds}])
    return float(metric.compute()["map"])
