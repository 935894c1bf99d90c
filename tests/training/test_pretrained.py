"""A pretrained network of a folder is fine-tuned in every task, and predicts without the folder."""

from __future__ import annotations

import json
import shutil
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from domains.assemble import assemble
from training.conftest import Package, finish
from training.networks import save_speech, save_transformer, save_writer

STYLES = ("plain", "lightning", "fastai", "accelerate", "trainer")
FREEZE = (False, True)
pytestmark = pytest.mark.nightly  # networks are of the group `pretrained`


def cells(domain: str) -> list[tuple[str, bool]]:
    return list(product([f"{domain}-{style}" for style in STYLES], FREEZE))


def learn(package: Package, network: Path, *flags: str) -> str:
    """Train from the folder, which is gone then."""
    asked = ["--pretrained", str(network), *flags]
    said = package.run("--dry-run", "--device", "cpu", "--run-dir", "runs/x", *asked)
    shutil.rmtree(network)
    return said


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


@pytest.mark.parametrize(("package", "freeze"), cells("detection"), indirect=["package"])
def test_boxes_are_learned_on_a_pretrained_network(package: Package, freeze: bool) -> None:
    import timm

    network = package.folder / "network"
    timm.models.save_for_hf(timm.create_model("resnet10t"), network)
    learn(package, network, "--image-size", "50", *["--freeze"] * freeze)
    flags = ["data/sample/images/0001.png", "--threshold", "0", "--output", "found.json"]
    said = finish(package.python("-m", f"{package.name}.predict", *flags))
    assert json.loads(said)["boxes"][0]["label"] in ("circle", "square", "triangle")
    assert json.loads((package.folder / "found.json").read_text())["annotations"]


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


@pytest.mark.parametrize(("package", "lora"), cells("language-model"), indirect=["package"])
def test_answers_are_learned_on_a_pretrained_network(package: Package, lora: bool) -> None:
    network = package.folder / "network"
    save_writer(network)
    rows = [{"prompt": f"{n}?", "completion": f"{n} camels"} for n in range(60)]
    (package.folder / "own.jsonl").write_text("\n".join(map(json.dumps, rows)))
    learn(package, network, "--data", "own.jsonl", *["--lora"] * lora)
    said = finish(package.python("-m", f"{package.name}.predict", "why?", "--tokens", "5"))
    assert json.loads(said).keys() == {"input", "text"}


def likeliest(network: Any, ids: list[int]) -> int:
    return int(network(torch.tensor([ids])).logits[0, -1].argmax())


def test_a_network_is_spoken_to_as_it_knows_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    package = assemble("writer_in_place", "base", "domains/language-model", "styles/plain")
    network = save_writer(tmp_path / "network")
    turns = [("user", "why?"), ("assistant", "a"), ("user", "a?"), ("assistant", "the day")]
    chat = [{"role": role, "content": said} for role, said in turns]
    rows = [{"messages": [{"role": "system", "content": str(n)}, *chat]} for n in range(9)]
    (tmp_path / "chats.jsonl").write_text("\n".join(map(json.dumps, rows)))
    config = package("config").Config(data=tmp_path / "chats.jsonl", pretrained="./network")
    data, models = package("data"), package("model")
    table = data.make_table(config)
    pairs = set(zip(table["input"], table["target"], strict=True))
    assert ("<system>0<user>why?<assistant>", "a<end>") in pairs
    assert ("<system>0<user>why?<assistant>a<user>a?<assistant>", "the day<end>") in pairs
    spec = data.make_spec(config, table)
    assert spec.prompt == "<user>{}<assistant>"
    task = package("task").Task.fit(config.task, table)
    model = models.make_model(spec, len(task.names), "./network").eval()
    ids, _ = task.pair(data.make_transform(spec), *table[["input", "target"]].iloc[0])
    with torch.inference_mode():
        expected = network(ids.clamp(min=0)[None]).logits[0, :, : len(task.names)]
        torch.testing.assert_close(model(ids[None])[0].T, expected, rtol=1e-4, atol=1e-5)
        assert model.generate([0, 5], 1, temperature=0, top_p=1) == [likeliest(network, [0, 5])]


