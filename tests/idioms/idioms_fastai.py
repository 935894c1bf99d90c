"""What fastai's documentation shows works on a generated project, importable as `project`.

The domain is seen by the project's settings; run it once for each.
"""

import json
import math
import signal
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import matplotlib
import pandas as pd
import pytest
import torch
from fastai.basics import (
    SGD,
    ClassificationInterpretation,
    DataLoaders,
    F1Score,
    Interpretation,
    Learner,
    Optimizer,
    accuracy,
    load_learner,
)
from fastai.callback.all import (
    CSVLogger,
    EarlyStoppingCallback,
    GradientAccumulation,
    MixUp,
    ReduceLROnPlateau,
    SaveModelCallback,
    SuggestionMethod,
)
from fastai.callback.tensorboard import TensorBoardCallback
from matplotlib import pyplot as plt
from project.config import Config, with_defaults
from project.data import make_spec, make_table
from project.dls import make_dls, make_learner
from project.learner import RunFolder, TaskLoss
from project.task import Task
from project.train import train
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

matplotlib.use("Agg")
FLAGS = {field.name for field in fields(Config)}
VISION, TEXT, ROWS = (name in FLAGS for name in ("image_size", "max_length", "num_bins"))
FILES = not TEXT and not ROWS
SIZES = {"train": 64, "val": 24, "test": 16}
KINDS = ["classification", "multilabel", "regression"]


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    folder = tmp_path_factory.mktemp("sample")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        table = make_table(Config())
        if FILES:
            table["input"] = [str((folder / path).resolve()) for path in table["input"]]
    parts = [table[table["split"] == part].sample(n, random_state=0) for part, n in SIZES.items()]
    return pd.concat(parts).reset_index(drop=True)


def learner(
    table: pd.DataFrame, path: Path, kind: str = "classification", **options: Any
) -> Learner:
    table = table.copy()
    if kind == "multilabel":
        table["target"] = [[*label.split(), "any"] for label in table["target"]]
    if kind == "regression":
        table["target"] = [
            [float(len(label)), 1.0 + number] for number, label in enumerate(table["target"])
        ]
    config = Config(task=kind, batch_size=16, device="cpu", num_workers=0)
    config = with_defaults(config, SIZES["train"])
    task, spec = Task.fit(kind, table), make_spec(config, table)
    torch.manual_seed(0)
    return make_learner(make_dls(table, task, spec, config), task, spec, path=path, **options)


@pytest.fixture(params=KINDS)
def any_learn(
    request: pytest.FixtureRequest, sample: pd.DataFrame, tmp_path: Path
) -> Iterator[Learner]:
    learn = learner(sample, tmp_path, request.param)
    with learn.no_bar():
        yield learn
    plt.close("all")


@pytest.fixture
def learn(sample: pd.DataFrame, tmp_path: Path) -> Iterator[Learner]:
    learn = learner(sample, tmp_path)
    with learn.no_bar():
        yield learn
    plt.close("all")


def test_dataloaders_are_fastais(learn: Learner, sample: pd.DataFrame) -> None:
    dls = learn.dls
    assert isinstance(dls, DataLoaders)
    inputs, targets = dls.one_batch()
    assert len(inputs) == len(targets) == 16
    assert list(dls.vocab) == sorted(set(sample["target"]))
    assert dls.c == len(dls.vocab)
    assert len(dls.train_ds) == SIZES["train"]
    assert len(dls.valid_ds) == SIZES["val"]


def test_show_batch(any_learn: Learner) -> None:
    any_learn.dls.show_batch(max_n=4)
    any_learn.dls.valid.show_batch(max_n=4)


def test_show_results(any_learn: Learner) -> None:
    any_learn.show_results(max_n=4)


def test_titles_name_the_classes(learn: Learner, capsys: pytest.CaptureFixture[str]) -> None:
    learn.dls.show_batch(max_n=4)
    if FILES:
        axes = [axes for number in plt.get_fignums() for axes in plt.figure(number).axes]
        titles = [a.get_title() for a in axes if a.get_title()]
        assert len(titles) == 4
        assert set(titles) <= set(learn.dls.vocab)


