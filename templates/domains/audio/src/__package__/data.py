"""Sounds: the table of examples, and what becomes of a sound on its way to the network."""

import io
import json
import math
import os
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import soundfile
import soxr
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from .config import Config
from .model import Spec, pretrained_spec
from .sample import make_sample
from .table import divide, from_hub, read, split_of, unpack
from .task import Task

SUFFIXES = {".wav", ".flac", ".mp3", ".ogg", ".oga", ".opus", ".aif", ".aiff", ".au", ".w64"}
SPEECH_COMMANDS = "http://download.tensorflow.org/data/speech_commands_v0.02.tar.gz"
KEEP = 2**30  # bytes of sounds that are kept, so that every file is decoded once
LONG = 600  # seconds; of longer files only clips are read
MARGIN = 0.1  # of a clip, by which sounds are moved in training


def make_table(config: Config) -> pd.DataFrame:
    """Give the rows input (a path, or bytes), target and split: replace this for other data."""
    data = config.data or Path("data/sample")
    if config.dataset == "speech_commands":
        archive = Path("data", SPEECH_COMMANDS.rpartition("/")[2])
        archive.parent.mkdir(exist_ok=True)
        if not archive.exists():
            torch.hub.download_url_to_file(SPEECH_COMMANDS, str(archive), "af14739ee7dc3114")
        data = unpack(archive)
    elif config.dataset:
        return leave_out_unreadable(from_hub(config.dataset, config, SUFFIXES))
    elif config.data is None:
        make_sample(data)
    if (data / "testing_list.txt").exists():
        table = divide(read_speech_commands(data), config)
    else:
        table = read(data, config, SUFFIXES)
    return leave_out_unreadable(table)


def read_speech_commands(folder: Path) -> pd.DataFrame:
    """Read a folder for each word; lists say which files are to validate and to test with."""
    rows = []
    lists = {part: (folder / f"{part}_list.txt").read_text() for part in ("validation", "testing")}
    held_out = {name: part for part, names in lists.items() for name in names.split()}
    for path in sorted(folder.glob("[!_.]*/*.wav")):  # _background_noise_ is no word
        part = held_out.get(f"{path.parent.name}/{path.name}", "train")
        rows.append((str(path), path.parent.name, split_of(part)))
    return pd.DataFrame(rows, columns=["input", "target", "split"])


def leave_out_unreadable(table: pd.DataFrame) -> pd.DataFrame:
    with ThreadPoolExecutor() as pool:
        good = [seconds > 0 for seconds, _ in pool.map(header, table["input"])]
    if not all(good):
        first = name_of(table["input"][good.index(False)])
        print(f"left out {good.count(False)} sounds that cannot be read, such as {first}")
    kept = table[good].reset_index(drop=True)
    for column in ("split", "target") if isinstance(table["target"][0], str) else ("split",):
        if lost := set(table[column]) - set(kept[column]):
            raise SystemExit(f"no sound of {', '.join(sorted(lost))} can be read")
    return kept


