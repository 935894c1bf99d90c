"""Other data is read as the run has read its own, where that decides what is measured."""

from __future__ import annotations

import errno
import json
import sys
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from domains.assemble import assemble


def test_texts_are_parted_by_the_tokens_of_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    package = assemble("parted", "base", "domains/language-model", "styles/plain")
    config, make_table = package("config").Config, package("data").make_table
    spec = make_table(config()).attrs["spec"]
    Path("settings.json").write_text(json.dumps({"spec": asdict(spec)}))
    other = Path("other.txt")
    other.write_text("".join(f"Nothing of this was there before, line {n}.\n\n" for n in range(99)))
    assert make_table(config(data=other)).attrs["spec"].tokenizer != spec.tokenizer
    table = make_table(config(data=other, resume=str(tmp_path)))
    assert table.attrs["spec"].tokenizer == spec.tokenizer


def test_one_long_sound_among_short_ones_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    package = assemble("long_one", "base", "domains/speech-recognition", "styles/plain")
    soundfile.write(path := tmp_path / "a.wav", np.zeros(99), 8000)
    make_spec, config = package("data").make_spec, package("config").Config()
    for longest, said in ((4.0, ""), (9.0, "filled up to 9 s: --seconds 2.1 would keep 95 %\n")):
        table = pd.DataFrame({"input": str(path), "seconds": [2.04] * 99 + [longest]})
        assert make_spec(config, table).seconds == longest
        out = capsys.readouterr().out
        assert out.endswith(said)
        assert bool(said) == ("filled up" in out)


@pytest.mark.parametrize(
    ("length", "seconds"), [(0.2, 0.5), (1.5, 1.5), (12.0, 12.0), (30.0, 20.0)]
)
def test_a_clip_is_as_long_as_most_sounds_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], length: float, seconds: float
) -> None:
    package = assemble("clips", "base", "domains/audio", "styles/plain")
    soundfile.write(path := tmp_path / "a.wav", np.zeros(round(length * 1000)), 1000)
    table, config = pd.DataFrame({"input": [str(path)] * 9}), package("config").Config()
    spec = package("data").make_spec(config, table)
    assert spec.seconds == seconds
    # A longer clip has not many more frames, or an epoch would take long
    assert seconds * spec.sample_rate / package("model").make_model(spec, 2).log_mel.hop <= 500
    folder = package("run").start_run(replace(config, run_dir=tmp_path / "x"), spec=asdict(spec))
    assert capsys.readouterr().out == f"run in {folder}, sample_rate 1000, seconds {seconds}\n"


@pytest.mark.parametrize(
    ("task", "rows", "epochs"),
    [
        ("classification", 100, 300),
        ("classification", 200, 100),
        ("classification", 500, 50),
        ("classification", 5_000, 38),
        ("regression", 500, 150),
        ("regression", 5_000, 38),
    ],
)
def test_few_rows_are_learned_in_many_epochs(task: str, rows: int, epochs: int) -> None:
    module = assemble("rows", "base", "domains/tabular", "styles/plain")("config")
    config = module.Config(data=Path("rows.csv"), task=task)
    assert module.with_defaults(config, rows).epochs == epochs


def test_sounds_are_as_long_as_the_network_takes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    package = assemble("heard", "base", "domains/speech-recognition", "styles/plain")
    config, make_table = package("config").Config, package("data").make_table
    for number in range(40):
        path = tmp_path / "sounds" / f"{number}.wav"
        path.parent.mkdir(exist_ok=True)
        rng = np.random.default_rng(number)
        soundfile.write(path, rng.normal(0, 0.1, 8000 * (1 + number % 2)), 8000)
        path.with_suffix(".txt").write_text(f"sound {number}")
    assert len(make_table(config(data=tmp_path / "sounds"))) == 40
    (tmp_path / "settings.json").write_text(json.dumps({"spec": {"seconds": 1.5}}))
    table = make_table(config(data=tmp_path / "sounds", resume=str(tmp_path)))
    assert len(table) == 20
    assert "left out 20 sounds of more than 1.5 s" in capsys.readouterr().out


def test_half_of_the_texts_are_enough(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    package = assemble("halved", "base", "domains/speech-recognition", "styles/plain")
    for name in ("1-2-0001", "1-2-0002", "1-2-0003"):
        soundfile.write(tmp_path / f"{name}.wav", np.zeros(8000), 8000)
    (tmp_path / "1-2.trans.txt").write_text("1-2-0001 SAID\n1-2-0002\n")
    table = package("transcripts").from_folder(tmp_path, {".wav"})
    assert list(table["target"]) == ["said", ""]
    (tmp_path / "1-2.trans.txt").write_text("1-2-0001 SAID\n")
    assert list(package("transcripts").from_folder(tmp_path, {".wav"})["target"]) == ["said"]
    assert "left out 2 sounds without a text" in capsys.readouterr().out


def test_a_checkpoint_without_its_settings_is_one_line(tmp_path: Path) -> None:
    load_config = assemble("alone", "base", "domains/text", "styles/plain")("run").load_config
    with pytest.raises(SystemExit, match=r"has no settings.json: it lies in the folder of the run"):
        load_config(tmp_path)


def test_paths_may_be_texts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As they are written in a notebook."""
    monkeypatch.chdir(tmp_path)
    package = assemble("said", "base", "domains/text", "styles/plain")
    rows = [f"some text {n},{'good' if n % 2 else 'bad'}" for n in range(20)]
    Path("rows.csv").write_text("\n".join(["text,label", *rows]))
    config = package("config").Config(data="rows.csv", run_dir="here")
    assert len(package("data").make_table(config)) == 20
    assert package("run").start_run(config) == Path("here")
    assert package("run").load_config(Path("here")).data == Path("rows.csv")


@pytest.mark.parametrize("name", ["./nets", "/nets", "~/nets", "nets/mine/last"])
def test_a_folder_of_weights_that_is_not_there_is_said_at_once(name: str) -> None:
    run = assemble("gone", "base", "domains/vision", "styles/plain")("run")
    with pytest.raises(SystemExit, match=f"--pretrained {name}: no such folder"):
        run.fetching("--pretrained", name).__enter__()


def test_a_disk_that_is_read_only_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    run = assemble("read_only", "base", "domains/vision", "styles/plain")("run")

    def refuse(config: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system", "runs")

    monkeypatch.setattr(sys, "argv", ["train"])
    with pytest.raises(SystemExit, match=r"cannot write to runs, .*Read-only file system"):
        run.main(refuse, "")
