"""Tables of numbers and categories: the table of examples, and what a row is to the network."""

import re
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from .config import Config
from .model import MISSING, Spec
from .sample import make_sample
from .table import TARGETS, divide, from_frame, from_hub, read, tidy

DAY = timedelta(days=1)
collate = None  # rows are stacked as they are


def make_table(config: Config) -> pd.DataFrame:
    """Give the rows input (a dict of cells), target and split: replace this for other data."""
    if config.data:
        return divide(read(config.data, config, (), take_rows), config)
    if config.dataset:
        return divide(from_hub(config.dataset, config, (), take_rows), config)
    return divide(make_sample(), config)


def take_rows(
    frame: pd.DataFrame, config: Config, _: Any, source: Path, split: str
) -> pd.DataFrame:
    """Take the rows of a table apart: what a target is predicted from, and the target."""
    frame = frame.rename(columns=str)
    names = [str(name) for name in frame]
    given, _, rest = (config.columns or "").partition(":")
    targets = rest.split(",") if rest else [n for n in names if n.lower() in TARGETS]
    others = [n for n in names if n not in targets and n.lower() != "split"]
    chosen = given.split(",") if given else others
    wrong = {*chosen, *targets} - set(names) | set(chosen) & set(targets)
    many = len(targets) > 1 and (not rest or config.task == "classification")
    if wrong or many or not targets or not chosen:
        there = ", ".join(names) + f", not {config.columns}" * bool(config.columns)
        there += f", and {len(targets)} may be the target" * (len(targets) > 1 and not rest)
        raise SystemExit(f"{source} has the columns {there}: say --columns :TARGET")
    cells: list[Any] = frame[chosen].to_dict("records")
    if cells and isinstance(cells[0][chosen[0]], dict):  # {"input": {"age": 3}, "label": "old"}
        cells = frame[chosen[0]].tolist()
    config = replace(config, columns=f"input:{','.join(targets)}")
    return from_frame(frame.assign(input=cells), config, (), source, split)


