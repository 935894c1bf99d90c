"""The network: a small GPT from scratch, or a pretrained one of transformers. Logits out."""

import json
from dataclasses import dataclass
from functools import cache
from itertools import takewhile
from typing import Any

import torch
import torch.nn.functional as F
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.utils.tensorboard import SummaryWriter

from .run import fetching

HEAD = 32  # channels of a head of attention
PAD = -1  # fills up the shorter rows; what is predicted there counts nothing
ROWS = 2**15  # of the table of pairs, where a hash tells the row (Weinberger et al., 2009)
LARGE = 600_000  # characters to train, from which a larger network learns more


@dataclass(frozen=True)
class Spec:
    """What rebuilds the network of a trained model, its tokens and its prompts."""

    tokenizer: str  # JSON
    begin: str  # the token that begins a text
    end: str  # the one that ends it, often the same
    length: int  # tokens that are seen at once
    prompt: str = "{}"  # how a prompt is written, such as "user: {}\nassistant: "
    large: bool = False
    transformer: str = ""  # a network of transformers, its configuration as JSON
    lora: bool = False


@cache
def load_tokenizer(content: str) -> Tokenizer:
    tokenizer = Tokenizer.from_str(content)
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def number_of(token: str, spec: Spec) -> int:
    number: Any = load_tokenizer(spec.tokenizer).token_to_id(token)
    return int(number)


def make_model(spec: Spec, num_outputs: int, weights: str | None = None) -> nn.Module:
    """Token ids (B, T) to logits (B, num_outputs, T); training starts from `weights`."""
    if not spec.transformer:
        return GPT(spec, num_outputs)
    with fetching("--pretrained", weights or "."):  # a folder: no hub is asked
        return Pretrained(spec, num_outputs, weights)


class LanguageModel(nn.Module):
    """What can write."""

    spec: Spec

    def generate(self, ids: list[int], tokens: int, temperature: float, top_p: float) -> list[int]:
        raise NotImplementedError

    @torch.no_grad()
    def write(
        self,
        ids: list[int],
        tokens: int,
        temperature: float = 0.8,
        top_p: float = 0.95,
        seed: int = 0,
    ) -> str:
        """Give the text that goes on from ids, drawn of those that together have `top_p`."""
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            found = self.generate(ids, tokens, temperature, top_p)
        end = number_of(self.spec.end, self.spec)
        decode = load_tokenizer(self.spec.tokenizer).decode
        text = list(takewhile(lambda token: token != end, found))
        return decode([*ids, *text])[len(decode(ids)) :]  # alone it may lose a space

    def draw(self, writer: SummaryWriter, step: int) -> None:
        """Show texts that the network writes by itself."""
        training = self.training
        self.eval()
        begin = [number_of(self.spec.begin, self.spec)]
        texts = [self.write(begin, 100, seed=seed) for seed in range(4)]
        self.train(training)
        quoted = ["\n".join(f"    {line}" for line in text.splitlines()) for text in texts]
        writer.add_text("samples", "\n\n---\n\n".join(quoted), step)


