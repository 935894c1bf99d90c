"""The LightningDataModule: the table of examples as batches."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from filelock import FileLock
from lightning import LightningDataModule, Trainer
from lightning.pytorch.overrides.distributed import UnrepeatedDistributedSampler
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, DistributedSampler

from .config import Config, with_defaults
from .data import collate, make_spec, make_table, make_transform, preload
from .model import Spec
from .task import Task


class DataModule(LightningDataModule):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config, self.batch_size = config, config.batch_size

    def setup(self, stage: str) -> None:
        if hasattr(self, "table"):
            return
        Path("data").mkdir(exist_ok=True)
        with FileLock("data/.lock"):  # one process writes or downloads what the others only read
            self.table = make_table(self.config)
            self.spec = make_spec(self.config, self.table)
        self.task = Task.fit(self.config.task, self.table)
        self.train_set, self.val_set = self.examples("train"), self.examples("val")
        self.config = with_defaults(self.config, len(self.train_set))
        self.batch_size = self.batch_size or self.config.batch_size  # over all processes

    def examples(self, split: str) -> "Examples":
        rows = self.table[self.table["split"] == split]
        return Examples(rows, self.task, self.spec, split == "train", self.config.seed)

    def train_dataloader(self) -> DataLoader[Any]:
        trainer = self.trainer
        world, rank = (trainer.world_size, trainer.global_rank) if trainer else (1, 0)
        loader = TrainLoader(
            self.train_set,
            batch_size=self.batch_size // world,
            sampler=DistributedSampler(self.train_set, world, rank, seed=self.config.seed),
            drop_last=len(self.train_set) > self.batch_size,
            **self.options,
        )
        loader.trainer = trainer
        return loader

    def val_dataloader(self) -> DataLoader[Any]:
        return self.load_once(self.val_set)

    def test_dataloader(self) -> DataLoader[Any]:
        there = "test" in set(self.table["split"])
        return self.load_once(self.examples("test") if there else self.val_set)

    predict_dataloader = test_dataloader

    def load_once(self, examples: "Examples") -> DataLoader[Any]:
        options, trainer = self.options, self.trainer
        if trainer and trainer.world_size > 1:  # its own sampler repeats some, to give all as many
            place = trainer.world_size, trainer.global_rank
            options["sampler"] = UnrepeatedDistributedSampler(examples, *place, shuffle=False)
        return DataLoader(examples, batch_size=self.batch_size, **options)

    @property
    def options(self) -> dict[str, Any]:
        workers, pinned = self.config.num_workers, torch.cuda.is_available()
        return {"collate_fn": collate, "num_workers": workers, "pin_memory": pinned}


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


class TrainLoader(DataLoader[Any]):
    """Begins where the loop stands, so that a run that was cut goes on within an epoch."""

    trainer: Trainer | None = None

    # A generator: Lightning calls this before it knows epoch and batch
    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        done = 0
        if self.trainer:
            self.dataset.epoch = self.trainer.current_epoch  # type: ignore[attr-defined]
            done = self.trainer.fit_loop.batch_idx + 1
        yield from islice(super().__iter__(), done, None)
