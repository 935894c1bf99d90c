"""Sounds: the table of examples, and what becomes of a sound on its way to the network."""

import io
import json
import math
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import soundfile
import soxr
import torch
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter
from tqdm.contrib.concurrent import thread_map

from .config import Config
from .features import LogMel
from .model import Spec, pretrained_spec
from .run import fetching
from .sample import make_sample
from .table import BAR, divide, from_hub, read, unpack

SUFFIXES = {".wav", ".flac", ".mp3", ".ogg", ".oga", ".opus", ".aif", ".aiff", ".au", ".w64"}
SPEECH_COMMANDS = "http://download.tensorflow.org/data/speech_commands_v0.02.tar.gz"
KEEP = 2**30  # bytes of sounds that are kept, so that every file is decoded once
LONG = 600  # seconds; of longer files only clips are read, as of those with no length in the header
MARGIN = 0.1  # of a clip, by which sounds are moved in training
collate = None  # all clips have one length


def make_table(config: Config) -> pd.DataFrame:
    """Give the rows input (a path, or bytes), target and split: replace this for other data."""
    data = config.data
    if data is None and config.dataset == "speech_commands":
        data = Path("data", SPEECH_COMMANDS.rpartition("/")[2])
        if not data.exists():
            data.parent.mkdir(exist_ok=True)
            with fetching("--dataset", config.dataset):
                torch.hub.download_url_to_file(SPEECH_COMMANDS, str(data), "af14739ee7dc3114")
    if data is None and config.dataset:
        return divide(from_hub(config.dataset, config, SUFFIXES), config, header)
    data = unpack(data or make_sample(Path("data/sample")))
    rows = read(data, config, SUFFIXES)
    if (data / "testing_list.txt").exists():  # Speech Commands lists what is not to train with
        names, rows["split"] = ["/".join(Path(p).parts[-2:]) for p in rows["input"]], "train"
        for split, part in {"val": "validation", "test": "testing"}.items():
            held_out = (data / f"{part}_list.txt").read_text().split()
            rows.loc[np.isin(names, held_out), "split"] = split
    return divide(rows, config, header)


