"""The examples as a Dataset."""

import pandas as pd
import torch
from torch import Tensor
from torch.utils.data import Dataset

from .data import make_transform, preload
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
