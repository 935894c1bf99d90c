"""Texts: the table of examples, and what becomes of a text on its way to the network."""

from itertools import accumulate
from pathlib import Path

import pandas as pd
import torch
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import Dataset

from .config import Config
from .model import PAD, Spec, load_tokenizer, pretrained_spec
from .sample import make_sample
from .table import ARCHIVES, TABLES, divide, from_hub, read, unpack
from .task import Task

SUFFIXES = {".txt", ".text", ".md"}
# Scripts without spaces: each character is a word
CHARACTERS = "[\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"


def make_table(config: Config) -> pd.DataFrame:
    """Give the rows input (a text), target and split: replace this for other data."""
    if config.dataset:
        return with_texts(from_hub(config.dataset, config, ()))
    if config.data is None:
        return divide(make_sample(), config)
    data = unpack(config.data) if config.data.name.lower().endswith(ARCHIVES) else config.data
    files = data.is_dir() and not any(p.suffix.lower() in TABLES for p in data.rglob("*"))
    table = read(data, config, SUFFIXES if files else ())
    if files:
        table["input"] = [read_text(Path(path)) for path in table["input"]]
    return with_texts(table)


def with_texts(table: pd.DataFrame) -> pd.DataFrame:
    """Leave out the rows that have no text."""
    there = table["input"].map(lambda text: isinstance(text, str) and bool(text.strip()))
    if not there.all():
        print(f"left out {(~there).sum()} rows without a text")
    return table[there].reset_index(drop=True)


def read_text(path: Path) -> str:
    content = path.read_bytes()
    coding = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        return content.decode(coding)
    except UnicodeDecodeError as error:
        raise SystemExit(f"{path} is not UTF-8: {error.reason} at byte {error.start}") from None


def make_spec(config: Config, table: pd.DataFrame) -> Spec:
    """Take the tokenizer of a pretrained network, or train one."""
    texts = list(table.loc[table["split"] == "train", "input"])
    if config.pretrained:
        spec = pretrained_spec(config.pretrained, config.max_length or 256, config.lora)
        tokenizer = load_tokenizer(spec.tokenizer)
    else:
        tokenizer = train_tokenizer(texts)
        spec = Spec(tokenizer.to_str(), config.max_length or 256)
    return spec


def train_tokenizer(texts: list[str], vocab_size: int = 30_000) -> Tokenizer:
    """Learn byte-level BPE (Radford et al., 2019): no text holds what it cannot say.

    Of few texts every word becomes a token, even a word that is there once.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(CHARACTERS), "isolated"), pre_tokenizers.ByteLevel()]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=["[UNK]"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer, length=len(texts))
    return tokenizer


class Examples(Dataset[tuple[Tensor, Tensor]]):
    """Token ids (T,) and targets."""

    epoch = 0

    def __init__(
        self, rows: pd.DataFrame, task: Task, spec: Spec, train: bool = False, seed: int = 0
    ) -> None:
        self.spec = spec
        texts, ids = list(rows["input"]), list[Tensor]()
        for start in range(0, len(texts), 10_000):  # an encoding is far larger than its ids
            ids += encode(texts[start : start + 10_000], spec)
        self.ids = torch.cat(ids).int()  # one tensor: loading processes share it
        self.ends = [0, *accumulate(len(part) for part in ids)]
        self.targets = [task.encode(target) for target in rows["target"]]

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        return self.ids[self.ends[index] : self.ends[index + 1]].long(), self.targets[index]


def encode(texts: list[str], spec: Spec) -> list[Tensor]:
    """Give the ids (T,) of each text, T at most `max_length` and at least 1."""
    tokenizer = load_tokenizer(spec.tokenizer)
    tokenizer.enable_truncation(spec.max_length)
    return [torch.tensor(part.ids or [0]) for part in tokenizer.encode_batch_fast(texts)]


def load_input(item: str, spec: Spec) -> Tensor:
    """Give the ids (T,) of a text as validation sees it."""
    return encode([item], spec)[0]


def collate(items: list[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    """Stack items to ids (B, T), T the length of the longest text, and targets."""
    ids, targets = zip(*items, strict=True)
    return pad(list(ids)), torch.stack(targets)


def pad(ids: list[Tensor]) -> Tensor:
    return pad_sequence(ids, batch_first=True, padding_value=PAD)