def make_spec(config: Config, table: pd.DataFrame) -> Spec:
    """Find out what columns hold, from the rows to train with, and say which are left out."""
    every, train = pd.DataFrame(list(table["input"])), table["split"] == "train"
    numbers, categories, left_out = dict[str, list[float]](), dict[str, list[str]](), list[str]()
    unread, most = list[str](), config.num_bins or min(max(int(train.sum()) // 20, 8), 64)
    for name in map(str, every):
        cells = every[name].map(said)
        values = cells.map(number)
        values = values.where(values > MISSING)
        cells = cells[train & (cells != "")]
        seen, counts = values[cells.index], Counter(cells)
        if len(counts) < 2:
            left_out.append(f"{name} (always the same)")
        elif (full := seen.notna().mean() > 0.9) and (count_rows(seen) or count_rows(values)):
            left_out.append(f"{name} (counts the rows)")
        elif full:
            if odd := sorted(cells[seen.isna()]):
                unread.append(f"{len(odd)} cells of {name}, such as {odd[0]}")
            bins = np.unique(seen.dropna())  # where they are few, such as the numbers of shops
            if len(bins) > 2 * most:
                bins = np.unique(np.quantile(seen.dropna(), np.linspace(0, 1, most + 1)))
            numbers[name] = bins.tolist()
        elif (known := sorted(cell for cell in counts if counts[cell] > 1)) and (
            sum(counts[cell] for cell in known) > len(cells) / 20
        ):
            categories[name] = known
        else:
            left_out.append(f"{name} (nearly every cell is another)")
    kinds: dict[str, Any] = {"numbers": numbers, "categories": categories, "left out": left_out}
    for kind, names in (kinds | {"taken for empty": unread}).items():
        if names:
            print(f"{kind}: {', '.join(list(names)[:20])}{', ...' if len(names) > 20 else ''}")
    if not numbers and not categories:
        raise SystemExit("no column to learn from")
    return Spec(numbers, categories)


def count_rows(values: pd.Series) -> bool:
    """Whether they are whole numbers of which hardly one is there twice, or left out."""
    values = values.dropna()
    span = values.max() - values.min()  # not a number where there is none
    once, whole = values.nunique() > 0.9 * len(values), (values % 1 == 0).all()
    return bool(once and whole and span < 1.1 * len(values))


def said(cell: Any) -> str:
    """Give what a cell says, nothing where it is empty."""
    text = "" if cell is None or cell != cell else tidy(cell)
    return "" if text.lower() in ("na", "nan", "n/a", "null", "none", "?") else text


def number(text: str) -> float:
    """Read a number, true or false, or a date as its days since 1970; MISSING is neither."""
    if text.lower() in ("true", "false"):
        return float(text.lower() == "true")
    with suppress(ValueError):
        return value if abs(value := float(text)) < -MISSING else MISSING
    with suppress(ValueError):
        return (datetime.fromisoformat(text).replace(tzinfo=None) - datetime(1970, 1, 1)) / DAY
    return MISSING


def make_transform(spec: Spec, train: bool = False) -> Callable[[Any], Tensor]:
    """Make what turns a row into floats (N + C,): numbers, MISSING where none is, and categories.

    A category is its place in the list of the column, from 1; 0 is one that is not in it.
    """
    known = spec.categories.items()
    places = {name: {cell: n for n, cell in enumerate(cells, 1)} for name, cells in known}
    return partial(encode, numbers=list(spec.numbers), places=places)


def encode(row: Any, numbers: list[str], places: dict[str, dict[str, int]]) -> Tensor:
    if isinstance(row, Tensor):
        return row
    values = [number(said(row.get(name))) for name in numbers]
    values += [places[name].get(said(row.get(name)), 0) for name in places]
    return torch.tensor(values, dtype=torch.float32)


def preload(items: list[Any], spec: Spec) -> list[Tensor]:
    """Encode every row once."""
    columns = {*spec.numbers, *spec.categories}
    if items and (lost := columns - set().union(*items)):
        if lost == columns:
            raise SystemExit(f"the table has none of the columns {', '.join(sorted(columns))}")
        print(f"the table lacks the columns {', '.join(sorted(lost))}")
    return list(map(make_transform(spec), items))


def decode(values: Tensor, spec: Spec) -> dict[str, str]:
    """Say an encoded row (N + C,) in words."""
    numbers, categories = values.split([len(spec.numbers), len(spec.categories)])
    pairs = zip(spec.numbers, numbers.tolist(), strict=True)
    row = {name: "" if value <= MISSING else f"{value:.6g}" for name, value in pairs}
    for (name, known), index in zip(spec.categories.items(), categories.int(), strict=True):
        row[name] = ["", *known][index]
    return row


def unknown(row: Any, values: Tensor, spec: Spec) -> list[str]:
    """Name the columns that are missing in a row, or whose cell says nothing to the network."""
    seen = decode(values, spec)
    return [name for name in seen if not seen[name] and (name not in row or said(row[name]))]


def draw(writer: SummaryWriter, step: int, inputs: Tensor, titles: Any, spec: Spec) -> None:
    """Show rows (B, N + C), and what is predicted, (text, right), in bold where it is wrong."""
    names = [*spec.numbers, *spec.categories][:10]
    lines = ["|".join(["", *map(plain, names), "predicted|"]), "|---" * (len(names) + 1) + "|"]
    for values, (title, right) in zip(inputs, titles, strict=False):
        row = decode(values, spec)
        title = plain(title) if right else f"**{plain(title)}**"
        lines.append("|".join(["", *(plain(row[name]) for name in names), f"{title}|"]))
    writer.add_text("predictions", "\n".join(lines), step)


def plain(text: str) -> str:
    """Make any text a cell of a Markdown table that shows the text itself."""
    text = re.sub(r"[\\`*_\[\]<>&|]", lambda found: f"&#{ord(found[0])};", text)
    return " ".join(text.split())
