"""What the network of texts sees of words that are no tokens of its own."""

from __future__ import annotations

import json
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
    (tmp_path / "a.json").write_text('{"text": "a"}\n{"text": "b"\n')
    with pytest.raises(SystemExit, match="cannot read "):
        module("data").read_rows(module("config").Config(data=tmp_path / "a.json"))


@pytest.mark.parametrize(
    "rows",
    [
        [{"conversations": [{"from": "Human", "value": "Hi"}, {"from": "ChatGPT", "value": "Ho"}]}],
        [{"prompt": [{"role": "user", "content": "Hi"}],
          "completion": [{"role": "assistant", "content": "Ho"}]}],
        [{"instruction": "Hi", "input": "", "output": "Ho"}],
    ],
    ids=["sharegpt", "trl", "alpaca"],
)  # fmt: skip
def test_a_folder_with_json_of_chats(rows: list[dict[str, Any]], tmp_path: Path) -> None:
    module = assemble("chats_of_json", "base", "domains/language-model", "styles/plain")
    (tmp_path / "data.json").write_text(json.dumps(rows * 30))
    (tmp_path / "README.md").write_text("# Chats")
    found = module("data").read_rows(module("config").Config(data=tmp_path))
    assert set(found["input"]) == {"user: Hi\nassistant: "}
    assert set(found["target"]) == {"Ho"}


def test_speech_of_ljspeech(tmp_path: Path) -> None:
    """Names without an ending, sounds in a folder below, no names of columns."""
    module = assemble("ljspeech", "base", "domains/speech-recognition", "styles/plain")
    (tmp_path / "wavs").mkdir()
    lines = []
    for n in range(3):
        (tmp_path / f"wavs/LJ{n}.wav").write_bytes(b"")
        lines.append(f'LJ{n}|In 18{n}, or "so{", so" * n}, he said.|In eighteen, he said.')
    (tmp_path / "metadata.csv").write_text("\n".join(lines))
    config = module("config").Config(columns="1:3")
    read, take = module("table").read, module("transcripts").from_columns
    rows = read(tmp_path, config, {".wav"}, take)
    assert [Path(path).name for path in rows["input"]] == ["LJ0.wav", "LJ1.wav", "LJ2.wav"]
    assert set(rows["target"]) == {"in eighteen he said"}


def test_texts_that_are_cut_are_said(capsys: pytest.CaptureFixture[str]) -> None:
    module = assemble("long_texts", "base", "domains/text", "styles/plain")
    texts = ["word " * (400 if n % 4 else 40) for n in range(400)]
    table = pd.DataFrame({"input": texts, "split": "train"})
    module("data").make_spec(module("config").Config(), table)
    assert capsys.readouterr().out == "75% of the texts are cut to 256 tokens: --max-length\n"
    module("data").make_spec(module("config").Config(max_length=400), table)
    assert capsys.readouterr().out == ""
