"""Texts as rows of tokens: the table of examples, and what becomes of a text for the network."""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from tokenizers import ByteLevelBPETokenizer
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from .config import Config
from .model import LARGE, PAD, Spec, load_tokenizer, pretrained_spec
from .run import load_settings
from .sample import make_sample
from .table import divide, from_hub, read, unpack
from .texts import find_texts, from_columns, part, read_texts, render

END = "<|endoftext|>"
COLUMNS = ["input", "target", "split"]  # of the rows that are learned
SURPRISE = 8.0  # bits of a token that TensorBoard marks
collate = None  # all rows have one length


def make_table(config: Config) -> pd.DataFrame:
    """Give the rows input (what is given), target (what is learned after it) and split.

    Replace `read_rows` for other data: texts have nothing given, and are cut and joined here.
    """
    rows = read_rows(config)
    rows = rows[rows["target"].map(lambda text: isinstance(text, str) and bool(text.strip()))]
    if rows.empty:
        raise SystemExit(f"{config.data or config.dataset} has no texts")
    of = rows.get("of", rows["input"] + rows["target"])  # what must not be in two splits
    rows = divide(rows.assign(given=rows["input"], input=of), config)
    rows = rows.assign(input=rows["given"])
    if config.resume in (None, "auto"):
        spec = fit_spec(rows, config)
    else:  # to go on, or to evaluate: the tokens of the run
        spec = Spec(**load_settings(Path(config.resume))["spec"])
    apart = (rows["input"] != "") | (":" in (config.columns or ""))
    table = pd.concat([ended(rows[apart], spec), pack(rows[~apart], spec)], ignore_index=True)
    pairs = zip(table["input"], table["target"], strict=True)
    counts = [sum(len(encode(text, spec.tokenizer)) for text in pair) for pair in pairs]
    if cut := sum(n > spec.length + 1 for n in counts[: apart.sum()]):
        print(f"{cut} of {apart.sum()} answers are cut to {spec.length} tokens: --max-length")
    table.attrs["spec"] = replace(spec, length=min(spec.length, max(counts) - 1))
    return table


def read_rows(config: Config) -> pd.DataFrame:
    """Read texts, or prompts and answers, each whole."""
    data, named = config.data, config.dataset
    if data is None:
        return from_hub(named, config, (), from_columns) if named else make_sample()
    data = unpack(data)
    files = find_texts(data)
    return part(read_texts(files, data)) if files else read(data, config, (), from_columns)


def fit_spec(rows: pd.DataFrame, config: Config) -> Spec:
    """Choose tokens and size by the texts to train, or take those of a pretrained network."""
    chat = [{"role": "user", "content": "{}"}]
    prompt = render(chat, config.pretrained) if rows["input"].any() else "{}"
    if config.pretrained:
        return pretrained_spec(config.pretrained, config.max_length or 256, prompt, config.lora)
    texts = (rows["input"] + rows["target"])[rows["split"] == "train"]
    tokenizer = train_tokenizer(texts)
    large = sum(map(len, texts)) > LARGE
    length = config.max_length or (256 if large else 128)
    return Spec(tokenizer.to_str(), END, END, length, prompt, large)


def make_spec(config: Config, table: pd.DataFrame) -> Spec:
    spec: Spec = table.attrs["spec"]
    return spec


def train_tokenizer(texts: Iterable[str]) -> ByteLevelBPETokenizer:
    """Learn byte-level BPE (Radford et al., 2019), fewer tokens of fewer texts."""
    texts, tokenizer = list(texts), ByteLevelBPETokenizer()
    size = min(max(sum(map(len, texts)) // 256, 512), 8192)
    options: Any = {"min_frequency": 0, "special_tokens": [END], "show_progress": False}
    tokenizer.train_from_iterator(texts, size, **options)
    return tokenizer


def ended(rows: pd.DataFrame, spec: Spec) -> pd.DataFrame:
    """Let answers end."""
    return rows.assign(target=rows["target"] + spec.end)[COLUMNS]


def pack(rows: pd.DataFrame, spec: Spec) -> pd.DataFrame:
    """Let every row have as many tokens as the network sees: join short texts, cut long ones."""
    parts = rows["target"].groupby(rows["split"], sort=False)
    found = [("", text, split) for split, texts in parts for text in rows_of(texts, spec)]
    return pd.DataFrame(found, columns=COLUMNS, dtype=object)


def rows_of(texts: Iterable[str], spec: Spec) -> Iterator[str]:
    """Give texts of `length` and one tokens, where one text ends another begins."""
    tokenizer, found, room = load_tokenizer(spec.tokenizer), "", spec.length + 1
    end = spec.end if spec.end != spec.begin else ""  # one may do for both
    for text in (spec.begin + text + end for text in texts):
        # The places behind tokens
        places = [0, *(e for _, e in tokenizer.encode(text, add_special_tokens=False).offsets)]
        done = 0
        while len(places) - 1 - done >= room:
            # Behind a word, if there is one, or else its end would be cut into other tokens
            ends = range(done + room, done + room // 2, -1)
            spaces = (n for n in ends if text[places[n] : places[n] + 1].isspace())
            last = next(spaces, done + room)
            yield found + text[places[done] : places[last]]
            found, done, room = "", last, spec.length + 1
        found += text[places[done] :]
        room -= len(places) - 1 - done
    if found:
        yield found


def make_transform(spec: Spec, train: bool = False) -> Callable[[str], Tensor]:
    """Make what turns a text into its ids (T,)."""
    return partial(encode, tokenizer=spec.tokenizer)


@cache
def encode(text: str, tokenizer: str) -> Tensor:
    ids = load_tokenizer(tokenizer).encode(text, add_special_tokens=False).ids
    return torch.tensor(ids, dtype=torch.int64)


def preload(items: list[str], spec: Spec) -> list[str]:
    """Leave texts as they are: `encode` keeps what becomes of them."""
    return items


def draw(writer: SummaryWriter, step: int, inputs: Tensor, titles: Any, spec: Spec) -> None:
    """Show texts, ids (B, T), and in bold what was least expected of them."""
    tokenizer, cells = load_tokenizer(spec.tokenizer), []
    for ids, bits in zip(inputs, titles, strict=False):
        shown = ids[ids != PAD].tolist()
        pieces = [plain(tokenizer.decode([token], skip_special_tokens=False)) for token in shown]
        before = zip(pieces, [0.0, *bits], strict=False)  # bits are those of the token to come
        cells.append("".join(bold(p) if cost > SURPRISE else p for p, cost in before))
    writer.add_text("predictions", "\n\n---\n\n".join(cells), step)


def bold(text: str) -> str:
    word = text.strip()
    return text.replace(word, f"**{word}**") if word else text


def plain(text: str) -> str:
    """Let Markdown show a text as it is."""
    return re.sub(r"[\\`*_\[\]<>&|#-]", lambda found: f"&#{ord(found[0])};", text)
