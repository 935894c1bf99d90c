"""The network: a small one from scratch, or a pretrained one of transformers. Logits out."""

import json
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cache
from zlib import crc32

import torch
import torch.nn.functional as F
from tokenizers import Tokenizer
from torch import Tensor, nn

from .hub import fetching

PAD = -1  # fills up the shorter texts of a batch; no tokenizer has such a token


@dataclass(frozen=True)
class Spec:
    """What rebuilds the network of a trained model and the tokens of its texts."""

    tokenizer: str  # JSON
    max_length: int
    transformer: str | None = None  # JSON of the configuration of a network of transformers
    lora: bool = False


@cache
def load_tokenizer(content: str) -> Tokenizer:
    tokenizer = Tokenizer.from_str(content)
    tokenizer.no_padding()
    tokenizer.no_truncation()
    tokenizer.encode_special_tokens = True  # a text that says "[SEP]" holds no such token
    return tokenizer


def make_model(spec: Spec, num_outputs: int, weights: str | None = None) -> nn.Module:
    """Token ids (B, T), filled up with PAD, to logits (B, num_outputs).

    `weights`, a name or a folder, is given where training starts, and read only then.
    """
    if spec.transformer is None:
        return TextNet(load_tokenizer(spec.tokenizer).get_vocab(), num_outputs)
    with fetching("--pretrained", weights) if weights else nullcontext():
        return Pretrained(spec, num_outputs, weights)


class Block(nn.Module):
    """A convolution over neighbouring tokens, then a layer on each (Liu et al., 2022)."""

    def __init__(self, dim: int, kernel_size: int = 5) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.conv = nn.Conv1d(dim, dim, kernel_size, padding="same")
        self.linear = nn.Linear(dim, dim)
        self.dropout = nn.Dropout(0.1)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        y = self.norm(x) * mask  # what fills up a text is 0, as beyond its ends
        y = self.conv(y.transpose(1, 2)).transpose(1, 2)  # (B, T, C)
        return x + self.dropout(self.linear(F.gelu(y)))


class Bag(nn.Module):
    """TF-IDF of words, pairs of words and parts of words (Bojanowski et al., 2017), then one layer.

    All are counted in `size` buckets by their hashes (Weinberger et al., 2009).
    """

    parts: Tensor
    texts: Tensor

    def __init__(self, vocab: dict[str, int], num_outputs: int, size: int = 2**17) -> None:
        super().__init__()
        self.size = size
        parts = torch.full((max(vocab.values()) + 1, 40), size)
        for token, number in vocab.items():
            word = token.replace("Ġ", " ") + " "
            pieces = [word[i : i + n] for n in (2, 3, 4, 5) for i in range(len(word) - n + 1)]
            hashes = [crc32(part.encode()) % size for part in [word, *pieces[:39]]]
            parts[number, : len(hashes)] = torch.tensor(hashes)
        self.register_buffer("parts", parts, persistent=False)
        self.register_buffer("texts", torch.zeros(1 + size))  # seen in training; those of a bucket
        self.head = nn.Linear(size + 2, num_outputs)

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        parts = self.parts[ids].masked_fill(~mask[..., None], self.size).flatten(1)
        pairs = (ids[:, :-1] * 1_000_003 + ids[:, 1:]) % self.size
        places = torch.cat([parts, pairs.masked_fill(~mask[:, 1:], self.size)], dim=1)
        counts = torch.zeros(len(ids), self.size + 1, device=ids.device)
        counts = counts.scatter_add(1, places, torch.ones_like(places, dtype=counts.dtype))[:, :-1]
        if self.training:
            self.texts += F.pad((counts > 0).sum(dim=0).float(), (1, 0), value=len(ids))
        idf = 1 + ((1 + self.texts[0]) / (1 + self.texts[1:])).log()
        x = F.normalize((counts.clamp(min=1).log() + (counts > 0)) * idf)
        # Turned: AdamW takes as large steps for rare words as for frequent ones where each has
        # a weight of its own, and learns them by heart
        x = torch.view_as_real(torch.fft.rfft(x, norm="ortho")).flatten(1)  # (B, size + 2)
        return self.head(4 * x)


