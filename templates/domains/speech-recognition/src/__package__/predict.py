"""Write down what is said in sounds: one JSON object a line."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile
import torch
import tyro

from .data import SUFFIXES, decode, make_transform
from .evaluate import load_model
from .model import Spec


def parts(sound: np.ndarray, spec: Spec) -> Iterator[np.ndarray]:
    """Cut a sound that is longer than those of the training where it is quiet."""
    size, window = round(spec.seconds * spec.sample_rate), spec.sample_rate // 20
    while len(sound) > size:
        tail = sound[size // 2 : size]
        tail = tail[: len(tail) // window * window].reshape(-1, window)
        cut = size // 2 + int((tail**2).mean(axis=1).argmin()) * window + window // 2
        yield sound[:cut]
        sound = sound[cut:]
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
            sounds = parts(decode(file, spec.sample_rate), spec)
            heard = [task.scores(model(transform(sound)[None]))[0] for sound in sounds]
            texts = [task.decode(scores)["text"] for scores in heard]
            result = {"text": " ".join(filter(None, texts))}
        except (OSError, ValueError, soundfile.SoundFileError) as error:
            result, failed = {"error": str(error)}, True
        print(json.dumps({"input": str(file), **result}, ensure_ascii=False))
    raise SystemExit(int(failed))


if __name__ == "__main__":
    tyro.cli(main, description=__doc__)