def make_spec(config: Config, table: pd.DataFrame) -> Spec:
    """Let most sounds fit into a clip, at the rate that most files have."""
    headers = filter(None, map(header, table["input"][:: len(table) // 500 + 1]))
    lengths, rates = zip(*headers, strict=True)
    most = 5.0 if config.pretrained else 20.0  # a large network takes long
    seconds = config.seconds or min(max(round(float(np.quantile(lengths, 0.95)), 1), 0.5), most)
    if config.pretrained:
        return pretrained_spec(config.pretrained, seconds)
    return Spec(config.sample_rate or min(int(np.median(rates)), 16000), seconds)


def make_transform(spec: Spec, train: bool = False) -> Callable[[Any], Tensor]:
    """Make what turns an item of the table, or a sound (samples,), into an input."""
    extract = None
    if spec.extractor:
        import transformers

        settings = json.loads(spec.extractor)
        extract = getattr(transformers, settings["feature_extractor_type"]).from_dict(settings)
    return partial(load, spec=spec, train=train, extract=extract)


def load(item: Any, spec: Spec, train: bool, extract: Any) -> Tensor:
    """Cut a clip out of a sound, or lay the sound into one; in training at a random place."""
    place = float(torch.rand(())) if train else 0.5
    if not isinstance(item, np.ndarray):
        item = read_sound(item, spec.sample_rate, spec.seconds, place)
    size = round(spec.seconds * spec.sample_rate)
    spare = len(item) - size
    reach = abs(spare) + 2 * MARGIN * size * train  # in training it may stand out at either end
    start = round(spare / 2 + (place - 0.5) * reach)
    clip = np.pad(item, 2 * size)[start + 2 * size :][:size].astype(np.float32)
    if extract is None:
        return torch.from_numpy(clip)
    features = extract(clip, sampling_rate=spec.sample_rate)[extract.model_input_names[0]]
    return torch.as_tensor(features[0])


def preload(items: list[Any], spec: Spec) -> list[Any]:
    """Decode the sounds of a small data set once."""
    seconds = [h[0] for h in map(header, items[:: len(items) // 100 + 1]) if h] or [LONG]
    if max(seconds) >= LONG or 2 * spec.sample_rate * np.mean(seconds) * len(items) > KEEP:
        return items
    rate, half = spec.sample_rate, np.float16
    return thread_map(lambda item: read_sound(item, rate, LONG).astype(half), items, **BAR)


def open_sound(item: Any) -> soundfile.SoundFile:
    """Open a path, or what the Hugging Face hub gives: {"bytes": ..., "path": ...}."""
    if isinstance(item, dict):
        item = io.BytesIO(item["bytes"]) if item["bytes"] else item["path"]
    return soundfile.SoundFile(item)


def header(item: Any) -> tuple[float, int] | None:
    """Give the seconds, LONG at most, and the rate of a sound; None if it cannot be read."""
    try:
        with open_sound(item) as file:
            seconds = min(file.frames / file.samplerate, LONG)
            return (seconds, file.samplerate) if seconds > 0 else None
    except (OSError, soundfile.SoundFileError):
        return None


def read_sound(item: Any, rate: int, seconds: float, place: float = 0.5) -> np.ndarray:
    """Read so many seconds, or all of a shorter sound (samples,); a damaged one ends no run."""
    try:
        for where in (place, 0.0):  # a file may be cut short of what its header promises
            with open_sound(item) as file:
                frames = math.ceil(seconds * file.samplerate)
                start = round(where * max(file.frames - frames, 0))
                if len(sound := read_frames(file, start, frames, rate)):
                    return sound
        raise ValueError("there is no sound in it")
    except (OSError, ValueError, soundfile.SoundFileError) as error:
        name = item["path"] if isinstance(item, dict) else item
        warnings.warn(f"silence stands in for {name}: {error}", stacklevel=1)
        return np.zeros(1, np.float32)


def read_frames(file: soundfile.SoundFile, start: int, frames: int, rate: int) -> np.ndarray:
    """Read so many frames, or what there is of them, as mono at a rate (samples,)."""
    sound = np.zeros((min(frames, file.frames), file.channels), np.float32)
    try:
        file.seek(start)
        mono = file.read(out=sound).mean(axis=1)
    except soundfile.SoundFileError:  # damaged, or of unknown length: what was read is in `sound`
        mono = np.trim_zeros(sound.mean(axis=1), "b")
    if not np.isfinite(mono).all():
        raise ValueError("it holds values that are not finite")
    return soxr.resample(mono / max(1.0, np.abs(mono).max(initial=0)), file.samplerate, rate)


def draw(writer: SummaryWriter, step: int, inputs: Tensor, titles: Any, spec: Spec) -> None:
    """Give sounds (B, samples) to play, and spectrograms with what is predicted, (text, right)."""
    from matplotlib.figure import Figure  # here: it takes a second

    figure = Figure(figsize=(9, 7))
    axes = figure.add_axes((0, 0, 1, 1), frame_on=False, yticks=[], xlim=(-0.03, 3), ylim=(3, 0))
    for (y, x), sound, (text, right) in zip(np.ndindex(3, 3), inputs, titles, strict=False):
        name, picture = f"sound_{3 * y + x + 1}", sound  # of a feature extractor: nothing to play
        if sound.dim() == 1:
            loud = sound / sound.abs().max().clamp(min=1e-6)
            writer.add_audio(f"predictions/{name}", loud, step, spec.sample_rate)
            picture = LogMel(spec.sample_rate)(sound[None])[0, 0]  # (mels, frames)
        axes.imshow(picture.flip(0), aspect="auto", extent=(x, x + 0.95, y + 1, y + 0.18))
        color, text = "green" if right else "red", f"{name}, {spec.seconds:.3g} s\n{text}"
        axes.text(x, y + 0.16, text, color=color, size=11, parse_math=False)
    writer.add_figure("predictions/spectrograms", figure, step)
