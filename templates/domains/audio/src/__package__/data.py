"""Sounds: the generated sample, your own files, Speech Commands; reading, cropping and loaders."""

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import soundfile
import soxr
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import Dataset

from .config import Config
from .files import (
    SPLITS,
    DataError,
    Decoded,
    check_classes,
    class_indices,
    fetch,
    find_labeled_files,
    is_archive,
    read_all,
    split,
)
from .loaders import Datasets, EpochBatches, Loaders, make_loader
from .runtime import Runtime
from .sample import make_sample

EXTENSIONS = {".aif", ".aiff", ".flac", ".mp3", ".ogg", ".opus", ".wav"}
SPEECH_COMMANDS = (
    "https://storage.googleapis.com/download.tensorflow.org/data/speech_commands_v0.02.tar.gz"
)
SPEECH_COMMANDS_SHA256 = "af14739ee7dc311471de98f5f9d2c9191b18aedfe957f4a6ff791c709868ff58"

LONGEST = 64 * 1024**2  # bytes: of a longer sound only clips are read

Pairs = list[tuple[Path, str]]  # sound file, class
Sounds = list[Path] | Decoded | Tensor  # files, or float32 (frames,), or float32 (N, samples)


class Source(NamedTuple):
    sounds: Sounds
    labels: list[str]
    rates: list[int]  # frames a second of what is in memory

    def pick(self, indices: list[int]) -> "Source":
        sounds, labels = self.sounds, [self.labels[i] for i in indices]
        rates = [self.rates[i] for i in indices] if self.rates else []
        if isinstance(sounds, Tensor):
            return Source(sounds[indices], labels, rates)
        if isinstance(sounds, Decoded):
            return Source(sounds.pick(indices), labels, rates)
        return Source([sounds[i] for i in indices], labels, rates)


def make_datasets(
    config: Config, classes: Sequence[str] | None = None, state: Mapping[str, Any] | None = None
) -> Datasets:
    """Make the splits; replace this function to bring data in another form.

    Items are `(waveform, class index)`, the waveform mono, float32 (samples,), `clip_seconds` long
    at `sample_rate`. `classes` are those of a checkpoint, and then fix the indices.
    """
    if config.data is not None:
        splits = read_files(config.data, config)
    elif config.dataset is not None:
        splits = read_public(config.dataset, config)
    else:
        sample = make_sample(1200, config.sample_rate, config.clip_seconds, config.seed)
        splits = divide({"": Source(*sample, rates=[])}, config)
    names = list(classes) if classes else sorted(set(splits["train"].labels))
    made = {}
    for name, source in splits.items():
        indices = class_indices(source.labels, names, f"The {name} split")
        made[name] = Clips(source, indices, config, random_crop=name == "train")
    return Datasets(made["train"], made["val"], made.get("test"), names)


class Clips(Dataset[tuple[Tensor, int]]):
    """Clips of equal length: from random places in training, from the center in evaluation."""

    def __init__(
        self, source: Source, labels: list[int], config: Config, random_crop: bool
    ) -> None:
        self.sounds, self.rates, self.labels = source.sounds, source.rates, labels
        self.config, self.random_crop = config, random_crop

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        sound = self.sounds[index]
        if isinstance(sound, Path):
            try:
                sound = load_clip(sound, self.config, self.random_crop)
            except (OSError, ValueError) as error:
                raise DataError(f"{sound} cannot be read: {error}") from error
        elif self.rates:
            sound = cut_clip(sound, self.rates[index], self.config, self.random_crop)
        return sound, self.labels[index]


def load_clip(path: Path, config: Config, random_crop: bool = False) -> Tensor:
    """Read a clip of a sound file, float32 (samples,): of a long one only the part it needs."""
    with open_sound(path) as file:
        frames = clip_frames(file.samplerate, config)
        start = choose_start(max(0, file.frames - frames), random_crop)
        return fit(read_mono(file, start, frames), file.samplerate, config, random_crop)


def cut_clip(sound: Tensor, rate: int, config: Config, random_crop: bool) -> Tensor:
    """Cut of a whole sound (frames,) the clip that `load_clip` would read."""
    frames = clip_frames(rate, config)
    start = choose_start(max(0, len(sound) - frames), random_crop)
    return fit(sound[start : start + frames], rate, config, random_crop)


@contextmanager
def open_sound(path: Path) -> Iterator[soundfile.SoundFile]:
    """Open a sound file; raises `OSError` when it is missing, `ValueError` when it is no sound."""
    path.stat()  # soundfile has no words for a missing file
    try:
        with soundfile.SoundFile(path) as file:
            yield file
    except soundfile.LibsndfileError as error:
        raise ValueError(error.error_string) from error


def read_mono(file: soundfile.SoundFile, start: int = 0, frames: int = -1) -> Tensor:
    """Read frames of a sound, -1 for all, mixed to mono: float32 (frames,).

    Raises `ValueError` for a file without sound or with values that are not finite.
    """
    file.seek(start)
    sound = file.read(frames, "float32", always_2d=True)  # (frames, channels)
    if not len(sound):
        raise ValueError("there is no sound in it")
    if not np.isfinite(sound).all():
        raise ValueError("it holds values that are not finite")
    return torch.from_numpy(sound.mean(axis=1))


def fit(mono: Tensor, rate: int, config: Config, random_pad: bool = False) -> Tensor:
    """Make a clip of the samples that are wanted: resampled, padded with silence."""
    if rate != config.sample_rate:
        mono = torch.from_numpy(soxr.resample(mono.numpy(), rate, config.sample_rate))
    samples = clip_samples(config)
    waveform = mono[:samples]
    missing = samples - len(waveform)
    left = choose_start(missing, random_pad)
    return F.pad(waveform, (left, missing - left))