class TextNet(nn.Module):
    """A bag of words and their parts beside convolutions (Kim, 2014).

    The bag learns from few texts as a linear model does; the convolutions see the order of words.
    """

    def __init__(self, vocab: dict[str, int], num_outputs: int, dim: int = 64) -> None:
        super().__init__()
        self.bag = Bag(vocab, num_outputs)
        self.tokens = nn.Embedding(max(vocab.values()) + 1, dim)
        self.blocks = nn.ModuleList([Block(dim), Block(dim)])
        self.norm, self.dropout = nn.LayerNorm(2 * dim), nn.Dropout(0.5)
        self.head = nn.Linear(2 * dim, num_outputs)
        nn.init.normal_(self.tokens.weight, std=0.02)
        for head in (self.bag.head, self.head):
            nn.init.zeros_(head.weight)  # every class equally likely at first
            nn.init.zeros_(head.bias)

    def forward(self, input_ids: Tensor) -> Tensor:
        mask = input_ids != PAD  # (B, T)
        ids = input_ids.clamp(min=0)
        bag = self.bag(ids, mask)
        mask = mask[..., None]
        length = mask.sum(dim=1).clamp(min=1)  # (B, 1)
        x = self.tokens(ids)  # (B, T, C)
        for block in self.blocks:
            x = block(x, mask)
        mean = (x * mask).sum(dim=1) / length
        most = x.masked_fill(~mask, -1e4).amax(dim=1)
        x = self.norm(torch.cat([mean, most], dim=1))  # (B, 2C)
        # Less, so that the bag is learned first: of few texts it is the better part
        return bag + 0.1 * self.head(self.dropout(x))


class Pretrained(nn.Module):
    """A network of transformers for the classification of sequences, its head new."""

    def __init__(self, spec: Spec, num_outputs: int, weights: str | None) -> None:
        super().__init__()
        from transformers import AutoConfig, AutoModelForSequenceClassification, logging

        logging.set_verbosity_error()  # that the head is new is no news
        config = AutoConfig.for_model(**json.loads(spec.transformer or ""))
        config.num_labels = num_outputs
        if weights:
            net = AutoModelForSequenceClassification.from_pretrained(
                weights, config=config, dtype=torch.float32, ignore_mismatched_sizes=True
            )
        else:
            net = AutoModelForSequenceClassification.from_config(config, dtype=torch.float32)
        self.net, self.pad, self.lora = net, config.pad_token_id, False
        *_, last = (m for m in self.get_classifier().modules() if isinstance(m, nn.Linear))
        for parameter in last.parameters():
            nn.init.zeros_(parameter)  # every class equally likely at first
        if spec.lora:
            from peft import LoraConfig, get_peft_model

            options = LoraConfig(task_type="SEQ_CLS", target_modules="all-linear", lora_dropout=0.1)
            self.net, self.lora = get_peft_model(net, options), True

    def get_classifier(self) -> nn.Module:
        """Give what learns at the full rate: the head, and the changes of low rank."""
        if self.lora:
            return self.net
        return nn.ModuleList(m for m in self.net.children() if m is not self.net.base_model)

    def forward(self, input_ids: Tensor) -> Tensor:
        mask = input_ids != PAD
        ids = input_ids.masked_fill(~mask, self.pad)
        logits: Tensor = self.net(input_ids=ids, attention_mask=mask.long()).logits
        return logits


def pretrained_spec(name: str, max_length: int, lora: bool) -> Spec:
    """Ask transformers for the tokenizer and the shape of a pretrained network."""
    with fetching("--pretrained", name):
        from transformers import AutoConfig, AutoTokenizer

        tokenizer = AutoTokenizer.from_pretrained(name)
        config = AutoConfig.from_pretrained(name, num_labels=1)
        most = getattr(config, "max_position_embeddings", None) or max_length
        ids = [tokenizer.pad_token_id, tokenizer.eos_token_id, config.pad_token_id, 0]
        config.pad_token_id = next(number for number in ids if number is not None)
        content = tokenizer.backend_tokenizer.to_str()
        return Spec(content, min(max_length, most), config.to_json_string(use_diff=False), lora)
