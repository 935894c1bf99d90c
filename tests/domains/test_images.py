"""Images as cameras, satellites and strangers give them."""

from __future__ import annotations

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


def test_a_line_of_pixels_takes_no_memory(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    package = assemble("vision_line", "base", "domains/vision", "styles/plain")
    for number in range(20):
        folder = tmp_path / "images" / "ab"[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        Image.new("L", (16, 16), number).save(folder / f"{number}.png")
    Image.new("L", (1, 100_000)).save(path := tmp_path / "images/a/line.png")
    reason = "more than 50 times as long as it is wide"
    spec = package("model").Spec(image_size=224)
    with pytest.raises(ValueError, match=reason):
        package("data").make_transform(spec)(str(path))
    with pytest.raises(ValueError, match=reason):
        package("predict_onnx").prepare(str(path), vars(spec))
    table = package("data").make_table(package("config").Config(data=tmp_path / "images"))
    assert len(table) == 20
    assert f"left out 1 that cannot be read, such as {path}" in capsys.readouterr().out
