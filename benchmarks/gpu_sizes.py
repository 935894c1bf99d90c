"""What gpu.py measures: the size of the models and their data, and one measurement as a job."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch.utils.data import Dataset

HAND = "hand-tuned loop"


@dataclass(frozen=True)
class Size:
    """What a project is given in place of its own small size."""

    constants: Mapping[str, Any]  # of model.py
    flags: Mapping[str, Any]
    words: int = 0  # of a text: more than max_length tokens
    batch: int = 8  # where it is not fitted to the card
    warm: int = 20  # steps before the timed ones, in which kernels are chosen and compiled
    timed: int = 40

    @property
    def steps(self) -> int:
        return self.warm + self.timed + 1


FULL: Mapping[str, Size] = {
    "vision": Size({"STEM": 64, "WIDTHS": (512, 1024, 2048)}, {"image_size": 224}),
    # The blocks of BERT base (Devlin et al., 2019)
    "text": Size({"DIM": 768, "DEPTH": 12, "HEADS": 12}, {"max_length": 512}, words=600),
    "audio": Size({"STEM": 64, "WIDTHS": (1024, 2048)}, {}),
}
SHORT: Mapping[str, int] = {"warm": 3, "timed": 20}
TINY: Mapping[str, Size] = {
    "vision": Size({"STEM": 8, "WIDTHS": (8, 16)}, {"image_size": 16}, **SHORT),
    "text": Size({"DIM": 32, "DEPTH": 1, "HEADS": 2}, {"max_length": 16}, words=20, **SHORT),
    "audio": Size({"STEM": 8, "WIDTHS": (8, 16)}, {"clip_seconds": 0.2}, **SHORT),
}


@dataclass(frozen=True)
class Job:
    """What to measure; `task` is time, profile, fit (the largest batch) or count (FLOPs)."""

    task: str
    domain: str
    loop: str = HAND
    device: str = "cpu"
    tiny: bool = False
    compile: bool = False
    batch: int = 0
    workers: int = 1
    trace: str = ""

    @property
    def size(self) -> Size:
        return (TINY if self.tiny else FULL)[self.domain]


class Cycle(Dataset[Any]):
    """A data set that starts again at its end, until it has the length of the run."""

    def __init__(self, dataset: Any, length: int) -> None:
        self.dataset, self.length = dataset, length
        if hasattr(dataset, "lengths"):
            self.lengths = [dataset.lengths[i % len(dataset)] for i in range(length)]

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> Any:
        return self.dataset[index % len(self.dataset)]
