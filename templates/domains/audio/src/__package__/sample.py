"""A small data set that needs no download: sounds that differ in how pitch or loudness moves."""

import random
from pathlib import Path

import numpy as np
import soundfile

CLASSES = ["beeps", "clicks", "falling", "rising", "steady", "vibrato"]


def make_sample(
    root: Path, num_sounds: int = 900, seconds: float = 0.6, rate: int = 16000, seed: int = 0
) -> Path:
    """Write root/CLASS/*.wav unless they are there."""
    if not root.is_dir():
        rng = np.random.default_rng(seed)
        scratch = root.with_name(f"{root.name}.{random.getrandbits(32):x}")
        for number in range(num_sounds):
            label = CLASSES[number % len(CLASSES)]
            (scratch / label).mkdir(parents=True, exist_ok=True)
            path = scratch / label / f"{number:04}.wav"
            soundfile.write(path, make_sound(label, seconds, rate, rng), rate)
        scratch.rename(root)
    return root


def make_sound(label: str, seconds: float, rate: int, rng: np.random.Generator) -> np.ndarray:
    """Make one sound (samples,).

    Pitch, loudness, onset, length and noise are random, so that neither the waveform nor the
    average spectrum tells the class.
    """
    draw = rng.uniform
    time = np.arange(round(seconds * rate)) / rate
    length = seconds * draw(0.6, 0.9)
    since = time - draw(0, seconds - length)  # seconds after the onset
    share = since / length  # 0 to 1 while the sound lasts
    swing = np.sin(2 * np.pi * draw(4, 7) / seconds * since)
    moves = {"rising": share - 0.5, "falling": 0.5 - share, "vibrato": 0.15 * swing}
    octaves = draw(0.5, 2.5) + draw(1.0, 2.0) * moves.get(label, 0)
    phase = 2 * np.pi * (draw() + np.cumsum(300 * 2**octaves + 0 * time) / rate)
    sound = np.sin(phase) + draw(0, 0.5) * np.sin(2 * phase)
    if label == "beeps":
        sound *= np.clip(4 * swing, 0, 1)
    if label == "clicks":
        sound *= np.exp(-8 * (since * draw(4, 7) / seconds % 1))
    sound *= np.clip(20 * np.minimum(share, 1 - share), 0, 1)
    sound += draw(0.01, 0.1) * rng.standard_normal(len(time))
    return sound * draw(0.1, 1) / np.abs(sound).max()
