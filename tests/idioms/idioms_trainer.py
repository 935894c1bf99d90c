"""What the documentation of transformers' Trainer says works in a project (package `project`)."""

import copy
import json
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from project.config import Config
from project.data import make_spec, make_table
from project.dataset import Examples
from project.evaluate import load_model
from project.model import make_model
from project.task import Task
from project.train import train
from project.trainer import ModelTrainer, Network
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import nn
from torch.optim import SGD
from transformers import (
    EarlyStoppingCallback,
    EvalPrediction,
    TrainerCallback,
    TrainingArguments,
    get_constant_schedule,
)


@pytest.fixture(scope="session")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sample")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        table = make_table(Config())
    sizes = {"train": 32, "val": 16, "test": 12}
    parts = [table[table["split"] == part].sample(n, random_state=0) for part, n in sizes.items()]
    pd.concat(parts).to_json(folder / "few.jsonl", orient="records", lines=True)
    return folder / "few.jsonl"


@pytest.fixture
def config(few: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    monkeypatch.chdir(tmp_path)
    options: dict[str, Any] = {"columns": "input:target", "batch_size": 8, "epochs": 2, "lr": 1e-3}
    return Config(data=few, device="cpu", num_workers=0, run_dir=tmp_path / "run", **options)


@pytest.fixture
def parts(config: Config) -> dict[str, Any]:
    """What a Trainer is made of."""
    table = make_table(config)
    spec, task = make_spec(config, table), Task.fit(config.task, table)
    torch.manual_seed(0)
    model = make_model(spec, len(task.names))
    sets = {
        name: Examples(table[table["split"] == split], task, spec, split == "train")
        for name, split in (("train_dataset", "train"), ("eval_dataset", "val"))
    }
    return {"model": Network(model, task), **sets}


def arguments(**changes: Any) -> TrainingArguments:
    options = {"use_cpu": True, "per_device_train_batch_size": 8, "num_train_epochs": 2}
    options |= {"logging_steps": 1, "save_strategy": "no", "disable_tqdm": True}
    options |= {"remove_unused_columns": False, "dataloader_pin_memory": False}
    return TrainingArguments("out", **options | changes)


def losses(trainer: ModelTrainer) -> list[float]:
    return [row["loss"] for row in trainer.state.log_history if "loss" in row]


def test_train_evaluate_and_predict(parts: dict[str, Any]) -> None:
    trainer = ModelTrainer(args=arguments(), **parts)
    done = trainer.train()
    assert done.global_step == 8
    found = trainer.evaluate()
    assert {"eval_loss", f"eval_{trainer.model.task.monitor[0]}"} <= set(found)
    predicted = trainer.predict(parts["eval_dataset"])
    assert predicted.predictions.shape == (16, len(trainer.model.task.names))
    np.testing.assert_allclose(predicted.predictions.sum(1), 1, rtol=1e-4)
    assert predicted.metrics["test_loss"] == pytest.approx(found["eval_loss"], rel=1e-4)


def test_early_stopping_and_the_best_at_the_end(parts: dict[str, Any]) -> None:
    options = arguments(
        eval_strategy="epoch",
        save_strategy="epoch",
        save_total_limit=1,
        load_best_model_at_end=True,
        metric_for_best_model="loss",
        learning_rate=0.0,
        num_train_epochs=9,
    )
    stop = EarlyStoppingCallback(early_stopping_patience=2)
    trainer = ModelTrainer(args=options, callbacks=[stop], **parts)
    trainer.train()
    assert trainer.state.epoch == 3
    best = trainer.state.best_model_checkpoint
    assert best is not None
    assert Path(best).name == "checkpoint-4"


def test_a_callback_is_given_to_train(config: Config) -> None:
    seen = []

    class Seen(TrainerCallback):
        def on_epoch_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            seen.append(state.epoch)

    train(config, callbacks=[Seen()])
    assert seen == [1, 2]


def test_arguments_are_given_to_train(config: Config) -> None:
    options = {"lr_scheduler_type": "linear", "gradient_accumulation_steps": 2}
    train(config, max_steps=3, eval_strategy="steps", eval_steps=1, **options)
    rows = (config.run_dir or Path()).joinpath("metrics.jsonl").read_text().splitlines()
    assert [json.loads(row)["step"] for row in rows] == [1, 2, 3]
    assert [json.loads(row)["epoch"] for row in rows] == [1, 1, 2]


def test_decay_of_the_arguments_counts(parts: dict[str, Any]) -> None:
    trainer = ModelTrainer(args=arguments(weight_decay=0.3), **parts)
    assert {group["weight_decay"] for group in trainer.create_optimizer().param_groups} <= {0, 0.3}
    assert trainer.optimizer.param_groups[0]["weight_decay"] == 0.3


def test_processes_that_stay_see_the_epoch(config: Config) -> None:
    """Augmentation follows from the epoch: what they load is what a Trainer alone would."""
    found = []
    for number, options in enumerate([{}, {"num_workers": 1, "persistent_workers": True}]):
        folder = Path(f"run{number}")
        options = {f"dataloader_{name}": value for name, value in options.items()}
        train(replace(config, run_dir=folder), **options)
        found.append((folder / "metrics.jsonl").read_text())
    assert found[0] == found[1]


def test_the_best_is_loaded_by_the_trainer(config: Config) -> None:
    seen = []

    class Seen(TrainerCallback):
        def on_train_end(self, args: Any, state: Any, control: Any, **given: Any) -> None:
            seen.append((state.best_model_checkpoint, given["model"].model.state_dict()))

    best = {"load_best_model_at_end": True, "metric_for_best_model": "loss"}
    train(config, callbacks=[Seen()], **best)
    [(checkpoint, weights)] = seen
    saved = load_file(Path(checkpoint, "model.safetensors"))
    for name, value in weights.items():
        assert torch.equal(saved[f"model.{name}"], value)


def test_the_scheme_of_tags(config: Config) -> None:
    train(config)
    board = EventAccumulator(str(config.run_dir))
    board.Reload()
    tags = {"train/loss", "lr", "grad_norm", "examples_per_second", "val/loss"}
    assert tags <= set(board.Tags()["scalars"])
    assert [event.step for event in board.Scalars("val/loss")] == [4, 8]


def test_the_rate_falls_to_zero(parts: dict[str, Any]) -> None:
    schedule = {"lr_scheduler_type": "linear", "learning_rate": 1e-2, "warmup_steps": 2}
    trainer = ModelTrainer(args=arguments(**schedule), **parts)
    trainer.train()
    rates = [row["learning_rate"] for row in trainer.state.log_history if "loss" in row]
    assert rates[0] == 0
    assert rates[2] == pytest.approx(1e-2)
    assert trainer.lr_scheduler.get_last_lr()[-1] == 0


def test_another_optimizer_and_schedule(parts: dict[str, Any]) -> None:
    class Mine(ModelTrainer):
        def create_optimizer(self, model: nn.Module | None = None) -> SGD:
            self.optimizer = SGD(self.model.parameters(), self.args.learning_rate)
            return self.optimizer

        def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Any:
            self.lr_scheduler = get_constant_schedule(self.optimizer)
            return self.lr_scheduler

    trainer = Mine(args=arguments(learning_rate=0.05), **parts)
    trainer.train()
    assert trainer.lr_scheduler.get_last_lr() == [0.05]
    assert "momentum" in trainer.optimizer.param_groups[0]


@pytest.mark.parametrize("options", [{"args": {"optim": "sgd"}}, {"made": True}])
def test_an_optimizer_by_the_arguments(parts: dict[str, Any], options: dict[str, Any]) -> None:
    given: dict[str, Any] = {}
    if "made" in options:
        optimizer = SGD(parts["model"].parameters(), 0.05)
        given["optimizers"] = (optimizer, get_constant_schedule(optimizer))
    trainer = ModelTrainer(args=arguments(**options.get("args", {})), **given, **parts)
    trainer.train()
    assert "momentum" in trainer.optimizer.param_groups[0]


def test_a_model_for_every_trial(parts: dict[str, Any]) -> None:
    network, task = parts.pop("model"), parts["eval_dataset"].task
    calls = []

    def model_init(trial: Any = None) -> Network:
        calls.append(trial)
        return Network(copy.deepcopy(network.model), task)

    trainer = ModelTrainer(args=arguments(max_steps=2), model_init=model_init, **parts)
    trainer.train()
    assert calls
    assert trainer.evaluate()["eval_loss"] > 0


def test_what_is_saved_by_steps_or_never_has_all_its_epochs(config: Config) -> None:
    for number, options in enumerate([{"save_strategy": "steps", "save_steps": 3}, {}]):
        there = replace(config, run_dir=config.run_dir.with_name(f"by_{number}"))
        train(there, **options or {"save_strategy": "no"})
        rows = (there.run_dir / "metrics.jsonl").read_text().splitlines()
        assert [json.loads(row)["epoch"] for row in rows] == [1, 2]


def test_a_compiled_run_is_evaluated(config: Config) -> None:
    train(config, torch_compile=True, torch_compile_backend="eager")
    model, *_ = load_model(config.run_dir)
    assert not any("_orig_mod" in name for name in model.state_dict())


def test_a_second_signal_ends_at_once(config: Config) -> None:
    train(replace(config, dry_run=True))
    signal.raise_signal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_another_loss(parts: dict[str, Any]) -> None:
    class Mine(ModelTrainer):
        def compute_loss(
            self, model: Any, inputs: Any, return_outputs: bool = False, **_: Any
        ) -> Any:
            outputs = model(**inputs)
            loss = outputs["loss"] * 0 + 7
            return (loss, outputs) if return_outputs else loss

    trainer = Mine(args=arguments(max_steps=2), **parts)
    trainer.train()
    assert losses(trainer) == [7, 7]


def test_another_metric(parts: dict[str, Any]) -> None:
    def measure(found: EvalPrediction) -> dict[str, float]:
        return {"right": float((found.predictions.argmax(1) == found.label_ids).mean())}

    trainer = ModelTrainer(args=arguments(), compute_metrics=measure, **parts)
    assert 0 <= trainer.evaluate()["eval_right"] <= 1


def test_a_metric_that_sees_the_inputs(parts: dict[str, Any]) -> None:
    def measure(found: EvalPrediction) -> dict[str, float]:
        return {"inputs": len(found.inputs)}

    options = arguments(include_for_metrics=["inputs", "loss"])
    trainer = ModelTrainer(args=options, compute_metrics=measure, **parts)
    assert trainer.evaluate()["eval_inputs"] == len(parts["eval_dataset"])


def test_another_network(parts: dict[str, Any]) -> None:
    class Other(nn.Module):
        def __init__(self, classes: int) -> None:
            super().__init__()
            self.head = nn.Linear(2, classes)

        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            values = inputs.float().flatten(1)
            return self.head(torch.stack((values.mean(1), values.amax(1)), dim=1))

    task = parts["model"].task
    model = Network(Other(len(task.names)), task)
    trainer = ModelTrainer(args=arguments(), **parts | {"model": model})
    trainer.train()
    assert len(losses(trainer)) == 8


def test_accumulated_gradients_make_a_step(parts: dict[str, Any]) -> None:
    options = {"gradient_accumulation_steps": 2, "per_device_train_batch_size": 4}
    trainer = ModelTrainer(args=arguments(**options), **parts)
    assert trainer.train().global_step == 8


def test_a_checkpoint_is_resumed(parts: dict[str, Any]) -> None:
    options = arguments(save_strategy="steps", save_steps=3)
    network = parts["model"]
    ModelTrainer(args=options, **parts).train()
    whole = [parameter.detach().clone() for parameter in network.parameters()]
    for parameter in network.parameters():
        nn.init.zeros_(parameter)
    ModelTrainer(args=options, **parts).train(resume_from_checkpoint="out/checkpoint-6")
    found = [parameter.detach() for parameter in network.parameters()]
    torch.testing.assert_close(found, whole, rtol=1e-3, atol=1e-3)  # but for dropout


def test_the_model_is_saved_and_loaded(config: Config, parts: dict[str, Any]) -> None:
    trainer = ModelTrainer(args=arguments(), **parts)
    trainer.save_model("saved")
    parts["model"].load_state_dict(load_file("saved/model.safetensors"))
    train(replace(config, epochs=1))
    model, _, _ = load_model(config.run_dir)
    assert not model.training
