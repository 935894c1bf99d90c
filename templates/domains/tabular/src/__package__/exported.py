"""What an exported file takes and gives."""

import torch
from torch import Tensor, nn

from .model import Spec
from .task import Task

OUTPUTS = ["logits", "scores"]
LEFT_OUT: dict[str, str] = {}  # what of the spec the file does not need


def examples(spec: Spec) -> list[Tensor]:
    """Make batches, the largest last; a size in which they differ may be any."""
    columns = [torch.tensor(bins)[torch.randint(len(bins), (5,))] for bins in spec.numbers.values()]
    columns += [torch.randint(len(known) + 1, (5,)) for known in spec.categories.values()]
    rows = torch.stack(columns, dim=1).float()
    return [rows[:1], rows]


def complete(model: nn.Module, task: Task) -> None:
    """Let the model give what OUTPUTS names."""
    model.register_forward_hook(lambda _, inputs, logits: (logits, task.scores(logits)))
