"""The network: a small one from scratch, or a pretrained one of transformers. Logits out."""

import json
from dataclasses import dataclass
from functools import cache

import torch
import torch.nn.functional as F
from tokenizers import Tokenizer
from torch import Tensor, nn

from .run import fetching

PAD = -1  # fills up the shorter words and texts of a batch
WORDS = 128  # of a text at once; a longer one is cut
OUTSIDE = -(2.0**14)  # the logits where no word is, the same in 16 bits
PIECES = 24  # of a word at most: its characters, or its tokens
ROWS = 65_521  # of the table of features, where a hash tells the row (Weinberger et al., 2009)


@dataclass(frozen=True)
class Spec:
    """What rebuilds the network of a trained model and the inputs it takes."""

    tokenizer: str = ""  # of a pretrained network, JSON
    transformer: str = ""  # its configuration, JSON
    max_length: int = 0  # the tokens that it takes


@cache
def load_tokenizer(content: str) -> Tokenizer:
    tokenizer = Tokenizer.from_str(content)
    tokenizer.no_padding()
    tokenizer.no_truncation()
    tokenizer.encode_special_tokens = True  # a text that says "[SEP]" holds no such token
    return tokenizer


def make_model(spec: Spec, num_outputs: int, weights: str | None = None) -> nn.Module:
    """Pieces (B, W, P) to logits (B, num_outputs, WORDS); training starts from `weights`."""
    if not spec.transformer:
        return TagNet(num_outputs)
    with fetching("--pretrained", weights or "."):  # a folder: no hub is asked
        return Pretrained(spec, num_outputs, weights)


class TagNet(nn.Module):
    """Features of words as CRFs have them, in a table by their hashes, and convolutions over words.

    A word is known by itself, by how it begins and ends, and by where it has capitals and digits,
    as in the embeddings of spaCy (Miranda et al., 2022).
    """

    powers: Tensor

    def __init__(self, num_outputs: int, dim: int = 64) -> None:
        super().__init__()
        powers = torch.full((PIECES,), 1_000_003).cumprod(dim=0)  # modulo 2**64
        self.register_buffer("powers", powers, persistent=False)
        self.bag = nn.EmbeddingBag(ROWS, dim, mode="sum")
        self.dropout = nn.Dropout(0.3)
        self.convs = nn.ModuleList(nn.Conv1d(dim, dim, 5, padding="same") for _ in range(2))
        self.head = nn.Linear(dim, num_outputs)
        # What comes before the head is zero at first, not the head: a word that training has not
        # seen says nothing, and the rows of the others move towards their tags
        for name, parameter in self.named_parameters():
            if name == "bag.weight" or name.endswith("bias"):
                nn.init.zeros_(parameter)
        nn.init.orthogonal_(self.head.weight)

    def forward(self, inputs: Tensor) -> Tensor:
        mask = (inputs != PAD).any(dim=2)[:, None]  # (B, 1, W)
        rows = self.features(inputs)
        kept = self.dropout(self.bag.weight.new_ones(rows.shape))  # no feature may say it alone
        x = self.bag(rows.flatten(0, 1), per_sample_weights=kept.flatten(0, 1))
        x = self.dropout(x.unflatten(0, rows.shape[:2])).transpose(1, 2) * mask  # (B, dim, W)
        for conv in self.convs:
            x = x + self.dropout(F.gelu(conv(x))) * mask
        logits = self.head(x.transpose(1, 2)).transpose(1, 2).masked_fill(~mask, OUTSIDE)
        return F.pad(logits, (0, WORDS - mask.shape[2]), value=OUTSIDE)

    def features(self, inputs: Tensor) -> Tensor:
        """Characters (B, W, P) to the rows (B, W, 13) of what is known of a word."""
        there = inputs != PAD
        places = torch.arange(inputs.shape[2], device=inputs.device)
        last = (there.sum(dim=2, keepdim=True) - 1 - places).clamp(min=0)
        ways = []
        for codes in (inputs, inputs.gather(2, last)):  # forwards and backwards
            for part in (codes >> 2, (codes & 3) + 1):  # the letters, and of which kind they are
                ways.append((part * there * self.powers).cumsum(dim=2))
        start, kinds, end, last_kinds = ways
        parts = [start[..., :4], start[..., -1:], end[..., :4]]
        found = torch.cat([*parts, kinds[..., 1:3], kinds[..., -1:], last_kinds[..., 1:2]], dim=2)
        return (found + torch.arange(13, device=inputs.device) * 1_000_033) % ROWS


