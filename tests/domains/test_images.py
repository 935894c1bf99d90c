"""Images as cameras, satellites and strangers give them."""

from __future__ import annotations

from math import isqrt
from pathlib import Path

import numpy as np
import pytest
import torch
from domains.assemble import assemble
from PIL import Image

DOMAINS = ("detection", "segmentation", "vision")


@pytest.mark.parametrize("odd", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("unit", [1.0, 1e-12])
@pytest.mark.parametrize("domain", DOMAINS)
def test_a_pixel_without_a_number_hides_no_other(
    domain: str, unit: float, odd: float, tmp_path: Path
) -> None:
    package = assemble(f"{domain}_pixels", "base", f"domains/{domain}", "styles/plain")
    spec = package("model").Spec(image_size=48)
    pixels = np.linspace(0, unit, 64 * 64, dtype=np.float32).reshape(64, 64)
    pixels[3, 3] = odd
    Image.fromarray(pixels).save(path := tmp_path / "depth.tif")
    found = package("data").make_transform(spec)(str(path))
    assert float(found[0, -1].mean() - found[0, 0].mean()) > 3  # from black to white
    prepared = package("predict_onnx").prepare(str(path), vars(spec))
    torch.testing.assert_close(torch.from_numpy(prepared[0]), found, rtol=0, atol=1e-5)


@pytest.mark.parametrize("size", [(400, 100), (100, 400), (30, 7), (100_000, 1)])
def test_what_is_wide_or_high_is_squeezed_and_not_cut(
    size: tuple[int, int], tmp_path: Path
) -> None:
    package = assemble("vision_wide", "base", "domains/vision", "styles/plain")
    spec = package("model").Spec(image_size=48)
    pixels = np.zeros(size[::-1], dtype=np.uint8)
    along = int(size[0] < size[1])  # the longer side
    ends = pixels if along else pixels.T
    ends[: max(size) // 5], ends[-max(size) // 5 :] = 255, 255
    Image.fromarray(pixels).save(path := tmp_path / "wide.png")
    shown = package("data").make_transform(spec)(str(path))
    line = shown[0].mean(dim=along)
    assert line[:6].mean() - line[24] > 3 < line[-6:].mean() - line[24]
    prepared = package("predict_onnx").prepare(str(path), vars(spec))
    torch.testing.assert_close(torch.from_numpy(prepared[0]), shown, rtol=0, atol=1e-5)
    assert package("data").load(str(path), 48).size == (side := min(54, isqrt(np.prod(size))), side)
