"""Predict the classes of images: one JSON object a line.

python -m <package>.predict --checkpoint CHECKPOINT PHOTO.jpg MY_FOLDER
"""

import json
from pathlib import Path

import torch
import tyro

from .data import SUFFIXES, load_input
from .evaluate import load_model


@torch.inference_mode()
def main(files: tyro.conf.Positional[list[Path]], checkpoint: Path | None = None) -> None:
    """Predict.

    Args:
        files: images or folders of them
        checkpoint: default: the best of the newest run
    """
    model, task, spec = load_model(checkpoint)
    found = [p for f in files for p in (sorted(f.rglob("*")) if f.is_dir() else [f])]
    failed = False
    for file in found:
        if file in files or file.suffix.lower() in SUFFIXES:
            try:
                scores = task.scores(model(load_input(file, spec)[None]))[0]
            except (OSError, ValueError, SyntaxError) as error:
                print(json.dumps({"input": str(file), "error": str(error)}))
                failed = True
                continue
            print(json.dumps({"input": str(file), **task.decode(scores)}, ensure_ascii=False))
    raise SystemExit(int(failed))


if __name__ == "__main__":
    tyro.cli(main, description=__doc__)
