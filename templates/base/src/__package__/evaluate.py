"""Evaluate a checkpoint: accuracy, the confusion matrix, precision, recall and F1 of each class.

From the folder of the project:

    python -m <package>.evaluate
    python -m <package>.evaluate --checkpoint runs/NAME/best.pt --split val --data MY_DATA
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from . import checkpoint
from .data import make_datasets, make_loaders
from .flags import (
    UserError,
    add_checkpoint,
    checkpoint_of,
    exit_cleanly,
    from_dict,
    make_parser,
    to_dict,
)
from .loaders import Loader
from .runtime import Runtime, start
from .tracking import draw_confusion, write_json


@dataclass(frozen=True)
class Evaluation:
    loss: float
    confusion: Tensor  # (classes, classes) counts, rows the true class

    @property
    def accuracy(self) -> float:
        return float(self.confusion.diagonal().sum() / self.confusion.sum().clamp(min=1))


class Tally:
    """Counts the examples of a split on its device, which need not be waited for."""

    def __init__(self, num_classes: int, device: torch.device) -> None:
        self.num_classes = num_classes
        # Sums of float32 losses depend on the size of the batches; MPS has nothing finer
        dtype = torch.float32 if device.type == "mps" else torch.float64
        self.loss = torch.zeros(1, dtype=dtype, device=device)
        self.pairs = torch.zeros(num_classes**2, dtype=dtype, device=device)  # (label, prediction)

    def add(self, logits: Tensor, labels: Tensor) -> None:
        self.loss += F.cross_entropy(logits.float(), labels, reduction="sum")
        pairs = labels * self.num_classes + logits.argmax(dim=1)  # (B,)
        self.pairs.index_add_(0, pairs, torch.ones_like(pairs, dtype=self.pairs.dtype))

    def total(self, runtime: Runtime) -> Evaluation:
        sums = runtime.sum(torch.cat([self.loss, self.pairs])).cpu()
        loss = float(sums[0] / sums[1:].sum().clamp(min=1))
        return Evaluation(loss, sums[1:].float().reshape(self.num_classes, self.num_classes))


@torch.inference_mode()
def evaluate(model: nn.Module, loader: Loader, num_classes: int, runtime: Runtime) -> Evaluation:
    """Evaluate on every example once; the mode of the model is restored."""
    was_training = model.training
    model.eval()
    tally = Tally(num_classes, runtime.device)
    for inputs, labels in loader:
        inputs = inputs.to(runtime.device, non_blocking=True)
        labels = labels.to(runtime.device, non_blocking=True)
        with runtime.autocast():
            logits = model(inputs)
        tally.add(logits, labels)
    model.train(was_training)
    return tally.total(runtime)


def report(evaluation: Evaluation, classes: Sequence[str]) -> dict[str, Any]:
    """Give precision, recall, F1 and support of each class as plain values; 0 where undefined."""
    confusion = evaluation.confusion
    hits = confusion.diagonal()
    precision = hits / confusion.sum(dim=0).clamp(min=1)
    recall = hits / confusion.sum(dim=1).clamp(min=1)
    f1 = 2 * precision * recall / (precision + recall).clamp(min=1e-12)
    rows = zip(classes, precision, recall, f1, confusion.sum(dim=1), strict=True)
    return {
        "examples": int(confusion.sum()),
        "loss": evaluation.loss,
        "accuracy": evaluation.accuracy,
        "classes": {
            name: {"precision": float(p), "recall": float(r), "f1": float(f), "support": int(n)}
            for name, p, r, f, n in rows
        },
        "confusion_matrix": confusion.int().tolist(),
    }


def format_report(content: dict[str, Any]) -> str:
    width = max(len(name) for name in content["classes"])
    lines = [f"{'':{width}}  precision  recall      f1  examples"]
    for name, row in content["classes"].items():
        scores = f"{row['precision']:9.3f} {row['recall']:7.3f} {row['f1']:7.3f}"
        lines.append(f"{name:{width}}  {scores} {row['support']:9d}")
    where = f"{content['examples']} examples of the {content['split']} split"
    lines.append(f"accuracy {content['accuracy']:.4f} on {where}")
    return "\n".join(lines)


def run(path: Path, split: str | None, data: Path | None, device: str) -> dict[str, Any]:
    """Evaluate a checkpoint on its own or on other data, and save the report beside it."""
    trained = checkpoint.load_model(path, torch.device("cpu"))
    changes: dict[str, Any] = {
        "device": device,
        "precision": "auto",
        "dry_run": False,
        "resume": None,
        "batch_size": trained.config.batch_size // trained.config.accumulate,
        "accumulate": 1,
    }
    if data is not None:
        changes |= {"data": data, "dataset": None}
    config = from_dict({**to_dict(trained.config), **changes})
    with start(config) as runtime:
        datasets = make_datasets(config, trained.classes, trained.state)
        loaders = make_loaders(datasets, config, runtime)
        split = split or ("val" if loaders.test is None else "test")
        loader = loaders.val if split == "val" else loaders.test
        if loader is None:
            raise UserError("There is no test split in this data: use --split val.")
        model = runtime.place(trained.model)
        result = evaluate(model, loader, len(trained.classes), runtime)
        content = {"checkpoint": str(path), "split": split, **report(result, trained.classes)}
        if runtime.is_main:
            write_json(path.with_name(f"evaluation-{split}.json"), content)
            figure = draw_confusion(result.confusion, trained.classes)
            figure.savefig(path.with_name(f"confusion-{split}.png"), dpi=150)
            print(format_report(content))
            print(f"saved {path.with_name(f'evaluation-{split}.json')} and confusion-{split}.png")
    return content


def main(argv: Sequence[str] | None = None) -> None:
    parser = make_parser(__doc__)
    add_checkpoint(parser)
    parser.add_argument("--split", choices=("val", "test"), help="default: test if there is one")
    other = "other data; undivided data is divided as in training"
    parser.add_argument("--data", type=Path, help=other)
    parser.add_argument("--device", choices=("auto", "cpu", "cuda", "mps"), default="auto")
    args = parser.parse_args(argv)
    with exit_cleanly():
        run(checkpoint_of(args), args.split, args.data, args.device)


if __name__ == "__main__":
    main()
