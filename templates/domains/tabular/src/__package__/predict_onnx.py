"""Predict by an exported model, without PyTorch: one JSON object a line."""

import argparse
import json
import re
import unicodedata
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from onnxruntime import InferenceSession

MISSING = float(np.finfo(np.float32).min)  # as in model.py


def prepare(item: str, spec: dict[str, Any]) -> np.ndarray:
    """Encode as data.py does: numbers, MISSING where none is, and places of categories."""
    row = parse(item)
    if not (columns := {*spec["numbers"], *spec["categories"]}) & set(row):
        raise SystemExit(f"{item} has none of the columns {', '.join(sorted(columns))}")
    values = [number(said(row.get(name))) for name in spec["numbers"]]
    for name, known in spec["categories"].items():
        cell = said(row.get(name))
        values.append(known.index(cell) + 1 if cell in known else 0)
    return np.array([values], np.float32)


def parse(item: str) -> dict[str, Any]:
    try:
        return dict(json.loads(item))
    except (TypeError, ValueError):
        message = f'{item}: a row is a JSON object, such as {{"age": 3}}'
        raise SystemExit(message) from None


def unknown(row: dict[str, Any], values: np.ndarray, spec: dict[str, Any]) -> list[str]:
    """Name the columns that are missing, or whose cell says nothing, as data.py does."""
    names, count = [*spec["numbers"], *spec["categories"]], len(spec["numbers"])
    empty = [v == (MISSING if n < count else 0) for n, v in enumerate(values[0])]
    pairs = zip(names, empty, strict=True)
    return [name for name, e in pairs if e and (name not in row or said(row[name]))]


def said(cell: Any) -> str:
    text = "" if cell is None or cell != cell else str(cell).strip()
    text = unicodedata.normalize("NFC", re.sub(r"^(-?\d+)\.0+$", r"\1", text))
    return "" if text.lower() in ("na", "nan", "n/a", "null", "none", "?") else text


def number(text: str) -> float:
    if text.lower() in ("true", "false"):
        return float(text.lower() == "true")
    with suppress(ValueError):
        return value if abs(value := float(text)) < -MISSING else MISSING
    with suppress(ValueError):
        days = datetime.fromisoformat(text).replace(tzinfo=None) - datetime(1970, 1, 1)
        return days / timedelta(days=1)
    return MISSING


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
        row, values = parse(item), prepare(item, about["spec"])
        [scores] = session.run(["scores"], {"inputs": values})[0]
        result = decode(scores, about["task"])
        if strange := unknown(row, values, about["spec"]):
            result["unknown"] = strange
        print(json.dumps({"input": row, **result}))
