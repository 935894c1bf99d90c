"""A small Transformer encoder for texts: raw logits out."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from .config import Config
from .tokenizer import PAD_ID

DIM, DEPTH, HEADS, DROPOUT = 128, 2, 4, 0.1


def make_model(config: Config, num_classes: int) -> nn.Module:
    return Transformer(config.vocab_size, num_classes, config.recompute)


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turn pairs of channels (B, H, T, D) by the angles of their positions, (T, D/2)."""
    a, b = x.chunk(2, dim=-1)
    return torch.cat((a * cos - b * sin, a * sin + b * cos), dim=-1)


class Attention(nn.Module):
    """Self-attention with rotary positions (Su et al., 2021)."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Linear(DIM, 3 * DIM, bias=False)
        self.out = nn.Linear(DIM, DIM)

    def forward(self, x: Tensor, mask: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        qkv = self.qkv(x).unflatten(-1, (3, HEADS, DIM // HEADS))  # (B, T, 3, H, D)
        q, k, v = qkv.transpose(1, 3).unbind(dim=2)  # each (B, H, T, D)
        q, k = rotate(q, cos, sin), rotate(k, cos, sin)
        x = F.scaled_dot_product_attention(q, k, v, attn_mask=mask[:, None, None, :])
        return self.out(x.transpose(1, 2).flatten(2))  # (B, T, C)


class Block(nn.Module):
    """Pre-norm Transformer block (Xiong et al., 2020)."""

    def __init__(self) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(DIM)
        self.attention = Attention()
        self.norm2 = nn.LayerNorm(DIM)
        self.mlp = nn.Sequential(nn.Linear(DIM, 4 * DIM), nn.GELU(), nn.Linear(4 * DIM, DIM))
        self.dropout = nn.Dropout(DROPOUT)

    def forward(self, x: Tensor, mask: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        x = x + self.dropout(self.attention(self.norm1(x), mask, cos, sin))
        return x + self.dropout(self.mlp(self.norm2(x)))


class Transformer(nn.Module):
    """Token ids (B, T), padded with PAD_ID, to logits (B, num_classes)."""

    frequencies: Tensor

    def __init__(self, vocab_size: int, num_classes: int, recompute: bool) -> None:
        super().__init__()
        self.recompute = recompute
        self.embedding = nn.Embedding(vocab_size, DIM)
        self.dropout = nn.Dropout(DROPOUT)
        self.blocks = nn.ModuleList([Block() for _ in range(DEPTH)])
        self.norm = nn.LayerNorm(DIM)
        self.head = nn.Linear(DIM, num_classes)
        # Waves of 6 to 600 tokens, the lengths of texts
        frequencies = 0.01 ** torch.linspace(0, 1, DIM // HEADS // 2)  # (D/2,)
        self.register_buffer("frequencies", frequencies, persistent=False)
        self.init_weights()

    def init_weights(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        nn.init.normal_(self.embedding.weight, std=0.02)
        # Every class equally likely: the first loss is ln(classes)
        nn.init.zeros_(self.head.weight)

    def forward(self, input_ids: Tensor) -> Tensor:
        mask = input_ids != PAD_ID  # (B, T)
        positions = torch.arange(input_ids.shape[1], device=input_ids.device)  # (T,)
        angles = positions[:, None] * self.frequencies  # (T, D/2)
        cos, sin = angles.cos(), angles.sin()
        # A row of padding alone may attend to it: a softmax over nothing would be NaN
        attendable = mask | ~mask.any(dim=1, keepdim=True)  # (B, T)
        x = self.dropout(self.embedding(input_ids))  # (B, T, C)
        recompute = self.recompute and self.training
        for block in self.blocks:
            inputs = x, attendable, cos, sin
            x = checkpoint(block, *inputs, use_reentrant=False) if recompute else block(*inputs)
        x = self.norm(x) * mask[..., None]  # (B, T, C), 0 where padding
        x = x.sum(dim=1) / mask.sum(dim=1, keepdim=True).clamp(min=1)  # (B, C)
        return self.head(x).float()  # (B, num_classes)
