"""What the network of texts sees of words that are no tokens of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from domains.assemble import assemble
from tokenizers.pre_tokenizers import ByteLevel

# A word as one token and as two
VOCAB = {"[UNK]": 0, "Ġabcd": 1, "Ġab": 2, "cd": 3, "Ġx": 4}


@pytest.fixture
def load() -> Any:
    return assemble("parts", "base", "domains/text", "styles/plain")


@pytest.fixture
def model(load: Any) -> Any:
    return load("model")


def parts_of(model: Any, ids: list[int], vocab: dict[str, int] = VOCAB) -> list[int]:
    net = model.TextNet(vocab, 3).eval()
    seen: list[torch.Tensor] = []
    net.bag.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    net(torch.tensor([ids]))
    return sorted(row for row in seen[-1].flatten().tolist() if row != model.ROWS)


@pytest.mark.parametrize(
    ("ids", "parts"),
    [
        ([1], " a|ab|bc|cd|d | ab|abc|bcd|cd | abc|abcd|bcd | abcd|abcd "),
        ([2, 3], " a|ab|bc|cd|d | ab|abc|bcd|cd | abc|abcd| abcd"),  # those of two tokens
        ([2, 4], " a| ab|ab|b |ab | ab | x|x | x "),  # a word ends where the next begins
    ],
)
def test_parts_of_words_go_over_the_borders_of_tokens(
    model: Any, ids: list[int], parts: str
) -> None:
    assert parts_of(model, ids) == sorted(map(model.row_of, parts.split("|")))


def test_what_fills_up_a_batch_is_no_part(model: Any) -> None:
    assert parts_of(model, [2, 3]) == parts_of(model, [2, 3, model.PAD, model.PAD])


def test_parts_are_of_letters_whatever_bytes_these_are(model: Any) -> None:
    vocab = {"[UNK]": 0, "".join(to_bytes(" мил")): 1}
    parts = " м|ми|ил|л | ми|мил|ил | мил|мил | мил "
    assert parts_of(model, [1], vocab) == sorted(map(model.row_of, parts.split("|")))


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("  Don't  go", [" don", "'t", " ", " go"]),
        ("निजी समूह", [" निजी", " समूह"]),  # vowels are marks
        ("问题 2024", [" ", "问", "题", " 2024"]),
    ],
)
def test_words_are_tokens_in_every_script(load: Any, text: str, tokens: list[str]) -> None:
    found = load("data").train_tokenizer([text] * 2).encode(text)
    assert found.tokens == ["".join(to_bytes(token)) for token in tokens]


def to_bytes(text: str) -> list[str]:
    split = ByteLevel(add_prefix_space=False, use_regex=False)
    return [piece for piece, _ in split.pre_tokenize_str(text)]


def test_a_table_is_no_text_to_predict(load: Any) -> None:
    read = load("predict").read_inputs
    assert list(read(["see a.csv"])) == [("see a.csv", "see a.csv")]
    with pytest.raises(SystemExit, match=r"a\.csv: give texts"):
        list(read(["a.csv"]))


def test_chats_of_the_hub_are_lists_of_arrays(tmp_path: Path) -> None:
    module = assemble("chats", "base", "domains/language-model", "styles/plain")
    chat = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]
    pd.DataFrame({"messages": [chat] * 30}).to_parquet(tmp_path / "a.parquet")
    rows = module("data").read_rows(module("config").Config(data=tmp_path / "a.parquet"))
    assert len(rows) == 30
    assert set(rows["target"]) == {"Hello"}
    (tmp_path / "a.json").write_text('{"text": "a"}\n{"text": "b"}\n')
    with pytest.raises(SystemExit, match="cannot read "):
        module("data").read_rows(module("config").Config(data=tmp_path / "a.json"))
