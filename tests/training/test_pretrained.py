"""Masks are learned on a pretrained network of a folder, and predicted without that."""

from __future__ import annotations

import json
import shutil
from itertools import product

import pytest
from training.conftest import Package, finish

CELLS = [f"segmentation-{style}" for style in ("plain", "lightning", "fastai")]


@pytest.mark.nightly
@pytest.mark.parametrize(
    ("package", "freeze"), [*product(CELLS, (False, True))], indirect=["package"]
)
def test_masks_are_learned_on_a_pretrained_network(package: Package, freeze: bool) -> None:
    import timm  # of the group `pretrained`

    network = package.folder / "network"
    timm.models.save_for_hf(timm.create_model("resnet10t"), network)
    flags = ["--pretrained", str(network), "--image-size", "50", *["--freeze"] * freeze]
    package.run("--dry-run", "--device", "cpu", "--run-dir", "runs/x", *flags)
    shutil.rmtree(network)
    said = finish(package.python("-m", f"{package.name}.predict", "data/sample/images/0001.png"))
    found = json.loads(said)
    assert sum(found["shares"].values()) == pytest.approx(1)
    assert (package.folder / found["mask"]).is_file()
