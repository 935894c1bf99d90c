"""The examples as a Dataset, and the order of an epoch in any number of processes."""

from collections.abc import Iterator
from itertools import islice
from typing import Any

import pandas as pd
import torch
from torch import Tensor
from torch.utils.data import BatchSampler, Dataset, DistributedSampler

from .config import Config
from .data import make_transform, preload
from .device import RANK, WORLD_SIZE
from .model import Spec
from .task import Task


class Examples(Dataset[tuple[Tensor, Tensor]]):
    """Inputs and targets; augmentation depends on seed, epoch and index alone."""

    epoch = 0  # loading processes see it because they start anew every epoch

    def __init__(
        self, rows: pd.DataFrame, task: Task, spec: Spec, train: bool = False, seed: int = 0
    ) -> None:
        self.train, self.seed, self.task = train, seed, task
        self.transform = make_transform(spec, train)
        self.inputs = preload(list(rows["input"]), spec)
        self.targets = [task.encode(target) for target in rows["target"]]

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        if self.train:
            torch.default_generator.manual_seed(hash((self.seed, self.epoch, index)))
        return self.task.pair(self.transform, self.inputs[index], self.targets[index])


class Batches(BatchSampler):
    """The order of an epoch depends on its number and the seed alone."""

    start = 0  # so many batches of the next epoch are left out, without loading them

    def __init__(self, examples: Examples, config: Config) -> None:
        self.examples = examples
        self.order = DistributedSampler[Any](examples, WORLD_SIZE, RANK, seed=config.seed)
        full = len(examples) > config.batch_size
        super().__init__(self.order, config.batch_size // WORLD_SIZE, drop_last=full)

    def start_at(self, epoch: int, batch: int) -> None:
        self.order.set_epoch(epoch)
        self.examples.epoch, self.start = epoch, batch

    # A generator: DataLoader makes two of them, and uses the last
    def __iter__(self) -> Iterator[list[int]]:
        start, self.start = self.start, 0
        yield from islice(super().__iter__(), start, None)
