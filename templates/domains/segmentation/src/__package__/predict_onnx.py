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
    if min(image.size) > enough:
        image = ImageOps.cover(image, (enough, enough), Image.Resampling.BOX)
    pixels = np.asarray(image.resize((size, size), Image.Resampling.BILINEAR)) / 255
    return np.asarray((pixels - spec["mean"]) / spec["std"], "f").transpose(2, 0, 1)[None]


def decode(logits: np.ndarray, size: Any, task: dict[str, Any]) -> tuple[Image.Image, Any]:
    """Make a mask as large as the image out of logits (C, H, W), and shares, as predict.py does."""
    layers = (Image.fromarray(each).resize(size, Image.Resampling.BILINEAR) for each in logits)
    classes = np.stack([np.asarray(layer) for layer in layers]).argmax(axis=0)
    shares = np.bincount(classes.ravel(), minlength=len(logits)) / classes.size
    numbers = np.array(task["values"])[classes]
    if max(task["values"]) >= 1 << 24:  # colors
        numbers = np.stack([numbers >> bits & 255 for bits in (16, 8, 0)], axis=-1)
    named = dict(zip(task["names"], shares.tolist(), strict=True))
    kind = np.uint8 if numbers.max() < 256 else np.uint16
    return Image.fromarray(numbers.astype(kind)), named


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", required=True)
    parser.add_argument("--output", type=Path, default=Path("predicted"))
    parser.add_argument("inputs", nargs="+")
    flags = parser.parse_args()
    if not Path(flags.model).is_file():
        raise SystemExit(f"{flags.model} is no file: export writes one")
    session = InferenceSession(flags.model, providers=["CPUExecutionProvider"])
    about = json.loads(session.get_modelmeta().custom_metadata_map["about"])
    failed, written = False, set[Path]()
    for item in flags.inputs:
        try:
            [logits] = session.run(["logits"], {"inputs": prepare(item, about["spec"])})[0]
            size = ImageOps.exif_transpose(Image.open(item)).size
            mask = flags.output / f"{Path(item).stem}.png"
            if mask.resolve() == Path(item).resolve() or mask in written:
                raise ValueError(f"{mask} would be replaced: try --output")
            mask.parent.mkdir(parents=True, exist_ok=True)
            picture, shares = decode(logits, size, about["task"])
            picture.save(mask)
            written.add(mask)
            result: Any = {"mask": str(mask), "shares": shares}
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            result, failed = {"error": str(error)}, True
        print(json.dumps({"input": item, **result}))
    raise SystemExit(int(failed))
