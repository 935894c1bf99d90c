"""What TensorBoard shows of the validation images."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch.nn.functional as F
from matplotlib.figure import Figure
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from .config import Config


def log_predictions(
    writer: SummaryWriter,
    inputs: Tensor,
    labels: Tensor,
    logits: Tensor,
    classes: Sequence[str],
    step: int,
    config: Config,
    state: Mapping[str, Any],
) -> None:
    """Write a grid of images (B, 3, H, W) with predictions and, where these are wrong, classes."""
    scores, predictions = logits.softmax(dim=1).max(dim=1)
    columns = min(4, len(inputs))
    rows = -(-len(inputs) // columns)
    figure = Figure(figsize=(1.7 * columns, 2.0 * rows), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False).flatten()
    for axes in grid:
        axes.axis("off")
    shown = zip(grid, inputs, labels, predictions, scores, strict=False)
    for axes, image, label, prediction, score in shown:
        axes.imshow(image.permute(1, 2, 0).numpy())
        right = bool(label == prediction)
        text = f"{classes[prediction]} {score:.0%}" + ("" if right else f"\nis {classes[label]}")
        axes.set_title(text, fontsize=9, color="green" if right else "red")
    writer.add_figure("predictions/images", figure, step)


def describe_inputs(
    inputs: Tensor, config: Config, state: Mapping[str, Any]
) -> tuple[list[str], Tensor | None]:
    """Give a text for each of the images (B, 3, H, W), and thumbnails (B, 3, 32, 32) in [0, 1]."""
    return [""] * len(inputs), F.interpolate(inputs.float() / 255, (32, 32), mode="area")
