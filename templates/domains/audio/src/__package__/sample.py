"""Eight kinds of generated sounds, to see a model learn before there is any data."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

CLASSES = [
    "beeps",
    "burst",
    "falling",
    "fast_clicks",
    "rising",
    "slow_clicks",
    "steady",
    "vibrato",
]


def make_sample(
    num_sounds: int, sample_rate: int, seconds: float, seed: int
) -> tuple[Tensor, list[str]]:
    """Generate sounds, float32 (num_sounds, samples), and their class names, in equal shares."""
    rng = np.random.default_rng(seed)
    labels = [CLASSES[i % len(CLASSES)] for i in range(num_sounds)]
    sounds = [make_sound(label, sample_rate, seconds, rng) for label in labels]
    return torch.from_numpy(np.stack(sounds)), labels


def make_sound(
    kind: str, sample_rate: int, seconds: float, rng: np.random.Generator
) -> NDArray[Any]:
    """Generate one sound within [-1, 1], float32 (samples,).

    What tells the kinds apart is how pitch or loudness moves. Pitch, phase, loudness, onset, length
    and background noise are random, so neither the waveform nor its average spectrum gives it away.
    """
    draw = rng.uniform
    time = np.arange(round(seconds * sample_rate), dtype=np.float32) / sample_rate
    length = seconds * (draw(0.1, 0.2) if kind == "burst" else draw(0.6, 0.9))
    since = time - draw(0, seconds - length)  # seconds after the onset
    share = since / length  # 0 to 1 while the sound lasts
    swing = np.sin(2 * np.pi * draw(4, 7) / seconds * since)

    sound: NDArray[Any]
    if kind in ("burst", "slow_clicks", "fast_clicks"):
        sound = rng.standard_normal(len(time), dtype=np.float32)
    else:
        moves = {"rising": share - 0.5, "falling": 0.5 - share, "vibrato": 0.15 * swing}
        octaves = draw(0.5, 2.5) + draw(1.5, 2.5) * moves.get(kind, 0 * time)
        hz = 300 * np.exp2(octaves)
        phase = 2 * np.pi * (draw() + np.cumsum(hz) / sample_rate)
        sound = np.sin(phase) + draw(0, 0.5) * np.sin(2 * phase)
    if kind == "beeps":
        sound *= np.clip(4 * swing, 0, 1)
    if kind.endswith("clicks"):
        rate = draw(3, 5) if kind == "slow_clicks" else draw(9, 14)
        sound *= np.exp(-8 * (since * (rate / seconds) % 1))
    fade = np.clip(20 * np.minimum(share, 1 - share), 0, 1)
    sound = fade * sound + draw(0.01, 0.1) * rng.standard_normal(len(time), dtype=np.float32)
    return sound * np.float32(draw(0.1, 1) / np.abs(sound).max())
