"""Log-mel spectrograms, computed in batches on the device of the waveforms, and their masking."""

import math

import torch
from torch import Tensor, nn

WINDOW = 0.032  # seconds
FLOOR = 1e-8  # 80 dB below the loudest counts as silence
MASKS, SHARE = 2, 0.2  # how many bands and stretches are hidden, each up to this part of all


class LogMel(nn.Module):
    """Turn waveforms (B, samples) into spectrograms (B, 1, mels, frames) of mean 0, variance 1."""

    def __init__(self, sample_rate: int, mels: int = 64, hop: float = 0.010) -> None:
        super().__init__()
        self.hop = round(hop * sample_rate)
        self.n_fft = 2 ** math.ceil(math.log2(2 * WINDOW * sample_rate))
        self.window = nn.Buffer(torch.hann_window(round(WINDOW * sample_rate)), persistent=False)
        # Triangles (mels, n_fft / 2 + 1), evenly spaced on the mel scale of HTK
        top = 2595 * math.log10(1 + sample_rate / 2 / 700)
        edges = 700 * (10 ** (torch.linspace(0, top, mels + 2) / 2595) - 1)
        low, center, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]  # (mels, 1)
        hz = torch.linspace(0, sample_rate / 2, self.n_fft // 2 + 1)
        triangles = torch.minimum((hz - low) / (center - low), (high - hz) / (high - center))
        self.filters = nn.Buffer(triangles.clamp(min=0), persistent=False)

    def forward(self, waveforms: Tensor) -> Tensor:
        with torch.autocast(waveforms.device.type, enabled=False):  # there is no FFT in 16 bits
            spectrum = torch.stft(
                waveforms.float(),
                self.n_fft,
                self.hop,
                len(self.window),
                self.window,
                pad_mode="constant",
                return_complex=True,
            )  # (B, n_fft / 2 + 1, frames)
            mel = self.filters @ (spectrum.real.square() + spectrum.imag.square())
            floor = (FLOOR * mel.amax(dim=(1, 2), keepdim=True)).clamp(min=1e-10)
            log_mel = torch.maximum(mel, floor).log()  # (B, mels, frames)
            # What is laid around a sound has no share in its mean, and is 0
            there = (mel.amax(dim=1, keepdim=True) > 0).float()  # (B, 1, frames)
            share = there / (there.sum(dim=2, keepdim=True) * len(self.filters)).clamp(min=1)
            log_mel = there * (log_mel - (share * log_mel).sum(dim=(1, 2), keepdim=True))
            variance = (share * log_mel.square()).sum(dim=(1, 2), keepdim=True)
            return (log_mel * (variance + 1e-5).rsqrt())[:, None]


class SpecAugment(nn.Module):
    """Hide random bands and stretches of time in training (Park et al., 2019)."""

    def forward(self, log_mel: Tensor) -> Tensor:
        for dim in (2, 3) if self.training else ():
            size = log_mel.shape[dim]
            share, place = torch.rand(2, len(log_mel), MASKS, 1, device=log_mel.device)
            width = share * SHARE * size
            start = place * (size - width)
            at = torch.arange(size, device=log_mel.device)
            hidden = ((at >= start) & (at < start + width)).any(dim=1)[:, None]  # (B, 1, size)
            log_mel = log_mel.masked_fill(hidden.unsqueeze(5 - dim), 0.0)  # the mean
        return log_mel
