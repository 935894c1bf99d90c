"""A small residual network over time and frequency: waveforms in, raw logits out."""

from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from .config import Config
from .features import LogMel, SpecAugment

STEM, WIDTHS = 16, (32, 64)


def make_model(config: Config, num_classes: int) -> nn.Module:
    return AudioNet(config.sample_rate, config.num_mels, num_classes, config.recompute)


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


class AudioNet(nn.Module):
    """Mono waveforms (B, samples) of any length to logits (B, num_classes)."""

    def __init__(self, sample_rate: int, num_mels: int, num_classes: int, recompute: bool) -> None:
        super().__init__()
        self.recompute = recompute
        self.log_mel = LogMel(sample_rate, num_mels)
        self.augment = SpecAugment()
        self.stem = nn.Conv2d(1, STEM, 7, stride=(2, 4), padding=3, bias=False)
        self.blocks = nn.Sequential(*[Block(a, b, stride=2) for a, b in pairwise((STEM, *WIDTHS))])
        self.norm = nn.GroupNorm(8, WIDTHS[-1])
        self.head = nn.Linear(WIDTHS[-1], num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        # Every class equally likely at first: the first loss is ln(classes)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, waveforms: Tensor) -> Tensor:
        x = self.augment(self.log_mel(waveforms))  # (B, M, T): mel bands, frames
        x = self.stem(x.unsqueeze(1))  # (B, 16, M/2, T/4)
        recompute = self.recompute and self.training
        for block in self.blocks:  # in the end (B, 64, M/8, T/16)
            x = checkpoint(block, x, use_reentrant=False) if recompute else block(x)
        x = F.relu(self.norm(x)).mean(dim=(2, 3))  # (B, 64)
        return self.head(x)  # (B, num_classes)
