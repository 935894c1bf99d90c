"""What in a row speaks for a prediction: what is lost where a cell is empty."""

import json
from html import escape
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.tensorboard import SummaryWriter

from .data import plain, said
from .model import MISSING, Spec
from .predict import read_inputs

Parts = list[tuple[str, float]]


def read_given(inputs: tuple[str, ...], spec: Spec) -> list[tuple[str, Any]]:
    """Give what each input is called, and the row that it is."""
    given = [(json.dumps(row, default=str), row) for row in read_inputs([*inputs])]
    columns = [*spec.numbers, *spec.categories]
    if bad := [name for name, row in given if not set(columns) & set(row)]:
        raise SystemExit(f"{bad[0]} has none of the columns {', '.join(columns)}")
    return given


def called(item: Any, number: int) -> str:
    """Give what an item of the table is called."""
    return f"example {number}"


def attribute(model: nn.Module, weigh: Any, row: Any, inputs: Tensor, spec: Spec) -> Parts:
    """Give the cells of a row, each with what is lost where it is empty."""
    from captum.attr import FeatureAblation

    empty = torch.tensor([[MISSING] * len(spec.numbers) + [0.0] * len(spec.categories)])
    method = FeatureAblation(lambda inputs: weigh(model(inputs)))
    values = method.attribute(inputs, empty.to(inputs.device))[0].tolist()
    names = [*spec.numbers, *spec.categories]
    return [(f"{n} {said(row.get(n))} ", value) for n, value in zip(names, values, strict=True)]


def show(writer: SummaryWriter, tag: str, title: Any, parts: Parts, spec: Spec) -> tuple[str, str]:
    """Give the row in colors for the page, and a note; TensorBoard has bold and italics."""
    most = max(abs(value) for _, value in parts) or 1.0
    page, board = "", f"{plain(title[0])}: "
    for part, value in parts:
        color = f"{'255 60 60' if value > 0 else '70 110 255'} / {abs(value) / most:.0%}"
        page += f'<span style="background: rgb({color})" title="{value:+.3g}">{escape(part)}</span>'
        mark = "" if abs(value) < most / 3 else "**" if value > 0 else "*"
        board += f"{mark}{plain(part)}{mark} "
    writer.add_text(tag, board)
    first = sorted(parts, key=lambda part: -abs(part[1]))[:5]
    note = ", ".join(f"{part.strip()} {value:+.3g}" for part, value in first if value)
    return f"<p>{page}</p>", note
