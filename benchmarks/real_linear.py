"""Models of scikit-learn, the least a network should reach: linear ones, boosting for tables.

    python benchmarks/real_linear.py DOMAIN DATA

Every pair of features and model is fitted on the training split and scored on the other two, by
accuracy, masks by mean intersection over union, boxes by the mean average precision of blobs
(`real_blobs.py`), tags by the F1 of spans, speech by 1 less the word error rate of hidden Markov
models (`real_hmm.py`), texts by how much of the 8 bits of a byte n-grams save (`real_ngrams.py`).
The one that is best in validation counts, whatever the test split says.
"""

from __future__ import annotations

import argparse
import csv
import json
import re
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import soundfile
from PIL import Image, ImageOps
from real_hmm import cepstra, fit_words
from real_ngrams import fit_ngrams
from seqeval.metrics import f1_score
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import jaccard_score
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import LinearSVC
from sklearn_crfsuite import CRF

SPLITS = ("train", "val", "test")
SIZE = 32  # pixels of a picture's features
PIXELS = 100  # of each image to train with
MELS = 64
TIMES = 12  # parts of a sound
CATEGORIES = 200  # of a column of a table; boosting takes 255 at most
SECONDS = 0.025  # of the window of a spectrum; the hop is 0.4 of it

Floats = np.ndarray[tuple[int, ...], np.dtype[np.float64]]
Examples = dict[str, tuple[list[Any], list[str]]]  # split: inputs, labels
Models = Mapping[str, Callable[[], Any]]


class Linear(NamedTuple):
    name: str
    val: float
    test: float


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("domain", choices=[*FEATURES, *WITHOUT_CLASSES])
    parser.add_argument("data", type=Path, help="a folder of splits, or a CSV of texts")
    options = parser.parse_args()
    print(json.dumps(score(options.domain, options.data)._asdict()))
    return 0


def score(domain: str, data: Path) -> Linear:
    """Fit all models of a domain; give the one that is best in validation."""
    if domain in WITHOUT_CLASSES:
        return choose(WITHOUT_CLASSES[domain](data))
    return choose(fit_all(domain, read(data)))


def choose(found: Sequence[Linear]) -> Linear:
    """Give the best by validation alone, of equals the first."""
    return max(found, key=lambda each: each.val)


def read(data: Path) -> Examples:
    """Read `data/SPLIT/CLASS/*`, or a CSV with label, split, and text or any other columns."""
    if data.is_dir():
        found = {name: sorted((data / name).glob("*/*.*")) for name in SPLITS}
        return {
            name: ([*paths], [path.parent.name for path in paths]) for name, paths in found.items()
        }
    with data.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    parts = {name: [row for row in rows if row["split"] == name] for name in SPLITS}
    return {
        name: (
            [row.get("text") or without_target(row) for row in part],
            [row["label"] for row in part],
        )
        for name, part in parts.items()
    }


def without_target(row: Mapping[str, str]) -> dict[str, str]:
    return {name: cell for name, cell in row.items() if name not in ("label", "split")}


def fit_all(domain: str, examples: Examples) -> list[Linear]:
    """Score every pair of features and model."""
    found = []
    for features, made in FEATURES[domain](examples):
        for name, model in MODELS[domain].items():
            fitted = model()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)
                fitted.fit(made["train"], examples["train"][1])
            val, test = (float(fitted.score(made[part], examples[part][1])) for part in SPLITS[1:])
            found.append(Linear(f"{features}, {name}", val, test))
    return found


def fit_masks(data: Path) -> list[Linear]:
    """Tell the class of a pixel by the grey ones around it: linear, and boosting."""
    rng, some = np.random.default_rng(0), []
    for path in sorted((data / "train/images").iterdir()):
        pixels, classes = read_pixels(path)
        chosen = rng.choice(len(classes), PIXELS, replace=False)
        some.append((pixels[chosen], classes[chosen]))
    inputs, targets = (np.concatenate(each) for each in zip(*some, strict=True))
    found = []
    for name, model in {"logistic C=1": scaled(1.0), "boosting": boosting(0.1)}.items():
        model.fit(inputs, targets)
        scores = []
        for split in SPLITS[1:]:
            pairs = map(read_pixels, sorted((data / split / "images").iterdir()))
            both = [(classes, model.predict(pixels)) for pixels, classes in pairs]
            true, predicted = (np.concatenate(each) for each in zip(*both, strict=True))
            scores.append(float(jaccard_score(true, predicted, average="macro")))
        found.append(Linear(f"pixels around, {name}", *scores))
    return found


def read_pixels(path: Path) -> tuple[Floats, Floats]:
    """Give of each pixel those around it and how far they are from the ground, and its class."""
    with Image.open(path) as image, Image.open(path.parent.with_name("masks") / path.name) as mask:
        grey, classes = np.asarray(image.convert("L"), np.float32), np.asarray(mask)
    grey = np.pad((grey - np.median(grey)) / (grey.std() + 1e-6), 7, mode="reflect")
    around = np.lib.stride_tricks.sliding_window_view(grey, (15, 15))[..., ::2, ::2]
    around = around.reshape(classes.size, -1)
    return np.hstack([around, np.abs(around)]), classes.ravel()


