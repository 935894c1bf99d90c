"""Predict by an exported model, without PyTorch: one JSON object a line."""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from onnxruntime import InferenceSession
from tokenizers import Regex, Tokenizer, pre_tokenizers

WORDS, PIECES, PAD = 128, 24, -1  # as in model.py
# As in words.py
CHARACTER = "[\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
LETTERS = rf"(?:(?!{CHARACTER})\w)+"
PATTERN = rf"{CHARACTER}|{LETTERS}(?:[.,'\u2019-]{LETTERS})*|\S"
SPLIT = pre_tokenizers.Split(Regex(PATTERN), "removed", invert=True)


def prepare(words: list[str], spec: dict[str, Any]) -> np.ndarray:
    """Encode as data.py does: pieces of words (1, W, PIECES)."""
    if spec["tokenizer"]:
        tokenizer, most = Tokenizer.from_str(spec["tokenizer"]), PIECES
        tokenizer.no_padding()
        tokenizer.no_truncation()
        tokenizer.encode_special_tokens = True
        spaced = [f" {word}" for word in words]
        found = [e.ids for e in tokenizer.encode_batch(spaced, add_special_tokens=False)]
        while most > 1 and sum(min(len(ids), most) for ids in found) > spec["max_length"] - 2:
            most -= 1
        found = [ids[:most] for ids in found]
    else:
        found = [[character(c) for c in word[:PIECES]] for word in words]
    rows = [(ids or [0]) + [PAD] * (PIECES - len(ids or [0])) for ids in found]
    return np.array([rows], np.int64)


def character(c: str) -> int:
    """Give its small form, and in two bits: a letter, a digit, a capital."""
    kind = 3 if c.isupper() else 1 if c.isalpha() else 2 if c.isdigit() else 0
    return ord(c.lower()[0]) * 4 + kind


def cut(words: list[str]) -> Iterator[list[str]]:
    """Part what has more than WORDS words behind a full stop, if there is one."""
    while len(words) > WORDS:
        end = max(range(WORDS // 2, WORDS + 1), key=lambda n: (words[n - 1] in ".!?", n))
        yield words[:end]
        words = words[end:]
    yield words


def choose(logits: np.ndarray, names: list[str]) -> list[str]:
    """Give the likeliest tags by logits (C, W), as task.py does."""
    spans = any(name.startswith("B-") for name in names)
    after = [[b[:2] == "I-" and a[2:] != b[2:] for b in names] for a in ["", *names]]
    cost = np.array(after) * (1e4 * spans)
    best, places = logits[:, 0] - cost[0], []
    for word in logits.T[1:]:
        ways = best[:, None] - cost[1:]
        best = ways.max(axis=0) + word
        places.append(ways.argmax(axis=0))
    numbers = [best.argmax()]
    for place in reversed(places):
        numbers.append(place[numbers[-1]])
    return [names[n] for n in reversed(numbers)]


def spans_of(text: str, places: list[tuple[int, int]], tags: list[str]) -> list[dict[str, Any]]:
    """Give what is named in a text, as predict.py does."""
    spans: list[dict[str, Any]] = []
    for (start, end), tag in zip(places, tags, strict=True):
        mark, _, label = tag.partition("-")
        if mark == "B":
            spans.append({"label": label, "start": start, "end": end})
        elif label:
            spans[-1]["end"] = end
    return [span | {"text": text[span["start"] : span["end"]]} for span in spans]


def read_inputs(inputs: list[str]) -> Iterator[str]:
    """Give texts: as they are, or the lines of files."""
    for item in inputs:
        if item.lower().endswith(".txt") and len(item.split()) == 1:
            if not Path(item).is_file():
                raise SystemExit(f"{item}: no such file")
            text = Path(item).read_text(encoding="utf-8-sig", errors="replace")
            yield from (line.strip() for line in text.split("\n") if line.strip())
        else:
            yield item


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", required=True)
    parser.add_argument("inputs", nargs="+")
    flags = parser.parse_args()
    if not Path(flags.model).is_file():
        raise SystemExit(f"{flags.model} is no file: export writes one")
    session = InferenceSession(flags.model, providers=["CPUExecutionProvider"])
    about = json.loads(session.get_modelmeta().custom_metadata_map["about"])
    names = about["task"]["names"]
    for text in read_inputs(flags.inputs):
        split = SPLIT.pre_tokenize_str(text)
        words, tags = [word for word, _ in split], list[str]()
        for part in cut(words) if words else ():
            [logits] = session.run(["logits"], {"inputs": prepare(part, about["spec"])})[0]
            tags += choose(logits[:, : len(part)], names)
        found: dict[str, Any] = {"words": words, "tags": tags}
        if any(name.startswith("B-") for name in names):
            found = {"spans": spans_of(text, [place for _, place in split], tags)}
        print(json.dumps({"input": text, **found}))
