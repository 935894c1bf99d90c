"""The network: a small residual one, or a pretrained one of timm. Raw logits out."""

from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path

import torch
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
    """Images (B, 3, H, W) to logits (B, num_outputs); training starts from `weights`."""
    if spec.arch is None:
        return ResNet(num_outputs)
    with fetching("--pretrained", weights or "."):  # a folder: no hub is asked
        import timm

        name = source(weights) if weights else spec.arch
        model = timm.create_model(name, bool(weights), num_classes=num_outputs)
        if hasattr(model, "set_input_size"):  # of transformers: other places for their patches
            model.set_input_size(spec.image_size)
    for parameter in model.get_classifier().parameters():
        nn.init.zeros_(parameter)
    norms = any(isinstance(module, nn.BatchNorm2d) for module in model.modules())
    model.below_head = 0.3 if norms else 0.1  # of the rate: transformers bear less
    return model


def pretrained_spec(name: str, image_size: int) -> Spec:
    """Ask timm what images a pretrained network wants."""
    with fetching("--pretrained", name):
        import timm

        wanted = timm.create_model(source(name)).pretrained_cfg
    size = image_size or wanted["input_size"][-1]
    return Spec(size, tuple(wanted["mean"]), tuple(wanted["std"]), wanted["architecture"])


def source(name: str) -> str:
    if Path(name).is_dir():
        return f"local-dir:{name}"
    return f"hf-hub:{name}" if "/" in name and ":" not in name else name


def make_block(width_in: int, width: int, stride: int) -> nn.Module:
    """Two convolutions and a shortcut (He et al., 2015)."""
    conv = nn.Conv2d(width_in, width, 1, bias=False)
    shortcut = nn.Sequential(nn.AvgPool2d(stride, ceil_mode=True), conv, make_norm(width))
    return BasicBlock(width_in, width, stride, shortcut, norm_layer=make_norm)


class ResNet(nn.Module):
    def __init__(self, num_outputs: int, widths: tuple[int, ...] = (32, 32, 64, 128)) -> None:
        super().__init__()
        stem = nn.Conv2d(3, widths[0], 3, stride=2, padding=1, bias=False)
        self.stem = nn.Sequential(stem, make_norm(widths[0]), nn.ReLU())
        blocks = [make_block(a, b, 1 + (n > 0)) for n, (a, b) in enumerate(pairwise(widths))]
        self.blocks = nn.Sequential(*blocks)
        self.norm = nn.BatchNorm1d(2 * widths[-1], momentum=0.3)  # without it learning stalls
        self.head = nn.Linear(2 * widths[-1], num_outputs)
        nn.init.zeros_(self.head.weight)  # every class equally likely at first
        nn.init.zeros_(self.head.bias)

    def forward(self, images: Tensor) -> Tensor:
        x = self.blocks(self.stem(images)).flatten(2)  # (B, 128, H/8 * W/8)
        # Not amax: compiled, in bf16, its gradient is NaN
        return self.head(self.norm(torch.cat([x.mean(dim=2), x.max(dim=2).values], dim=1)))
