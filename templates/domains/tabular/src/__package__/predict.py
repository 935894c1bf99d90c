"""Predict the targets of rows: one JSON object a line."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
import tyro

from .data import make_transform, unknown
from .evaluate import load_model
from .table import TABLES, read_rows


def read_inputs(inputs: list[str], columns: set[str]) -> Iterator[dict[Any, Any]]:
    """Give the rows of files, of standard input, or of the arguments themselves."""
    for item in inputs:
        if item != "-" and Path(item).suffix.lower() in TABLES:
            if not Path(item).is_file():
                raise SystemExit(f"{item}: no such file")
            for row in read_rows(Path(item), ":" + ",".join(columns)).to_dict("records"):
                yield {name: cell for name, cell in row.items() if cell == cell}  # NaN: no cell
            continue
        for line in filter(str.strip, sys.stdin if item == "-" else [item]):
            try:
                yield dict(json.loads(line))
            except (TypeError, ValueError):
                message = f'{line.strip()}: a row is a JSON object, such as {{"age": 3}}'
                raise SystemExit(message) from None


@torch.inference_mode()
def main(inputs: tyro.conf.Positional[list[str]], checkpoint: Path | None = None) -> None:
    """Predict.

    Args:
        inputs: tables, rows as JSON objects, or - for such lines of standard input
        checkpoint: default: the best of the newest run
    """
    model, task, spec = load_model(checkpoint)
    transform, columns = make_transform(spec), {*spec.numbers, *spec.categories}
    for row in read_inputs(inputs, columns):
        if not columns & set(row):
            raise SystemExit(f"{row} has none of the columns {', '.join(sorted(columns))}")
        values = transform(row)
        result = task.decode(task.scores(model(values[None]))[0])
        if strange := unknown(row, values, spec):
            result["unknown"] = strange
        said = {key: row[key] for key in row if key in columns}
        print(json.dumps({"input": said, **result}, ensure_ascii=False, default=str))


if __name__ == "__main__":
    tyro.cli(main, description=__doc__)
