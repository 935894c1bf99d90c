"""What TensorBoard shows of sounds."""

from matplotlib.figure import Figure
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from .features import LogMel
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
    """Give sounds (samples,) to play, and spectrograms with what is predicted, scores (B, C)."""
    figure = Figure(figsize=(9, 7), layout="constrained")
    for number, (sound, target) in enumerate(zip(inputs[:6], targets, strict=False), start=1):
        axes = figure.add_subplot(2, 3, number, xlabel="seconds", ylabel="mel band")
        features = sound  # of a feature extractor: there is nothing to play
        if sound.dim() == 1:
            loud = sound / sound.abs().max().clamp(min=1e-6)
            writer.add_audio(f"predictions/sound_{number}", loud, step, spec.sample_rate)
            features = LogMel(spec.sample_rate)(sound[None])[0]  # (mels, frames)
        extent = (0, spec.seconds, 0, len(features))
        axes.imshow(features, origin="lower", aspect="auto", extent=extent)
        text, right = task.describe(scores[number - 1], target)
        title = f"sound_{number}: {text}"
        axes.set_title(title, fontsize=8, color="green" if right else "red", parse_math=False)
    writer.add_figure("predictions/spectrograms", figure, step)
