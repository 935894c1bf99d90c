"""What an exported file takes and gives."""

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .model import PAD, Spec, load_tokenizer
from .task import Task

OUTPUTS = ["logits", "scores"]
LEFT_OUT = {"transformer": ""}  # the network is in the file; this may name a folder


def examples(spec: Spec) -> list[Tensor]:
    """Make batches, the largest last; a size in which they differ may be any."""
    length = min(spec.max_length, 24)
    half = (length + 1) // 2
    texts = torch.randint(load_tokenizer(spec.tokenizer).get_vocab_size(), (5, length))
    texts[1:, half:] = PAD
    return [texts[:1], texts[:2, :half], texts]


def complete(model: nn.Module, task: Task) -> None:
    """Let the model give what OUTPUTS names."""
    model.register_forward_hook(lambda _, inputs, logits: (logits, task.scores(logits)))
    for bag in model.modules():
        if isinstance(bag, nn.EmbeddingBag):
            bag.forward = partial(add, bag)  # type: ignore[method-assign]


def add(bag: nn.EmbeddingBag, rows: Tensor, per_sample_weights: Tensor) -> Tensor:
    """Do without what would be a loop over the texts in the file."""
    if torch.compiler.is_exporting():
        return (F.embedding(rows, bag.weight) * per_sample_weights[..., None]).sum(dim=1)
    return nn.EmbeddingBag.forward(bag, rows, per_sample_weights=per_sample_weights)
