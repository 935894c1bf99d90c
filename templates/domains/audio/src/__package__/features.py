"""Log-mel spectrograms and their augmentation, computed on the device of the waveforms."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .flags import UserError

WINDOW_SECONDS = 0.025
HOP_SECONDS = 0.010
DYNAMIC_RANGE = 1e-8  # quieter than 80 dB below the loudest counts as silence


class LogMel(nn.Module):
    """Turn waveforms `(B, samples)` into normalized log-mel spectrograms `(B, num_mels, frames)`.

    Hann window of 25 ms, hop of 10 ms, power spectrum, mel filter bank, natural logarithm; then
    zero mean and unit variance over each clip, so that loudness is no matter. Silence gives zeros.
    Frame t is centered on sample t * hop, and there are samples // hop + 1 of them.
    """

    window: Tensor
    filters: Tensor

    def __init__(self, sample_rate: int, num_mels: int) -> None:
        super().__init__()
        self.hop = max(1, round(HOP_SECONDS * sample_rate))
        window_length = max(2, round(WINDOW_SECONDS * sample_rate))
        self.n_fft = 2 ** math.ceil(math.log2(window_length))
        self.register_buffer("window", torch.hann_window(window_length), persistent=False)
        filters = mel_filters(sample_rate, self.n_fft, num_mels)
        self.register_buffer("filters", filters, persistent=False)

    def forward(self, waveforms: Tensor) -> Tensor:
        # There is no FFT in bf16, and its 8 bits of precision would drown quiet sounds in loud ones
        with torch.autocast(waveforms.device.type, enabled=False):
            spectrum = torch.stft(
                waveforms.float(),
                self.n_fft,
                self.hop,
                self.window.numel(),
                self.window,
                pad_mode="constant",
                return_complex=True,
            )  # (B, n_fft // 2 + 1, frames)
            power = spectrum.real.square() + spectrum.imag.square()
            mel = self.filters @ power  # (B, num_mels, frames)
            floor = DYNAMIC_RANGE * mel.amax(dim=(1, 2), keepdim=True)
            log_mel = torch.maximum(mel, floor.clamp(min=1e-10)).log()
            return F.layer_norm(log_mel, log_mel.shape[1:])


class SpecAugment(nn.Module):
    """Hide random bands and random stretches of time from the model while it trains.

    Park et al., 2019 (arXiv:1904.08779), without the time warp: `masks` masks on each axis, each of
    a width drawn up to `max_share` of the axis, anew for every example. A hidden value becomes 0,
    the mean of a normalized spectrogram.
    """

    def __init__(self, masks: int = 1, max_share: float = 0.15) -> None:
        super().__init__()
        self.masks, self.max_share = masks, max_share

    def forward(self, log_mel: Tensor) -> Tensor:
        if not self.training:
            return log_mel
        batch, num_mels, frames = log_mel.shape
        bands = self.hidden(batch, num_mels, log_mel.device).unsqueeze(2)  # (B, num_mels, 1)
        times = self.hidden(batch, frames, log_mel.device).unsqueeze(1)  # (B, 1, frames)
        return log_mel.masked_fill(bands | times, 0.0)

    def hidden(self, batch: int, size: int, device: torch.device) -> Tensor:
        """Draw which positions of an axis are hidden: bool `(batch, size)`."""
        share, offset = torch.rand(2, batch, self.masks, 1, device=device)
        width = (share * (int(self.max_share * size) + 1)).floor()  # (batch, masks, 1)
        start = (offset * (size - width + 1)).floor()
        position = torch.arange(size, device=device)
        return ((position >= start) & (position < start + width)).any(dim=1)


def mel_filters(sample_rate: int, n_fft: int, num_mels: int) -> Tensor:
    """Make triangular filters from 0 Hz to half the sample rate: `(num_mels, n_fft // 2 + 1)`.

    Centers lie evenly on the mel scale of Slaney's Auditory Toolbox (1998), which is linear below
    1 kHz and logarithmic above. Every triangle has area 1 over frequency in Hz, so that white noise
    is the same in all bands. The values are those of `librosa.filters.mel`.
    """
    top = float(hz_to_mel(torch.tensor(sample_rate / 2, dtype=torch.float64)))
    edges = mel_to_hz(torch.linspace(0, top, num_mels + 2, dtype=torch.float64))
    low, center, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]  # (num_mels, 1)
    hz = torch.linspace(0, sample_rate / 2, n_fft // 2 + 1, dtype=torch.float64)  # (bins,)
    rising, falling = (hz - low) / (center - low), (high - hz) / (high - center)
    filters = torch.minimum(rising, falling).clamp(min=0) * 2 / (high - low)
    if not filters.any(dim=1).all():
        raise UserError(
            f"{num_mels} mel bands are too many for {sample_rate} Hz: some hold no frequency of a "
            f"{n_fft}-point FFT. Use a smaller --num-mels or a higher --sample-rate."
        )
    return filters.float()


def hz_to_mel(hz: Tensor) -> Tensor:
    """Slaney's scale: 15 mel at 1 kHz, 27 more for every factor 6.4."""
    return torch.where(hz < 1000, hz * 3 / 200, 15 + 27 * (hz / 1000).log() / math.log(6.4))


def mel_to_hz(mel: Tensor) -> Tensor:
    return torch.where(mel < 15, mel * 200 / 3, 1000 * 6.4 ** ((mel - 15) / 27))
