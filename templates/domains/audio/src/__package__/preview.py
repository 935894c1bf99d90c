"""What TensorBoard shows of the validation sounds."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from .config import Config
from .features import LogMel

SHOWN = 4


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
    """Write some of the waveforms (B, samples), each to listen to and as a spectrogram with its
    prediction and, where this is wrong, its class.
    """
    from matplotlib.figure import Figure  # so late, since it takes a second of the first start

    waveforms = inputs[:SHOWN]
    peaks = waveforms.abs().amax(dim=1, keepdim=True).clamp(min=1e-6)
    for number, waveform in enumerate(waveforms / peaks, start=1):
        writer.add_audio(f"predictions/sound_{number}", waveform[None], step, config.sample_rate)

    scores, predictions = logits.softmax(dim=1).max(dim=1)
    log_mel = LogMel(config.sample_rate, config.num_mels)(waveforms)  # (B, M, T)
    width = 2.6 * len(waveforms)
    figure = Figure(figsize=(width, 2.6))
    figure.subplots_adjust(left=0.7 / width, right=0.99, bottom=0.18, top=0.82, wspace=0.15)
    grid = figure.subplots(1, len(waveforms), squeeze=False, sharey=True).flatten()
    grid[0].set(ylabel="mel band")
    shown = zip(grid, log_mel, labels, predictions, scores, strict=False)
    for number, (axes, bands, label, prediction, score) in enumerate(shown, start=1):
        extent = (0, config.clip_seconds, 0, config.num_mels)
        axes.imshow(bands.numpy(), origin="lower", aspect="auto", extent=extent)
        right = bool(label == prediction)
        text = f"sound_{number}: {classes[prediction]} {score:.0%}"
        text += "" if right else f"\nis {classes[label]}"
        axes.set_title(text, fontsize=9, color="green" if right else "red")
        axes.set(xlabel="seconds")
    writer.add_figure("predictions/spectrograms", figure, step)


def describe_inputs(
    inputs: Tensor, config: Config, state: Mapping[str, Any]
) -> tuple[list[str], Tensor | None]:
    """Give a text for each of the waveforms (B, samples), and their spectrograms as thumbnails
    (B, 3, 32, 32) in [0, 1], high tones at the top.
    """
    log_mel = LogMel(config.sample_rate, config.num_mels)(inputs)  # (B, M, T)
    images = F.interpolate(log_mel[:, None].flip(2), (32, 32), mode="area")
    return [""] * len(inputs), torch.sigmoid(images).expand(-1, 3, -1, -1)
