"""Log-mel spectrograms, computed in batches on the device of the waveforms, and their masking."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

WINDOW = 0.032  # seconds
FLOOR = 1e-8  # 80 dB below the loudest counts as silence


class LogMel(nn.Module):
    """Turn waveforms (B, samples) into log-mel spectrograms (B, mels, frames).

    Each clip has mean 0 and variance 1 in the end, so that no level of recording matters.
    """

    window: Tensor
    filters: Tensor

    def __init__(self, sample_rate: int, mels: int = 64, hop: float = 0.010) -> None:
        super().__init__()
        self.hop = round(hop * sample_rate)
        self.n_fft = 2 ** math.ceil(math.log2(2 * WINDOW * sample_rate))
        window = torch.hann_window(round(WINDOW * sample_rate))
        self.register_buffer("window", window, persistent=False)
        self.register_buffer(
            "filters", mel_filters(sample_rate, self.n_fft, mels), persistent=False
        )

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
            return F.layer_norm(log_mel, log_mel.shape[1:])


def mel_filters(sample_rate: int, n_fft: int, mels: int) -> Tensor:
    """Make triangles (mels, n_fft / 2 + 1) evenly spaced on the mel scale, as HTK has it."""
    top = 2595 * math.log10(1 + sample_rate / 2 / 700)
    edges = 700 * (10 ** (torch.linspace(0, top, mels + 2) / 2595) - 1)
    low, center, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]  # (mels, 1)
    hz = torch.linspace(0, sample_rate / 2, n_fft // 2 + 1)
    return torch.minimum((hz - low) / (center - low), (high - hz) / (high - center)).clamp(min=0)


class SpecAugment(nn.Module):
    """Hide random bands and stretches of time while training (Park et al., 2019)."""

    def __init__(self, masks: int = 2, share: float = 0.2) -> None:
        super().__init__()
        self.masks, self.share = masks, share

    def forward(self, log_mel: Tensor) -> Tensor:
        if not self.training:
            return log_mel
        batch, mels, frames = log_mel.shape
        bands = self.hidden(batch, mels, log_mel.device)[:, :, None]  # (B, mels, 1)
        times = self.hidden(batch, frames, log_mel.device)[:, None]  # (B, 1, frames)
        return log_mel.masked_fill(bands | times, 0.0)  # the mean

    def hidden(self, batch: int, size: int, device: torch.device) -> Tensor:
        share, place = torch.rand(2, batch, self.masks, 1, device=device)
        width = share * self.share * size
        start = place * (size - width)
        position = torch.arange(size, device=device)
        return ((position >= start) & (position < start + width)).any(dim=1)
