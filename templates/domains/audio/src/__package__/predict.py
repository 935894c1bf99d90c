"""Predict the class of sounds: one JSON object a line.

From the folder of the project:

    python -m <package>.predict SOUND.wav MY_FOLDER
    python -m <package>.predict --checkpoint runs/NAME/best.pt SOUND.wav

Of a recording longer than a clip, the scores are the mean over clips that together cover it.
"""

import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby, islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from . import checkpoint
from .config import Config
from .data import EXTENSIONS, clip_frames, fit, open_sound, read_mono
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
    """Classify sound files and folders of them; where one cannot be read, `error` says why."""
    place = torch.device(choose_device(device))
    trained = checkpoint.load_model(path, place)
    clips = read_clips(find_sounds(inputs), trained.config)
    scored = score_clips(trained.model, clips, place, batch_size)
    for file, rows in groupby(scored, key=lambda row: row[0]):
        results = [result for _, result in rows]
        scores = [result for result in results if isinstance(result, Tensor)]
        if len(scores) < len(results):
            yield {"input": str(file), "error": str(results[-1])}
            continue
        mean = torch.stack(scores).mean(dim=0).tolist()
        by_class = dict(zip(trained.classes, mean, strict=True))
        label = max(by_class, key=by_class.__getitem__)
        yield {"input": str(file), "label": label, "score": by_class[label], "scores": by_class}


def read_clips(files: Iterable[Path], config: Config) -> Iterator[tuple[Path, Tensor | Exception]]:
    """Read all clips of every file, one in memory at a time; of a broken file, the error."""
    for path in files:
        try:
            with open_sound(path) as file:
                frames = clip_frames(file.samplerate, config)
                for start in clip_starts(file.frames, frames):
                    yield path, fit(read_mono(file, start, frames), file.samplerate, config)
        except (OSError, ValueError) as error:
            yield path, error


def clip_starts(frames: int, length: int) -> list[int]:
    """Lay as few clips as cover the recording, evenly: neighbors may overlap, none is padded."""
    count = max(1, -(-frames // length))
    spare = max(0, frames - length)
    return [round(i * spare / max(1, count - 1)) for i in range(count)]


def score_clips(
    model: nn.Module,
    clips: Iterator[tuple[Path, Tensor | Exception]],
    device: torch.device,
    batch_size: int,
) -> Iterator[tuple[Path, Tensor | Exception]]:
    """Turn every clip (samples,) into class probabilities (classes,); errors pass through."""
    while batch := list(islice(clips, batch_size)):
        waveforms = [clip for _, clip in batch if isinstance(clip, Tensor)]
        scores = iter(())
        if waveforms:
            with torch.inference_mode():
                scores = iter(model(torch.stack(waveforms).to(device)).softmax(dim=1).cpu())
        for path, clip in batch:
            yield path, next(scores) if isinstance(clip, Tensor) else clip


def find_sounds(inputs: Iterable[Path]) -> list[Path]:
    files: list[Path] = []
    for path in inputs:
        if path.is_dir():
            found = [p for p in path.rglob("[!.]*") if p.suffix.lower() in EXTENSIONS]
            if not found:
                raise UserError(f"{path} holds no sound ({', '.join(sorted(EXTENSIONS))}).")
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
        "inputs", type=Path, nargs="+", metavar="INPUT", help="sound files or folders"
    )
    args = parser.parse_args(argv)
    with exit_cleanly():
        rows = predict(checkpoint_of(args), args.inputs, args.device, args.batch_size)
        sys.exit(print_rows(rows))


if __name__ == "__main__":
    main()
