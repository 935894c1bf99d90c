"""What in a sound speaks for a prediction: integrated gradients (Sundararajan et al., 2017)."""

from base64 import b64encode
from dataclasses import replace
from io import BytesIO
from typing import Any

import soundfile
import torch.nn.functional as F
from matplotlib.figure import Figure
from torch import Tensor, nn
from torch.utils.tensorboard import SummaryWriter

from .data import header, make_transform
from .features import LogMel
from .model import Spec
from .run import optional


def read_given(files: tuple[str, ...], spec: Spec) -> list[tuple[str, Any]]:
    """Give what each input is called, and the item that it is."""
    if bad := [name for name in files if not header(name)]:
        raise SystemExit(f"{bad[0]} is no sound that can be read")
    return [(name, name) for name in files]


def called(item: Any, number: int) -> str:
    """Give what an item of the table is called."""
    return item if isinstance(item, str) else f"example {number}"


def attribute(model: nn.Module, weigh: Any, item: Any, inputs: Tensor, spec: Spec) -> list[Tensor]:
    """Give a spectrogram (mels, frames), what each point adds, what is left over, and the sound."""
    from captum.attr import LayerIntegratedGradients

    layer: Any = getattr(model, "log_mel", model)
    method = LayerIntegratedGradients(lambda inputs: weigh(model(inputs)), layer)
    options = {"n_steps": 64, "internal_batch_size": 16, "return_convergence_delta": True}
    # Zeros are silence, the mean of what an extractor gives, and so is the log-mel of silence
    found, delta = method.attribute(inputs, attribute_to_layer_input=layer is model, **options)
    if inputs.dim() == 3:  # of an extractor; some put time first
        picture, found = (x[0].T if x.shape[1] > x.shape[2] else x[0] for x in (inputs, found))
    elif layer is model:  # it hears the waveform itself: it tells when, not at which pitch
        picture = LogMel(spec.sample_rate).to(inputs.device)(inputs)[0, 0]
        parts = [part.sum().item() for part in found[0].tensor_split(picture.shape[1])]
        found = (Tensor(parts) / len(picture)).expand_as(picture)
    else:
        picture, found = layer(inputs)[0, 0], found[0, 0]
    return [picture.cpu(), found.cpu(), delta, make_transform(replace(spec, extractor=""))(item)]


def draw(picture: Tensor, adds: Tensor, seconds: float) -> Figure:
    """Draw a spectrogram, and over its gray what speaks for the prediction and against it."""
    left, right = (figure := Figure(figsize=(10, 3.5), layout="constrained")).subplots(1, 2)
    place: Any = {"origin": "lower", "aspect": "auto", "extent": (0, seconds, 0, len(picture))}
    left.imshow(picture.numpy(), **place)
    left.set(xlabel="seconds", ylabel="mel band")
    right.imshow(picture.numpy(), cmap="gray", **place)
    size = len(adds) // 32 * 2 + 1
    smooth = F.avg_pool2d(adds[None], size, 1, size // 2)[0].numpy()  # single points flicker
    most = max(abs(smooth).max(), 1e-9)
    right.imshow(smooth, "bwr", alpha=abs(smooth) / most, vmin=-most, vmax=most, **place)
    return figure


def show(writer: SummaryWriter, tag: str, title: Any, found: Any, spec: Spec) -> tuple[str, str]:
    """Give the map and the sound for the page, and a note; TensorBoard gets them with the title."""
    picture, adds, delta, sound = found
    figure = draw(picture, adds, spec.seconds)
    figure.savefig(png := BytesIO(), format="png")
    figure.suptitle(title[0], color="green" if title[1] else "red", parse_math=False)
    with optional(f"picture of {title[0]}"):
        writer.add_figure(tag, figure)
    sound /= sound.abs().max().clamp(min=1e-6)
    writer.add_audio(f"{tag}/sound", sound, sample_rate=spec.sample_rate)
    soundfile.write(wav := BytesIO(), sound.numpy(), spec.sample_rate, format="WAV")
    image, playable = (b64encode(file.getvalue()).decode() for file in (png, wav))
    page = f'<img alt="" src="data:image/png;base64,{image}">'
    page += f'<audio controls src="data:audio/wav;base64,{playable}"></audio>'
    return page, f"the map adds up to {adds.sum():+.3g}, delta {delta.item():.1g}"
