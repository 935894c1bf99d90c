"""What an exported file takes and gives."""

import torch
from torch import Tensor, nn

from .model import Spec
from .task import Task

OUTPUTS = ["logits"]
LEFT_OUT: dict[str, str] = {}  # what of the spec the file does not need


def examples(spec: Spec) -> list[Tensor]:
    """Make batches, the largest last; a size in which they differ may be any."""
    images = torch.randn(5, 3, spec.image_size, spec.image_size)
    return [images[:1], images]


def complete(model: nn.Module, task: Task) -> None:
    """Let the model give what OUTPUTS names."""
    model.register_forward_hook(lambda _, inputs, logits: (logits,))
