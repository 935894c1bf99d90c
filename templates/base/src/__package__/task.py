"""What is learned: the loss, the metrics and their names, for training, validation and test."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

if TYPE_CHECKING:  # it takes seconds to import, which predict can do without
    from torchmetrics import MetricCollection

Kind = Literal["classification", "multilabel", "regression"]


@dataclass(frozen=True)
class Task:
    kind: Kind
    names: list[str]  # of the classes, of the labels or of the numbers
    mean: list[float] = field(default_factory=list)  # of numbers, or of labels (0 and 1)
    std: list[float] = field(default_factory=list)

    @classmethod
    def fit(cls, kind: Kind, table: pd.DataFrame) -> "Task":
        targets, train = table["target"], table["target"][table["split"] == "train"]
        if kind == "classification" and (size := targets.nunique()) > max(20, len(targets) / 2):
            raise SystemExit(f"{size} classes in {len(targets)} examples: is it --task regression?")
        if train.empty or (table["split"] == "val").sum() <= (kind == "regression"):  # r2 takes two
            raise SystemExit("too few examples to train and to validate")
        if kind == "classification":
            names = sorted(set(targets))
            lost = set(names) - set(train)
            if lost or len(names) < 2:
                raise SystemExit(f"no example to train {', '.join(lost) or 'a second class'}")
            return cls(kind, names)
        if kind == "multilabel":
            names = sorted({label for labels in targets for label in labels})
            if len(names) < 2 or names == ["0", "1"]:
                raise SystemExit(f"labels {names}: name two or more, or no --task multilabel")
            share = train.explode().value_counts() / len(train)
            return cls(kind, names, [float(share.get(name, 0)) for name in names])
        numbers = torch.tensor(list(train), dtype=torch.float64)  # (N, C)
        names = table.attrs.get("targets") or [f"value{n}" for n in range(numbers.shape[1])]
        std, mean = numbers.std(dim=0), numbers.mean(dim=0)
        std = std.where(std > 1e-7 * mean.abs(), 1)  # all the same, but for rounding
        return cls(kind, names, mean.tolist(), std.tolist())

    def encode(self, target: Any) -> Tensor:
        """Give the class (), the labels (C,) as 0 and 1, or the numbers (C,) in their units."""
        if self.kind == "classification":
            if target not in self.names:
                raise SystemExit(f"{target} is no class of this model: {', '.join(self.names)}")
            return torch.tensor(self.names.index(target))
        if self.kind == "multilabel":
            if lost := set(target) - set(self.names):
                raise SystemExit(f"{lost.pop()} is no label of this model: {', '.join(self.names)}")
            return torch.tensor([float(name in target) for name in self.names])
        return torch.tensor(target, dtype=torch.float32)

    def pair(self, transform: Any, item: Any, target: Tensor) -> tuple[Tensor, Tensor]:
        """Transform an input; its target stays as it is."""
        return transform(item), target

    def loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Compare logits (B, C) with targets (B,) or (B, C)."""
        logits = logits.float()  # large numbers of a regression have no place in 16 bits
        if self.kind == "classification":
            return F.cross_entropy(logits, targets, label_smoothing=0.1)
        if self.kind == "multilabel":  # else a rare label is hardly ever predicted
            mean = logits.new_tensor(self.mean)
            weight = (1 - mean).clamp(min=0.01) / mean.clamp(min=0.01)
            # Smoothed, what is weighed most the least, or the rest is learned by heart
            on, off = 1 - 0.2 * weight.clamp(max=1), 0.2 / weight.clamp(min=1)
            targets = targets * on + (1 - targets) * off
            return F.binary_cross_entropy_with_logits(logits, targets, pos_weight=weight)
        return F.mse_loss(logits, self.standard(targets))

    def standard(self, numbers: Tensor) -> Tensor:
        """Give numbers in no units: sums of squares would be too small, or too large to count."""
        return (numbers - numbers.new_tensor(self.mean)) / numbers.new_tensor(self.std)

    def scores(self, logits: Tensor, targets: Tensor | None = None) -> Tensor:
        """Turn logits (B, C) into probabilities (of labels: as the loss weighs) or numbers."""
        logits = logits.float()
        if self.kind == "classification":
            return logits.softmax(dim=1)
        if self.kind == "multilabel":
            return logits.sigmoid()
        return logits * logits.new_tensor(self.std) + logits.new_tensor(self.mean)

    def metrics(self) -> "MetricCollection":
        """Give the metrics of scores (N, C) and targets."""
        from torchmetrics import Accuracy, F1Score, MeanAbsoluteError, MetricCollection, R2Score
        from torchmetrics.wrappers import LambdaInputTransformer

        if self.kind == "regression":
            r2 = LambdaInputTransformer(R2Score(), self.standard, self.standard)
            return MetricCollection({"mae": MeanAbsoluteError(), "r2": r2})
        kind = "multiclass" if self.kind == "classification" else "multilabel"
        options: Any = {"task": kind, "num_classes": len(self.names), "num_labels": len(self.names)}
        f1 = F1Score(**options, average="macro")
        return MetricCollection({"accuracy": Accuracy(**options), "f1": f1})

    @property
    def monitor(self) -> tuple[str, Literal["min", "max"]]:
        """Name the metric that chooses the best checkpoint, and its better end."""
        if self.kind == "regression":
            return "mae", "min"
        return ("accuracy" if self.kind == "classification" else "f1"), "max"

    def decode(self, scores: Tensor) -> dict[str, Any]:
        """Say the scores (C,) of one example in words."""
        named = dict(zip(self.names, scores.tolist(), strict=True))
        if self.kind == "regression":
            return {"values": named}
        if self.kind == "multilabel":
            return {"labels": [n for n, score in named.items() if score > 0.5], "scores": named}
        label = max(named, key=lambda name: named[name])
        return {"label": label, "score": named[label], "scores": named}

    def describe(self, scores: Tensor, target: Tensor) -> tuple[str, bool]:
        """Give the title of a picture, and whether the prediction (C,) is right."""
        if self.kind == "classification":
            found, true = self.names[int(scores.argmax())], self.names[int(target)]
            return f"{found} {scores.max():.0%} (is {true})", found == true
        if self.kind == "multilabel":
            parts = [[self.names[i] for i in (x > 0.5).nonzero()] for x in (scores, target)]
        else:
            parts = [[f"{value:.3g}" for value in x.tolist()] for x in (scores, target)]
        found, true = (", ".join(part) or "none" for part in parts)
        return f"{found} (is {true})", found == true or self.kind == "regression"

    def embed(self, writer: SummaryWriter, scores: Tensor, targets: Tensor) -> None:
        """Show what the network takes for alike, in TensorBoard's projector."""
        scores = scores[:1000]  # a text file, of all it would be larger than the model
        titles = [self.describe(*pair)[0] for pair in zip(scores, targets, strict=False)]
        writer.add_embedding(scores, titles, tag="scores")

    def draw(self, writer: SummaryWriter, step: int, scores: Tensor, targets: Tensor) -> None:
        """Show precision and recall, and what is taken for what, with counts up to 30 classes."""
        size = len(self.names)
        if self.kind == "regression" or size > 50:
            return
        true = targets if self.kind == "multilabel" else F.one_hot(targets, size)
        for number, name in enumerate(self.names):
            tag = f"precision_recall/{name}"
            writer.add_pr_curve(tag, true[:, number], scores[:, number], step)
        if self.kind == "classification":
            from matplotlib.figure import Figure
            from torchmetrics.functional.classification import multiclass_confusion_matrix
            from torchmetrics.utilities.plot import plot_confusion_matrix

            counts = multiclass_confusion_matrix(scores, targets, size)
            figure = Figure(figsize=(3 + size / 2, 3 + size / 2), layout="constrained")
            names: Any = [name.replace("$", r"\$") for name in self.names]  # no formulas
            plot_confusion_matrix(counts, figure.add_subplot(), size <= 30, names, cmap="Blues")
            writer.add_figure("confusion_matrix", figure, step)
