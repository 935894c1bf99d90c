"""Predict the classes of sounds: one JSON object a line.

Of a long recording the scores are the mean over clips, one after the other.
"""

import json
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile
import torch
import tyro

from .data import SUFFIXES, make_transform, open_sound, read_frames
from .evaluate import load_model
from .model import Spec


def read_clips(item: object, spec: Spec) -> Iterator[np.ndarray]:
    """Read clip after clip of a sound; a rest of less than half a clip is left out."""
    with open_sound(item) as file:
        size = math.ceil(spec.seconds * file.samplerate)
        size = size if file.frames >= 1.5 * size else max(file.frames, 1)  # or all at once
        for start in range(0, file.frames - size // 2, size):
            sound = read_frames(file, start, size, spec.sample_rate)
            if len(sound) <= (spec.seconds * spec.sample_rate / 2 if start else 0):
                return  # before the end that the header names
            yield sound


@torch.inference_mode()
def main(files: tyro.conf.Positional[list[Path]], checkpoint: Path | None = None) -> None:
    """Predict.

    Args:
        files: sounds or folders of them
        checkpoint: default: the best of the newest run
    """
    model, task, spec = load_model(checkpoint)
    found = [p for f in files for p in (sorted(f.rglob("[!.]*")) if f.is_dir() else [f])]
    transform, failed = make_transform(spec), False
    for file in (f for f in found if f in files or f.suffix.lower() in SUFFIXES):
        try:
            scores = [task.scores(model(transform(s)[None])) for s in read_clips(file, spec)]
            if not scores:
                raise ValueError("there is no sound in it")
            result = task.decode(torch.cat(scores).mean(dim=0))
        except (OSError, ValueError, soundfile.SoundFileError) as error:
            result, failed = {"error": str(error)}, True
        print(json.dumps({"input": str(file), **result}, ensure_ascii=False))
    raise SystemExit(int(failed))


if __name__ == "__main__":
    tyro.cli(main, description=__doc__)