def fit_scenes(data: Path) -> list[Linear]:
    from real_blobs import fit_blobs  # torch, for the metric

    return [Linear(*found) for found in fit_blobs(data)]


def fit_tags(data: Path) -> list[Linear]:
    """Tell the tags of words by a conditional random field of the features such models have."""
    with data.open(encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    parts = {name: [row for row in rows if row["split"] == name] for name in SPLITS}
    inputs = {name: [tag_features(row["tokens"]) for row in part] for name, part in parts.items()}
    tags = {name: [row["tags"] for row in part] for name, part in parts.items()}
    found = []
    for c1, c2 in ((0.1, 0.1), (0.01, 0.01), (0.3, 0.03)):
        model = CRF(c1=c1, c2=c2, max_iterations=150, all_possible_transitions=True)
        model.fit(inputs["train"], tags["train"])
        predicted = {name: list(map(list, model.predict(inputs[name]))) for name in SPLITS[1:]}
        val, test = (float(f1_score(tags[name], predicted[name])) for name in SPLITS[1:])
        found.append(Linear(f"words around, CRF c1={c1:g} c2={c2:g}", val, test))
    return found


def tag_features(words: Sequence[str]) -> list[dict[str, Any]]:
    """Give of each word itself, how it begins, ends and looks, and two words on either side."""
    shapes = [re.sub("[a-z]", "x", re.sub("[A-Z]", "X", re.sub(r"\d", "0", w)))[:6] for w in words]
    found = []
    for at, word in enumerate(words):
        features: dict[str, Any] = {"start": word[:3], "end": word[-3:], "last": word[-2:]}
        for step in (-2, -1, 0, 1, 2):
            inside = 0 <= at + step < len(words)
            features[f"word {step}"] = words[at + step].lower() if inside else ""
            features[f"shape {step}"] = shapes[at + step] if inside else ""
        found.append(features)
    return found


def picture_features(examples: Examples) -> Iterator[tuple[str, dict[str, Floats]]]:
    """Give grey pixels, each picture of mean 0 and deviation 1; edges; both."""
    grey = {
        name: np.stack([read_grey(path) for path in part[0]]) for name, part in examples.items()
    }
    pixels = {name: flat(images) for name, images in grey.items()}
    edges = {name: find_edges(images) for name, images in grey.items()}
    yield "pixels", pixels
    yield "edges", edges
    yield "pixels and edges", {name: np.hstack([pixels[name], edges[name]]) for name in grey}


def read_grey(path: Path) -> Floats:
    """Read a picture in grey, its middle square, as floats (SIZE, SIZE)."""
    with Image.open(path) as image:
        square = ImageOps.fit(image.convert("L"), (SIZE, SIZE), Image.Resampling.BOX)
    grey = np.asarray(square, np.float64)
    return np.asarray((grey - grey.mean()) / (grey.std() + 1e-6))


def find_edges(images: Floats) -> Floats:
    """Give the strength of edges in four directions, in cells of 4 x 4 pixels."""
    down, right = np.gradient(images, axis=(1, 2))
    parts = [np.maximum(each, 0) for each in (down, -down, right, -right)]
    cells = np.stack(parts, 1).reshape(len(images), 4, SIZE // 4, 4, SIZE // 4, 4)
    return flat(cells.mean(axis=(3, 5)))


def text_features(examples: Examples) -> Iterator[tuple[str, dict[str, Any]]]:
    """Give TF-IDF of words and pairs of words, of parts of words, and both."""
    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    parts = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True)
    kinds = {
        "words": words,
        "parts of words": parts,
        "words and parts": make_union(words, parts),
    }
    for name, vectorizer in kinds.items():
        vectorizer.fit(examples["train"][0])
        yield name, {part: vectorizer.transform(examples[part][0]) for part in SPLITS}


def sound_features(examples: Examples) -> Iterator[tuple[str, dict[str, Floats]]]:
    """Give mean and deviation of each mel band; the bands in parts of the sound; both."""
    mels = {name: [log_mel(path) for path in part[0]] for name, part in examples.items()}
    moments = {
        name: np.stack([np.hstack([each.mean(1), each.std(1)]) for each in part])
        for name, part in mels.items()
    }
    grids = {name: np.stack([pool(each) for each in part]) for name, part in mels.items()}
    yield "mean and deviation of log-mel", moments
    yield "log-mel in parts of time", grids
    yield "both log-mel", {name: np.hstack([moments[name], grids[name]]) for name in mels}


def fit_texts(data: Path) -> list[Linear]:
    """Read a CSV with the columns text and split."""
    texts: dict[str, list[str]] = {split: [] for split in SPLITS}
    with data.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            texts[row["split"]].append(row["text"])
    return [Linear(*found) for found in fit_ngrams(texts)]


def fit_speech(data: Path) -> list[Linear]:
    """Read `data/{train,val,test}.csv` with the columns audio and text."""
    examples = {}
    for split in SPLITS:
        with (data / f"{split}.csv").open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        sounds = [cepstra(log_mel(data / row["audio"])) for row in rows]
        examples[split] = (sounds, [row["text"] for row in rows])
    return [Linear(*found) for found in fit_words(examples)]


def row_features(examples: Examples) -> Iterator[tuple[str, dict[str, pd.DataFrame]]]:
    """Give columns of numbers, and of the categories that are frequent; the others are missing."""
    frames = {name: pd.DataFrame(part[0]).replace("", None) for name, part in examples.items()}
    for column in frames["train"]:
        there = frames["train"][column].dropna()
        if pd.to_numeric(there, errors="coerce").notna().all():
            for frame in frames.values():
                frame[column] = pd.to_numeric(frame[column], errors="coerce")
        else:
            kept = there.value_counts().index[:CATEGORIES]
            for frame in frames.values():
                frame[column] = pd.Categorical(frame[column].where(frame[column].isin(kept)), kept)
    yield "columns", frames


def one_hot(c: float) -> Any:
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    columns = make_column_transformer(
        (numbers, make_column_selector(dtype_include="number")),
        (OneHotEncoder(handle_unknown="ignore"), make_column_selector(dtype_include="category")),
    )
    return make_pipeline(columns, logistic(c))


def boosting(rate: float) -> Any:
    return HistGradientBoostingClassifier(learning_rate=rate, random_state=0)


def log_mel(path: Path) -> Floats:
    """Give the log-mel spectrum (MELS, frames) of a sound, less its mean loudness."""
    sound, rate = soundfile.read(path, always_2d=True)
    window = int(rate * SECONDS)
    hop = int(0.4 * window)
    mono = np.pad(sound.mean(1), (0, max(0, window - len(sound))))
    frames = np.lib.stride_tricks.sliding_window_view(mono, window)[::hop] * np.hanning(window)
    power = np.abs(np.fft.rfft(frames)) ** 2
    mel = np.log(power @ mel_filters(window, rate) + 1e-8).T
    return np.asarray(mel - mel.mean())


def mel_filters(window: int, rate: int) -> Floats:
    """Give triangles (frequencies, MELS) that are equally wide in mel."""
    highest = 2595 * np.log10(1 + min(rate / 2, 8000) / 700)
    edges = 700 * (10 ** (np.linspace(0, highest, MELS + 2) / 2595) - 1)
    frequencies = np.fft.rfftfreq(window, 1 / rate)[:, None]
    rise = (frequencies - edges[:-2]) / (edges[1:-1] - edges[:-2])
    fall = (edges[2:] - frequencies) / (edges[2:] - edges[1:-1])
    return np.asarray(np.maximum(0, np.minimum(rise, fall)))


def pool(mel: Floats) -> Floats:
    """Give the means (MELS * TIMES,) of parts of a spectrum that are equally long."""
    edges = np.linspace(0, mel.shape[1], TIMES + 1).astype(int)
    starts = np.minimum(edges[:-1], mel.shape[1] - 1)
    ends = np.maximum(edges[1:], starts + 1)
    return np.hstack([mel[:, a:b].mean(1) for a, b in zip(starts, ends, strict=True)])


def flat(values: Floats) -> Floats:
    return values.reshape(len(values), -1)


def logistic(c: float) -> Any:
    return LogisticRegression(C=c, max_iter=300)


def scaled(c: float) -> Any:
    return make_pipeline(StandardScaler(), logistic(c))


# TF-IDF comes scaled, and wants less regularization; a support vector machine is quicker there.
DENSE: Models = {f"logistic C={c:g}": partial(scaled, c) for c in (0.003, 0.03, 0.3, 3)}
SPARSE: Models = {
    **{f"logistic C={c:g}": partial(logistic, c) for c in (1, 10)},
    **{f"SVC C={c:g}": partial(LinearSVC, C=c) for c in (0.1, 1, 10)},
}
ROWS: Models = {
    **{f"boosting, rate {rate:g}": partial(boosting, rate) for rate in (0.03, 0.1)},
    **{f"logistic C={c:g}": partial(one_hot, c) for c in (0.03, 0.3, 3)},
}
WITHOUT_CLASSES = {
    "segmentation": fit_masks,
    "detection": fit_scenes,
    "tagging": fit_tags,
    "language-model": fit_texts,
    "speech-recognition": fit_speech,
}
MODELS = {"vision": DENSE, "text": SPARSE, "audio": DENSE, "tabular": ROWS}
FEATURES: Mapping[str, Callable[[Examples], Iterator[tuple[str, dict[str, Any]]]]] = {
    "vision": picture_features,
    "text": text_features,
    "audio": sound_features,
    "tabular": row_features,
}

if __name__ == "__main__":
    sys.exit(main())
