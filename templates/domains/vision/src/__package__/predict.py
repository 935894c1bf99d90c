"""Predict the classes of images: one JSON object a line."""

import json
from pathlib import Path

import torch
import tyro
from PIL import Image

from .data import SUFFIXES, make_transform
from .evaluate import load_model


@torch.inference_mode()
def main(files: tyro.conf.Positional[list[Path]], checkpoint: Path | None = None) -> None:
    """Predict.

    Args:
        files: images or folders of them
        checkpoint: default: the best of the newest run
    """
    model, task, spec = load_model(checkpoint)
    transform, failed = make_transform(spec), False
    found = [p for f in files for p in (sorted(f.rglob("[!.]*")) if f.is_dir() else [f])]
    for file in (f for f in found if f in files or f.suffix.lower() in SUFFIXES):
        try:
            result = task.decode(task.scores(model(transform(str(file))[None]))[0])
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            result, failed = {"error": str(error)}, True
        print(json.dumps({"input": str(file), **result}, ensure_ascii=False))
    raise SystemExit(int(failed))


if __name__ == "__main__":
    tyro.cli(main, description=__doc__)
