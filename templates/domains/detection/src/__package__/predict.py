"""Predict boxes on images: one JSON object a line."""

import json
from pathlib import Path
from typing import Any

import torch
import tyro
from PIL import Image
from torchvision.ops import box_convert
from torchvision.transforms.functional import pil_to_tensor, to_pil_image
from torchvision.utils import draw_bounding_boxes

from .boxes import size_of
from .data import SUFFIXES, load, make_transform
from .evaluate import load_model
from .task import SURE


@torch.inference_mode()
def main(
    files: tyro.conf.Positional[list[Path]],
    checkpoint: Path | None = None,
    threshold: float = SURE,
    output: Path | None = None,
    drawn: Path | None = None,
) -> None:
    """Predict.

    Args:
        files: images or folders of them
        checkpoint: default: the best of the newest run
        threshold: the lowest score of a box
        output: a JSON file of all boxes, as COCO has them: to mend, and to train with
        drawn: a folder for the images with their boxes
    """
    found = [(p, f) for f in files for p in (sorted(f.rglob("[!.]*")) if f.is_dir() else [f])]
    found = [(p, f) for p, f in found if p == f or p.suffix.lower() in SUFFIXES]
    names = [p.relative_to(f).with_suffix(".png") if p != f else f"{p.stem}.png" for p, f in found]
    pictures = {(drawn or Path()) / name: p for name, (p, _) in zip(names, found, strict=True)}
    same = {path.resolve() for path in pictures} & {p.resolve() for p, _ in found}
    if drawn and (same or len(pictures) < len(found)):
        raise SystemExit(f"pictures in {drawn} would replace each other, or images: try --drawn")
    model, task, spec = load_model(checkpoint)
    transform, failed, rows = make_transform(spec), False, list[Any]()
    for (file, _), name in zip(found, names, strict=True):
        try:
            result = task.decode(task.scores(model(transform(str(file))[None]))[0], threshold)
            size = size_of(str(file))
            for box in result["boxes"]:  # in pixels of the image, from its left upper corner
                sides = zip(box["bbox"], size * 2, strict=True)
                box["bbox"] = [round(part * pixels, 2) for part, pixels in sides]
            rows.append((file.resolve(), size, result["boxes"]))
            if drawn:
                (drawn / name).parent.mkdir(parents=True, exist_ok=True)
                draw(load(str(file), max(size)), result["boxes"]).save(drawn / name)
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            result, failed = {"error": str(error)}, True
        print(json.dumps({"input": str(file), **result}, ensure_ascii=False))
    if output:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(json.dumps(as_coco(rows, task.names)), encoding="utf-8")
    raise SystemExit(int(failed))


def draw(image: Image.Image, boxes: list[dict[str, Any]]) -> Image.Image:
    if not boxes:
        return image
    titles = [f"{box['label']} {box['score']:.0%}" for box in boxes]
    corners = box_convert(torch.tensor([box["bbox"] for box in boxes]), "xywh", "xyxy")
    pixels = draw_bounding_boxes(pil_to_tensor(image), corners, titles, "orange", width=2)
    return to_pil_image(pixels)


def as_coco(rows: list[Any], names: list[str]) -> dict[str, list[Any]]:
    """Give a data set of COCO: images, annotations and categories."""
    images, annotations = list[Any](), list[Any]()
    for number, (file, (width, height), boxes) in enumerate(rows):
        images.append({"id": number, "file_name": str(file), "width": width, "height": height})
        for box in boxes:
            each = {"id": len(annotations), "image_id": number, "iscrowd": 0, **box}
            each["category_id"] = names.index(each.pop("label"))
            annotations.append({**each, "area": box["bbox"][2] * box["bbox"][3]})
    categories = [{"id": number, "name": name} for number, name in enumerate(names)]
    return {"images": images, "annotations": annotations, "categories": categories}


if __name__ == "__main__":
    tyro.cli(main, description=__doc__)
