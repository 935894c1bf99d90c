"""A small residual network for images of any size: raw logits out."""

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from .config import Config

STEM, WIDTHS = 16, (32, 64, 128)
# Mean and standard deviation of ImageNet, as in torchvision's classification presets
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def make_model(config: Config, num_classes: int) -> nn.Module:
    return ResNet(num_classes, config.image_size > 64, config.recompute)


class Block(nn.Module):
    """Pre-activation residual block (He et al., 2016).

    GroupNorm (Wu & He, 2018) rather than BatchNorm: what becomes of an example depends neither on
    its batch nor on the number of processes.
    """

    def __init__(self, width_in: int, width: int, stride: int) -> None:
        super().__init__()
        self.norm1 = nn.GroupNorm(8, width_in)
        self.conv1 = nn.Conv2d(width_in, width, 3, stride, padding=1, bias=False)
        self.norm2 = nn.GroupNorm(8, width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.shortcut = nn.Sequential(
            nn.AvgPool2d(stride, ceil_mode=True), nn.Conv2d(width_in, width, 1, bias=False)
        )

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv1(F.relu(self.norm1(x)))
        y = self.conv2(F.relu(self.norm2(y)))
        return y + self.shortcut(x)


class ResNet(nn.Module):
    """Images (B, 3, H, W), uint8, to logits (B, num_classes).

    It normalizes the images itself: as bytes they reach the device in a quarter of the time.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, num_classes: int, large: bool, recompute: bool) -> None:
        super().__init__()
        self.recompute = recompute
        for name, values in (("mean", MEAN), ("std", STD)):
            scaled = 255 * torch.tensor(values)[:, None, None]  # (3, 1, 1)
            self.register_buffer(name, scaled, persistent=False)
        # Small images enter pixel by pixel; of large ones the sides are quartered first
        self.stem = nn.Sequential(nn.Conv2d(3, STEM, 3, padding=1, bias=False))
        if large:
            self.stem = nn.Sequential(
                nn.Conv2d(3, STEM, 7, stride=2, padding=3, bias=False),
                nn.MaxPool2d(3, 2, padding=1),
            )
        widths = (STEM, *WIDTHS)
        self.blocks = nn.Sequential(*[Block(a, b, stride=2) for a, b in pairwise(widths)])
        self.norm = nn.GroupNorm(8, WIDTHS[-1])
        self.head = nn.Linear(WIDTHS[-1], num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        # Every class equally likely at first: the first loss is ln(classes)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, images: Tensor) -> Tensor:
        x = (images - self.mean) / self.std  # (B, 3, H, W), float32
        x = self.stem(x)  # (B, 16, H, W), or (B, 16, H/4, W/4) for large images
        recompute = self.recompute and self.training
        for block in self.blocks:  # in the end (B, 128, H/8, W/8), or (B, 128, H/32, W/32)
            x = checkpoint(block, x, use_reentrant=False) if recompute else block(x)
        x = F.relu(self.norm(x)).mean(dim=(2, 3))  # (B, 128)
        return self.head(x)  # (B, num_classes)
