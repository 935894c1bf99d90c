"""What is learned: a class for every pixel. The loss, the metrics and their names."""

from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar, Literal

import pandas as pd
import torch
import torch.nn.functional as F
from matplotlib.figure import Figure
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter
from torchmetrics import Accuracy, F1Score, JaccardIndex, MetricCollection
from torchmetrics.functional.classification import multiclass_confusion_matrix
from torchmetrics.utilities.plot import plot_confusion_matrix
from tqdm.contrib.concurrent import thread_map

from .masks import COLOR, IGNORE, count, read_mask
from .table import BAR

FEW = 64  # masks


def spell(value: int) -> str:
    """Say what a pixel of a mask is: a number, or a color."""
    return str(value) if value < COLOR else f"#{value - COLOR:06x}"


@dataclass(frozen=True)
class Task:
    kind: Literal["segmentation"]
    names: list[str]  # of the classes
    values: list[int] = field(default_factory=list)  # of the classes in a mask; others are ignored
    weight: list[float] = field(default_factory=list)  # of the classes in the loss
    monitor: ClassVar[tuple[str, Literal["min", "max"]]] = ("iou", "max")  # best epoch

    @classmethod
    def fit(cls, kind: Literal["segmentation"], table: pd.DataFrame) -> "Task":
        if not {"train", "val"} <= set(table["split"]):
            raise SystemExit("too few examples to train and to validate")
        each, train = thread_map(count, table["target"], **BAR), table["split"] == "train"
        counts: Counter[int] = sum((c for c, t in zip(each, train, strict=True) if t), Counter())
        counts |= Counter(dict.fromkeys(set().union(*each), 1))  # what only other splits have
        values = sorted(counts)
        ignored = len(values) > 2 and IGNORE in values  # the border of VOC; alone with 0 a class
        if ignored:
            values.remove(IGNORE)
        if not 2 <= len(values) < IGNORE:
            raise SystemExit(f"the masks have {len(values)} numbers or colors: 2 to 254 are needed")
        given = table.attrs.get("classes") or []
        names = [given[v] if v < len(given) else spell(v) for v in values]
        more = ", ..." * (len(names) > 20) + "; 255 is none" * ignored
        print(f"{len(names)} classes: {', '.join(names[:20])}{more}")
        # Else what is small is hardly ever predicted
        weight = [(sum(counts.values()) / counts[value]) ** 0.5 for value in values]
        return cls(kind, names, values, weight)

    def encode(self, target: Any) -> Any:
        """Leave a mask where it is: `pair` reads it."""
        return target

    def pair(self, transform: Any, item: Any, target: Any) -> tuple[Tensor, Tensor]:
        """Transform an image and its mask alike: float (3, H, W) and classes (H, W)."""
        return transform(item, partial(self.classes, target))

    def classes(self, target: Any, size: tuple[int, int] | None = None) -> Tensor:
        """Read a mask, at a (width, height), as classes (H, W), 255 where it has none."""
        mask, values = torch.from_numpy(read_mask(target, size)), torch.tensor(self.values)
        found = torch.searchsorted(values, mask).clamp(max=len(values) - 1)
        known = values[found] == mask
        if len(other := mask[~known & (mask != IGNORE)]):
            there = ", ".join(map(spell, self.values))
            raise SystemExit(f"{spell(int(other[0]))} is no class of this model: {there}")
        return torch.where(known, found, IGNORE).to(torch.uint8)

    def loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Compare logits (B, C, H, W) with targets (B, H, W)."""
        weight, targets = logits.new_tensor(self.weight, dtype=torch.float32), targets.long()
        options: Any = {"ignore_index": IGNORE, "reduction": "none"}
        losses = F.cross_entropy(logits.float(), targets, weight, **options).sum(dim=(1, 2))
        weights = weight[targets.clamp(max=len(weight) - 1)] * (targets != IGNORE)
        # Each image by itself, or else the loss would depend on what is beside it in a batch
        return (losses / weights.sum(dim=(1, 2)).clamp(min=1e-6)).mean()

    def scores(self, logits: Tensor, targets: Tensor | None = None) -> Tensor:
        """Turn logits (B, C, H, W) into classes (B, H, W): of all scores the least to keep."""
        return logits.argmax(dim=1).to(torch.uint8)

    def metrics(self) -> MetricCollection:
        """Give the metrics of classes (N, H, W) and targets: over all pixels, then the classes."""
        options: Any = {"task": "multiclass", "num_classes": len(self.names)}
        options |= {"ignore_index": IGNORE, "validate_args": False}
        dice = F1Score(**options, average="macro")
        iou = JaccardIndex(**options)
        return Metrics({"accuracy": Accuracy(**options), "dice": dice, "iou": iou})

    def decode(self, scores: Tensor) -> dict[str, Any]:
        """Say which share of the pixels (H, W) each class has."""
        counts = torch.bincount(scores.flatten(), minlength=len(self.names))
        shares = (counts / scores.numel()).tolist()
        return {"shares": dict(zip(self.names, shares, strict=True))}

    def describe(self, scores: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Give what a picture shows: the predicted and the true classes (H, W)."""
        return scores, target

    def embed(self, writer: SummaryWriter, scores: Tensor, targets: Tensor) -> None:
        """Show nothing: images of classes are no points in TensorBoard's projector."""

    def draw(self, writer: SummaryWriter, step: int, scores: Tensor, targets: Tensor) -> None:
        """Show which classes are taken for which, with their shares where they are 30 at most."""
        size = len(self.names)
        if size > 50:
            return
        pairs = zip(scores.split(FEW), targets.split(FEW), strict=True)
        each = [multiclass_confusion_matrix(*p, size, ignore_index=IGNORE) for p in pairs]
        counts = torch.stack(each).sum(dim=0)
        counts = counts / counts.sum(dim=1, keepdim=True).clamp(min=1)
        figure = Figure(figsize=(3 + size / 2, 3 + size / 2), layout="constrained")
        names: Any = [name.replace("$", r"\$") for name in self.names]  # no formulas
        plot_confusion_matrix(counts, figure.add_subplot(), size <= 30, names, cmap="Blues")
        writer.add_figure("confusion_matrix", figure, step)


class Metrics(MetricCollection):
    """Of all masks at once torchmetrics would take 26 bytes a pixel."""

    def __call__(self, scores: Tensor, targets: Tensor) -> dict[str, Any]:
        for pair in zip(scores.split(FEW), targets.split(FEW), strict=True):
            self.update(*pair)
        return self.compute()