def test_one_batch_passes(learn: Learner) -> None:
    learn.fit(1)
    assert len(learn.recorder.values) == 1


def test_lr_find(learn: Learner) -> None:
    before = [p.clone() for p in learn.model.parameters()]
    suggest = (SuggestionMethod.Valley, SuggestionMethod.Slide)
    found = learn.lr_find(num_it=40, stop_div=False, suggest_funcs=suggest)
    assert 1e-7 < found.valley < 10
    assert all(torch.equal(a, b) for a, b in zip(before, learn.model.parameters(), strict=True))
    assert plt.get_fignums()


def test_fit_one_cycle_learns(learn: Learner) -> None:
    first, *_ = learn.validate(ds_idx=0)
    learn.fit_one_cycle(6, 5e-3)
    assert len(learn.recorder.losses) == 6 * 4
    learn.recorder.plot_sched()
    learn.recorder.plot_loss()
    last, *_ = learn.validate(ds_idx=0)
    assert last < first


def test_fine_tune(any_learn: Learner) -> None:
    any_learn.fine_tune(1, 1e-3)
    assert all(math.isfinite(value) for value in any_learn.recorder.values[-1])


def test_a_slice_of_rates(learn: Learner) -> None:
    learn.fit_one_cycle(1, slice(1e-5, 1e-3))
    learn.fit_flat_cos(1, 1e-3)


def test_predict(any_learn: Learner, sample: pd.DataFrame) -> None:
    decoded, decoded_number, scores = any_learn.predict(sample["input"][0])
    assert len(scores) == len(any_learn.loss_func.task.names)
    if any_learn.loss_func.task.kind == "classification":
        assert decoded == any_learn.dls.vocab[int(decoded_number)]
        assert float(scores.sum()) == pytest.approx(1)
    by_row = any_learn.predict(sample.iloc[0])
    torch.testing.assert_close(by_row[2], scores)


def test_get_preds_gives_probabilities(any_learn: Learner) -> None:
    scores, targets = any_learn.get_preds()
    assert len(scores) == len(targets) == SIZES["val"]
    if any_learn.loss_func.task.kind != "regression":
        assert ((scores >= 0) & (scores <= 1)).all()
    scores, targets, decoded = any_learn.get_preds(ds_idx=0, with_decoded=True)
    assert len(decoded) == SIZES["train"]


def test_get_preds_with_losses(any_learn: Learner) -> None:
    *_, losses = any_learn.get_preds(with_loss=True)
    assert losses.shape == (SIZES["val"],)
    assert float(losses.mean()) == pytest.approx(any_learn.validate()[0], rel=1e-4)


def test_test_dl(learn: Learner, sample: pd.DataFrame) -> None:
    rows = sample[sample["split"] == "test"]
    scores, targets = learn.get_preds(dl=learn.dls.test_dl(rows))
    assert targets is None
    assert len(scores) == SIZES["test"]
    labelled = learn.dls.test_dl(rows, with_labels=True)
    again, targets = learn.get_preds(dl=labelled)
    torch.testing.assert_close(again, scores)
    assert [learn.dls.vocab[i] for i in targets] == list(rows["target"])
    plain, _ = learn.get_preds(dl=learn.dls.test_dl(list(rows["input"])))
    torch.testing.assert_close(plain, scores)
    assert len(learn.validate(dl=labelled)) == 3


def test_classification_interpretation(learn: Learner) -> None:
    interp = ClassificationInterpretation.from_learner(learn)
    matrix = interp.confusion_matrix()
    assert matrix.sum() == SIZES["val"]
    interp.plot_confusion_matrix()
    interp.print_classification_report()
    assert isinstance(interp.most_confused(), list)
    losses, _ = interp.top_losses(5)
    assert (losses.diff() <= 0).all()


def test_plot_top_losses(learn: Learner) -> None:
    if not VISION and not TEXT:
        pytest.skip("fastai has none for sounds, nor for rows")
    ClassificationInterpretation.from_learner(learn).plot_top_losses(4)


