"""Predict the classes of sounds: one JSON object a line.

python -m <package>.predict --checkpoint CHECKPOINT RECORDING.wav MY_FOLDER

Of a long recording the scores are the mean over clips, one after the other.
"""

import json
from pathlib import Path

import soundfile
import torch
import tyro

from .data import SUFFIXES, load_windows
from .evaluate import load_model


@torch.inference_mode()
def main(files: tyro.conf.Positional[list[Path]], checkpoint: Path | None = None) -> None:
    """Predict.

    Args:
        files: sounds or folders of them
        checkpoint: default: the best of the newest run
    """
    model, task, spec = load_model(checkpoint)
    found = [p for f in files for p in (sorted(f.rglob("*")) if f.is_dir() else [f])]
    failed = False
    for file in found:
        if file in files or file.suffix.lower() in SUFFIXES:
            try:
                clips = [task.scores(model(clip[None])) for clip in load_windows(str(file), spec)]
                scores = torch.cat(clips).mean(dim=0)
                if not scores.isfinite().all():
                    raise ValueError("the model gives no finite scores")
                result = task.decode(scores)
            except (OSError, ValueError, soundfile.SoundFileError) as error:
                result, failed = {"error": str(error)}, True
            print(json.dumps({"input": str(file), **result}, ensure_ascii=False))
    raise SystemExit(int(failed))


if __name__ == "__main__":
    tyro.cli(main, description=__doc__)
