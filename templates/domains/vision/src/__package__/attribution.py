"""What in an image speaks for a prediction: integrated gradients (Sundararajan et al., 2017)."""

from base64 import b64encode
from io import BytesIO
from typing import Any

import torch.nn.functional as F
from matplotlib.figure import Figure
from torch import Tensor, nn
from torch.utils.tensorboard import SummaryWriter

from .data import side_of
from .model import Spec
from .run import optional


def read_given(files: tuple[str, ...], spec: Spec) -> list[tuple[str, Any]]:
    """Give what each input is called, and the item that it is."""
    if bad := [name for name in files if not side_of(name)]:
        raise SystemExit(f"{bad[0]} is no image that can be read")
    return [(name, name) for name in files]


def called(item: Any, number: int) -> str:
    """Give what an item of the table is called."""
    return item if isinstance(item, str) else f"example {number}"


def attribute(model: nn.Module, weigh: Any, item: Any, images: Tensor, spec: Spec) -> list[Tensor]:
    """Give an image (H, W, 3), what each pixel (H, W) adds, and what is left over."""
    from captum.attr import IntegratedGradients

    plain = images.mean(dim=(2, 3), keepdim=True).expand_as(images)  # any color is another one
    method = IntegratedGradients(lambda images: weigh(model(images)))
    options = {"n_steps": 64, "internal_batch_size": 16, "return_convergence_delta": True}
    found, delta = method.attribute(images, plain, **options)
    picture = images[0].cpu() * Tensor(spec.std)[:, None, None] + Tensor(spec.mean)[:, None, None]
    return [picture.clamp(0, 1).permute(1, 2, 0), found[0].sum(dim=0).cpu(), delta]


def draw(picture: Tensor, adds: Tensor) -> Figure:
    """Draw an image, and over its gray what speaks for the prediction and against it."""
    figure = Figure(figsize=(7, 3.5), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.imshow(picture.numpy())
    right.imshow(picture.mean(dim=2).numpy(), cmap="gray", vmin=0, vmax=1)
    for axes in (left, right):
        axes.axis("off")
    size = len(adds) // 32 * 2 + 1
    smooth = F.avg_pool2d(adds[None], size, 1, size // 2)[0].numpy()  # single points flicker
    most = max(abs(smooth).max(), 1e-9)
    right.imshow(smooth, "bwr", alpha=abs(smooth) / most, vmin=-most, vmax=most)
    return figure


def show(writer: SummaryWriter, tag: str, title: Any, found: Any, spec: Spec) -> tuple[str, str]:
    """Give the map for the page, and a note; TensorBoard gets it with the title."""
    picture, adds, delta = found
    figure = draw(picture, adds)
    figure.savefig(png := BytesIO(), format="png")
    figure.suptitle(title[0], color="green" if title[1] else "red", parse_math=False)
    with optional(f"picture of {title[0]}"):
        writer.add_figure(tag, figure)
    page = f'<img alt="" src="data:image/png;base64,{b64encode(png.getvalue()).decode()}">'
    return page, f"the map adds up to {adds.sum():+.3g}, delta {delta.item():.1g}"