def test_interpretation_of_other_tasks(any_learn: Learner) -> None:
    losses, _ = Interpretation.from_learner(any_learn).top_losses(3)
    assert len(losses) == 3


def test_export_and_load_learner(learn: Learner, sample: pd.DataFrame) -> None:
    learn.fit(1)
    expected = learn.predict(sample["input"][0])
    learn.export("export.pkl")
    assert len(learn.dls.train_ds) == SIZES["train"]
    loaded = load_learner(learn.path / "export.pkl")
    label, _, scores = loaded.predict(sample["input"][0])
    assert label == expected[0]
    torch.testing.assert_close(scores, expected[2])


def test_save_and_load(learn: Learner, tmp_path: Path) -> None:
    learn.fit_one_cycle(1, 1e-3)
    learn.save("stage-1")
    expected = [p.clone() for p in learn.model.parameters()]
    learn.fit_one_cycle(1, 1e-3)
    learn.load("stage-1")
    assert all(torch.equal(a, b) for a, b in zip(expected, learn.model.parameters(), strict=True))


@pytest.mark.parametrize("monitor", ["valid_loss", "accuracy"])
def test_callbacks_that_watch(learn: Learner, monitor: str) -> None:
    cbs = [
        SaveModelCallback(monitor=monitor),
        EarlyStoppingCallback(monitor=monitor, min_delta=9.0, patience=2),
        ReduceLROnPlateau(monitor=monitor, min_delta=9.0, patience=1),
    ]
    learn.fit(6, cbs=cbs)
    assert len(learn.recorder.values) < 6
    assert (learn.path / "models/model.pth").exists()


def test_csv_logger(learn: Learner) -> None:
    learn.add_cb(CSVLogger())
    learn.fit(2)
    log = learn.csv_logger.read_log()
    assert list(log.columns) == ["epoch", "train_loss", "valid_loss", "accuracy", "f1", "time"]
    assert len(log) == 2


def test_tensorboard_of_fastai(learn: Learner, tmp_path: Path) -> None:
    learn.fit(1, cbs=TensorBoardCallback(tmp_path, trace_model=False, log_preds=False))
    board = EventAccumulator(str(tmp_path)).Reload()
    assert {"train_loss", "valid_loss", "accuracy", "lr_0"} <= set(board.Tags()["scalars"])


def test_metrics_of_fastai_beside_ours(learn: Learner) -> None:
    learn.metrics = [*learn.metrics, accuracy, F1Score(average="macro")]
    learn.fit_one_cycle(2, 5e-3)
    names = list(learn.recorder.metric_names)
    assert names == [
        "epoch",
        "train_loss",
        "valid_loss",
        "accuracy",
        "f1",
        "accuracy",
        "f1_score",
        "time",
    ]
    _, _, ours, our_f1, theirs, their_f1 = learn.recorder.values[-1]
    assert ours == pytest.approx(theirs, abs=1e-6)
    assert our_f1 == pytest.approx(their_f1, abs=1e-4)


def test_freeze(learn: Learner) -> None:
    learn.freeze()
    learn.fit(1)
    learn.unfreeze()
    assert all(p.requires_grad for p in learn.model.parameters())


def test_options_of_a_learner_of_one_s_own(sample: pd.DataFrame, tmp_path: Path) -> None:
    learn = learner(sample, tmp_path, opt_func=SGD, metrics=[accuracy])
    learn.create_opt()
    assert type(learn.opt) is Optimizer
    assert learn.metrics.attrgot("name") == ["accuracy"]


def test_mixup(learn: Learner) -> None:
    if not FILES:
        pytest.skip("token ids cannot be mixed, nor can categories")
    learn.fit(1, cbs=MixUp(0.4))
    assert isinstance(learn.loss_func, TaskLoss)


