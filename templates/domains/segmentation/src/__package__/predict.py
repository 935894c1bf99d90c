"""Predict masks of images: a PNG for each, and one JSON object a line."""

import json
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
import tyro
from PIL import Image

from .data import SUFFIXES, make_transform
from .evaluate import load_model
from .masks import COLOR, size_of


@torch.inference_mode()
def main(
    files: tyro.conf.Positional[list[Path]],
    checkpoint: Path | None = None,
    output: Path = Path("predicted"),
) -> None:
    """Predict.

    Args:
        files: images or folders of them
        checkpoint: default: the best of the newest run
        output: the folder of the masks, as large as the images, with the numbers or colors of yours
    """
    found = [(p, f) for f in files for p in (sorted(f.rglob("[!.]*")) if f.is_dir() else [f])]
    found = [(p, f) for p, f in found if p == f or p.suffix.lower() in SUFFIXES]
    names = [p.relative_to(f).with_suffix(".png") if p != f else f"{p.stem}.png" for p, f in found]
    masks = {output / name: p for name, (p, _) in zip(names, found, strict=True)}
    if len(masks) < len(found) or {m.resolve() for m in masks} & {p.resolve() for p, _ in found}:
        raise SystemExit(f"masks in {output} would replace each other, or images: try --output")
    model, task, spec = load_model(checkpoint)
    transform, failed, colors = make_transform(spec), False, max(task.values) >= COLOR
    for mask, file in masks.items():
        try:
            logits = model(transform(str(file))[None])
            size = size_of(file)[::-1]
            large = F.interpolate(logits, size, mode="bilinear", antialias=True)
            scores = task.scores(large)[0]
            numbers = np.array(task.values)[scores.numpy()]
            if colors:
                numbers = np.stack([numbers >> bits & 255 for bits in (16, 8, 0)], axis=-1)
            mask.parent.mkdir(parents=True, exist_ok=True)
            kind = np.uint8 if numbers.max() < 256 else np.uint16
            Image.fromarray(numbers.astype(kind)).save(mask)
            result = {"mask": str(mask), **task.decode(scores)}
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            result, failed = {"error": str(error)}, True
        print(json.dumps({"input": str(file), **result}, ensure_ascii=False))
    raise SystemExit(int(failed))


if __name__ == "__main__":
    tyro.cli(main, description=__doc__)
