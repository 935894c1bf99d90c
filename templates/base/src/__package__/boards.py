"""What TensorBoard shows beside the curves. Nothing of it can end a run."""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from matplotlib.figure import Figure
from torch import Tensor, nn
from torch.utils.tensorboard import SummaryWriter
from torchmetrics.functional.classification import multiclass_confusion_matrix
from torchmetrics.utilities.plot import plot_confusion_matrix

from .show import show
from .task import Task


@contextmanager
def optional(what: str) -> Iterator[None]:
    """Say what cannot be drawn, and go on."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a font without a letter, a traced branch
        try:
            yield
        except Exception as error:
            print(f"TensorBoard has no {what}: {error}".splitlines()[0])


def spread(parts: Sequence[Any]) -> list[tuple[Any, ...]]:
    """Take some nine examples of a batch or a data set: often they stand class by class."""
    size = len(parts[-1])
    chosen = range(0, size, max(1, size // 9))[:9]
    return [tuple(part[i] for part in parts) for i in chosen]


def add_graph(writer: SummaryWriter, model: nn.Module, inputs: Tensor) -> None:
    if hasattr(next(model.parameters()), "device_mesh"):
        return  # in shards: all processes would have to take part
    with optional("graph"):
        writer.add_graph(model, inputs[:1], verbose=False)


def add_pictures(
    writer: SummaryWriter,
    step: int,
    task: Task,
    spec: Any,
    examples: list[tuple[Tensor, Tensor, Tensor]],
    scores: Tensor,
    targets: Tensor,
) -> None:
    """Draw examples (input, target, scores), and which classes are taken for which."""
    with optional("predictions"):
        inputs, labels, found = zip(*examples[:: max(1, len(examples) // 9)][:9], strict=True)
        show(writer, list(inputs), torch.stack(labels), torch.stack(found), task, spec, step)
    if task.kind == "classification" and len(task.names) <= 50:
        with optional("confusion matrix"):
            counts = multiclass_confusion_matrix(scores, targets, len(task.names))
            side = 3 + 0.5 * len(task.names)
            figure = Figure(figsize=(side, side), layout="constrained")
            names: Any = [name.replace("$", r"\$") for name in task.names]  # no formulas
            plot_confusion_matrix(counts, figure.add_subplot(), labels=names, cmap="Blues")
            writer.add_figure("confusion_matrix", figure, step)


def add_end(
    writer: SummaryWriter,
    task: Task,
    scores: Tensor,
    targets: Tensor,
    settings: dict[str, Any],
    result: dict[str, float],
    step: int,
) -> None:
    """Add curves of precision and recall, and the settings with the result."""
    with optional("curves of precision and recall"):
        if task.kind != "regression":
            one = targets if task.kind == "multilabel" else F.one_hot(targets, scores.shape[1])
            for number, name in enumerate(task.names[:50]):
                tag = f"precision_recall/{name}"
                writer.add_pr_curve(tag, one[:, number], scores[:, number], step)
    with optional("settings"):
        texts = {k: str(v).encode(errors="replace").decode() for k, v in settings.items()}
        plain = texts | {k: v for k, v in settings.items() if isinstance(v, int | float)}
        writer.add_hparams(plain, {f"final/{k}": v for k, v in result.items()}, run_name=".")
