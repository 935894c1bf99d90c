"""What is learned: the letters of what is said. The loss, the metrics and their names."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Literal

import jiwer
import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter
from torchmetrics import Metric, MetricCollection
from torchmetrics.utilities import dim_zero_cat

from .beam import END, NONE, Language, learn, search
from .model import BLANK, LETTERS, OUTSIDE, UNKNOWN

KNOWN = 2**17  # letters of the texts that a language model learns, in seconds
WORST = 20  # texts that TensorBoard shows


@dataclass(frozen=True)
class Task:
    kind: Literal["speech-recognition"]
    names: list[str]  # of the outputs: the blank, what is unknown, then letters
    texts: str = ""  # to train, a line each, for the language model
    monitor: ClassVar[tuple[str, Literal["min", "max"]]] = ("wer", "min")  # best epoch

    @classmethod
    def fit(cls, kind: Literal["speech-recognition"], table: pd.DataFrame) -> "Task":
        if not {"train", "val"} <= set(table["split"]):
            raise SystemExit("too few examples to train and to validate")
        letters = letters_of(table)
        print(f"{len(letters)} letters: {letters.strip()}")
        texts = table["target"][table["split"] == "train"]
        few = texts[:: int(texts.str.len().sum()) // KNOWN + 1]
        return cls(kind, ["", "\ufffd", *letters], END.join(few))

    def encode(self, target: str) -> Tensor:
        """Give the numbers (LETTERS,) of the letters, -1 behind them."""
        known = {name: number for number, name in enumerate(self.names)}
        numbers = torch.tensor([known.get(letter, UNKNOWN) for letter in target])
        return F.pad(numbers, (0, LETTERS - len(numbers)), value=NONE)

    def pair(self, transform: Any, item: Any, target: Tensor) -> tuple[Tensor, Tensor]:
        """Transform a sound; its text stays as it is."""
        return transform(item), target

    def loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Compare logits (B, C, T) with targets (B, LETTERS) of any place (Graves et al., 2006)."""
        if logits.device.type == "mps":  # has no such loss
            return self.loss(logits.cpu(), targets.cpu()).to("mps")
        steps = (logits[:, UNKNOWN:].amax(dim=1) > OUTSIDE).sum(dim=1)  # before the end
        log_probs = logits.float().log_softmax(dim=1).permute(2, 0, 1)
        counts = (targets != NONE).sum(dim=1)
        # A text with more letters than there are steps counts nothing
        return F.ctc_loss(log_probs, targets.clamp(min=0), steps, counts, BLANK, zero_infinity=True)

    @cached_property
    def language(self) -> Language:
        return learn(self.texts, self.names)

    def scores(self, logits: Tensor, targets: Tensor | None = None) -> Tensor:
        """Turn logits (B, C, T) into letters (B, T), each where it begins, -1 elsewhere."""
        return search(logits, self.language)

    def metrics(self) -> MetricCollection:
        """Give the metrics of letters (N, T) and targets: errors a letter, and a word."""
        rates = {"cer": jiwer.cer, "wer": jiwer.wer}
        return MetricCollection({name: ErrorRate(self.text, how) for name, how in rates.items()})

    def text(self, numbers: Tensor) -> str:
        """Read letters (L,), -1 among them; words are parted by one space."""
        found = (self.names[number] for number in numbers.tolist() if number != NONE)
        return " ".join("".join(found).split())

    def decode(self, scores: Tensor) -> dict[str, Any]:
        """Say the letters (T,) of one sound."""
        return {"text": self.text(scores)}

    def describe(self, scores: Tensor, target: Tensor) -> tuple[list[tuple[float, str]], str, str]:
        """Give what a picture shows: letters and their places from 0 to 1, both texts."""
        places = [(n / len(scores), self.names[i]) for n, i in enumerate(scores) if i != NONE]
        return places, self.text(scores), self.text(target)

    def embed(self, writer: SummaryWriter, scores: Tensor, targets: Tensor) -> None:
        """Show nothing: texts are no points in TensorBoard's projector."""

    def draw(self, writer: SummaryWriter, step: int, scores: Tensor, targets: Tensor) -> None:
        """Show the texts with the most errors."""
        pairs = [(self.text(t), self.text(s)) for s, t in zip(scores, targets, strict=True)]
        pairs.sort(key=lambda pair: -jiwer.cer(*pair))
        lines = [f"| {true} | {found} |" for true, found in pairs[:WORST]]
        writer.add_text("worst", "\n".join(["| true | predicted |", "|---|---|", *lines]), step)


def letters_of(table: pd.DataFrame) -> str:
    """Give the letters of the texts to train, in their order."""
    return "".join(sorted(set("".join(table["target"][table["split"] == "train"]))))


class ErrorRate(Metric):
    """Errors of all letters, or of all words, as jiwer counts them."""

    full_state_update = False
    scores: list[Tensor]
    targets: list[Tensor]

    def __init__(self, text: Callable[[Tensor], str], measure: Callable[..., float]) -> None:
        super().__init__()
        self.text, self.measure = text, measure
        for state in ("scores", "targets"):
            self.add_state(state, [], dist_reduce_fx="cat")

    def update(self, scores: Tensor, targets: Tensor) -> None:
        self.scores.append(scores)
        self.targets.append(targets)

    def compute(self) -> Tensor:
        both = (dim_zero_cat(part).cpu() for part in (self.targets, self.scores))
        true, found = (list(map(self.text, part)) for part in both)
        return torch.tensor(float(self.measure(true, found)))
