"""Predict by an exported model, without PyTorch: one JSON object a line."""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import soxr
from onnxruntime import InferenceSession


def prepare(item: str, spec: dict[str, Any]) -> Iterator[np.ndarray]:
    """Read as predict.py does: clip after clip, (1, samples) or (1, frames, features)."""
    rate, wanted = spec["sample_rate"], round(spec["seconds"] * spec["sample_rate"])
    with soundfile.SoundFile(item) as file:
        size = int(np.ceil(spec["seconds"] * file.samplerate))
        size = size if file.frames >= 1.5 * size else max(file.frames, 1)
        for mono in (x.mean(axis=1) for x in file.blocks(size, dtype="float32", always_2d=True)):
            if not np.isfinite(mono).all():
                raise ValueError("it holds values that are not finite")
            sound = soxr.resample(mono / max(1.0, np.abs(mono).max()), file.samplerate, rate)
            if file.tell() > size and len(sound) <= wanted / 2:
                return
            clip = np.pad(sound, wanted)[wanted + round((len(sound) - wanted) / 2) :][:wanted]
            if spec["extractor"]:
                import transformers  # which works without PyTorch

                settings = json.loads(spec["extractor"])
                extract = getattr(transformers, settings["feature_extractor_type"])(**settings)
                clip = extract(clip, sampling_rate=rate)[extract.model_input_names[0]][0]
            yield np.asarray(clip, np.float32)[None]


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
            clips = prepare(item, about["spec"])
            scores = [session.run(["scores"], {"inputs": clip})[0][0] for clip in clips]
            if not scores:
                raise ValueError("there is no sound in it")
            result = decode(np.stack(scores).mean(axis=0), about["task"])
        except (OSError, ValueError, soundfile.SoundFileError) as error:
            result, failed = {"error": str(error)}, True
        print(json.dumps({"input": item, **result}))
    raise SystemExit(int(failed))