def test_gradients_of_several_batches(
    sample: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    sample.to_json("sample.jsonl", orient="records", lines=True)
    data: dict[str, Any] = {"data": Path("sample.jsonl"), "columns": "input:target"}
    config = Config(**data, batch_size=8, epochs=1, device="cpu", num_workers=0)
    result = train(config, GradientAccumulation(200))  # more than there are before the first point
    assert result["loss"] > 0


def test_tta(learn: Learner) -> None:
    scores, _ = learn.tta(n=2)
    assert scores.shape == (SIZES["val"], len(learn.dls.vocab))
    torch.testing.assert_close(scores.sum(dim=1), torch.ones(len(scores)))


def test_summary(learn: Learner) -> None:
    assert "Total params" in str(learn.summary())


@pytest.fixture
def network(tmp_path: Path) -> str:
    """A tiny pretrained network in a folder as the hub has them, its weights random."""
    folder = tmp_path / "network"
    torch.manual_seed(1)
    if ROWS:
        pytest.skip("no network is pretrained on tables")
    if TEXT:
        import tokenizers
        import transformers

        words = {word: number for number, word in enumerate(["[PAD]", "[UNK]", "the", "was"])}
        tokenizer = tokenizers.Tokenizer(tokenizers.models.WordLevel(words, "[UNK]"))
        tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
        special = {"pad_token": "[PAD]", "unk_token": "[UNK]"}
        transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special).save_pretrained(
            folder
        )
        sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
        config = transformers.BertConfig(vocab_size=len(words), intermediate_size=32, **sizes)
        transformers.BertForSequenceClassification(config).save_pretrained(folder)
    else:
        import timm

        timm.models.save_for_hf(timm.create_model("test_efficientnet", num_classes=7), folder)
    return str(folder)


def pretrained_config(network: str, **settings: Any) -> Config:
    settings |= {"image_size": 64} if VISION else {}
    return Config(pretrained=network, batch_size=16, device="cpu", num_workers=0, **settings)


def test_a_pretrained_network_is_frozen_and_fine_tuned(
    sample: pd.DataFrame, network: str, tmp_path: Path
) -> None:
    config = with_defaults(pretrained_config(network), SIZES["train"])
    task, spec = Task.fit("classification", sample), make_spec(config, sample)
    dls = make_dls(sample, task, spec, config)
    learn = make_learner(dls, task, spec, network, path=tmp_path)
    learn.freeze()
    assert len(learn.opt.param_lists) > 1
    body = [p for p in learn.opt.param_lists[0] if p.dim() > 1]
    assert body
    assert not any(p.requires_grad for p in body)
    before = [p.clone() for p in body]
    with learn.no_bar():
        first, *_ = learn.validate()
        assert first == pytest.approx(math.log(len(task.names)), abs=0.01)
        learn.fit_one_cycle(1, 1e-2)
        assert all(torch.equal(a, b) for a, b in zip(before, body, strict=True))
        learn.fine_tune(1, 1e-2)
    assert not all(torch.equal(a, b) for a, b in zip(before, body, strict=True))


@pytest.mark.parametrize("epochs_done", [1, 2])  # the frozen one; one of the others
@pytest.mark.parametrize("freeze", [False, True])
def test_fine_tuning_that_was_stopped_ends_like_one_that_was_not(
    freeze: bool,
    epochs_done: int,
    sample: pd.DataFrame,
    network: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    sample.to_json("sample.jsonl", orient="records", lines=True)
    settings = {"data": Path("sample.jsonl"), "columns": "input:target", "freeze": freeze}
    config = pretrained_config(network, epochs=3, **settings)
    train(replace(config, run_dir=Path("whole")))
    seen = []

    def stop(_: Any, scalars: dict[str, float]) -> None:
        seen.extend(scalars)
        if seen.count("val/loss") == epochs_done:
            signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(RunFolder, "log", stop)
    with pytest.raises(SystemExit):
        train(replace(config, run_dir=Path("cut")))
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    assert len(json.loads(Path("cut/last.json").read_text())) == epochs_done
    train(replace(config, run_dir=Path("cut"), resume="cut"))
    whole, cut = (torch.load(f"{run}/best.pth", weights_only=True) for run in ("whole", "cut"))
    torch.testing.assert_close(cut, whole, rtol=0, atol=0)
    whole, cut = (json.loads(Path(run, "last.json").read_text()) for run in ("whole", "cut"))
    assert [row[1:] for row in cut] == [row[1:] for row in whole]  # all but the smoothed train_loss
