"""A small data set that needs no download: sounds that differ in how pitch or loudness moves."""

import os
from pathlib import Path

import numpy as np
import soundfile

CLASSES = ["beeps", "clicks", "falling", "rising", "steady", "vibrato"]
SECONDS, RATE = 0.6, 16000


def make_sample(root: Path, num_sounds: int = 900, seed: int = 0) -> Path:
    """Write root/CLASS/*.wav unless they are there."""
    if not root.is_dir():
        rng, scratch = np.random.default_rng(seed), root.with_name(f"{root.name}.{os.getpid()}")
        for number in range(num_sounds):
            label = CLASSES[number % len(CLASSES)]
            (scratch / label).mkdir(parents=True, exist_ok=True)
            soundfile.write(scratch / label / f"{number:04}.wav", make_sound(label, rng), RATE)
        scratch.rename(root)
    return root


def make_sound(label: str, rng: np.random.Generator) -> np.ndarray:
    """Make one sound (samples,), of which neither the waveform nor the mean spectrum tells all."""
    draw = rng.uniform
    time = np.arange(round(SECONDS * RATE)) / RATE
    length = SECONDS * draw(0.6, 0.9)
    since = time - draw(0, SECONDS - length)  # seconds after the onset
    share = since / length  # 0 to 1 while the sound lasts
    swing = np.sin(2 * np.pi * draw(4, 7) / SECONDS * since)
    moves = {"rising": share - 0.5, "falling": 0.5 - share, "vibrato": 0.15 * swing}
    octaves = draw(0.5, 2.5) + draw(1.0, 2.0) * moves.get(label, 0)
    phase = 2 * np.pi * (draw() + np.cumsum(300 * 2**octaves + 0 * time) / RATE)
    sound = np.sin(phase) + draw(0, 0.5) * np.sin(2 * phase)
    if label == "beeps":
        sound *= np.clip(4 * swing, 0, 1)
    if label == "clicks":
        sound *= np.exp(-8 * (since * draw(4, 7) / SECONDS % 1))
    sound *= np.clip(20 * np.minimum(share, 1 - share), 0, 1)
    sound += draw(0.01, 0.1) * rng.standard_normal(len(time))
    return sound * draw(0.1, 1) / np.abs(sound).max()
