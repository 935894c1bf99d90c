"""What TensorBoard shows of the validation images."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch.nn.functional as F
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
    from matplotlib.figure import Figure  # so late, since it takes a second of the first start

    scores, predictions = logits.softmax(dim=1).max(dim=1)
    columns = min(4, len(inputs))
    rows = -(-len(inputs) // columns)
    size = inputs.shape[-1]
    width, height = round(1.06 * size) + 1, round(1.25 * size)  # with a margin, and room for text
    # One picture of all: each of its own would take several milliseconds to draw
    canvas = inputs.new_full((3, rows * height, columns * width), 255)
    figure = Figure(figsize=(1.7 * columns, 2.0 * rows))
    axes = figure.add_axes((0, 0, 1, 1))
    shown = zip(inputs, labels, predictions, scores, strict=True)
    for number, (image, label, prediction, score) in enumerate(shown):
        row, column = divmod(number, columns)
        bottom, left = (row + 1) * height, column * width
        canvas[:, bottom - size : bottom, left : left + size] = image
        right = bool(label == prediction)
        text = f"{classes[prediction]} {score:.0%}" + ("" if right else f"\nis {classes[label]}")
        color = "green" if right else "red"
        place = left + size / 2, bottom - 1.02 * size
        axes.text(*place, text, ha="center", va="bottom", fontsize=9, color=color)
    axes.imshow(canvas.permute(1, 2, 0).numpy(), aspect="auto")
    axes.axis("off")
    writer.add_figure("predictions/images", figure, step)


def describe_inputs(
    inputs: Tensor, config: Config, state: Mapping[str, Any]
) -> tuple[list[str], Tensor | None]:
    """Give a text for each of the images (B, 3, H, W), and thumbnails (B, 3, 32, 32) in [0, 1]."""
    return [""] * len(inputs), F.interpolate(inputs.float() / 255, (32, 32), mode="area")
