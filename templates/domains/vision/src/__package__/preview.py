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
    figure = Figure(figsize=(1.7 * columns, 2.0 * rows))
    axes = figure.add_axes((0, 0, 1, 1))  # one for all, in inches: each would take 40 ms to draw
    shown = zip(inputs, labels, predictions, scores, strict=True)
    for number, (image, label, prediction, score) in enumerate(shown):
        x, y = 1.7 * (number % columns), 2.0 * (rows - 1 - number // columns)
        axes.imshow(image.permute(1, 2, 0).numpy(), extent=(x + 0.05, x + 1.65, y, y + 1.6))
        right = bool(label == prediction)
        text = f"{classes[prediction]} {score:.0%}" + ("" if right else f"\nis {classes[label]}")
        color = "green" if right else "red"
        axes.text(x + 0.85, y + 1.64, text, ha="center", fontsize=9, color=color)
    axes.set(xlim=(0, 1.7 * columns), ylim=(0, 2.0 * rows))
    axes.axis("off")
    writer.add_figure("predictions/images", figure, step)


def describe_inputs(
    inputs: Tensor, config: Config, state: Mapping[str, Any]
) -> tuple[list[str], Tensor | None]:
    """Give a text for each of the images (B, 3, H, W), and thumbnails (B, 3, 32, 32) in [0, 1]."""
    return [""] * len(inputs), F.interpolate(inputs.float() / 255, (32, 32), mode="area")
