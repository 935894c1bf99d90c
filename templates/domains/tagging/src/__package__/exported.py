"""What an exported file takes and gives."""

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .model import PAD, PIECES, Spec, load_tokenizer
from .task import Task

OUTPUTS = ["logits"]
LEFT_OUT = {"transformer": ""}  # the network is in the file; this may name a folder


def examples(spec: Spec) -> list[Tensor]:
    """Make batches, the largest last; a size in which they differ may be any."""
    known = load_tokenizer(spec.tokenizer).get_vocab_size() if spec.tokenizer else 500
    pieces = torch.randint(known, (5, 24, PIECES))
    pieces = pieces.masked_fill(torch.arange(PIECES) > torch.randint(3, (5, 24, 1)), PAD)
    pieces[1:, 11:] = PAD
    return [pieces[:1], pieces[:2, :11], pieces]


def complete(model: nn.Module, task: Task) -> None:
    """Let the model give what OUTPUTS names."""
    model.register_forward_hook(lambda _, inputs, logits: (logits,))
    for bag in model.modules():
        if isinstance(bag, nn.EmbeddingBag):
            bag.forward = partial(add, bag)  # type: ignore[method-assign]


def add(bag: nn.EmbeddingBag, rows: Tensor, per_sample_weights: Tensor) -> Tensor:
    """Do without what would be a loop over the words in the file."""
    if torch.compiler.is_exporting():
        return (F.embedding(rows, bag.weight) * per_sample_weights[..., None]).sum(dim=1)
    return nn.EmbeddingBag.forward(bag, rows, per_sample_weights=per_sample_weights)
