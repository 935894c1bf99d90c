"""Texts: the generated sample, your own files, public data sets; tokens and loaders."""

import random
from collections.abc import Mapping, Sequence
from itertools import accumulate, chain
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import Dataset

from .config import Config
from .files import DataError, class_indices
from .loaders import Datasets, EpochBatches, Loader, Loaders, make_loader
from .runtime import Runtime
from .sample import make_sample
from .sources import Source, divide, read_path, read_public
from .tokenizer import PAD_ID, load_tokenizer, train_tokenizer


def make_datasets(
    config: Config, classes: Sequence[str] | None = None, state: Mapping[str, Any] | None = None
) -> Datasets:
    """Make the splits; replace this function to bring data in another form.

    Items are `(token ids, class index)`, the ids int64 (T,), T at most `max_length`. `classes` are
    those of a checkpoint, and then fix the indices; `state` is its tokenizer.
    """
    if config.data is not None:
        splits = read_path(config.data, config)
    elif config.dataset is not None:
        splits = read_public(config.dataset, config)
    else:
        splits = {"": Source(*make_sample(3000, config.seed))}
    splits = divide(splits, config)
    names = list(classes) if classes else find_classes(splits["train"].labels)
    if state:
        tokenizer = load_tokenizer(state["tokenizer"])
    else:
        texts = splits["train"].texts
        tokenizer = train_tokenizer(texts, config.vocab_size, config.max_length)
    made = {}
    for name, (texts, labels) in splits.items():
        indices = class_indices(labels, names, f"The {name} split")
        made[name] = Texts(texts, indices, tokenizer)
    fitted = {"tokenizer": tokenizer.to_str()}
    return Datasets(made["train"], made["val"], made.get("test"), names, fitted)


class Texts(Dataset[tuple[Tensor, int]]):
    """Encoded texts, in one flat tensor that loading processes share instead of copying."""

    def __init__(self, texts: Sequence[str], labels: list[int], tokenizer: Tokenizer) -> None:
        ids = []
        for start in range(0, len(texts), 10_000):  # an encoding is far larger than its ids
            part = tokenizer.encode_batch_fast(texts[start : start + 10_000])
            ids += [torch.tensor(encoding.ids) for encoding in part]
        self.lengths = [len(text) for text in ids]
        self.ends = list(accumulate(self.lengths))
        self.ids = torch.cat(ids)
        self.labels = labels

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        end = self.ends[index]
        return self.ids[end - self.lengths[index] : end], self.labels[index]


class BucketedBatches(EpochBatches):
    """Batches whose training texts are of about the same length, so that little is padding."""

    def __init__(self, lengths: Sequence[int], batch_size: int, **options: Any) -> None:
        super().__init__(len(lengths), batch_size, **options)
        self.lengths = lengths

    def order(self, epoch: int) -> list[list[int]]:
        """Sort the shuffled texts by length in pools of 50 batches, then shuffle the batches."""
        batches = super().order(epoch)
        if not self.shuffle:
            return batches
        indices = list(chain.from_iterable(batches))
        pool = 50 * self.batch_size
        for start in range(0, len(indices), pool):
            part = slice(start, start + pool)
            indices[part] = sorted(indices[part], key=self.lengths.__getitem__)
        starts = range(0, len(indices), self.batch_size)
        batches = [indices[start : start + self.batch_size] for start in starts]
        random.Random(f"{self.seed} {epoch}").shuffle(batches)
        return batches


def pad(items: list[tuple[Tensor, int]]) -> tuple[Tensor, Tensor]:
    """Stack items to ids (B, T), T the length of the longest text, and labels (B,)."""
    ids = pad_sequence([ids for ids, _ in items], batch_first=True, padding_value=PAD_ID)
    return ids, torch.tensor([label for _, label in items])


def make_loaders(datasets: Datasets, config: Config, runtime: Runtime) -> Loaders:
    def loader(dataset: Any, shuffle: bool) -> Loader:
        batches = BucketedBatches(
            dataset.lengths,
            config.batch_size,
            shuffle=shuffle,
            seed=config.seed,
            accumulate=config.accumulate,
            rank=runtime.rank,
            world_size=runtime.world_size,
        )
        return make_loader(dataset, batches, config, runtime, collate_fn=pad)

    test = loader(datasets.test, shuffle=False) if datasets.test is not None else None
    return Loaders(loader(datasets.train, shuffle=True), loader(datasets.val, shuffle=False), test)


def find_classes(labels: Sequence[str]) -> list[str]:
    """Sort the class names, whole numbers by their value; raises `DataError` for one class only."""
    names = sorted(set(labels))
    if len(names) < 2:
        raise DataError(
            f"The training data holds one class only, {names[0]!r}. A classifier needs two or more."
        )
    return sorted(names, key=int) if all(name.isdecimal() for name in names) else names
