"""The sample of every domain is learnable, but not by a linear model of what is in it."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import jiwer
import numpy as np
import pandas as pd
import pytest
import soundfile
import torch
from domains.assemble import assemble
from PIL import Image
from scipy import ndimage
from seqeval.metrics import f1_score
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression, RidgeClassifierCV
from sklearn.metrics import jaccard_score
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torchmetrics.detection import MeanAveragePrecision

from ptscaffold.layers.catalogue import Catalogue
from ptscaffold.layers.manifest import goal_of


def pixels(paths: list[str]) -> Any:
    return np.stack([np.asarray(Image.open(path), dtype=np.float32).ravel() for path in paths])


def spectra(paths: list[str]) -> Any:
    return np.stack([np.log(np.abs(np.fft.rfft(soundfile.read(path)[0])) + 1) for path in paths])


def cells(rows: list[dict[str, Any]]) -> Any:
    return pd.get_dummies(pd.DataFrame(rows).fillna({"age": 0}))


def pixel_by_pixel(train: Any, val: Any) -> float:
    """The mean intersection over union of a model that sees the colors of a pixel and the image."""

    def read(rows: Any) -> tuple[Any, Any]:
        images = [np.asarray(Image.open(path), dtype=np.float32) / 255 for path in rows["input"]]
        around = [image - np.median(image, axis=(0, 1)) for image in images]
        pixels = np.concatenate([np.stack(images), np.stack(around), np.abs(around)], axis=-1)
        classes = np.stack([np.asarray(Image.open(path)) for path in rows["target"]])
        return pixels.reshape(-1, 9), classes.ravel()

    pixels, classes = read(train[:60])
    model = LogisticRegression(max_iter=300, class_weight="balanced").fit(pixels, classes)
    pixels, classes = read(val)
    found = jaccard_score(classes, model.predict(pixels), average="macro")
    print(f"{found:.3f}")
    return float(found)


def word_by_word(train: Any, val: Any) -> float:
    """The F1 of spans, where a word has the tag that it has most often in training, a new one O."""
    seen = defaultdict[str, Counter[str]](Counter)
    for text, tags in zip(train["input"], train["target"], strict=True):
        for word, tag in zip(text.split(), tags, strict=True):
            seen[word][tag] += 1
    most = {word: tags.most_common(1)[0][0] for word, tags in seen.items()}
    found = [[most.get(word, "O") for word in text.split()] for text in val["input"]]
    value = f1_score(list(val["target"]), found)
    print(f"{value:.3f}")
    return float(value)


def sound_by_sound(train: Any, val: Any) -> float:
    """The share of words that are right, where the text is that of the most similar spectrum."""

    def read(rows: Any) -> Any:
        sounds = [soundfile.read(path)[0] for path in rows["input"]]
        spectra = [np.abs(np.fft.rfft(sound, 2**16)[1:]).reshape(-1, 64) for sound in sounds]
        return [np.log(spectrum.mean(axis=1)) for spectrum in spectra]

    nearest = NearestNeighbors(n_neighbors=1).fit(read(train))
    _, places = nearest.kneighbors(read(val))
    found = [train["target"].iloc[place] for (place,) in places]
    value = 1 - jiwer.wer(list(val["target"]), found)
    print(f"{value:.3f}")
    return float(value)


def byte_by_byte(train: Any, val: Any) -> float:
    """How few bits of a byte are left, compared with counts of bytes after three others."""
    counts, totals = Counter[str](), Counter[str]()
    for text in train["target"]:
        counts.update(text[n : n + 4] for n in range(len(text) - 3))
        totals.update(text[n : n + 3] for n in range(len(text) - 3))
    grams = [text[n : n + 4] for text in val["target"] for n in range(len(text) - 3)]
    bits = [math.log2((totals[gram[:3]] + 25.6) / (counts[gram] + 0.1)) for gram in grams]
    value = sum(bits) / len(bits)
    print(f"{value:.3f}")
    goal = goal_of([Catalogue().layer("domains/language-model")])
    assert goal is not None
    return float(goal.bound) / value


def blob_by_blob(train: Any, val: Any) -> float:
    """The mean average precision, where whatever differs from the ground is of the usual class."""
    kinds = Counter(box[0] for target in train["target"] for box in target["boxes"])
    names = sorted(kinds)
    found, true = [], []
    for path, target in zip(val["input"], val["target"], strict=True):
        pixels = np.asarray(Image.open(path), dtype=np.float32)
        apart = np.abs(pixels - np.median(pixels, axis=(0, 1))).mean(axis=2) > 60
        numbers, _ = ndimage.label(apart)
        places = [(y.start, x.start, y.stop, x.stop) for y, x in ndimage.find_objects(numbers)]
        corners = [(left, top, right, bottom) for top, left, bottom, right in places]
        sizes = [(right - left) * (bottom - top) for left, top, right, bottom in corners]
        usual = [names.index(kinds.most_common(1)[0][0])] * len(corners)
        found.append(as_boxes(corners, usual) | {"scores": torch.tensor(sizes).float()})
        boxes = [box[1:] for box in target["boxes"]]
        true.append(as_boxes(boxes, [names.index(box[0]) for box in target["boxes"]]))
    metric = MeanAveragePrecision()
    metric.update(found, true)
    value = float(metric.compute()["map"])
    print(f"{value:.3f}")
    return value


def as_boxes(corners: list[Any], kinds: list[int]) -> dict[str, torch.Tensor]:
    return {"boxes": torch.tensor(corners).float().view(-1, 4), "labels": torch.tensor(kinds).int()}


WITHOUT_CLASSES: Final = {
    "detection": blob_by_blob,
    "language-model": byte_by_byte,
    "segmentation": pixel_by_pixel,
    "speech-recognition": sound_by_sound,
    "tagging": word_by_word,
}
RIDGE: Final = RidgeClassifierCV(alphas=[1e-1, 1e1, 1e3, 1e5])
LINEAR: Final[dict[str, tuple[Callable[[list[Any]], Any], Any]]] = {
    "vision": (pixels, RIDGE),
    "audio": (spectra, make_pipeline(StandardScaler(), RIDGE)),
    "tabular": (cells, make_pipeline(StandardScaler(), LogisticRegression())),
    "text": (list, make_pipeline(CountVectorizer(), LogisticRegression(max_iter=2000))),
}


@pytest.mark.parametrize("domain", sorted(Catalogue().names("domains")))
def test_a_linear_model_stays_below(
    domain: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    package = assemble(f"{domain}_in_place", "base", f"domains/{domain}", "styles/plain")
    config, data = package("config").Config(), package("data")
    table = data.make_table(config)
    assert table.equals(data.make_table(config)), "it is made once"
    train, val = (table[table["split"] == part] for part in ("train", "val"))
    if domain in WITHOUT_CLASSES:
        assert WITHOUT_CLASSES[domain](train, val) < 0.4
        return
    share = train["target"].value_counts(normalize=True)
    assert share.max() - share.min() < 0.01
    features, model = LINEAR[domain]
    model.fit(features(list(train["input"])), train["target"])
    accuracy = model.score(features(list(val["input"])), val["target"])
    print(f"{accuracy:.3f}")
    assert accuracy < 0.65