@pytest.mark.parametrize("package", ["text-plain"], indirect=True)
@pytest.mark.parametrize("kind", ["bert", "distilbert"])
def test_changes_of_low_rank_leave_the_head_whole(package: Package, kind: str) -> None:
    """DistilBERT's head has two layers, of which the name of one ends the name of the other."""
    network = package.folder / "network"
    save_transformer(network, ["the food was good"], kind)
    learn(package, network, "--lora")
    names = torch.load(package.folder / "runs/x/best.pt", weights_only=True)["model"]
    assert any("lora_A" in name for name in names)
    assert not any("classifier" in name and "lora" in name for name in names)


SPEECH = cells("speech-recognition")


@pytest.mark.parametrize(("package", "freeze"), SPEECH, indirect=["package"])
def test_speech_is_learned_on_a_pretrained_network(package: Package, freeze: bool) -> None:
    network = package.folder / "network"
    save_speech(network)
    learn(package, network, *["--freeze"] * freeze)
    sound = "data/sample/0001.wav"
    found = json.loads(finish(package.python("-m", f"{package.name}.predict", sound)))
    assert found.keys() == {"input", "text"}


@pytest.mark.parametrize(
    ("kind", "norm"), [("wav2vec2", "group"), ("wav2vec2", "layer"), ("hubert", "group")]
)
def test_letters_that_a_network_can_write_are_kept(kind: str, norm: str, tmp_path: Path) -> None:
    package = assemble("speech_in_place", "base", "domains/speech-recognition", "styles/plain")
    network = save_speech(tmp_path / "network", kind, feat_extract_norm=norm)
    model, data, letters = package("model"), package("data"), " aefy"
    spec = model.pretrained_spec(str(tmp_path / "network"), 2.0, letters)
    found = model.make_model(spec, len(letters) + 2, str(tmp_path / "network")).eval()
    sound = np.random.default_rng(0).standard_normal(20_000)
    inputs = data.make_transform(spec)(sound)[None]
    with torch.inference_mode():
        mask = (torch.arange(inputs.shape[1]) < len(sound)).long()[None]
        expected = network(inputs, attention_mask=mask if norm == "layer" else None).logits
        columns = expected[0].T[[0, 2, 3, 4, 10]]  # the blank, " ", "A", "E", "F"
        logits = found(inputs)[0]
        inside = logits[2] > model.OUTSIDE  # before the end of the sound
        assert 0.5 < inside.float().mean() < 0.7
        torch.testing.assert_close(logits[[0, 2, 3, 4, 5]][:, inside], columns[:, inside])
        assert not logits[[1, 6]][:, inside].any()  # what is unknown, and "y", are new


@pytest.mark.parametrize("package", ["audio-fastai"], indirect=True)
def test_what_fastai_cannot_export_is_said(package: Package) -> None:
    import transformers

    network = package.folder / "network"
    save_speech(network)
    transformers.Wav2Vec2FeatureExtractor().save_pretrained(network)
    said = learn(package, network)
    assert "no export.pkl: " in said
    assert f"finished: {Path('runs/x/best.pth')}" in said
    assert not (package.folder / "runs/x/export.pkl").exists()


@pytest.mark.parametrize("package", ["audio-plain"], indirect=True)
def test_what_takes_no_spectrograms_says_so_in_a_line(package: Package) -> None:
    import timm

    network = package.folder / "network"
    timm.models.save_for_hf(timm.create_model("vit_tiny_patch16_224"), network)
    process = package.start("--dry-run", "--pretrained", str(network))
    _, said = process.communicate(timeout=300)
    assert process.returncode == 1
    assert said.splitlines()[-1].startswith(f"--pretrained {network}: Input height (128)")
    assert "Traceback" not in said
