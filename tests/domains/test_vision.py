"""The vision sample is learnable, but not by a linear model of its pixels."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from domains.assemble import assemble
from sklearn.linear_model import RidgeClassifierCV


@pytest.fixture(scope="module")
def vision() -> Any:
    return assemble("vision_in_place", "base", "domains/vision", "styles/plain")


def test_a_linear_model_of_the_pixels_stays_below(vision: Any) -> None:
    datasets = vision("data").make_datasets(vision("config").Config())
    arrays = []
    for split in (datasets.train, datasets.val):
        items = [split[i] for i in range(len(split))]
        arrays.append(torch.stack([image for image, _ in items]).flatten(1).numpy())
        arrays.append([label for _, label in items])
    linear = RidgeClassifierCV(alphas=[1e2, 1e3, 1e4, 1e5]).fit(arrays[0], arrays[1])
    assert linear.score(arrays[2], arrays[3]) < 0.6


def test_the_sample_is_balanced_seeded_and_free_of_doubles(vision: Any) -> None:
    sample = vision("sample")
    images, labels = sample.make_sample(40, 32, seed=3)
    assert images.shape == (40, 3, 32, 32)
    assert images.dtype == torch.uint8
    assert {labels.count(name) for name in sample.CLASSES} == {10}
    again, _ = sample.make_sample(40, 32, seed=3)
    assert torch.equal(images, again)
    assert len({image.numpy().tobytes() for image in images}) == 40
    other, _ = sample.make_sample(40, 32, seed=4)
    assert not torch.equal(images, other)


@pytest.mark.parametrize("size", [16, 32, 64, 65, 96, 224])
def test_the_network_takes_small_and_large_images(vision: Any, size: int) -> None:
    config = vision("config").Config(image_size=size)
    model = vision("model").make_model(config, 5)
    logits = model(torch.randint(0, 256, (2, 3, size, size), dtype=torch.uint8))
    assert logits.shape == (2, 5)
    assert torch.equal(logits, torch.zeros(2, 5)), "the head starts at zero"
