"""What TensorBoard shows beside the curves. Nothing of it can end a run."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch.nn.functional as F
from matplotlib.figure import Figure
from torch import Tensor, nn
from torch.utils.data import Dataset
from torch.utils.tensorboard import SummaryWriter
from torchmetrics.functional.classification import multiclass_confusion_matrix

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


def add_graph(writer: SummaryWriter, model: nn.Module, inputs: Tensor) -> None:
    if hasattr(next(model.parameters()), "device_mesh"):
        return  # in shards: all processes would have to take part
    with optional("graph"):
        writer.add_graph(model, inputs[:1], verbose=False)


def add_predictions(
    writer: SummaryWriter, examples: Dataset[Any], scores: Tensor, task: Task, spec: Any, step: int
) -> None:
    """Draw some examples with their scores."""
    with optional("predictions"):
        count = min(len(examples), len(scores))  # type: ignore[arg-type]
        chosen = range(0, count, max(1, count // 9))[:9]  # often they stand class by class
        inputs, targets = zip(*(examples[i] for i in chosen), strict=True)
        show(writer, list(inputs), list(targets), scores[list(chosen)], task, spec, step)


def add_confusion(
    writer: SummaryWriter, scores: Tensor, targets: Tensor, task: Task, step: int
) -> None:
    if task.kind != "classification" or len(task.names) > 50:
        return
    with optional("confusion matrix"):
        counts = multiclass_confusion_matrix(scores, targets, len(task.names))  # (true, predicted)
        side = 2 + 0.4 * len(task.names)
        figure = Figure(figsize=(side, side), layout="constrained")
        axes = figure.add_subplot(xlabel="predicted", ylabel="true")
        shares = counts / counts.sum(dim=1, keepdim=True).clamp(min=1)
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        for row, column in counts.nonzero().tolist():
            axes.text(column, row, str(int(counts[row, column])), ha="center", va="center")
        ticks, options = range(len(task.names)), {"parse_math": False}
        axes.set_xticks(ticks, task.names, rotation=90, **options)
        axes.set_yticks(ticks, task.names, **options)
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
        plain = {k: v if isinstance(v, int | float | str) else str(v) for k, v in settings.items()}
        writer.add_hparams(plain, {f"final/{k}": v for k, v in result.items()}, run_name=".")
