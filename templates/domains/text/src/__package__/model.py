"""The network: a small one from scratch, or a pretrained one of transformers. Logits out."""

import json
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cache

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
        return TextNet(load_tokenizer(spec.tokenizer).get_vocab_size(), num_outputs)
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


class TextNet(nn.Module):
    """A bag of tokens and pairs (Joulin et al., 2016) beside convolutions (Kim, 2014).

    The bag learns from few texts as a linear model does; the convolutions see the order of words.
    """

    def __init__(
        self, vocab_size: int, num_outputs: int, dim: int = 64, pairs: int = 2**15
    ) -> None:
        super().__init__()
        self.bag_tokens, self.bag_pairs = nn.Embedding(vocab_size, dim), nn.Embedding(pairs, dim)
        self.tokens = nn.Embedding(vocab_size, dim)
        self.blocks = nn.ModuleList([Block(dim), Block(dim)])
        self.bag_norm, self.norm = nn.LayerNorm(dim), nn.LayerNorm(2 * dim)
        self.dropout = nn.Dropout(0.5)
        self.head = nn.Linear(3 * dim, num_outputs)
        nn.init.normal_(self.tokens.weight, std=0.02)
        for embedding in (self.bag_tokens, self.bag_pairs):
            nn.init.normal_(embedding.weight, std=0.005)
        nn.init.zeros_(self.head.weight)  # every class equally likely at first
        nn.init.zeros_(self.head.bias)

    def forward(self, input_ids: Tensor) -> Tensor:
        mask = (input_ids != PAD)[..., None]  # (B, T, 1)
        ids = input_ids.clamp(min=0)
        length = mask.sum(dim=1).clamp(min=1)  # (B, 1)
        pairs = (ids[:, :-1] * 1_000_003 + ids[:, 1:]) % self.bag_pairs.num_embeddings
        bag = (self.bag_tokens(ids) * mask).sum(dim=1)
        bag = bag + (self.bag_pairs(pairs) * mask[:, 1:]).sum(dim=1)
        bag = self.bag_norm(bag / (2 * length).sqrt())  # (B, C)
        x = self.tokens(ids)  # (B, T, C)
        for block in self.blocks:
            x = block(x, mask)
        mean = (x * mask).sum(dim=1) / length
        most = x.masked_fill(~mask, -1e4).amax(dim=1)
        x = self.norm(torch.cat([mean, most], dim=1))  # (B, 2C)
        return self.head(self.dropout(torch.cat([bag, x], dim=1)))


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
