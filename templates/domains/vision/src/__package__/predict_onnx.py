"""Predict by an exported model, without PyTorch: one JSON object a line."""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from onnxruntime import InferenceSession
from PIL import Image, ImageFile, ImageOps

ImageFile.LOAD_TRUNCATED_IMAGES = True


def prepare(item: str, spec: dict[str, Any]) -> np.ndarray:
    """Read as data.py does: float (1, 3, size, size), normalized."""
    size = spec["image_size"]
    enough = size * 9 // 8
    with Image.open(item) as opened:
        opened.draft("RGB", (size * 2, size * 2))
        image = ImageOps.exif_transpose(opened)
    if image.mode.startswith(("I", "F")):
        known = np.ma.masked_invalid(np.asarray(image, dtype=np.float64))
        known = 255 * (known - known.min()) / (np.ma.ptp(known) or 1)
        image = Image.fromarray(np.uint8(known.filled(0)))
    if image.has_transparency_data:
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA"))
    image = image.convert("RGB")
    if max(image.size) > 4 / 3 * min(image.size):
        side = min(round((image.width * image.height) ** 0.5), enough)
        image = image.resize((side, side), Image.Resampling.BILINEAR, reducing_gap=2)
    if min(image.size) > enough:
        image = ImageOps.cover(image, (enough, enough), Image.Resampling.BOX)
    width, height = (size * side // min(image.size) for side in image.size)
    left, top = round((width - size) / 2), round((height - size) / 2)
    image = image.resize((width, height), Image.Resampling.BILINEAR)
    pixels = np.asarray(image.crop((left, top, left + size, top + size))) / 255
    return np.asarray((pixels - spec["mean"]) / spec["std"], "f").transpose(2, 0, 1)[None]


def decode(scores: np.ndarray, task: dict[str, Any]) -> dict[str, Any]:
    """Say scores (C,) in words, as task.py does."""
    named = dict(zip(task["names"], scores.tolist(), strict=True))
    if task["kind"] == "regression":
        return {"values": named}
    if task["kind"] == "multilabel":
        return {"labels": [n for n, score in named.items() if score > 0.5], "scores": named}
    label = max(named, key=lambda name: named[name])
    return {"label": label, "score": named[label], "scores": named}


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", required=True)
    parser.add_argument("inputs", nargs="+")
    flags = parser.parse_args()
    if not Path(flags.model).is_file():
        raise SystemExit(f"{flags.model} is no file: export writes one")
    session = InferenceSession(flags.model, providers=["CPUExecutionProvider"])
    about = json.loads(session.get_modelmeta().custom_metadata_map["about"])
    failed = False
    for item in flags.inputs:
        try:
            [scores] = session.run(["scores"], {"inputs": prepare(item, about["spec"])})[0]
            result = decode(scores, about["task"])
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            result, failed = {"error": str(error)}, True
        print(json.dumps({"input": item, **result}))
    raise SystemExit(int(failed))
