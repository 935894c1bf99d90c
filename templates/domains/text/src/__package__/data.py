"""Texts: the table of examples, and what becomes of a text on its way to the network."""

import re
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from tokenizers.normalizers import NFKC, Lowercase, Prepend, Sequence, Strip
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from torch.utils.tensorboard import SummaryWriter

from .config import Config
from .model import PAD, Spec, load_tokenizer, pretrained_spec
from .sample import make_sample
from .table import divide, from_hub, read, tables_in, unpack

SUFFIXES = {".txt", ".text", ".md"}
# Scripts without spaces: each character is a word
CHARACTERS = "[\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
# As GPT-2 parts them, but that marks belong to letters: the vowels of India are marks
WORDS = r"'(?:[sdmt]|ll|ve|re)| ?[\p{L}\p{M}]+| ?\p{N}+| ?[^\s\p{L}\p{M}\p{N}]+|\s+(?!\S)|\s+"


def make_table(config: Config) -> pd.DataFrame:
    """Give the rows input (a text), target and split: replace this for other data."""
    data = config.data
    if data is None:
        rows = from_hub(config.dataset, config, ()) if config.dataset else make_sample()
    else:
        data = unpack(data)
        files = data.is_dir() and not tables_in(data)
        rows = read(data, config, SUFFIXES if files else ())
        if files:
            rows["input"] = [read_text(Path(path)) for path in rows["input"]]
    there = rows["input"].map(lambda text: isinstance(text, str) and bool(text.strip()))
    if not there.all():
        print(f"left out {(~there).sum()} rows without a text")
    return divide(rows[there], config)


def read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise SystemExit(f"{path} is not UTF-8: {error.reason} at byte {error.start}") from None


def make_spec(config: Config, table: pd.DataFrame) -> Spec:
    length = config.max_length or 256
    if config.pretrained:
        spec = pretrained_spec(config.pretrained, length, config.lora)
    else:
        texts = table["input"][table["split"] == "train"]
        spec = Spec(train_tokenizer(texts).to_str(), length)
    tokenizer, some = load_tokenizer(spec.tokenizer), table["input"][:: len(table) // 100 + 1]
    tokenizer.no_truncation()
    cut = sum(len(tokenizer.encode(text)) > spec.max_length for text in some) / len(some)
    if cut > 0.05:
        print(f"{cut:.0%} of the texts are cut to {spec.max_length} tokens: --max-length")
    return spec


def train_tokenizer(texts: Iterable[str]) -> Tokenizer:
    """Learn byte-level BPE (Radford et al., 2019): where texts are few, each word is a token.

    But not a word that is there once: it is read by its pieces, as a new word will be.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = Sequence([NFKC(), Lowercase(), Strip(), Prepend(" ")])
    splits = [pre_tokenizers.Split(Regex(by), "isolated") for by in (CHARACTERS, WORDS)]
    to_bytes = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([*splits, to_bytes])
    tokenizer.decoder = decoders.ByteLevel()
    options: Any = {"min_frequency": 2, "special_tokens": ["[UNK]"], "show_progress": False}
    options["initial_alphabet"] = pre_tokenizers.ByteLevel.alphabet()  # it can say every text
    tokenizer.train_from_iterator(texts, trainers.BpeTrainer(vocab_size=30_000, **options))
    return tokenizer


def make_transform(spec: Spec, train: bool = False) -> Callable[[Any], Tensor]:
    """Make what turns a text into its ids (T,), T at least 1 and at most `max_length`."""
    return partial(encode, spec=spec)


def encode(item: str | np.ndarray, spec: Spec) -> Tensor:
    if isinstance(item, str):
        tokenizer = load_tokenizer(spec.tokenizer)
        tokenizer.enable_truncation(spec.max_length)
        return torch.tensor(tokenizer.encode(item).ids or [0])
    return torch.from_numpy(item).long()


def preload(items: list[str], spec: Spec) -> list[np.ndarray]:
    """Encode every text once."""
    return [encode(item, spec).int().numpy() for item in items]


def collate(items: list[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    """Stack items to ids (B, T), T the length of the longest text, and targets."""
    ids, targets = zip(*items, strict=True)
    return pad_sequence(list(ids), batch_first=True, padding_value=PAD), torch.stack(targets)


def draw(writer: SummaryWriter, step: int, inputs: Tensor, titles: Any, spec: Spec) -> None:
    """Show texts, ids (B, T), and what is predicted, (text, right), in bold where it is wrong."""
    lines = ["| text | predicted |", "|---|---|"]
    for ids, (title, right) in zip(inputs, titles, strict=False):
        text = load_tokenizer(spec.tokenizer).decode(ids[ids != PAD].tolist())[:500]
        lines.append(f"| {plain(text)} | {plain(title) if right else f'**{plain(title)}**'} |")
    writer.add_text("predictions", "\n".join(lines), step)


def plain(text: str) -> str:
    """Make any text a cell of a Markdown table that shows the text itself."""
    text = re.sub(r"[\\`*_\[\]<>&|]", lambda found: f"&#{ord(found[0])};", text)
    return " ".join(text.split())
