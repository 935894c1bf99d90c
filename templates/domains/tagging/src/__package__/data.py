"""Texts and tags: the table of examples, and what becomes of a text on its way to the network."""

import re
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from torch.utils.tensorboard import SummaryWriter

from .config import Config
from .model import PAD, PIECES, WORDS, Spec, load_tokenizer, pretrained_spec
from .sample import make_sample
from .table import divide, from_hub, read, unpack
from .words import cut, find_conll, from_columns, read_conll


def make_table(config: Config) -> pd.DataFrame:
    """Give the rows input (words, a space between them), target (their tags) and split.

    Replace this for other data.
    """
    data = config.data
    if data is None:
        named = config.dataset
        rows = from_hub(named, config, (), from_columns) if named else make_sample()
    else:
        data = unpack(data)
        if files := find_conll(data):
            rows = read_conll(files, data, config.columns)
        else:
            rows = read(data, config, (), from_columns)
    there = rows["input"].astype(bool)
    if not there.any():
        raise SystemExit(f"{data or config.dataset} has no words")
    if not there.all():
        print(f"left out {(~there).sum()} rows without a word")
    table = divide(rows[there], config)
    pairs = zip(table["input"].str.split(" "), table["target"], strict=True)
    parts: list[Any] = [list(cut(*pair)) for pair in pairs]
    table = table.assign(input=parts).explode("input", ignore_index=True)
    words, tags = zip(*table["input"], strict=True)
    return table.assign(input=list(map(" ".join, words)), target=list(tags))


def make_spec(config: Config, table: pd.DataFrame) -> Spec:
    return pretrained_spec(config.pretrained) if config.pretrained else Spec()


def make_transform(spec: Spec, train: bool = False) -> Callable[[Any], Tensor]:
    """Make what turns a text into the pieces (W, PIECES) of its words, W at most WORDS."""
    return partial(encode, spec=spec)


def encode(item: str | np.ndarray, spec: Spec) -> Tensor:
    if not isinstance(item, str):
        return torch.from_numpy(item).long()
    words = item.split(" ")[:WORDS]
    if spec.tokenizer:
        tokenizer, spaced = load_tokenizer(spec.tokenizer), [f" {word}" for word in words]
        found = [e.ids for e in tokenizer.encode_batch(spaced, add_special_tokens=False)]
        # All words are seen: where a network takes fewer tokens, the longest words are shortened
        most = PIECES
        while most > 1 and sum(min(len(ids), most) for ids in found) > spec.max_length - 2:
            most -= 1
        found = [ids[:most] for ids in found]
    else:
        found = [characters(word[:PIECES]) for word in words]
    pieces = [torch.tensor(ids or [0]) for ids in found]
    rows = pad_sequence(pieces, batch_first=True, padding_value=PAD)
    return F.pad(rows, (0, PIECES - rows.shape[1]), value=PAD)


def characters(word: str) -> list[int]:
    """Give the small form of each character, and in two bits: a letter, a digit, a capital."""
    kinds = [3 if c.isupper() else 1 if c.isalpha() else 2 if c.isdigit() else 0 for c in word]
    return [ord(c.lower()[0]) * 4 + kind for c, kind in zip(word, kinds, strict=True)]


def words_of(inputs: Tensor, spec: Spec) -> list[str]:
    """Read words out of their pieces (W, P)."""
    rows = [[number for number in row if number != PAD] for row in inputs.tolist()]
    if spec.tokenizer:
        return [load_tokenizer(spec.tokenizer).decode(row).strip() for row in rows if row]
    letters = [[(chr(number // 4), number % 4 == 3) for number in row] for row in rows if row]
    return ["".join(c.upper() if capital else c for c, capital in word) for word in letters]


def preload(items: list[str], spec: Spec) -> list[np.ndarray]:
    """Encode every text once."""
    return [encode(item, spec).int().numpy() for item in items]


def collate(items: list[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    """Stack items to pieces (B, W, P), W the words of the longest text, and targets."""
    pieces, targets = zip(*items, strict=True)
    return pad_sequence(list(pieces), batch_first=True, padding_value=PAD), torch.stack(targets)


def draw(writer: SummaryWriter, step: int, inputs: Tensor, titles: Any, spec: Spec) -> None:
    """Show texts, pieces (B, W, P), with their true and their predicted tags."""
    lines = ["| true | predicted |", "|---|---|"]
    for pieces, (found, true) in zip(inputs, titles, strict=False):
        words = words_of(pieces, spec)
        lines.append(f"| {marked(words, true)} | {marked(words, found)} |")
    writer.add_text("predictions", "\n".join(lines), step)


def marked(words: list[str], tags: list[str]) -> str:
    """Make a cell of a Markdown table where words that have a tag stand out."""
    shown = []
    for word, tag in zip(words, tags, strict=False):
        word = re.sub(r"[\\`*_\[\]<>&|]", lambda found: f"&#{ord(found[0])};", word)
        shown.append(word if tag == "O" else f"**{word}** `{tag}`")
    return " ".join(shown)
