"""A data set as the Hugging Face hub has them: its numbers become the names of classes and tags."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from domains.assemble import assemble

pytestmark = pytest.mark.nightly  # `datasets` is of the group `pretrained`
NAMES = ["O", "B-place", "I-place"]
TEXTS = [f"Road {number} to Turin" for number in range(20)]
SETS: dict[str, tuple[str, dict[str, Any], Any]] = {
    "classes": ("text", {"label": [n % 2 for n in range(19)] + [-1]}, "B-place"),
    "labels": ("text", {"labels": [[0, 2]] * 20}, ["O", "I-place"]),
    "tags": ("tagging", {"ner_tags": [[0, 0, 0, 1]] * 20}, ["O", "O", "O", "B-place"]),
}


def test_classes_of_boxes_have_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets
    from PIL import Image

    kinds = datasets.List(datasets.ClassLabel(names=["cat", "dog"]))
    boxes = datasets.List(datasets.List(datasets.Value("float32")))
    images = [Image.new("L", (40, 30), number) for number in range(20)]
    rows = datasets.Dataset.from_dict(
        {"image": images, "objects": [{"bbox": [[10, 20, 5, 6]], "category": [1]}] * 20},
        datasets.Features(
            {"image": datasets.Image(), "objects": {"bbox": boxes, "category": kinds}}
        ),
    )
    rows.to_parquet(tmp_path / "train.parquet")
    monkeypatch.chdir(tmp_path)
    package = assemble("boxes_hub", "base", "domains/detection", "styles/plain")
    table = package("data").make_table(package("config").Config(dataset=str(tmp_path)))
    expected = {"size": [40, 30], "boxes": [["dog", 10, 20, 15, 26]]}
    assert list(table["target"]) == [expected] * 20


@pytest.mark.parametrize("kind", SETS)
def test_numbers_become_names(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    domain, columns, expected = SETS[kind]
    names = datasets.ClassLabel(names=NAMES)
    [(column, values)] = columns.items()
    features = {"text": datasets.Value("string")}
    features[column] = datasets.List(names) if isinstance(values[0], list) else names
    rows = datasets.Dataset.from_dict(
        {"text": TEXTS, column: values}, features=datasets.Features(features)
    )
    rows.to_parquet(tmp_path / "train.parquet")
    monkeypatch.chdir(tmp_path)
    package = assemble(f"{domain}_hub", "base", f"domains/{domain}", "styles/plain")
    task = {"task": "multilabel"} if kind == "labels" else {}
    config = package("config").Config(dataset=str(tmp_path), **task)
    table = package("data").make_table(config)
    assert len(table) == (19 if kind == "classes" else 20)
    assert expected in list(table["target"])
