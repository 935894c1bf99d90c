"""Predict the class of images: one JSON object a line.

From the folder of the project:

    python -m <package>.predict PHOTO.jpg MY_FOLDER
    python -m <package>.predict --checkpoint runs/NAME/best.pt PHOTO.jpg
"""

import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

from . import checkpoint
from .data import EXTENSIONS, load_image, make_transform
from .flags import (
    UserError,
    add_checkpoint,
    checkpoint_of,
    exit_cleanly,
    make_parser,
    positive,
    print_rows,
)
from .runtime import choose_device


def predict(
    path: Path, inputs: Iterable[Path], device: str = "auto", batch_size: int = 64
) -> Iterator[dict[str, Any]]:
    """Classify image files and folders of them; where one cannot be read, `error` says why."""
    place = torch.device(choose_device(device))
    trained = checkpoint.load_model(path, place)
    transform = make_transform(trained.config, augment=False)
    files = find_images(inputs)
    for start in range(0, len(files), batch_size):
        images, names = [], []
        for file in files[start : start + batch_size]:
            try:
                images.append(transform(load_image(file)))
                names.append(str(file))
            except Exception as error:  # a decoder raises whatever it likes
                yield {"input": str(file), "error": str(error)}
        if not images:
            continue
        with torch.inference_mode():
            scores = trained.model(torch.stack(images).to(place)).softmax(dim=1).cpu()
        for name, row in zip(names, scores.tolist(), strict=True):
            by_class = dict(zip(trained.classes, row, strict=True))
            label = max(by_class, key=by_class.__getitem__)
            yield {"input": name, "label": label, "score": by_class[label], "scores": by_class}


def find_images(inputs: Iterable[Path]) -> list[Path]:
    files: list[Path] = []
    for path in inputs:
        if path.is_dir():
            found = [p for p in path.rglob("[!.]*") if p.suffix.lower() in EXTENSIONS]
            if not found:
                raise UserError(f"{path} holds no image ({', '.join(sorted(EXTENSIONS))}).")
            files += sorted(found)
        else:
            files.append(path)
    return files


def main(argv: Sequence[str] | None = None) -> None:
    parser = make_parser(__doc__)
    add_checkpoint(parser)
    parser.add_argument("--device", choices=("auto", "cpu", "cuda", "mps"), default="auto")
    parser.add_argument("--batch-size", type=positive, default=64, metavar="N")
    parser.add_argument(
        "inputs", type=Path, nargs="+", metavar="INPUT", help="image files or folders"
    )
    args = parser.parse_args(argv)
    with exit_cleanly():
        rows = predict(checkpoint_of(args), args.inputs, args.device, args.batch_size)
        sys.exit(print_rows(rows))


if __name__ == "__main__":
    main()