class GPT(LanguageModel):
    """A transformer that sees what is before (Radford et al., 2019), and a table of pairs.

    From few texts the table learns what counts of pairs of tokens would tell.
    """

    def __init__(self, spec: Spec, num_outputs: int) -> None:
        super().__init__()
        dim, depth, dropout = (256, 6, 0.1) if spec.large else (128, 2, 0.2)
        self.weight_decay = 0.05 if spec.large else 2.0  # or few texts are known by heart
        self.spec, self.dropout = spec, nn.Dropout(dropout)
        self.left_out = nn.Dropout1d(0.5)  # of whole pairs, or else these are known by heart
        self.tokens, self.pairs = nn.Embedding(num_outputs, dim), nn.Embedding(ROWS, dim)
        self.blocks = nn.ModuleList(Block(dim, dropout) for _ in range(depth))
        self.norm, self.head = nn.RMSNorm(dim), nn.Linear(dim, num_outputs, bias=False)
        nn.init.zeros_(self.pairs.weight)
        nn.init.zeros_(self.head.weight)  # every token equally likely at first

    def make_cache(self) -> list[list[Tensor]]:
        """Make what keeps keys and values of the tokens so far, and the last of these."""
        return [[] for _ in range(len(self.blocks) + 1)]

    def generate(self, ids: list[int], tokens: int, temperature: float, top_p: float) -> list[int]:
        new, cache, found = ids[-self.spec.length :], self.make_cache(), list[int]()
        while len(found) < tokens and found[-1:] != [number_of(self.spec.end, self.spec)]:
            logits = self(torch.tensor([new], device=self.head.weight.device), cache)[0, :, -1]
            token = sample(logits.float().cpu(), temperature, top_p)
            found, new = [*found, token], [token]
            if cache[0][0].shape[2] >= self.spec.length:  # begin anew with the last of them
                new, cache = [*ids, *found][-self.spec.length // 2 :], self.make_cache()
        return found

    def forward(self, ids: Tensor, cache: list[list[Tensor]] | None = None) -> Tensor:
        seen, ids = cache[0][0].shape[2] if cache and cache[0] else 0, ids.clamp(min=0)
        angles = rotations(seen, ids.shape[1], ids.device)
        last = cache[-1][0] if cache and seen else ids.new_zeros(len(ids), 1)
        before = torch.cat([last, ids[:, :-1]], dim=1)
        pairs = self.left_out(self.pairs((before * 1_000_003 + ids) % ROWS))
        x = self.dropout(self.tokens(ids) + pairs)
        for number, block in enumerate(self.blocks):
            x = block(x, angles, cache[number] if cache else None)
        if cache:
            cache[-1][:] = [ids[:, -1:]]
        logits: Tensor = self.head(self.norm(x))
        return logits.transpose(1, 2)


def sample(logits: Tensor, temperature: float, top_p: float) -> int:
    """Draw of the likeliest that together have the probability `top_p` (Holtzman et al., 2020)."""
    if temperature == 0:
        return int(logits.argmax())
    odds, order = (logits / temperature).softmax(dim=0).sort(descending=True)
    odds[odds.cumsum(dim=0) - odds > top_p] = 0
    return int(order[torch.multinomial(odds, 1)])


def rotations(start: int, size: int, device: torch.device) -> Tensor:
    """Give the angles (T, HEAD / 2) that tell positions (Su et al., 2021)."""
    speeds = 10_000 ** -(torch.arange(0, HEAD, 2, device=device) / HEAD)
    return torch.arange(start, start + size, device=device)[:, None] * speeds


def rotate(x: Tensor, angles: Tensor) -> Tensor:
    a, b = x.chunk(2, dim=-1)
    cos, sin = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
    return torch.cat([a * cos - b * sin, b * cos + a * sin], dim=-1)


class Block(nn.Module):
    def __init__(self, dim: int, dropout: float) -> None:
        super().__init__()
        self.norm, self.norm2 = nn.RMSNorm(dim), nn.RMSNorm(dim)
        self.qkv, self.out = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.dropout = nn.Dropout(dropout)
        self.mlp = nn.Sequential(
            nn.Linear(dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, dim), nn.Dropout(dropout)
        )

    def forward(self, x: Tensor, angles: Tensor, cache: list[Tensor] | None) -> Tensor:
        q, k, v = self.qkv(self.norm(x)).unflatten(2, (3, -1, HEAD)).permute(2, 0, 3, 1, 4)
        # Normalized (Henry et al., 2020), or else they learn slowly where to look
        q, k = (rotate(F.rms_norm(x, (HEAD,)), angles) for x in (q, k))
        first = not cache
        if cache is not None:  # (B, heads, T, HEAD)
            if cache:
                k, v = torch.cat([cache[0], k], dim=2), torch.cat([cache[1], v], dim=2)
            cache[:] = [k, v]
        found = F.scaled_dot_product_attention(q, k, v, is_causal=first)
        x = x + self.dropout(self.out(found.transpose(1, 2).flatten(2)))
        return x + self.mlp(self.norm2(x))


class Pretrained(LanguageModel):
    """A network of transformers that writes, such as GPT-2, SmolLM or Qwen."""

    def __init__(self, spec: Spec, num_outputs: int, weights: str | None) -> None:
        super().__init__()
        from transformers import AutoConfig, AutoModelForCausalLM, logging

        logging.set_verbosity_error()  # what a checkpoint has beside the network is no news
        self.spec, self.num_outputs = spec, num_outputs
        config = AutoConfig.for_model(**json.loads(spec.transformer))
        if weights:
            options = {"config": config, "dtype": torch.float32}
            self.net = AutoModelForCausalLM.from_pretrained(weights, **options)
        else:
            self.net = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
        if spec.lora:
            from peft import LoraConfig, get_peft_model

            lora = LoraConfig(task_type="CAUSAL_LM", target_modules="all-linear")
            self.net = get_peft_model(self.net, lora)

    def generate(self, ids: list[int], tokens: int, temperature: float, top_p: float) -> list[int]:
        most = getattr(self.net.config, "max_position_embeddings", None) or len(ids) + tokens
        given = torch.tensor([ids[-max(most - tokens, 1) :]], device=self.net.device)
        options: dict[str, Any] = {"do_sample": temperature > 0, "max_new_tokens": tokens}
        if temperature > 0:
            options |= {"temperature": temperature, "top_p": top_p, "top_k": 0}
        options["eos_token_id"] = options["pad_token_id"] = number_of(self.spec.end, self.spec)
        found = self.net.generate(input_ids=given, attention_mask=given >= 0, **options)
        return list(found[0, given.shape[1] :].tolist())

    def forward(self, ids: Tensor) -> Tensor:
        logits: Tensor = self.net(input_ids=ids.clamp(min=0), use_cache=False).logits
        return logits[..., : self.num_outputs].transpose(1, 2)  # some have outputs to spare


def pretrained_spec(name: str, length: int, prompt: str, lora: bool) -> Spec:
    """Ask transformers for the tokenizer and the shape of a pretrained network."""
    with fetching("--pretrained", name):
        from transformers import AutoConfig, AutoTokenizer

        tokenizer, config = AutoTokenizer.from_pretrained(name), AutoConfig.from_pretrained(name)
        end = tokenizer.eos_token or tokenizer.sep_token
        most = getattr(config, "max_position_embeddings", None) or length
        return Spec(
            tokenizer=tokenizer.backend_tokenizer.to_str(),
            begin=tokenizer.bos_token or end,
            end=end,
            length=min(length, most),
            prompt=prompt,
            transformer=config.to_json_string(use_diff=False),
            lora=lora,
        )