def make_spec(config: Config, table: pd.DataFrame) -> Spec:
    """Let most sounds fit into a clip, at the rate that most files have."""
    seconds, rates = zip(*map(header, table["input"][:: len(table) // 500 + 1]), strict=True)
    longest = min(max(round(float(np.quantile(seconds, 0.95)), 1), 0.5), 5.0)
    if config.pretrained:
        return pretrained_spec(config.pretrained, config.seconds or longest)
    rate = config.sample_rate or min(int(np.median(rates)), 16000)
    return Spec(rate, config.seconds or longest)


class Examples(Dataset[tuple[Tensor, Tensor]]):
    """Clips and targets; in training a clip is cut at another place in every epoch."""

    epoch = 0

    def __init__(
        self, rows: pd.DataFrame, task: Task, spec: Spec, train: bool = False, seed: int = 0
    ) -> None:
        self.inputs, self.spec, self.train, self.seed = list(rows["input"]), spec, train, seed
        self.targets = [task.encode(target) for target in rows["target"]]
        seconds = [header(item)[0] for item in self.inputs[:: len(self.inputs) // 100 + 1]]
        size = 2 * spec.sample_rate * float(np.mean(seconds)) * len(self.inputs)
        room = KEEP // int(os.environ.get("LOCAL_WORLD_SIZE", 1))
        self.kept: Tensor | None = None
        if size < room and max(seconds) < LONG:
            with ThreadPoolExecutor() as pool:
                sounds = list(pool.map(self.read_whole, self.inputs))
            self.kept = torch.cat(sounds)  # one tensor: loading processes share it
            self.ends = [0, *np.cumsum([len(sound) for sound in sounds])]

    def read_whole(self, item: Any) -> Tensor:
        return torch.from_numpy(try_to_read(item, self.spec.sample_rate, LONG, 0)).half()

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        rng = np.random.default_rng((self.seed % 2**32, self.epoch, index))
        place = rng.random() if self.train else 0.5
        if self.kept is None:
            item = self.inputs[index]
            sound = try_to_read(item, self.spec.sample_rate, self.spec.seconds, place)
        else:
            sound = self.kept[self.ends[index] : self.ends[index + 1]].float().numpy()
        return to_input(sound, self.spec, place, MARGIN * self.train), self.targets[index]


collate = None  # all clips have one length


def to_input(
    sound: NDArray[np.float32], spec: Spec, place: float = 0.5, margin: float = 0.0
) -> Tensor:
    """Cut a clip out of a sound, or lay the sound into one, at a place from 0 to 1.

    With a margin, a part of the clip, the sound may stand out of it at either end.
    """
    clip = np.zeros(round(spec.seconds * spec.sample_rate), np.float32)
    spare = len(sound) - len(clip)
    reach = abs(spare) + 2 * margin * len(clip)
    start = round(spare / 2 + (place - 0.5) * reach)
    part = sound[max(start, 0) : max(start + len(clip), 0)]
    clip[max(-start, 0) :][: len(part)] = part
    if spec.extractor is None:
        return torch.from_numpy(clip)
    extract = make_extractor(spec)
    return torch.as_tensor(
        extract(clip, sampling_rate=spec.sample_rate)[extract.model_input_names[0]][0]
    )


@cache
def make_extractor(spec: Spec) -> Any:
    from transformers import FEATURE_EXTRACTOR_MAPPING, AutoConfig

    config = AutoConfig.for_model(**json.loads(spec.transformer or ""))
    return FEATURE_EXTRACTOR_MAPPING[type(config)].from_dict(json.loads(spec.extractor or ""))


def load_input(item: Any, spec: Spec) -> Tensor:
    """Read the clip in the middle of a sound."""
    return to_input(read_sound(item, spec.sample_rate, spec.seconds), spec)


def load_windows(item: Any, spec: Spec) -> Iterator[Tensor]:
    """Read clip after clip of a long sound; a rest of less than half a clip is left out."""
    with open_sound(item) as file:
        wanted = math.ceil(spec.seconds * file.samplerate)
        if file.frames < 1.5 * wanted:
            yield load_input(item, spec)
            return
        for start in range(0, file.frames - wanted // 2, wanted):
            mono = read_frames(file, start, wanted)
            if start and len(mono) < wanted // 2:
                return  # before the end that the header names
            yield to_input(resample(mono, file.samplerate, spec.sample_rate), spec)


def open_sound(item: Any) -> soundfile.SoundFile:
    """Open a path, or what the Hugging Face hub gives: {"bytes": ..., "path": ...}."""
    if isinstance(item, dict):
        item = io.BytesIO(item["bytes"]) if item["bytes"] else item["path"]
    return soundfile.SoundFile(item)


def name_of(item: Any) -> str:
    return str(item["path"] if isinstance(item, dict) else item)


def header(item: Any) -> tuple[float, int]:
    """Give the seconds, LONG at most, and the rate of a file; 0 seconds if it cannot be read."""
    try:
        with open_sound(item) as file:
            return float(min(file.frames / file.samplerate, LONG)), int(file.samplerate)
    except (OSError, soundfile.SoundFileError):
        return 0.0, 16000


def read_sound(item: Any, rate: int, seconds: float, place: float = 0.5) -> NDArray[np.float32]:
    """Read so many seconds of a file, or all of a shorter one, mixed to mono (samples,)."""
    for where in (place, 0.0):  # a file may be cut short of what its header promises
        with open_sound(item) as file:
            wanted = math.ceil(seconds * file.samplerate)
            mono = read_frames(file, round(where * max(file.frames - wanted, 0)), wanted)
            if len(mono):
                return resample(mono, file.samplerate, rate)
    raise ValueError("there is no sound in it")


def try_to_read(item: Any, rate: int, seconds: float, place: float) -> NDArray[np.float32]:
    """Read a sound to train with: one that is damaged ends no run."""
    try:
        return read_sound(item, rate, seconds, place)
    except (OSError, ValueError, soundfile.SoundFileError) as error:
        warnings.warn(f"silence stands in for {name_of(item)}: {error}", stacklevel=1)
        return np.zeros(1, np.float32)


def resample(mono: NDArray[np.float32], old: int, new: int) -> NDArray[np.float32]:
    return mono if old == new else soxr.resample(mono, old, new)


def read_frames(file: soundfile.SoundFile, start: int, frames: int) -> NDArray[np.float32]:
    sound = np.zeros((min(frames, file.frames), file.channels), np.float32)
    try:
        file.seek(start)
        length = len(file.read(out=sound))
    except soundfile.SoundFileError:  # damaged, or of unknown length: what was read is in `sound`
        length = int(np.flatnonzero(sound.any(axis=1)).max(initial=-1)) + 1
    mono = sound[:length].mean(axis=1)
    if not np.isfinite(mono).all():
        raise ValueError("it holds values that are not finite")
    return mono / max(1.0, float(np.abs(mono).max(initial=0)))
