"""Words and numbers spoken by espeak-ng in many voices, in rooms and noise."""

from __future__ import annotations

import io
import subprocess
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import soundfile
from real_letters import divide_groups

WORDS: tuple[str, ...] = ("yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go")
WORDS += ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
ACCENTS = ("gb", "gb-scotland", "gb-x-rp", "gb-x-gbclan", "gb-x-gbcwmd", "us", "us-nyc", "029")
# The variants of espeak-ng that a person understands; a number at the end tells variants of one.
NAMES = """
    m1 m2 m3 m4 m5 m6 m7 m8 f1 f2 f3 f4 f5 Alex Alicia Andrea Andy Annie Denis Diogo Gene Gene2
    Henrique Hugo Jacky Lee Marco Mario Michael Mike adam anika antonio aunty belinda benjamin
    boris caleb croak david ed edward edward2 grandma grandpa gustave iven iven2 iven3 iven4 john
    kaukovalta klatt klatt2 klatt3 klatt4 linda marcelo max michel miguel norbert pablo paul pedro
    quincy rob robert sandro shelby steph steph2 steph3 travis victor whisper whisperf zac
"""
VARIANTS = NAMES.split()
SPEEDS = (110, 240)  # words a minute
PITCHES = (20, 81)  # of espeak-ng's 0 to 99

Sound = np.ndarray[tuple[int, ...], np.dtype[np.float64]]


def write_words(folder: Path, sizes: Mapping[str, int], seed: int) -> None:
    """Write `folder/{train,val,test}/WORD/*.wav`, no voice in two splits."""
    voices = divide_voices(seed)
    for place, (split, number) in enumerate(sizes.items()):
        for index in range(number):
            rng = np.random.default_rng([seed, place, index])
            word = WORDS[index % len(WORDS)]
            voice = f"en-{rng.choice(ACCENTS)}+{rng.choice(voices[split])}"
            sound, rate = speak(word, voice, rng)
            write(folder / split / word / f"{index:05}.wav", record(sound, rate, rng), rate)


def divide_voices(seed: int) -> dict[str, list[str]]:
    """Divide the variants, those of one person together."""
    of_person: dict[str, list[str]] = {}
    for name in VARIANTS:
        person = name.rstrip("0123456789") if len(name) > 2 else name
        of_person.setdefault(person.removesuffix("f").lower(), []).append(name)
    parts = divide_groups(sorted(of_person), seed)
    return {split: [v for name in names for v in of_person[name]] for split, names in parts.items()}


def speak(text: str, voice: str, rng: np.random.Generator) -> tuple[Sound, int]:
    """Let espeak-ng say a text; give the samples without silence around them, and their rate."""
    speed, pitch = int(rng.integers(*SPEEDS)), int(rng.integers(*PITCHES))
    command = ["espeak-ng", "-v", voice, "-s", str(speed), "-p", str(pitch), "--stdout", text]
    try:
        done = subprocess.run(command, capture_output=True, check=True)
    except FileNotFoundError:
        raise SystemExit("There is no espeak-ng: install Debian's package of that name") from None
    except subprocess.CalledProcessError as error:
        raise SystemExit(f"{' '.join(command)} failed: {error.stderr.decode()}") from None
    pcm = np.frombuffer(done.stdout[44:], "<i2") / 32768.0  # it streams: the header has no length
    rate = soundfile.info(io.BytesIO(done.stdout)).samplerate
    loud = np.flatnonzero(np.abs(pcm) > 0.01)
    if not len(loud):
        raise SystemExit(f"{' '.join(command)} said nothing")
    return pcm[loud[0] : loud[-1] + 1], rate


def record(sound: Sound, rate: int, rng: np.random.Generator) -> Sound:
    """Put a sound somewhere into a longer recording, with the echo of a room and noise."""
    before, after = (int(rate * rng.uniform(0.02, 0.4)) for _ in range(2))
    padded = np.pad(sound, (before, after))
    if rng.random() < 0.5:
        padded = echo(padded, rate, rng.uniform(0.05, 0.4), rng)
    power = np.mean(padded[before : before + len(sound)] ** 2)
    noise = color(len(padded), rng.uniform(0, 2), rng)
    padded = padded + noise * np.sqrt(power) * 10 ** (-rng.uniform(0, 25) / 20)
    loudest = 10 ** (-rng.uniform(1, 25) / 20)
    return np.asarray(padded * loudest / np.abs(padded).max())


def echo(sound: Sound, rate: int, seconds: float, rng: np.random.Generator) -> Sound:
    """Add the echo of a room that dies away by 60 dB in so many seconds."""
    length = int(seconds * rate)
    room = rng.normal(size=length) * 10 ** (-3 * np.arange(length) / length)
    room *= 0.5 / np.sqrt(np.sum(room**2))
    room[0] = 1
    size = len(sound) + length
    heard = np.fft.irfft(np.fft.rfft(sound, size) * np.fft.rfft(room, size), size)
    return np.asarray(heard[: len(sound)])


def color(length: int, exponent: float, rng: np.random.Generator) -> Sound:
    """Give noise whose power falls with this power of the frequency: 0 white, 1 pink, 2 brown."""
    spectrum = np.fft.rfft(rng.normal(size=length))
    frequency = np.maximum(np.arange(len(spectrum)), length / 1000)  # no rumble below hearing
    noise = np.fft.irfft(spectrum * frequency ** (-exponent / 2), length)
    return np.asarray(noise / np.sqrt(np.mean(noise**2)))


def write(path: Path, sound: Sound, rate: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, sound, rate, subtype="PCM_16")