class Pretrained(nn.Module):
    """A network of transformers for the classification of tokens, its head new."""

    def __init__(self, spec: Spec, num_outputs: int, weights: str | None) -> None:
        super().__init__()
        from transformers import AutoConfig, AutoModelForTokenClassification, logging

        logging.set_verbosity_error()  # that the head is new is no news
        config = AutoConfig.for_model(**json.loads(spec.transformer))
        config.num_labels = num_outputs
        if weights:
            self.net = AutoModelForTokenClassification.from_pretrained(
                weights, config=config, dtype=torch.float32, ignore_mismatched_sizes=True
            )
        else:
            self.net = AutoModelForTokenClassification.from_config(config, dtype=torch.float32)
        for parameter in self.get_classifier().parameters():
            nn.init.zeros_(parameter)  # every tag equally likely at first
        self.pad, self.most = config.pad_token_id, spec.max_length
        # What a tokenizer puts around a text, such as [CLS] and [SEP]
        encoded = load_tokenizer(spec.tokenizer).encode("a")
        inside = [n for n, special in enumerate(encoded.special_tokens_mask) if not special]
        around = encoded.ids[: inside[0]], encoded.ids[inside[-1] + 1 :]
        self.before, self.after = (torch.tensor(ids, dtype=torch.long) for ids in around)

    def get_classifier(self) -> nn.Module:
        """Give what learns at the full rate: the head."""
        return nn.ModuleList(m for m in self.net.children() if m is not self.net.base_model)

    def forward(self, inputs: Tensor) -> Tensor:
        size, device = inputs.shape[0], inputs.device
        before, after = (ids.to(device).expand(size, -1) for ids in (self.before, self.after))
        counts = (inputs != PAD).sum(dim=2)  # (B, W)
        ids = torch.cat([before, inputs.flatten(1), after], dim=1)
        # All tokens of a text move to its start, in their order
        order = torch.arange(ids.shape[1], device=device)
        order = torch.where(ids == PAD, WORDS * PIECES + 9, order).argsort(dim=1)
        longest = counts.sum(dim=1).max() + before.shape[1] + after.shape[1]
        width = longest.clamp(2, self.most).item()
        torch._check(width > 1)  # which export cannot know
        ids = ids.gather(1, order)[:, :width]
        mask = ids != PAD
        ids = ids.masked_fill(~mask, self.pad)
        logits = self.net(input_ids=ids, attention_mask=mask.long()).logits  # (B, T, C)
        first = before.shape[1] + counts.cumsum(dim=1) - counts  # of the tokens of a word
        first = first.clamp(max=logits.shape[1] - 1)[..., None].expand(-1, -1, logits.shape[2])
        logits = logits.gather(1, first).masked_fill((counts == 0)[..., None], OUTSIDE)
        return F.pad(logits.transpose(1, 2), (0, WORDS - inputs.shape[1]), value=OUTSIDE)


def pretrained_spec(name: str) -> Spec:
    """Ask transformers for the tokenizer and the shape of a pretrained network."""
    with fetching("--pretrained", name):
        from transformers import AutoConfig, AutoTokenizer

        tokenizer = AutoTokenizer.from_pretrained(name)
        config = AutoConfig.from_pretrained(name, num_labels=1)
        ids = [tokenizer.pad_token_id, tokenizer.eos_token_id, config.pad_token_id, 0]
        config.pad_token_id = next(number for number in ids if number is not None)
        most = getattr(config, "max_position_embeddings", None) or WORDS * PIECES
        # Of RoBERTa the first two positions are not for tokens
        most = min(most - 2, tokenizer.model_max_length)
        content = tokenizer.backend_tokenizer.to_str()
        return Spec(content, config.to_json_string(use_diff=False), most)
