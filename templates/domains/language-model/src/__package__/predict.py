"""Write on from texts, or answer prompts: one JSON object a line."""

import json
import sys
from pathlib import Path
from typing import Any

import tyro

from .data import make_transform
from .evaluate import load_model
from .model import number_of


def main(
    inputs: tyro.conf.Positional[list[str]],
    checkpoint: Path | None = None,
    tokens: int = 100,
    temperature: float = 0.8,
    top_p: float = 0.95,
    seed: int = 0,
) -> None:
    """Predict.

    Args:
        inputs: the texts to go on from, or - for the lines of standard input
        checkpoint: default: the best of the newest run
        tokens: to write at most
        temperature: 0 takes the likeliest token each time
        top_p: leave out the tokens that together are less likely than the rest of 1
        seed: of what is drawn by chance
    """
    model: Any
    model, _, spec = load_model(checkpoint)
    transform = make_transform(spec)
    for text in inputs if inputs != ["-"] else map(str.rstrip, sys.stdin):
        ids = transform(spec.prompt.replace("{}", text)).tolist()
        ids = [number_of(spec.begin, spec), *ids] if spec.prompt == "{}" else ids
        written = model.write(ids, tokens, temperature, top_p, seed)
        print(json.dumps({"input": text, "text": written}, ensure_ascii=False))


if __name__ == "__main__":
    tyro.cli(main, description=__doc__)
