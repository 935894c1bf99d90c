"""The network: a small U-Net, or one that stands on a pretrained network. Raw logits out."""

from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock

from .run import fetching

make_norm = partial(nn.BatchNorm2d, momentum=0.3)  # 0.1 lags where epochs are short


@dataclass(frozen=True)
class Spec:
    """What rebuilds the network of a trained model and the transforms of its images."""

    image_size: int
    mean: tuple[float, ...] = (0.485, 0.456, 0.406)  # of ImageNet
    std: tuple[float, ...] = (0.229, 0.224, 0.225)
    arch: str | None = None  # a network of timm; None: the small one


def make_model(spec: Spec, num_outputs: int, weights: str | None = None) -> nn.Module:
    """Images (B, 3, H, W) to logits (B, num_outputs, H, W); training starts from `weights`."""
    if spec.arch is None:
        return UNet(num_outputs)
    with fetching("--pretrained", weights or "."):  # a folder: no hub is asked
        import segmentation_models_pytorch as smp

        name, loaded = (source(weights), True) if weights else (spec.arch, None)
        model = smp.Unet(f"tu-{name}", encoder_weights=loaded, classes=num_outputs)
    for parameter in model.segmentation_head.parameters():
        nn.init.zeros_(parameter)
    model.below_head = 0.1  # of the rate, for what is pretrained
    # What is new, for the styles; not a lambda, which fastai's `export` cannot write
    model.get_classifier = partial(nn.ModuleList, [model.decoder, model.segmentation_head])
    return model


def pretrained_spec(name: str, image_size: int) -> Spec:
    """Ask timm what images a pretrained network wants."""
    with fetching("--pretrained", name):
        import timm

        wanted = timm.create_model(source(name)).pretrained_cfg
    size = -(-(image_size or wanted["input_size"][-1]) // 32) * 32  # as the strides need it
    return Spec(size, tuple(wanted["mean"]), tuple(wanted["std"]), wanted["architecture"])


def source(name: str) -> str:
    if Path(name).is_dir():
        return f"local-dir:{name}"
    return f"hf-hub:{name}" if "/" in name and ":" not in name else name


def make_block(width_in: int, width: int) -> nn.Module:
    """Two convolutions and a shortcut (He et al., 2015)."""
    shortcut = nn.Sequential(nn.Conv2d(width_in, width, 1, bias=False), make_norm(width))
    return BasicBlock(width_in, width, downsample=shortcut, norm_layer=make_norm)


class UNet(nn.Module):
    """Down to a sixteenth and up, with what was seen on the way (Ronneberger et al., 2015)."""

    def __init__(self, num_outputs: int, widths: tuple[int, ...] = (16, 32, 64, 128)) -> None:
        super().__init__()
        pairs = list(pairwise(reversed(widths)))
        self.down = nn.ModuleList(make_block(a, b) for a, b in pairwise((3, *widths)))
        self.narrow = nn.ModuleList(nn.Conv2d(a, b, 1, bias=False) for a, b in pairs)
        self.up = nn.ModuleList(make_block(2 * width, width) for _, width in pairs)
        self.norm = make_norm(widths[0])  # without it learning stalls
        self.head = nn.Conv2d(widths[0], num_outputs, 1)
        for parameter in self.head.parameters():  # every class equally likely at first
            nn.init.zeros_(parameter)

    def forward(self, images: Tensor) -> Tensor:
        x, seen = F.avg_pool2d(images, 2), list[Tensor]()  # half the size, a quarter of the time
        for block in self.down:
            x = block(F.max_pool2d(x, 2) if seen else x)
            seen.append(x)
        for narrow, block, beside in zip(self.narrow, self.up, reversed(seen[:-1]), strict=True):
            x = F.interpolate(narrow(x), size=beside.shape[-2:], mode="bilinear")
            x = block(torch.cat([x, beside], dim=1))
        return F.interpolate(self.head(self.norm(x)), size=images.shape[-2:], mode="bilinear")
