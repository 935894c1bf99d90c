"""A fine-tuned network is exported: its file has its numbers, and predicts without PyTorch."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from training.conftest import Package, finish
from training.networks import save_speech, save_transformer

from ptscaffold.project.new import Request, create

pytestmark = pytest.mark.nightly  # networks are of the group `pretrained`

TEXT = "Galden moved from Kelsen to Marlo last week"
TIMM = ("test_resnet", "test_vit", "test_convnext")
CASES = [
    *(("vision", name) for name in TIMM),
    ("vision", "vit_tiny_patch16_224"),  # which takes images of 224 pixels, unless it is told
    ("segmentation", "test_resnet"),
    ("detection", "resnet10t"),
    ("text", "bert"),
    ("tagging", "bert"),
    ("audio", "test_resnet"),
    ("audio", "wav2vec2"),
    ("speech-recognition", "wav2vec2"),
]
BLOCKED = """
import runpy, sys
sys.modules["torch"] = None
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def save(name: str, folder: Path) -> None:
    import timm
    import transformers

    if name == "bert":
        save_transformer(folder, [TEXT])
    elif name == "wav2vec2":
        save_speech(folder)
        transformers.Wav2Vec2FeatureExtractor().save_pretrained(folder)
    else:
        timm.models.save_for_hf(timm.create_model(name), folder)


def an_input(package: Package, domain: str) -> str:
    if domain in ("text", "tagging"):
        return TEXT
    kind = "*.wav" if domain in ("audio", "speech-recognition") else "*.png"
    return str(min(package.folder.rglob(kind)))


def close(found: Any, expected: Any) -> bool:
    """Whether two predictions are alike but for what eight bits or a hundredth of a pixel make."""
    if isinstance(expected, dict):
        return all(close(found[key], value) for key, value in expected.items())
    if isinstance(expected, list):
        return all(close(*pair) for pair in zip(found, expected, strict=True))
    if isinstance(expected, float):
        return bool(found == pytest.approx(expected, abs=1e-2))
    return bool(found == expected)


@pytest.mark.parametrize(("domain", "network"), CASES)
def test_a_pretrained_network_is_exported(
    domain: str, network: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    create(Request(domain=domain, style="plain", features=("export",)))
    source = tmp_path / f"{domain}-plain" / "src"
    package = Package(f"{domain.replace('-', '_')}_plain", source, tmp_path)
    save(network, tmp_path / "network")
    sized = domain in ("segmentation", "detection") or network.endswith("224")
    size = ["--image-size", "64"] * sized
    package.run("--dry-run", "--run-dir", "runs/x", "--pretrained", "network", *size)
    shutil.rmtree(tmp_path / "network")
    for name in ("model.onnx", "model.pt2"):
        said = finish(package.python("-m", f"{package.name}.export", "--output", name))
        apart = re.findall(r"^[\d x]+ (\d\.\de[+-]\d+) ", said, re.MULTILINE)
        assert len(apart) >= 2, said
        assert max(map(float, apart)) <= 1e-4
    item = an_input(package, domain)
    script = str(package.source / package.name / "predict_onnx.py")
    elsewhere = package.python("-c", BLOCKED, script, "--model", "model.onnx", item)
    ours = json.loads(finish(package.python("-m", f"{package.name}.predict", item)))
    assert close(json.loads(finish(elsewhere)), ours)
