"""What is learned: boxes and their classes. The loss, the metrics and their names."""

import math
from collections import Counter
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter
from torchmetrics import MetricCollection
from torchmetrics.detection import MeanAveragePrecision
from torchvision.ops import batched_nms, generalized_box_iou_loss

from .places import assign, boxes_at

NONE = -1  # the class of a row that holds no box
KEEP = 100  # boxes an image, as COCO counts them
LOOK = 300  # of so many, alike ones are dropped
ALIKE = 0.6  # intersection over union of two boxes that show one thing
SURE = 0.3  # the score of what is shown
COUNTS = 0.01  # of what is measured: there is much below, which takes long and changes little


@dataclass(frozen=True)
class Task:
    kind: Literal["detection"]
    names: list[str]  # of the classes
    most: int = KEEP  # boxes of an image
    monitor: ClassVar[tuple[str, Literal["min", "max"]]] = ("map", "max")  # best epoch

    @classmethod
    def fit(cls, kind: Literal["detection"], table: pd.DataFrame) -> "Task":
        if not {"train", "val"} <= set(table["split"]):
            raise SystemExit("too few examples to train and to validate")
        found = table["target"].map(lambda target: [box[0] for box in target["boxes"]])
        counts = Counter(found[table["split"] == "train"].explode().dropna())
        if not counts:
            raise SystemExit("no image to train has a box")
        names = sorted(set(found.explode().dropna()))
        if lost := [name for name in names if name not in counts]:
            print(f"no example to train {', '.join(lost)}")
        shown = ", ".join(f"{name} {counts[name]}" for name in names[:20])
        empty = int((found.str.len() == 0).sum())
        more = ", ..." * (len(names) > 20) + f"; {empty} images have none" * (empty > 0)
        print(f"boxes to train of {len(names)} classes: {shown}{more}")
        return cls(kind, names, max(KEEP, int(found.str.len().max())))

    def encode(self, target: Any) -> Tensor:
        """Give the boxes (most, 5): class, left, top, right, bottom from 0 to 1; -1 behind them."""
        (width, height), rows = target["size"], target["boxes"]
        if unknown := {box[0] for box in rows} - set(self.names):
            raise SystemExit(f"{unknown.pop()} is no class of this model: {', '.join(self.names)}")
        if len(rows) > self.most:
            print(f"of an image with {len(rows)} boxes the {self.most} largest count")
            rows = sorted(rows, key=lambda b: -(b[3] - b[1]) * (b[4] - b[2]))[: self.most]
        found = torch.tensor([[self.names.index(name), *box] for name, *box in rows]).view(-1, 5)
        found = found / torch.tensor([1, width, height, width, height])
        return F.pad(found, (0, 0, 0, self.most - len(rows)), value=NONE)

    def pair(self, transform: Any, item: Any, target: Tensor) -> tuple[Tensor, Tensor]:
        """Transform an image and its boxes alike: float (3, H, W) and (most, 5)."""
        return transform(item, target)

    def chances(self, logits: Tensor) -> Tensor:
        """Give the logits (B, A, C) of the classes; at first one box an image is expected."""
        classes = logits[:, 4:].transpose(1, 2)
        return classes - math.log(classes[0].numel())

    def loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Compare logits (B, 4 + C, A) with targets (B, most, 5)."""
        logits = logits.float()
        targets = targets[:, : max(int((targets[..., 0] != NONE).sum(dim=1).max()), 1)]
        boxes, classes = boxes_at(logits[:, :4]), self.chances(logits)
        goals, true = assign(boxes.detach(), classes.detach().sigmoid(), targets)
        wrong = F.binary_cross_entropy_with_logits(classes, goals, reduction="none").sum(dim=(1, 2))
        weight = goals.sum(dim=2)
        apart = (generalized_box_iou_loss(boxes, true) * weight).sum(dim=1)
        # Each image by itself, or else the loss would depend on what is beside it in a batch
        return ((wrong + 2 * apart) / weight.sum(dim=1).clamp(min=1)).mean()

    def scores(self, logits: Tensor, targets: Tensor | None = None) -> Tensor:
        """Turn logits into (B, KEEP, 6): left, top, right, bottom, score, class; score 0: none."""
        chances = self.chances(logits.float()).sigmoid()
        best, places = chances.flatten(1).topk(min(LOOK, chances[0].numel()))
        boxes = boxes_at(logits[:, :4].float()).clamp(0, 1)
        boxes = boxes.gather(1, (places // len(self.names))[..., None].expand(-1, -1, 4))
        kinds = places % len(self.names)
        found = torch.cat([boxes, best[..., None], kinds[..., None]], dim=2)
        kept = [batched_nms(*parts, ALIKE)[:KEEP] for parts in zip(boxes, best, kinds, strict=True)]
        rows = [row[index] for row, index in zip(found, kept, strict=True)]
        return torch.stack([F.pad(row, (0, 0, 0, KEEP - len(row))) for row in rows])

    def metrics(self) -> MetricCollection:
        """Give the metrics of found (N, KEEP, 6) and true boxes, as COCO counts: the mean average
        precision, where boxes overlap by 50 % to 95 %, and where by 50 %."""
        every, half = AveragePrecision(), AveragePrecision(iou_thresholds=[0.5])
        return MetricCollection({"map": every, "map50": half})

    def decode(self, scores: Tensor, least: float = SURE) -> dict[str, Any]:
        """Say the boxes (KEEP, 6) of one image: x, y, width and height from 0 to 1."""
        rows = [
            {"label": self.names[int(kind)], "score": score, "bbox": [x, y, right - x, bottom - y]}
            for x, y, right, bottom, score, kind in scores.tolist()
            if score >= least
        ]
        return {"boxes": rows}

    def describe(self, scores: Tensor, target: Tensor) -> tuple[Any, Any]:
        """Give what a picture shows: titles and boxes (N, 4) of what is found, and is there."""
        sure, real = scores[scores[:, 4] >= SURE], target[target[:, 0] != NONE]
        titles = [f"{self.names[int(row[5])]} {row[4]:.0%}" for row in sure]
        true = [self.names[int(number)] for number in real[:, 0]]
        return (titles, sure[:, :4]), (true, real[:, 1:])

    def embed(self, writer: SummaryWriter, scores: Tensor, targets: Tensor) -> None:
        """Show nothing: boxes are no points in TensorBoard's projector."""

    def draw(self, writer: SummaryWriter, step: int, scores: Tensor, targets: Tensor) -> None:
        """Show nothing more: boxes are in the pictures of `predictions`."""


class AveragePrecision(MeanAveragePrecision):
    """The metric of COCO, of tensors of one shape."""

    def update(self, scores: Any, targets: Any) -> None:
        found = [row[row[:, 4] > COUNTS] for row in scores.as_subclass(Tensor).float()]
        true = [row[row[:, 0] != NONE] for row in targets.as_subclass(Tensor)]
        super().update(
            [{"boxes": r[:, :4], "scores": r[:, 4], "labels": r[:, 5].int()} for r in found],
            [{"boxes": r[:, 1:], "labels": r[:, 0].int()} for r in true],
        )

    def compute(self) -> Any:
        return super().compute()["map"].clamp(min=0)  # -1 where no box is
