"""Masks and tags are learned on a pretrained network of a folder, and predicted without that."""

from __future__ import annotations

import json
import shutil
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch
from domains.assemble import assemble
from training.conftest import Package, finish

STYLES = ("plain", "lightning", "fastai", "accelerate")
FREEZE = (False, True)
pytestmark = pytest.mark.nightly  # networks are of the group `pretrained`


def cells(domain: str) -> list[tuple[str, bool]]:
    return list(product([f"{domain}-{style}" for style in STYLES], FREEZE))


def learn(package: Package, network: Path, *flags: str) -> None:
    """Train from the folder, which is gone then."""
    asked = ["--pretrained", str(network), *flags]
    package.run("--dry-run", "--device", "cpu", "--run-dir", "runs/x", *asked)
    shutil.rmtree(network)


@pytest.mark.parametrize(("package", "freeze"), cells("segmentation"), indirect=["package"])
def test_masks_are_learned_on_a_pretrained_network(package: Package, freeze: bool) -> None:
    import timm

    network = package.folder / "network"
    timm.models.save_for_hf(timm.create_model("resnet10t"), network)
    learn(package, network, "--image-size", "50", *["--freeze"] * freeze)
    said = finish(package.python("-m", f"{package.name}.predict", "data/sample/images/0001.png"))
    found = json.loads(said)
    assert sum(found["shares"].values()) == pytest.approx(1)
    assert (package.folder / found["mask"]).is_file()


def save_transformer(folder: Path, texts: list[str]) -> Any:
    """A tiny network in a folder as the hub has them, with tokens that are parts of words."""
    import tokenizers
    import transformers

    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordPiece(unk_token="[UNK]"))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    special = {"pad_token": "[PAD]", "unk_token": "[UNK]"}
    special |= {"cls_token": "[CLS]", "sep_token": "[SEP]"}
    names = list(special.values())
    trainer = tokenizers.trainers.WordPieceTrainer(vocab_size=60, special_tokens=names)
    tokenizer.train_from_iterator(texts, trainer)
    ends = [(name, tokenizer.token_to_id(name)) for name in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = tokenizers.processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=ends
    )
    fast = transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special)
    fast.save_pretrained(folder)
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    size = {"vocab_size": tokenizer.get_vocab_size(), "intermediate_size": 32}
    torch.manual_seed(0)
    config = transformers.BertConfig(**size, **sizes, pad_token_id=fast.pad_token_id)
    transformers.BertForTokenClassification(config).save_pretrained(folder)
    return fast


TEXTS = ["Galden moved from Kelsen to Marlo last week", "the mayor of Tulosen thanked Pasri ."]


@pytest.mark.parametrize(("package", "freeze"), cells("tagging"), indirect=["package"])
def test_tags_are_learned_on_a_pretrained_network(package: Package, freeze: bool) -> None:
    network = package.folder / "network"
    save_transformer(network, TEXTS)
    learn(package, network, *["--freeze"] * freeze)
    found = json.loads(finish(package.python("-m", f"{package.name}.predict", TEXTS[0])))
    assert all(TEXTS[0][s["start"] : s["end"]] == s["text"] for s in found["spans"])


def test_a_word_has_the_logits_of_its_first_token(tmp_path: Path) -> None:
    package = assemble("tags_in_place", "base", "domains/tagging", "styles/plain")
    tokenizer = save_transformer(tmp_path, TEXTS)
    model, data = package("model"), package("data")
    spec = model.pretrained_spec(str(tmp_path))
    network = model.make_model(spec, 3, str(tmp_path)).eval()
    for parameter in network.get_classifier().parameters():
        torch.nn.init.normal_(parameter)
    items = [(data.make_transform(spec)(text), torch.tensor(0)) for text in TEXTS]
    inputs, _ = data.collate(items)
    with torch.inference_mode():
        found = network(inputs)  # (B, 3, WORDS)
        for row, text in zip(found, TEXTS, strict=True):
            encoded = tokenizer(text.split(), is_split_into_words=True, return_tensors="pt")
            logits = network.net(**encoded).logits[0]
            places = [encoded.word_ids().index(n) for n in range(len(text.split()))]
            assert len(places) < len(encoded.word_ids()) - 2  # words have several tokens
            torch.testing.assert_close(
                row[:, : len(places)].T, logits[places], rtol=1e-4, atol=1e-5
            )
            assert (row[:, len(places) :] == model.OUTSIDE).all()
