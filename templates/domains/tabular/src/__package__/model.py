"""The network: an additive model of all columns and a residual MLP. Logits out."""

from dataclasses import dataclass
from itertools import accumulate

import torch
from torch import Tensor, nn

MISSING = torch.finfo(torch.float32).min  # stands where a column of numbers has none


@dataclass(frozen=True)
class Spec:
    """What rebuilds the network of a trained model and the columns of its table."""

    numbers: dict[str, list[float]]  # of a column of numbers, the edges of its bins, lowest first
    categories: dict[str, list[str]]  # of a column of categories, those that were seen


def make_model(spec: Spec, num_outputs: int, weights: str | None = None) -> nn.Module:
    """Rows (B, N + C), numbers and then categories, to logits (B, num_outputs)."""
    return TableNet(spec, num_outputs)


class Bins(nn.Module):
    """Numbers (B, N) to (B, N, T): how much of each bin lies below them (Gorishniy et al., 2022).

    The last place is 1 where there is no number.
    """

    low: Tensor
    width: Tensor

    def __init__(self, edges: list[list[float]]) -> None:
        super().__init__()
        size = max(map(len, edges), default=2)
        padded = torch.tensor([each + [each[-1]] * (size - len(each)) for each in edges])
        padded = padded.reshape(len(edges), size).double()
        self.register_buffer("low", padded[:, :-1].float(), persistent=False)
        self.register_buffer("width", padded.diff(dim=1).float(), persistent=False)

    def forward(self, numbers: Tensor) -> Tensor:
        missing = (numbers <= MISSING)[..., None]
        # Where an edge is repeated the width is 0, and the bin says nothing
        share = (numbers[..., None] - self.low) / self.width.clamp(min=1e-30)
        return torch.cat([share.clamp(0, 1) * (self.width > 0), missing.float()], dim=2)


class TableNet(nn.Module):
    def __init__(self, spec: Spec, num_outputs: int, dim: int = 16, width: int = 256) -> None:
        super().__init__()
        sizes = [len(known) + 1 for known in spec.categories.values()]
        self.split = [len(spec.numbers), len(sizes)]
        self.starts = list(accumulate(sizes, initial=0))[:-1]  # no buffer, which EMA would average
        self.bins = Bins(list(spec.numbers.values()))
        pieces = self.bins.low.shape[1] + 1
        # What a column says alone, a logit for each of its bins and categories
        count, some = len(spec.numbers), bool(spec.numbers)
        self.by_number = nn.Parameter(torch.zeros(count * pieces, num_outputs), some)
        self.by_category = nn.Embedding(sum(sizes), num_outputs)
        # What columns say together; it sees parts of them, not to learn rare ones by heart
        self.numbers = nn.Parameter(torch.randn(count, pieces, dim) / pieces**0.5, some)
        self.categories = nn.Embedding(sum(sizes), dim)
        self.dropout = nn.Dropout(0.3)
        self.enter = nn.Linear(sum(self.split) * dim, width)
        self.blocks = nn.ModuleList([Block(width) for _ in range(2)])
        self.head = nn.Sequential(nn.LayerNorm(width), nn.ReLU(), nn.Linear(width, num_outputs))
        for zero in (*self.by_category.parameters(), *self.head[-1].parameters()):
            nn.init.zeros_(zero)
        with torch.no_grad():  # an empty cell says nothing until it is learned what it says
            self.numbers[:, -1] = 0
            self.categories.weight[self.starts] = 0

    def forward(self, inputs: Tensor) -> Tensor:
        numbers, categories = inputs.split(self.split, dim=1)
        rows = categories.long()  # (B, C)
        rows = rows + rows.new_tensor(self.starts)
        alone, parts = self.by_category(rows).sum(dim=1), [self.categories(rows)]
        if self.split[0]:  # an exported network can do nothing with none
            bins = self.bins(numbers)  # (B, N, T)
            alone = alone + bins.flatten(1) @ self.by_number
            parts.append(torch.einsum("bnt,ntd->bnd", bins, self.numbers).relu())
        x = self.dropout(torch.cat(parts[::-1], dim=1))  # (B, N + C, dim)
        x = self.enter(x.flatten(1))
        for block in self.blocks:
            x = x + block(x)
        # What is simple is learned first; of many columns, each by small steps
        return min(3, 45 / sum(self.split)) * alone + self.head(x)


class Block(nn.Sequential):
    def __init__(self, width: int, dropout: float = 0.2) -> None:
        layers = nn.LayerNorm(width), nn.Linear(width, width), nn.ReLU(), nn.Dropout(dropout)
        super().__init__(*layers, nn.Linear(width, width))
