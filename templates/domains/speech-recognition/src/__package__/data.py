"""Sounds and texts: the table of examples, and what becomes of a sound for the network."""

import io
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import mode
from typing import Any

import numpy as np
import pandas as pd
import soundfile
import soxr
import torch
from matplotlib.figure import Figure
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter
from tqdm.contrib.concurrent import thread_map

from .config import Config
from .features import LogMel
from .model import LETTERS, Spec, pretrained_spec
from .run import load_settings
from .sample import make_sample
from .table import BAR, divide, from_hub, read, unpack
from .task import letters_of
from .transcripts import find_tables, from_columns, from_folder

SUFFIXES = {".wav", ".flac", ".mp3", ".ogg", ".oga", ".opus", ".aif", ".aiff", ".au", ".w64"}
KEEP = 2**30  # bytes of sounds that are kept, so that every file is decoded once
STEPS = 25  # of the small network in a second, each a letter at most
LONGEST = 20.0  # seconds, unless --seconds says otherwise
SPEED = 0.1  # how much slower or faster a sound is in training (Ko et al., 2015)
collate = None  # all inputs have one length


def make_table(config: Config) -> pd.DataFrame:
    """Give the rows input (a path, or bytes), target (its text), seconds and split.

    Replace this for other data.
    """
    data = config.data or (None if config.dataset else make_sample(Path("data/sample")))
    if data is None:
        rows = from_hub(str(config.dataset), config, SUFFIXES, from_columns)
    else:
        data = unpack(data)
        rows = from_folder(data, SUFFIXES) if data.is_dir() else pd.DataFrame()
        if rows.empty:
            rows = pd.concat(read(t, config, SUFFIXES, from_columns) for t in find_tables(data))
    rows["seconds"] = thread_map(length, rows["input"], **BAR)
    longest = config.seconds or LONGEST
    if config.resume not in (None, "auto"):  # to go on, or to evaluate: what its network takes
        longest = load_settings(Path(config.resume))["spec"]["seconds"]
    kept = pd.Series(True, index=rows.index)
    for what, bad in {
        "that cannot be read": rows["seconds"] == 0,
        f"of more than {longest:g} s": rows["seconds"] > longest,
        "without a text": rows["target"] == "",
        "too short for their texts": rows["target"].str.len() > STEPS * rows["seconds"],
        f"with more than {LETTERS} letters": rows["target"].str.len() > LETTERS,
    }.items():
        if found := list(rows["input"][bad & kept]):
            print(f"left out {len(found)} sounds {what}, such as {str(found[0])[:200]}")
        kept &= ~bad
    rows = rows[kept].reset_index(drop=True)
    if rows.empty:
        raise SystemExit(f"{data or config.dataset} has no sounds with a text")
    return divide(rows, config, bool)  # bool: all can be read


def make_spec(config: Config, table: pd.DataFrame) -> Spec:
    """Let the longest sound fit, at the rate that most files have."""
    seconds = float(np.ceil(table["seconds"].max() * 10) / 10)
    if seconds > 2 * (most := np.ceil(table["seconds"].quantile(0.95) * 10) / 10):
        print(f"all sounds are filled up to {seconds:g} s: --seconds {most:g} would keep 95 %")
    if config.pretrained:
        return pretrained_spec(config.pretrained, seconds, letters_of(table))
    rates = [open_sound(item).samplerate for item in table["input"][:: len(table) // 100 + 1]]
    return Spec(config.sample_rate or min(mode(rates), 16000), seconds)


def make_transform(spec: Spec, train: bool = False) -> Callable[[Any], Tensor]:
    """Make what turns an item of the table, or a sound (samples,), into an input."""
    return partial(load, spec=spec, train=train)


def load(item: Any, spec: Spec, train: bool) -> Tensor:
    """Give a sound of mean 0 and variance 1 with zeros behind it; in training at another speed."""
    sound = item if isinstance(item, np.ndarray) else read_sound(item, spec.sample_rate)
    sound, size = sound.astype(np.float32), round(spec.seconds * spec.sample_rate)
    if len(sound) > size + spec.sample_rate / 100:  # more than resampling adds
        warnings.warn(f"sounds are cut to the {spec.seconds:g} s of the training", stacklevel=1)
    if train:
        speed = 1 + SPEED * (2 * float(torch.rand(())) - 1)
        speed = max(speed, len(sound) / size)  # none of it is cut
        sound = np.interp(np.arange(0, len(sound), speed), np.arange(len(sound)), sound)
    sound = (sound - sound.mean()) / (sound.std() + 1e-6)
    return torch.from_numpy(np.pad(sound[:size], (0, max(size - len(sound), 0)))).float()


def preload(items: list[Any], spec: Spec) -> list[Any]:
    """Decode the sounds of a small data set once."""
    seconds = np.mean([length(item) for item in items[:: len(items) // 100 + 1]])
    if 2 * spec.sample_rate * seconds * len(items) > KEEP:
        return items
    rate, half = spec.sample_rate, np.float16
    return thread_map(lambda item: read_sound(item, rate).astype(half), items, **BAR)


def open_sound(item: Any) -> soundfile.SoundFile:
    """Open a path, or what the Hugging Face hub gives: {"bytes": ..., "path": ...}."""
    if isinstance(item, dict):
        item = io.BytesIO(item["bytes"]) if item["bytes"] else item["path"]
    return soundfile.SoundFile(item)


def length(item: Any) -> float:
    """Give the seconds of a sound, 0 if it cannot be read."""
    try:
        with open_sound(item) as file:
            return file.frames / file.samplerate
    except (OSError, soundfile.SoundFileError):
        return 0.0


def decode(item: Any, rate: int) -> np.ndarray:
    with open_sound(item) as file:
        sound = file.read(dtype="float32", always_2d=True).mean(axis=1)
        if not len(sound) or not np.isfinite(sound).all():
            raise ValueError("there is no sound in it")
        return soxr.resample(sound, file.samplerate, rate)


def read_sound(item: Any, rate: int) -> np.ndarray:
    """Read a sound as mono at a rate (samples,); a damaged one ends no run."""
    try:
        return decode(item, rate)
    except (OSError, ValueError, soundfile.SoundFileError) as error:
        name = item["path"] if isinstance(item, dict) else item
        warnings.warn(f"silence stands in for {name}: {error}", stacklevel=1)
        return np.zeros(1, np.float32)


def draw(writer: SummaryWriter, step: int, inputs: Tensor, titles: Any, spec: Spec) -> None:
    """Give sounds (B, samples) to play, and spectrograms with each letter where it is heard."""
    figure = Figure(figsize=(9, 2 * len(inputs)))
    axes = figure.add_axes((0, 0, 1, 1), frame_on=False, xlim=(0, 1), ylim=(len(inputs), 0))
    for y, (sound, (letters, found, true)) in enumerate(zip(inputs, titles, strict=False)):
        loud, name = sound / sound.abs().max().clamp(min=1e-6), f"sound_{y + 1}"
        writer.add_audio(f"predictions/{name}", loud, step, spec.sample_rate)
        picture = LogMel(spec.sample_rate)(sound[None])[0, 0]  # (mels, frames)
        axes.imshow(picture.flip(0), aspect="auto", extent=(0, 1, y + 1, y + 0.15))
        for place, letter in letters:
            axes.text(place, y + 0.96, letter, color="white", parse_math=False)
        color, text = "green" if found == true else "red", f"{name}, {spec.seconds:.3g} s: {true}"
        axes.text(0.01, y + 0.12, text, color=color, size=12, parse_math=False)
    writer.add_figure("predictions/spectrograms", figure, step)
