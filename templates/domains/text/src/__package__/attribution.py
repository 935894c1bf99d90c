"""What in a text speaks for a prediction: what is lost where a word is left out."""

from html import escape
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.tensorboard import SummaryWriter

from .data import plain
from .model import PAD, Spec, load_tokenizer
from .predict import read_inputs

Parts = list[tuple[str, float]]


def read_given(inputs: tuple[str, ...], spec: Spec) -> list[tuple[str, Any]]:
    """Give what each input is called, and the text that it is."""
    given = list(read_inputs([*inputs]))
    if blank := [name for name, text in given if not text.strip()]:
        raise SystemExit(f"there is no text in {blank[0]!r}")
    return [(name if name != text else "text", text) for name, text in given]


def called(item: Any, number: int) -> str:
    """Give what an item of the table is called."""
    return f"example {number}"


def attribute(model: nn.Module, weigh: Any, text: str, ids: Tensor, spec: Spec) -> Parts:
    """Give the parts of a text, each with what is lost where it is left out."""
    from captum.attr import FeatureAblation

    encoding = load_tokenizer(spec.tokenizer).encode(text)  # cut off where the ids are
    pairs = zip(encoding.word_ids, encoding.tokens, strict=True)
    words = [0 if word is None or token == "Ġ" else word + 1 for word, token in pairs]
    if max(words) == 1:  # some tokenizers know no words
        words = [number * word for number, word in enumerate(words, start=1)]
    method, mask = FeatureAblation(lambda ids: weigh(model(ids))), torch.tensor([words])
    options = {"feature_mask": mask.to(ids.device), "perturbations_per_eval": 32}
    values = method.attribute(ids, PAD, **options)[0].tolist()  # no network looks at PAD
    places: dict[int, tuple[int, int, float]] = {}
    for word, (start, end), value in zip(words, encoding.offsets, values, strict=True):
        if word:  # 0 is what the tokenizer has added
            places[word] = places[word][0] if word in places else start, end, value
    parts, done = [], 0
    for start, end, value in places.values():
        part = text[max(start, done) : end].lstrip()  # some take the space before it for a part
        parts += [(text[done : end - len(part)], 0.0), (part, value)]
        done = max(end, done)
    return [part for part in [*parts, (text[done:], 0.0)] if part[0]]


def show(writer: SummaryWriter, tag: str, title: Any, parts: Parts, spec: Spec) -> tuple[str, str]:
    """Give the text in colors for the page, and a note; TensorBoard has bold and italics."""
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