def clip_samples(config: Config) -> int:
    return max(1, round(config.clip_seconds * config.sample_rate))


def clip_frames(rate: int, config: Config) -> int:
    """Length of a clip at the rate of a file."""
    return max(1, round(config.clip_seconds * rate))


def choose_start(spare: int, at_random: bool) -> int:
    return int(torch.randint(spare + 1, ())) if at_random else spare // 2


def make_loaders(datasets: Datasets, config: Config, runtime: Runtime) -> Loaders:
    def loader(dataset: Any, shuffle: bool) -> Any:
        batches = EpochBatches(
            len(dataset),
            config.batch_size,
            shuffle=shuffle,
            seed=config.seed,
            accumulate=config.accumulate,
            rank=runtime.rank,
            world_size=runtime.world_size,
        )
        return make_loader(dataset, batches, config, runtime)

    test = loader(datasets.test, shuffle=False) if datasets.test is not None else None
    return Loaders(loader(datasets.train, shuffle=True), loader(datasets.val, shuffle=False), test)


def read_files(root: Path, config: Config) -> dict[str, Source]:
    """Read a manifest or class folders, leaving out files that cannot be decoded."""
    rates: dict[Path, int] = {}

    def read(path: Path) -> Tensor | None:
        with open_sound(path) as file:
            rates[path] = file.samplerate
            return read_mono(file) if 4 * file.frames * file.channels <= LONGEST else None

    if root.is_file() and root.suffix.lower() in (".csv", ".jsonl"):
        found = read_manifest(root)
    else:
        found = find_labeled_files(root, EXTENSIONS)
    splits = {}
    check = partial(load_clip, config=config)
    for name, pairs in found.items():
        sounds, keep = read_all([path for path, _ in pairs], read, config.strict, check)
        kept = [pair for pair, good in zip(pairs, keep, strict=True) if good]
        labels = [label for _, label in kept]
        check_classes(labels, str(root / name))
        of_kept = [rates[path] for path, _ in kept] if isinstance(sounds, Decoded) else []
        splits[name] = Source(sounds, labels, of_kept)
    return divide(splits, config)


def read_manifest(manifest: Path) -> dict[str, Pairs]:
    """Read a `.csv` or `.jsonl` with `path` and `label`, and `split` if it has one.

    Paths are relative to the manifest. Raises `DataError` for anything that is not so.
    """
    try:
        text = manifest.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{manifest} is not UTF-8 (at byte {error.start}). Save it so.") from error
    found: dict[str, Pairs] = {}
    for line, row in read_rows(manifest, text):
        if lacking := [name for name in ("path", "label") if row.get(name) in (None, "")]:
            raise DataError(
                f"{manifest}, line {line} has no {' and no '.join(lacking)}; its columns are"
                f" {', '.join(row)}. Give it path and label, and split if you like."
            )
        part = str(row.get("split") or "").lower()
        if part and part not in SPLITS:
            raise DataError(f"{manifest}, line {line}: split {part!r} is not train, val or test.")
        pair = manifest.parent / str(row["path"]).strip(), str(row["label"]).strip()
        found.setdefault(SPLITS.get(part, ""), []).append(pair)
    if not found:
        raise DataError(f"{manifest} lists no sound. Give it lines with path and label.")
    if set(found) != {""} and ("" in found or "train" not in found):
        raise DataError(f"{manifest}: give every line a split, some of them train, or no line.")
    return found


def read_rows(manifest: Path, text: str) -> list[tuple[int, dict[str, Any]]]:
    """Parse the lines of a manifest: (line number, row)."""
    if manifest.suffix.lower() == ".csv":
        reader = csv.DictReader(io.StringIO(text, newline=""))
        return [(reader.line_num, {k: v for k, v in row.items() if k}) for row in reader]
    rows = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise DataError(f"{manifest}, line {number} is not JSON: {error}.") from error
        if not isinstance(row, dict):
            raise DataError(f"{manifest}, line {number} is not a JSON object.")
        rows.append((number, row))
    return rows


def read_public(name: str, config: Config) -> dict[str, Source]:
    """Download Speech Commands (Warden, 2018), with its own splits, or an archive of folders."""
    if is_archive(name):
        return read_files(fetch(name, config.data_dir), config)
    if name != "SpeechCommands":
        raise DataError(f"--dataset {name}: choose SpeechCommands, or give an archive.")
    folder = fetch(SPEECH_COMMANDS, config.data_dir, SPEECH_COMMANDS_SHA256)
    held_out = {
        line: part
        for part, listing in (("val", "validation_list.txt"), ("test", "testing_list.txt"))
        for line in (folder / listing).read_text(encoding="utf-8").split()
    }
    found: dict[str, Pairs] = {"train": [], "val": [], "test": []}
    for path in sorted(folder.glob("[!_]*/*.wav")):  # not _background_noise_
        word = path.parent.name
        found[held_out.get(f"{word}/{path.name}", "train")].append((path, word))
    return {
        part: Source([path for path, _ in pairs], [word for _, word in pairs], rates=[])
        for part, pairs in found.items()
    }


def divide(splits: dict[str, Source], config: Config) -> dict[str, Source]:
    """Split validation examples off where there are none, and test examples off undivided data."""
    if "val" in splits:
        return splits
    whole = splits["train"] if "train" in splits else splits.pop("")
    parts = split(whole.labels, config.seed, test=0.0 if "train" in splits else 0.15)
    if not parts["val"]:
        raise DataError(f"{len(whole.labels)} examples are too few: each class needs two or more.")
    return {**splits, **{name: whole.pick(indices) for name, indices in parts.items() if indices}}
