"""The network: a small one from scratch, or a pretrained one of transformers. Logits out."""

import json
from dataclasses import dataclass
from functools import cache

import torch
import torch.nn.functional as F
from tokenizers import Tokenizer, decoders
from torch import Tensor, nn

from .run import fetching

PAD = -1  # fills up the shorter texts of a batch; no tokenizer has such a token
ROWS = 65_381  # of the bag, a prime: a text modulo it is its row (Weinberger et al., 2009)


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
    """Token ids (B, T) to logits (B, num_outputs); training starts from `weights`."""
    if spec.transformer is None:
        return TextNet(load_tokenizer(spec.tokenizer).get_vocab(), num_outputs)
    with fetching("--pretrained", weights or "."):  # a folder: no hub is asked
        return Pretrained(spec, num_outputs, weights)


def row_of(text: str) -> int:
    """Read a text as one number, whose digits are its characters."""
    return int.from_bytes(text.encode("utf-32-be")) % ROWS


def join(left: Tensor, right: Tensor, size: int) -> Tensor:
    """Give the rows of texts that are put together, the right ones of `size` characters."""
    rows = (left * pow(2, 32 * size, ROWS) + right) % ROWS
    return rows.masked_fill((left == ROWS) | (right == ROWS), ROWS)


class TextNet(nn.Module):
    """A bag of words, of pairs and of parts of words (Joulin et al., 2016), and a convolution.

    The bag learns from few texts as a linear model does; the convolution (Kim, 2014) sees order.
    """

    rows: Tensor
    weights: Tensor

    def __init__(self, vocab: dict[str, int], num_outputs: int, dim: int = 64) -> None:
        super().__init__()
        # Of each token its parts, itself the first, 4 starts, 4 ends; the last is that of PAD
        rows = [[ROWS] * 48 for _ in range(max(vocab.values()) + 2)]
        rows[-1][40] = row_of(" ")
        for token, number in vocab.items():
            piece = decoders.ByteLevel().decode([token])
            piece = token if "\ufffd" in piece else piece  # a part of a character
            inner = [piece[i : i + n] for n in (2, 3, 4, 5) for i in range(len(piece) - n + 1)]
            found = [row_of(part) for part in [piece, *inner][:40]]
            rows[number][: len(found)] = found
            for n in range(1, min(len(piece), 4) + 1):
                rows[number][43 + n] = row_of(piece[-n:])
                if n == 1 or piece[0] != " ":  # there the next word begins
                    rows[number][39 + n] = row_of(piece[:n])
        self.register_buffer("rows", torch.tensor(rows), persistent=False)
        # The rarer, the more it says (Spärck Jones, 1972); BPE numbers its tokens, after the bytes,
        # by how often it finds them, and a part counts as the first of those that hold it
        rarity = (torch.arange(len(rows)) - 256).clamp(min=1).log() + 1
        weights, parts = rarity[-1].repeat(ROWS + 1), self.rows[:, :40].flatten()
        weights.scatter_reduce_(0, parts, rarity.repeat_interleave(40), "amin")[ROWS] = 0
        self.register_buffer("weights", weights, persistent=False)
        self.bag = nn.EmbeddingBag(ROWS + 1, dim, mode="sum", padding_idx=ROWS)
        self.tokens = nn.Embedding(len(rows), dim)
        self.conv = nn.Conv1d(dim, 2 * dim, kernel_size=11, padding="same")
        self.dropout, self.order = nn.Dropout(0.5), nn.Linear(2 * dim, dim)
        self.head = nn.Linear(dim, num_outputs)
        nn.init.normal_(self.tokens.weight, std=0.1)
        # What comes before the head is zero at first, not the head: a word that training has not
        # seen says nothing, and the rows of the others move towards their classes
        for zero in (self.bag.weight, self.order.weight, self.order.bias, self.head.bias):
            nn.init.zeros_(zero)
        nn.init.orthogonal_(self.head.weight)

    def forward(self, input_ids: Tensor) -> Tensor:
        mask = input_ids != PAD  # (B, T)
        ids = input_ids % len(self.rows)  # PAD, -1, becomes the last
        rows = self.rows[F.pad(ids, (0, 1), value=len(self.rows) - 1)]  # (B, T + 1, 48)
        pairs = (F.pad(ids, (1, 0))[:, :-1] * 1_000_003 + ids) % ROWS
        # What an end and the next start are together: a word may be several tokens
        ends, starts = rows[:, :-1, 44:], rows[:, 1:, 40:44]
        joined = [join(ends[..., : 5 - n], starts[..., n - 1 : n], n) for n in (1, 2, 3, 4)]
        parts = torch.cat([rows[:, :-1, 1:40], *joined], dim=2)  # (B, T, 49)
        kinds = [rows[..., 0], pairs.masked_fill(~mask, ROWS), parts.flatten(1)]
        bags = []
        for rows in kinds:  # in training without some, or rare ones are learned by heart
            weights = F.dropout(self.weights[rows], 0.2, self.training)
            # By their root sum of squares, or long texts would count for more
            bags.append(self.bag(rows, per_sample_weights=F.normalize(weights, dim=1)))
        x = F.dropout1d(self.tokens(ids) * mask[..., None], 0.2, self.training)  # whole tokens
        y = self.conv(x.transpose(1, 2))  # (B, 2C, T)
        most = F.relu(y).masked_fill(~mask[:, None], 0).amax(dim=2)
        return self.head(sum(bags) + self.order(self.dropout(most)))


class Pretrained(nn.Module):
    """A network of transformers for the classification of sequences, its head new."""

    def __init__(self, spec: Spec, num_outputs: int, weights: str | None) -> None:
        super().__init__()
        from transformers import AutoConfig, AutoModelForSequenceClassification, logging

        logging.set_verbosity_error()  # that the head is new is no news
        config = AutoConfig.for_model(**json.loads(spec.transformer or ""))
        config.num_labels = num_outputs
        self.net, self.pad = AutoModelForSequenceClassification, config.pad_token_id
        if weights:
            self.net = self.net.from_pretrained(
                weights, config=config, dtype=torch.float32, ignore_mismatched_sizes=True
            )
        else:
            self.net = self.net.from_config(config, dtype=torch.float32)
        *_, last = (m for m in self.get_classifier().modules() if isinstance(m, nn.Linear))
        for parameter in last.parameters():
            nn.init.zeros_(parameter)  # every class equally likely at first
        if spec.lora:
            from peft import LoraConfig, get_peft_model

            heads = [n for n, m in self.net.named_children() if m is not self.net.base_model]
            chosen = {"target_modules": "all-linear", "exclude_modules": heads}
            lora = LoraConfig(task_type="SEQ_CLS", lora_dropout=0.1, **chosen)
            self.net = get_peft_model(self.net, lora)

    def get_classifier(self) -> nn.Module:
        """Give what learns at the full rate: the head, or with LoRA all that learns."""
        head = [m for m in self.net.children() if m is not self.net.base_model]
        return nn.ModuleList(head or [self.net])

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
        # Of RoBERTa the first two positions are not for tokens
        most = (getattr(config, "max_position_embeddings", None) or max_length + 2) - 2
        ids = [tokenizer.pad_token_id, tokenizer.eos_token_id, config.pad_token_id, 0]
        config.pad_token_id = next(number for number in ids if number is not None)
        content = tokenizer.backend_tokenizer.to_str()
        most = min(max_length, most, tokenizer.model_max_length)
        return Spec(content, most, config.to_json_string(use_diff=False), lora)
