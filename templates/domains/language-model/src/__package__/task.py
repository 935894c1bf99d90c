"""What is learned: the token to come. The loss, the metrics and their names."""

import math
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import pandas as pd
import torch
import torch.nn.functional as F
from matplotlib.figure import Figure
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter
from torchmetrics import Metric, MetricCollection

from .model import PAD, load_tokenizer, number_of


@dataclass(frozen=True)
class Task:
    kind: Literal["language-model"]
    names: list[str]  # of the tokens
    length: int = 0  # tokens of a row
    end: int = 0  # the token that ends a text
    monitor: ClassVar[tuple[str, Literal["min", "max"]]] = ("bits_per_byte", "min")  # best epoch

    @classmethod
    def fit(cls, kind: Literal["language-model"], table: pd.DataFrame) -> "Task":
        if not {"train", "val"} <= set(table["split"]):
            raise SystemExit("too few texts to train and to validate")
        spec = table.attrs["spec"]
        tokenizer = load_tokenizer(spec.tokenizer)
        names = [
            tokenizer.id_to_token(n) or "" for n in range(max(tokenizer.get_vocab().values()) + 1)
        ]
        return cls(kind, names, spec.length, number_of(spec.end, spec))

    def encode(self, target: str) -> str:
        """Give a text as it is: `pair` makes tokens of it."""
        return target

    def pair(self, transform: Any, item: str, target: str) -> tuple[Tensor, Tensor]:
        """Give the tokens (length,) before each, and the tokens to learn, -1 elsewhere."""
        given, learned = transform(item), transform(target)
        learned = learned[: self.length + (len(given) == 0)]  # the first of a text is not learned
        given = given[max(len(given) + len(learned) - self.length - 1, 0) :]
        ids = torch.cat([given, learned])
        room = self.length + 1 - len(ids)
        ids = F.pad(ids, (0, room), value=PAD)
        targets = ids[1:].clone()
        targets[: max(len(given) - 1, 0)] = PAD
        return ids[:-1], targets

    def loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Compare logits (B, C, T) with targets (B, T)."""
        # Each row by itself, or else the loss would depend on what is beside it in a batch
        counts = (targets != PAD).sum(dim=1).clamp(min=1)
        return (-self.scores(logits, targets).sum(dim=1) / counts).mean()

    def scores(self, logits: Tensor, targets: Tensor | None = None) -> Tensor:
        """Give the log-probabilities (B, T) of the targets; without them the likeliest tokens."""
        if targets is None:
            return logits.argmax(dim=1)
        rows = logits.transpose(1, 2).flatten(0, 1).float()
        options: Any = {"ignore_index": PAD, "reduction": "none"}
        return -F.cross_entropy(rows, targets.flatten(), **options).view_as(targets)

    def metrics(self) -> MetricCollection:
        """Give the metrics of scores (N, T) and targets: of tokens, and of the bytes of texts."""
        return MetricCollection(
            {"perplexity": Perplexity(), "bits_per_byte": BitsPerByte(sizes(self.names, self.end))}
        )

    def describe(self, scores: Tensor, target: Tensor) -> list[float]:
        """Give what a picture shows: the bits of each token."""
        return (-scores / math.log(2)).tolist()

    def embed(self, writer: SummaryWriter, scores: Tensor, targets: Tensor) -> None:
        """Show nothing: rows of tokens are no points in TensorBoard's projector."""

    def draw(self, writer: SummaryWriter, step: int, scores: Tensor, targets: Tensor) -> None:
        """Show what it helps to have seen more of a text."""
        bits = -scores.sum(dim=0) / (targets != PAD).sum(dim=0).clamp(min=1) / math.log(2)
        figure = Figure(figsize=(6, 3), layout="constrained")
        axes = figure.add_subplot(xlabel="tokens before", ylabel="bits a token")
        axes.plot(bits)
        writer.add_figure("bits_by_position", figure, step)


def sizes(names: list[str], end: int) -> list[int]:
    """Give the bytes that tokens stand for."""
    if any(name.startswith("\u2581") for name in names):  # SentencePiece's space
        spelled = [name.replace("\u2581", " ").encode() for name in names]
        found = [1 if name.startswith(b"<0x") else len(name) for name in spelled]
    else:  # byte-level BPE: a character is a byte
        found = [len(name) for name in names]
    found[end] = 0
    return found


class Perplexity(Metric):
    """The exponential of the mean loss of a token."""

    full_state_update = False
    nats: Tensor
    units: Tensor

    def __init__(self) -> None:
        super().__init__()
        for state in ("nats", "units"):
            self.add_state(state, torch.tensor(0.0), dist_reduce_fx="sum")

    def update(self, scores: Tensor, targets: Tensor) -> None:
        self.nats -= scores.sum()
        self.units += (targets != PAD).sum()

    def compute(self) -> Tensor:
        return (self.nats / self.units).exp()


class BitsPerByte(Perplexity):
    """The bits that a byte of the text costs: networks with other tokens can be compared."""

    sizes: Tensor

    def __init__(self, sizes: list[int]) -> None:
        super().__init__()
        self.register_buffer("sizes", torch.tensor([*sizes, 0]))  # the last is that of PAD

    def update(self, scores: Tensor, targets: Tensor) -> None:
        self.nats -= scores.sum()
        self.units += self.sizes[targets].sum()

    def compute(self) -> Tensor:
        return self.nats / self.units / math.log(2)
