"""The network: a small one, or one that stands on a pretrained network. Raw logits out."""

from collections import OrderedDict
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock
from torchvision.ops import Conv2dNormActivation, FeaturePyramidNetwork

from .run import fetching

STRIDE = 32  # pixels of the coarsest of three grids; those of the others are 8 and 16
GRIDS: Any = {"features_only": True, "out_indices": (-3, -2, -1)}  # of networks of timm
make_norm = partial(nn.BatchNorm2d, momentum=0.3)  # 0.1 lags where epochs are short


@dataclass(frozen=True)
class Spec:
    """What rebuilds the network of a trained model and the transforms of its images."""

    image_size: int  # a multiple of STRIDE
    mean: tuple[float, ...] = (0.485, 0.456, 0.406)  # of ImageNet
    std: tuple[float, ...] = (0.229, 0.224, 0.225)
    arch: str | None = None  # a network of timm; None: the small one


def make_model(spec: Spec, num_outputs: int, weights: str | None = None) -> nn.Module:
    """Images (B, 3, S, S) to logits (B, 4 + num_outputs, A); training starts from `weights`."""
    if spec.arch is None:
        return Detector(Backbone(), Backbone.widths[-3:], num_outputs)
    with fetching("--pretrained", weights or "."):  # a folder: no hub is asked
        import timm

        name = source(weights) if weights else spec.arch
        body = timm.create_model(name, bool(weights), **GRIDS)
    model: Any = Detector(body, body.feature_info.channels(), num_outputs, width=128, depth=2)
    model.below_head = 0.1  # of the rate, for what is pretrained
    # What is new, for the styles; not a lambda, which fastai's `export` cannot write
    model.get_classifier = partial(nn.ModuleList, [model.neck, model.box_head, model.class_head])
    return model


def pretrained_spec(name: str, image_size: int) -> Spec:
    """Ask timm what images a pretrained network wants."""
    with fetching("--pretrained", name):
        import timm

        net = timm.create_model(source(name), **GRIDS).eval()
        wanted = net.pretrained_cfg
        size = -(-(image_size or wanted["input_size"][-1]) // STRIDE) * STRIDE
        sides = [seen.shape[-1] for seen in net(torch.zeros(1, 3, size, size))]
        if sides != [4 * size // STRIDE, 2 * size // STRIDE, size // STRIDE]:
            name = wanted["architecture"]
            raise ValueError(f"{name} has no grids of 8, 16 and 32 pixels: take another network")
    return Spec(size, tuple(wanted["mean"]), tuple(wanted["std"]), wanted["architecture"])


def source(name: str) -> str:
    if Path(name).is_dir():
        return f"local-dir:{name}"
    return f"hf-hub:{name}" if "/" in name and ":" not in name else name


def make_block(width_in: int, width: int) -> nn.Module:
    """Two convolutions and a shortcut (He et al., 2015)."""
    shortcut = nn.Sequential(nn.Conv2d(width_in, width, 1, bias=False), make_norm(width))
    return BasicBlock(width_in, width, downsample=shortcut, norm_layer=make_norm)


class Backbone(nn.Module):
    """What is seen at every eighth, sixteenth and thirty-second pixel."""

    widths = (16, 32, 64, 128, 128)

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(make_block(a, b) for a, b in pairwise((3, *self.widths)))

    def forward(self, images: Tensor) -> list[Tensor]:
        x, seen = F.avg_pool2d(images, 2), list[Tensor]()  # half the size, a quarter of the time
        for block in self.blocks:
            x = block(F.max_pool2d(x, 2) if seen else x)
            seen.append(x)
        return seen[-3:]


class Detector(nn.Module):
    """A pyramid of features (Lin et al., 2017), and a box and classes at each of their places."""

    def __init__(
        self, body: nn.Module, widths: Any, num_outputs: int, width: int = 64, depth: int = 1
    ) -> None:
        super().__init__()
        self.body, self.neck = body, FeaturePyramidNetwork(list(widths), width)
        self.box_head, self.class_head = (make_head(width, depth, n) for n in (4, num_outputs))

    def forward(self, images: Tensor) -> Tensor:
        seen = OrderedDict((str(n), x) for n, x in enumerate(self.body(images)))
        found = [
            torch.cat([self.box_head(x), self.class_head(x)], dim=1).flatten(2)
            for x in self.neck(seen).values()
        ]
        return torch.cat(found, dim=2)


def make_head(width: int, depth: int, num_outputs: int) -> nn.Sequential:
    """The same for all grids: a norm of batches would mix them."""
    norm: Any = partial(nn.GroupNorm, 16)
    convs = [Conv2dNormActivation(width, width, 3, norm_layer=norm) for _ in range(depth)]
    last = nn.Conv2d(width, num_outputs, 3, padding=1)
    for parameter in last.parameters():  # every box and class equally likely at first
        nn.init.zeros_(parameter)
    return nn.Sequential(*convs, last)
