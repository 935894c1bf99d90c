"""Predict the classes of texts: one JSON object a line."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import torch
import tyro

from .data import SUFFIXES, make_transform, read_text
from .evaluate import load_model
from .table import TABLES


def read_inputs(inputs: list[str]) -> Iterator[tuple[str, str]]:
    """Give what an input is called and its text; a text is called by itself."""
    for item in inputs:
        if item == "-":
            lines = sys.stdin.buffer.read().decode("utf-8-sig", "replace").split("\n")
            yield from ((line.strip(), line) for line in lines if line.strip())
        elif Path(item).suffix.lower() in SUFFIXES and len(item.split()) == 1:
            if not Path(item).is_file():
                raise SystemExit(f"{item}: no such file")
            yield item, read_text(Path(item))
        elif item.lower().endswith(TABLES) and len(item.split()) == 1:
            raise SystemExit(f"{item}: give texts, files of one text each, or - for lines")
        else:
            yield item, item


@torch.inference_mode()
def main(inputs: tyro.conf.Positional[list[str]], checkpoint: Path | None = None) -> None:
    """Predict.

    Args:
        inputs: texts, files of one text each, or - for the lines of standard input
        checkpoint: default: the best of the newest run
    """
    model, task, spec = load_model(checkpoint)
    transform = make_transform(spec)
    for name, text in read_inputs(inputs):
        result = task.decode(task.scores(model(transform(text)[None]))[0])
        print(json.dumps({"input": name, **result}, ensure_ascii=False))


if __name__ == "__main__":
    tyro.cli(main, description=__doc__)
