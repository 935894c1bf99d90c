"""A small data set that needs no download: words of no language, spoken by a small synthesizer."""

import csv
import os
from pathlib import Path

import numpy as np
import soundfile

RATE = 16000
# Two resonances in Hz, as in vowels of a man, and bands of noise
VOWELS = {"a": (800, 1200), "e": (450, 1900), "i": (280, 2500), "o": (450, 850), "u": (300, 650)}
CONSONANTS = {"f": (1000, 7500), "s": (4500, 7500), "x": (2000, 4000), "k": (1200, 2000)}


def make_sample(root: Path, num_sounds: int = 720, seed: int = 0) -> Path:
    """Write root/*.wav, and what is said to root/metadata.csv, unless they are there."""
    if not root.is_dir():
        rng, scratch = np.random.default_rng(seed), root.with_name(f"{root.name}.{os.getpid()}")
        scratch.mkdir(parents=True, exist_ok=True)
        rows = [("file_name", "text")]
        for number in range(num_sounds):
            words = ["".join(make_word(rng)) for _ in range(rng.integers(1, 4))]
            rows.append((f"{number:04}.wav", " ".join(words)))
            soundfile.write(scratch / rows[-1][0], speak(rows[-1][1], rng), RATE)
        with (scratch / "metadata.csv").open("w", newline="") as file:
            csv.writer(file).writerows(rows)
        scratch.rename(root)
    return root


def make_word(rng: np.random.Generator) -> list[str]:
    """Make one or two syllables of a consonant and a vowel."""
    letters = [list(CONSONANTS), list(VOWELS)]
    return [str(rng.choice(letters[place % 2])) for place in range(2 * rng.integers(1, 3))]


def speak(text: str, rng: np.random.Generator) -> np.ndarray:
    """Say a text (samples,) with a voice, a speed and a noise that are drawn."""
    pitch, size, speed = rng.uniform(90, 220), rng.uniform(0.9, 1.2), rng.uniform(0.8, 1.25)
    parts = [np.zeros(round(rng.uniform(0.02, 0.2) * RATE))]
    for letter in f"{text} ":
        length = {" ": 0.1, **dict.fromkeys(VOWELS, 0.12)}.get(letter, 0.07)
        time = np.arange(round(length * rng.uniform(0.8, 1.2) / speed * RATE)) / RATE
        sound = np.zeros(len(time))
        if letter in VOWELS:
            for harmonic in np.arange(pitch, 4000, pitch):
                near = [np.exp(-(((harmonic / size - f) / 150) ** 2)) for f in VOWELS[letter]]
                sound += sum(near) * np.sin(2 * np.pi * harmonic * time + rng.uniform(0, 6))
        elif letter in CONSONANTS:
            spectrum = np.fft.rfft(rng.standard_normal(len(time)))
            low, high = CONSONANTS[letter]
            hertz = np.fft.rfftfreq(len(time), 1 / RATE) / size
            sound = np.fft.irfft(spectrum * ((hertz > low) & (hertz < high)), len(time))
        rise = np.clip(100 * np.minimum(time, time[::-1]), 0, 1)  # 10 ms
        parts.append(rise * sound / (np.abs(sound).max() + 1e-6))
    sound = np.concatenate(parts)
    sound += rng.uniform(0.01, 0.1) * rng.standard_normal(len(sound))
    return rng.uniform(0.1, 1) * sound / np.abs(sound).max()
