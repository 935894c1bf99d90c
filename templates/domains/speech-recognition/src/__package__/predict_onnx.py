"""Predict by an exported model, without PyTorch: one JSON object a line."""

import argparse
import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import soxr
from onnxruntime import InferenceSession

# As in model.py and beam.py
BLANK, UNKNOWN, NONE, END = 0, 1, -1, "\n"
WIDTH, BRANCHES, ORDER, WEIGHT, BONUS = 16, 16, 10, 0.5, 2.0
ENTRIES, MIX = 2**22, 1_000_003

Language = tuple[np.ndarray, np.ndarray, int]


def prepare(item: str, spec: dict[str, Any]) -> Iterator[np.ndarray]:
    """Read as predict.py does: part after part, (1, samples)."""
    rate, size = spec["sample_rate"], round(spec["seconds"] * spec["sample_rate"])
    sound, found = soundfile.read(item, dtype="float32", always_2d=True)
    if not len(sound) or not np.isfinite(sound).all():
        raise ValueError("there is no sound in it")
    sound, window = soxr.resample(sound.mean(axis=1), found, rate), rate // 20
    while len(sound):
        cut = len(sound)
        if cut > size:  # where it is quiet
            tail = sound[size // 2 : size]
            tail = tail[: len(tail) // window * window].reshape(-1, window)
            cut = size // 2 + int((tail**2).mean(axis=1).argmin()) * window + window // 2
        part, sound = sound[:cut], sound[cut:]
        part = (part - part.mean()) / (part.std() + 1e-6)
        yield np.pad(part, (0, size - len(part))).astype(np.float32)[None]


def learn(texts: str, names: list[str]) -> Language:
    """Count what follows what, as beam.py does."""
    counts = defaultdict[str, Counter[str]](Counter)
    for text in texts.split(END):
        line = END + text + END
        for at in range(1, len(line)):
            for start in range(max(at - ORDER + 1, 0), at + 1):
                counts[line[start:at]][line[at]] += 1
    common = sorted(counts, key=lambda part: (-counts[part].total(), len(part)))
    rows = {part: row for row, part in enumerate(common[: ENTRIES // len(names)])}
    number = {name: n for n, name in enumerate(names)} | {END: BLANK}
    follow = np.zeros((len(rows), len(names)), np.int64)
    chance = np.full((len(rows), len(names)), 1 / len(names))
    for part, row in rows.items():
        after = counts[part]
        if part:
            shorter = rows[part[1:]]
            follow[row], chance[row] = follow[shorter], chance[shorter]
        chance[row] *= len(after)
        chance[row, [number[letter] for letter in after]] += list(after.values())
        chance[row] /= len(after) + after.total()
        for letter in after:
            follow[row, number[letter]] = rows.get(part + letter, follow[row, number[letter]])
    return follow, np.log(chance).astype(np.float32), rows[END]


def search(logits: np.ndarray, language: Language) -> np.ndarray:
    """Turn logits (C, T) into letters (T,), each where it begins, as beam.py does."""
    heard = logits - np.logaddexp.reduce(logits, axis=0)
    follow, chance, start = language
    chance, own = WEIGHT * (chance + BONUS), np.arange(WIDTH)
    never = np.full(WIDTH, -np.inf, np.float32)
    found = np.full((WIDTH, heard.shape[1]), NONE)
    text, last, row = -own, np.full(WIDTH, BLANK), np.full(WIDTH, start)
    said, blank, other = np.zeros_like(never), np.where(own == 0, 0, never), never
    for step, now in enumerate(heard.T):
        letter = np.argsort(-now[UNKNOWN:], kind="stable")[:BRANCHES] + UNKNOWN
        both = np.logaddexp(blank, other)
        before = np.where(letter == last[:, None], blank[:, None], both[:, None])
        grown, texts = before + now[letter], text[:, None] * MIX + letter
        same = texts[..., None] == text
        ways = np.where(same, grown[..., None], -np.inf).reshape(-1, WIDTH)
        into, at = ways.max(axis=0), ways.argmax(axis=0)
        grown = np.where(same.any(axis=2), -np.inf, grown)
        more = said[:, None] + chance[row[:, None], letter]
        blank, other = both + now[BLANK], other + now[last]
        later = into > np.logaddexp(blank, other)
        other = np.logaddexp(other, into)
        scores = np.concatenate([np.logaddexp(blank, other) + said, (grown + more).ravel()])
        best = np.argsort(-scores, kind="stable")[:WIDTH]
        pairs = (
            (np.where(later, at // len(letter), own), own[:, None]),
            (np.where(later, last, NONE), letter),
            (text, texts),
            (last, letter),
            (row, follow[row[:, None], letter]),
            (said, more),
            (blank, never[:, None]),
            (other, grown),
        )
        came, begins, text, last, row, said, blank, other = (
            np.concatenate([stays, np.broadcast_to(grows, grown.shape).ravel()])[best]
            for stays, grows in pairs
        )
        found = found[came]
        found[:, step] = begins
    return found[(np.logaddexp(blank, other) + said + chance[row, BLANK]).argmax()]


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", required=True)
    parser.add_argument("inputs", nargs="+")
    flags = parser.parse_args()
    if not Path(flags.model).is_file():
        raise SystemExit(f"{flags.model} is no file: export writes one")
    session = InferenceSession(flags.model, providers=["CPUExecutionProvider"])
    about = json.loads(session.get_modelmeta().custom_metadata_map["about"])
    names, failed = about["task"]["names"], False
    language = learn(about["task"]["texts"], names)
    for item in flags.inputs:
        try:
            texts = []
            for part in prepare(item, about["spec"]):
                [logits] = session.run(["logits"], {"inputs": part})[0]
                letters = "".join(names[n] for n in search(logits, language) if n != NONE)
                texts.append(" ".join(letters.split()))
            result = {"text": " ".join(filter(None, texts))}
        except (OSError, ValueError, soundfile.SoundFileError) as error:
            result, failed = {"error": str(error)}, True
        print(json.dumps({"input": item, **result}))
    raise SystemExit(int(failed))
