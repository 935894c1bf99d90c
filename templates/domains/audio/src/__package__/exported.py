"""What an exported file takes and gives."""

import torch
from torch import Tensor, nn

from .data import make_transform
from .model import Spec
from .task import Task

OUTPUTS = ["logits", "scores"]
LEFT_OUT = {"transformer": ""}  # the network is in the file; this may name a folder


def examples(spec: Spec) -> list[Tensor]:
    """Make batches, the largest last; a size in which they differ may be any."""
    sounds = torch.randn(5, round(spec.seconds * spec.sample_rate)).numpy() / 10
    inputs = torch.stack(list(map(make_transform(spec), sounds)))
    if spec.arch or inputs.dim() > 2:  # these have fixed lengths
        return [inputs[:1], inputs]
    return [inputs[:1], inputs[:2, : inputs.shape[1] * 3 // 4], inputs]


def complete(model: nn.Module, task: Task) -> None:
    """Let the model give what OUTPUTS names."""
    model.register_forward_hook(lambda _, inputs, logits: (logits, task.scores(logits)))
