"""What is learned: a tag for every word. The loss, the metrics and their names."""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import pandas as pd
import torch
import torch.nn.functional as F
from matplotlib.figure import Figure
from seqeval.metrics.sequence_labeling import get_entities
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter
from torchmetrics import Accuracy, F1Score, Metric, MetricCollection
from torchmetrics.functional.classification import multiclass_confusion_matrix
from torchmetrics.utilities.plot import plot_confusion_matrix

from .model import OUTSIDE, WORDS

IGNORE = -1  # where no word is


@dataclass(frozen=True)
class Task:
    kind: Literal["tagging"]
    names: list[str]  # of the tags
    monitor: ClassVar[tuple[str, Literal["min", "max"]]] = ("f1", "max")  # best epoch

    @classmethod
    def fit(cls, kind: Literal["tagging"], table: pd.DataFrame) -> "Task":
        if not {"train", "val"} <= set(table["split"]):
            raise SystemExit("too few examples to train and to validate")
        names = sorted({tag for tags in table["target"] for tag in tags})
        if len(names) < 2:
            raise SystemExit(f"every word has the tag {names[0]}: two are needed")
        print(f"{len(names)} tags: {', '.join(names[:20])}{', ...' if len(names) > 20 else ''}")
        train = table["target"][table["split"] == "train"]
        if lost := sorted(set(names) - {tag for tags in train for tag in tags}):
            print(f"no example to train {', '.join(lost)}")
        return cls(kind, names)

    @property
    def spans(self) -> bool:
        """Whether tags mark the first and the other words of what is named, as B-place, I-place."""
        return any(name.startswith("B-") for name in self.names)

    def encode(self, target: list[str]) -> Tensor:
        """Give the numbers (WORDS,) of the tags, -1 where no word is."""
        if unknown := set(target) - set(self.names):
            raise SystemExit(f"{unknown.pop()} is no tag of this model: {', '.join(self.names)}")
        numbers = torch.tensor([self.names.index(tag) for tag in target[:WORDS]])
        return F.pad(numbers, (0, WORDS - len(numbers)), value=IGNORE)

    def pair(self, transform: Any, item: Any, target: Tensor) -> tuple[Tensor, Tensor]:
        """Transform a text; its tags stay as they are."""
        return transform(item), target

    def loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Compare logits (B, C, WORDS) with targets (B, WORDS)."""
        options: Any = {"ignore_index": IGNORE, "reduction": "none"}
        losses = F.cross_entropy(logits.float(), targets, **options).sum(dim=1)
        # Each text by itself, or else the loss would depend on what is beside it in a batch
        return (losses / (targets != IGNORE).sum(dim=1).clamp(min=1)).mean()

    def scores(self, logits: Tensor, targets: Tensor | None = None) -> Tensor:
        """Turn logits (B, C, WORDS) into tags (B, WORDS), -1 where no word is.

        Of all in which nothing goes on that has not begun the likeliest (Viterbi, 1967).
        """
        none = logits.amax(dim=1) <= OUTSIDE
        after = [[b[:2] == "I-" and a[2:] != b[2:] for b in self.names] for a in ["", *self.names]]
        cost = torch.tensor(after, device=logits.device) * (1e4 * self.spans)
        first, *others = logits.float().masked_fill(none[:, None], 0).unbind(dim=2)
        best, places = first - cost[0], list[Tensor]()
        for word in others:
            ways, place = (best[:, :, None] - cost[1:]).max(dim=1)
            best = ways + word
            places.append(place)
        tags = [best.argmax(dim=1, keepdim=True)]
        for place in reversed(places):
            tags.append(place.gather(1, tags[-1]))
        return torch.cat(tags[::-1], dim=1).masked_fill(none, IGNORE)

    def metrics(self) -> MetricCollection:
        """Give the metrics of tags (N, WORDS) and targets: of the words, and of whole spans."""
        options: Any = {"task": "multiclass", "num_classes": len(self.names)}
        options |= {"ignore_index": IGNORE, "validate_args": False}
        f1 = SpanF1(self.names) if self.spans else F1Score(**options, average="macro")
        return MetricCollection({"accuracy": Accuracy(**options), "f1": f1})

    def decode(self, scores: Tensor) -> dict[str, Any]:
        """Say the tags (WORDS,) of the words of one text."""
        return {"tags": [self.names[n] for n in scores.tolist() if n != IGNORE]}

    def describe(self, scores: Tensor, target: Tensor) -> tuple[list[str], list[str]]:
        """Give what a picture shows: the predicted and the true tags."""
        return self.decode(scores)["tags"], self.decode(target)["tags"]

    def embed(self, writer: SummaryWriter, scores: Tensor, targets: Tensor) -> None:
        """Show nothing: texts of tags are no points in TensorBoard's projector."""

    def draw(self, writer: SummaryWriter, step: int, scores: Tensor, targets: Tensor) -> None:
        """Show which tags are taken for which, with their shares where they are 30 at most."""
        size = len(self.names)
        if size > 50:
            return
        options: Any = {"normalize": "true", "ignore_index": IGNORE}
        counts = multiclass_confusion_matrix(scores, targets, size, **options)
        figure = Figure(figsize=(3 + size / 2, 3 + size / 2), layout="constrained")
        names: Any = [name.replace("$", r"\$") for name in self.names]  # no formulas
        plot_confusion_matrix(counts, figure.add_subplot(), size <= 30, names, cmap="Blues")
        writer.add_figure("confusion_matrix", figure, step)


class SpanF1(Metric):
    """The F1 of whole spans with their kind, as the shared tasks of CoNLL count them."""

    full_state_update = False
    right: Tensor
    both: Tensor

    def __init__(self, names: list[str]) -> None:
        super().__init__()
        self.names = names
        for state in ("right", "both"):
            self.add_state(state, torch.tensor(0), dist_reduce_fx="sum")

    def update(self, scores: Tensor, targets: Tensor) -> None:
        for pair in zip(scores.cpu(), targets.cpu(), strict=True):
            rows = ([self.names[n] for n in row[pair[1] != IGNORE].tolist()] for row in pair)
            found, true = (set(get_entities(row)) for row in rows)
            self.right += len(found & true)
            self.both += len(found) + len(true)

    def compute(self) -> Tensor:
        return 2 * self.right / self.both.clamp(min=1)
