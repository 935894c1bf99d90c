"""Predict by an exported model, without PyTorch: one JSON object a line."""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from onnxruntime import InferenceSession
from tokenizers import Tokenizer


def prepare(item: str, spec: dict[str, Any]) -> np.ndarray:
    """Encode as data.py does: token ids (1, T)."""
    tokenizer = Tokenizer.from_str(spec["tokenizer"])
    tokenizer.no_padding()
    tokenizer.enable_truncation(spec["max_length"])
    tokenizer.encode_special_tokens = True
    return np.array([tokenizer.encode(item).ids or [0]], np.int64)


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
    for item in flags.inputs:
        path = Path(item)
        file = path.suffix.lower() in (".txt", ".text", ".md") and len(item.split()) == 1
        if file and not path.is_file():
            raise SystemExit(f"{item}: no such file")
        text = path.read_text(encoding="utf-8-sig") if file else item
        [scores] = session.run(["scores"], {"inputs": prepare(text, about["spec"])})[0]
        result = decode(scores, about["task"])
        print(json.dumps({"input": item, **result}))
