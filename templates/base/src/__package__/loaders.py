"""Loaders whose batches depend on the seed and the epoch alone, not on workers or a resume."""

import math
import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from .config import Config
from .facts import read_quota
from .flags import UserError
from .runtime import Runtime

Key = tuple[int, int]  # (epoch, index)


@dataclass(frozen=True)
class Datasets:
    """Splits of `(input, label)` items; `state` is what was fitted on the training split."""

    train: Dataset[Any]
    val: Dataset[Any]
    test: Dataset[Any] | None
    classes: list[str]
    state: dict[str, Any] = field(default_factory=dict)


class EpochBatches(Sampler[list[Key]]):
    """Batch sampler: this process's share of every batch of an epoch.

    Batches are those of all processes together: with more processes the shares shrink, the batches
    stay the same. A last one that is too small for all of them joins the one before it, so that
    every process has the same number. In training the share of a batch comes in `parts`, which
    make one step. `start` skips the parts that an interrupted epoch has seen already, `limit` ends
    every epoch after so many batches.
    """

    limit: int | None = None

    def __init__(
        self,
        size: int,
        batch_size: int,
        *,
        shuffle: bool,
        seed: int,
        accumulate: int = 1,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        self.size, self.shuffle, self.seed = size, shuffle, seed
        # Without gradients no sum is needed: the parts are batches of their own
        self.parts, self.batch_size = accumulate, batch_size
        if not shuffle:
            self.parts, self.batch_size = 1, batch_size // accumulate
        self.rank, self.world_size = rank, world_size
        self.epoch, self.start = 0, 0

    def order(self, epoch: int) -> list[list[int]]:
        """Give the indices of every batch; a last, smaller one is dropped in training."""
        indices = list(range(self.size))
        if self.shuffle:
            generator = torch.Generator().manual_seed(self.seed * 1_000_003 + epoch)
            indices = torch.randperm(self.size, generator=generator).tolist()
        starts = range(0, self.size, self.batch_size)
        batches = [indices[start : start + self.batch_size] for start in starts]
        if self.shuffle and len(batches) > 1 and len(batches[-1]) < self.batch_size:
            batches.pop()
        if len(batches) > 1 and len(batches[-1]) < self.world_size:
            batches[-2:] = [batches[-2] + batches[-1]]
        return batches

    def __len__(self) -> int:
        whole, rest = divmod(self.size, self.batch_size)
        batches = max(1, whole + (not self.shuffle and rest >= self.world_size))
        return self.parts * (batches if self.limit is None else min(batches, self.limit))

    def __iter__(self) -> Iterator[list[Key]]:
        start, self.start = self.start, 0
        shares = [batch[self.rank :: self.world_size] for batch in self.order(self.epoch)]
        parts = [part for share in shares for part in self.divide(share)]
        for part in parts[start : len(self)]:
            yield [(self.epoch, index) for index in part]

    def divide(self, share: list[int]) -> list[list[int]]:
        size = len(share) // self.parts
        return [share[part * size : (part + 1) * size] for part in range(self.parts)]


class SeededItems(Dataset[Any]):
    """A dataset whose augmentation, drawn with torch, depends on (seed, epoch, index) alone."""

    def __init__(self, dataset: Dataset[Any], seed: int) -> None:
        self.dataset, self.seed = dataset, seed

    def __getitem__(self, key: Key) -> Any:
        epoch, index = key
        before = torch.default_generator.get_state()
        torch.default_generator.manual_seed(hash((self.seed, epoch, index)))
        try:
            return self.dataset[index]
        finally:
            torch.default_generator.set_state(before)


class Loader(DataLoader[Any]):
    """A `DataLoader` over `EpochBatches` that knows how long its user has waited for batches."""

    waited = began = 0.0  # seconds of this pass waiting for batches; when it began
    ended: float | None = 1.0  # when it ended; None under way

    def __init__(self, dataset: Dataset[Any], batches: EpochBatches, **options: Any) -> None:
        self.batches = batches
        super().__init__(dataset, batch_sampler=batches, **options)

    def __iter__(self) -> Any:
        self.waited, self.began, self.ended = 0.0, time.perf_counter(), None
        batches = super().__iter__()
        while True:
            asked = time.perf_counter()
            batch = next(batches, None)
            now = time.perf_counter()
            self.waited += now - asked
            if batch is None:
                self.ended = now
                return
            yield batch

    @property
    def wait_share(self) -> float:
        """Share of the time of this pass that its user has waited for batches."""
        ended = time.perf_counter() if self.ended is None else self.ended
        return self.waited / (ended - self.began)

    def set_epoch(self, epoch: int, start: int = 0) -> None:
        """Choose the epoch of the next pass and the number of its batches to leave out."""
        self.batches.epoch, self.batches.start = epoch, start


@dataclass(frozen=True)
class Loaders:
    train: Loader
    val: Loader
    test: Loader | None


def make_loader(
    dataset: Dataset[Any],
    batches: EpochBatches,
    config: Config,
    runtime: Runtime,
    collate_fn: Callable[[list[Any]], tuple[Tensor, Tensor]] | None = None,
) -> Loader:
    """Make the loader of a split, its workers chosen from the machine."""
    if batches.size < runtime.world_size:
        raise UserError(
            f"A split of {batches.size} examples is too small for {runtime.world_size} processes:"
            " start fewer, or give more data."
        )
    if batches.parts > 1 and batches.size < batches.batch_size:
        raise UserError(
            f"--accumulate needs a whole batch: {batches.size} examples to train on are fewer than"
            f" --batch-size {batches.batch_size}."
        )
    if config.dry_run:
        batches.limit = 2
    workers = config.num_workers
    if workers is None:
        workers = choose_workers(config, runtime)
    pinned = runtime.device.type == "cuda"
    options: dict[str, Any] = {"persistent_workers": True, "prefetch_factor": 2} if workers else {}
    if batches.shuffle and runtime.is_main:
        how = f"with --num-workers {workers}, 2 batches each" if workers else "in this process"
        print(f"loading {how}{', into pinned memory' if pinned else ''}")
    return Loader(
        SeededItems(dataset, config.seed),
        batches,
        collate_fn=collate_fn,
        num_workers=workers,
        worker_init_fn=ignore_interrupt,
        pin_memory=pinned,
        **options,
    )


def ignore_interrupt(worker: int) -> None:
    """Leave Ctrl-C to the main process, which stops between two steps."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def choose_workers(config: Config, runtime: Runtime) -> int:
    """One worker a core beside the main process, at most 8; none where the cores train."""
    sample = config.data is None and config.dataset is None
    if sample or config.dry_run or runtime.device.type == "cpu":
        return 0
    limited = hasattr(os, "sched_getaffinity")
    cores = len(os.sched_getaffinity(0)) if limited else os.cpu_count() or 1
    cores = math.ceil(min(cores, read_quota() or cores))  # a container may have fewer
    processes = int(os.environ.get("LOCAL_WORLD_SIZE", 1))
    return max(0, min(8, cores // processes - 1))
