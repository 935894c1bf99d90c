"""What the network of texts sees of words that are no tokens of its own."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from domains.assemble import assemble

# A word as one token and as two
VOCAB = {"[UNK]": 0, "Ġabcd": 1, "Ġab": 2, "cd": 3, "Ġx": 4}


@pytest.fixture
def model() -> Any:
    return assemble("parts", "base", "domains/text", "styles/plain")("model")


def parts_of(model: Any, ids: list[int]) -> list[int]:
    net = model.TextNet(VOCAB, 3).eval()
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
