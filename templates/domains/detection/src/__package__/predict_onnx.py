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


def decode(boxes: np.ndarray, chances: np.ndarray, size: Any, names: list[str]) -> list[Any]:
    """Give boxes (x, y, width, height) in pixels out of (A, 4) and (A, C), as predict.py does."""
    boxes, kept, found = boxes.clip(0, 1), list[tuple[int, int]](), list[Any]()
    for index in np.argsort(-chances, axis=None, kind="stable")[:300]:
        place, kind = divmod(int(index), len(names))
        box, others = boxes[place], boxes[[p for p, k in kept if k == kind]]
        sides = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])
        shared, areas = sides.clip(0).prod(axis=1), (others[:, 2:] - others[:, :2]).prod(axis=1)
        alike = shared > 0.6 * (areas + (box[2:] - box[:2]).prod() - shared)
        if len(kept) < 100 and not alike.any():
            kept.append((place, kind))
            x, y, right, bottom = (box * (size * 2)).tolist()
            bbox = [round(part, 2) for part in (x, y, right - x, bottom - y)]
            found.append({"label": names[kind], "score": float(chances[place, kind]), "bbox": bbox})
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", required=True)
    parser.add_argument("--threshold", type=float, default=0.3)
    parser.add_argument("inputs", nargs="+")
    flags = parser.parse_args()
    if not Path(flags.model).is_file():
        raise SystemExit(f"{flags.model} is no file: export writes one")
    session = InferenceSession(flags.model, providers=["CPUExecutionProvider"])
    about = json.loads(session.get_modelmeta().custom_metadata_map["about"])
    failed = False
    for item in flags.inputs:
        try:
            parts = session.run(["boxes", "chances"], {"inputs": prepare(item, about["spec"])})
            size = ImageOps.exif_transpose(Image.open(item)).size
            boxes = decode(parts[0][0], parts[1][0], size, about["task"]["names"])
            result: Any = {"boxes": [box for box in boxes if box["score"] >= flags.threshold]}
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            result, failed = {"error": str(error)}, True
        print(json.dumps({"input": item, **result}))
    raise SystemExit(int(failed))
