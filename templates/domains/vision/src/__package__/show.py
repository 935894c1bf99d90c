"""What TensorBoard shows of images."""

from matplotlib.figure import Figure
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from .model import Spec
from .task import Task


def show(
    writer: SummaryWriter,
    inputs: list[Tensor],
    targets: Tensor,
    scores: Tensor,
    task: Task,
    spec: Spec,
    step: int,
) -> None:
    """Draw images (3, H, W) with what is predicted, scores (B, C), in red where that is wrong."""
    figure = Figure(figsize=(7, 7.5), layout="constrained")
    for number, (image, target) in enumerate(zip(inputs, targets, strict=True)):
        axes = figure.add_subplot(3, 3, number + 1)
        pixels = image * Tensor(spec.std)[:, None, None] + Tensor(spec.mean)[:, None, None]
        axes.imshow(pixels.clamp(0, 1).permute(1, 2, 0))
        text, right = task.describe(scores[number], target)
        axes.set_title(text, fontsize=9, color="green" if right else "red", parse_math=False)
        axes.axis("off")
    writer.add_figure("predictions", figure, step)
