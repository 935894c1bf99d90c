"""Predict the tags of texts: one JSON object a line."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
import tyro

from .data import make_transform
from .evaluate import load_model
from .words import Word, cut, split


def read_inputs(inputs: list[str]) -> Iterator[str]:
    """Give texts: as they are, or the lines of standard input and of files."""
    for item in inputs:
        if item == "-":
            text = sys.stdin.buffer.read().decode("utf-8-sig", "replace")
        elif item.lower().endswith(".txt") and len(item.split()) == 1:
            if not Path(item).is_file():
                raise SystemExit(f"{item}: no such file")
            text = Path(item).read_text(encoding="utf-8-sig", errors="replace")
        else:
            yield item
            continue
        yield from (line.strip() for line in text.split("\n") if line.strip())


def spans_of(text: str, words: list[Word], tags: list[str]) -> list[dict[str, Any]]:
    """Give what is named in a text: its kind, and the characters from start to before end."""
    spans: list[dict[str, Any]] = []
    for (_, (start, end)), tag in zip(words, tags, strict=True):
        mark, _, label = tag.partition("-")
        if mark == "B":
            spans.append({"label": label, "start": start, "end": end})
        elif label:
            spans[-1]["end"] = end
    return [span | {"text": text[span["start"] : span["end"]]} for span in spans]


@torch.inference_mode()
def main(inputs: tyro.conf.Positional[list[str]], checkpoint: Path | None = None) -> None:
    """Predict.

    Args:
        inputs: texts, .txt files of a text a line, or - for the lines of standard input
        checkpoint: default: the best of the newest run
    """
    model, task, spec = load_model(checkpoint)
    transform = make_transform(spec)
    for text in read_inputs(inputs):
        words, tags = split(text), list[str]()
        texts = [word for word, _ in words]
        for part, _ in cut(texts, [""] * len(words)):
            if part:
                scores = task.scores(model(transform(" ".join(part))[None]))[0]
                tags += task.decode(scores)["tags"][: len(part)]
        found: dict[str, Any] = {"words": texts, "tags": tags}
        if task.spans:
            found = {"spans": spans_of(text, words, tags)}
        print(json.dumps({"input": text, **found}, ensure_ascii=False))


if __name__ == "__main__":
    tyro.cli(main, description=__doc__)
