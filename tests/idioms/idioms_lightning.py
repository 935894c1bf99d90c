"""What Lightning's documentation says works in a generated project (package `project`)."""

import csv
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import (
    BaseFinetuning,
    EarlyStopping,
    EMAWeightAveraging,
    LearningRateMonitor,
    ModelCheckpoint,
    ModelSummary,
    RichProgressBar,
)
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from lightning.pytorch.tuner import Tuner
from project.config import Config
from project.data import collate, make_table
from project.datamodule import DataModule
from project.module import Module
from project.train import Progress, train
from torch import nn
from torch.utils.data import DataLoader
from torchmetrics.classification import MulticlassRecall

OPTIONS: dict[str, Any] = {"accelerator": "cpu", "devices": 1, "enable_progress_bar": False}


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
def data(few: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DataModule:
    monkeypatch.chdir(tmp_path)
    config = Config(data=few, columns="input:target", batch_size=8, epochs=2, num_workers=0)
    module = DataModule(config)
    module.setup("fit")
    return module


def make(data: DataModule, cls: type[Module] = Module, **changes: Any) -> Module:
    return cls(**{"spec": asdict(data.spec), "task": asdict(data.task), "lr": 1e-3} | changes)


@pytest.fixture
def module(data: DataModule) -> Module:
    return make(data)


def trainer(**changes: Any) -> Trainer:
    options = OPTIONS | {"max_epochs": 2, "logger": False, "enable_checkpointing": False}
    return Trainer(**options | {"log_every_n_steps": 1, "enable_model_summary": False} | changes)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open() as stream:
        return list(csv.DictReader(stream))


def values(path: Path, name: str) -> list[float]:
    return [float(row[name]) for row in rows(path) if row[name]]


@pytest.mark.parametrize("monitor", ["val/loss", "train/loss"])
def test_early_stopping(data: DataModule, module: Module, monitor: str) -> None:
    stop = EarlyStopping(monitor, patience=1, min_delta=100.0)
    run = trainer(max_epochs=9, callbacks=[stop])
    run.fit(module, data)
    assert run.current_epoch == 2
    assert stop.stopped_epoch == 1


def test_csv_logger_alone(data: DataModule, module: Module, tmp_path: Path) -> None:
    logger = CSVLogger(tmp_path, name="csv", version=0)
    callbacks = [LearningRateMonitor(), Progress()]
    trainer(logger=logger, callbacks=callbacks).fit(module, data)
    folder = tmp_path / "csv/version_0"
    assert len(values(folder / "metrics.csv", "train/loss")) == 8
    assert len(values(folder / "metrics.csv", "val/loss")) == 2
    names = rows(folder / "metrics.csv")[0].keys()
    assert {"grad_norm", "examples_per_second", f"val/{data.task.monitor[0]}"} <= names
    assert any(name.startswith("lr") for name in names)
    assert "lr: 0.001" in (folder / "hparams.yaml").read_text()


def test_csv_logger_beside_tensorboard(data: DataModule, module: Module, tmp_path: Path) -> None:
    loggers = [TensorBoardLogger(tmp_path, "tb", 0), CSVLogger(tmp_path, "csv", 0)]
    trainer(logger=loggers, callbacks=[Progress()]).fit(module, data)
    assert len(values(tmp_path / "csv/version_0/metrics.csv", "train/loss")) == 8
    assert "lr: 0.001" in (tmp_path / "tb/version_0/hparams.yaml").read_text()
    assert list((tmp_path / "tb/version_0").glob("events*"))


def test_callbacks_without_any_logger(data: DataModule, module: Module) -> None:
    trainer(callbacks=[Progress()]).fit(module, data)


def test_rich_progress_bar(data: DataModule, module: Module) -> None:
    bar = RichProgressBar()
    trainer(enable_progress_bar=True, callbacks=[bar, Progress()]).fit(module, data)


def test_the_rate_that_lr_find_suggests_is_used(data: DataModule, module: Module) -> None:
    run = trainer(max_epochs=20)
    found = Tuner(run).lr_find(module, data, num_training=20, early_stop_threshold=None)
    assert found is not None
    suggested = found.suggestion()
    assert suggested is not None
    assert module.hparams["lr"] == suggested != 1e-3
    run = trainer()
    run.fit(module, data)
    assert run.optimizers[0].param_groups[-1]["max_lr"] == pytest.approx(suggested)


def test_batch_size_finder(data: DataModule, module: Module) -> None:
    Tuner(trainer(max_epochs=20)).scale_batch_size(module, data, max_trials=2, init_val=4)
    assert data.batch_size != 4
    assert len(data.train_dataloader()) == 32 // data.batch_size


def test_options_of_the_trainer_stand_above_those_of_the_project(data: DataModule) -> None:
    options: dict[str, Any] = {"limit_train_batches": 3, "max_epochs": 1, "precision": "bf16-mixed"}
    seen = []

    class Look(Callback):
        def on_train_end(self, trainer: Trainer, module: LightningModule) -> None:
            seen.append((trainer.global_step, trainer.precision))

    train(replace(data.config, device="cpu"), callbacks=[Look()], **options)
    assert seen == [(3, "bf16-mixed")]


def test_steps_of_one_s_own_return_what_lightning_takes(data: DataModule) -> None:
    class Manual(Module):
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options)
            self.automatic_optimization = False

        def training_step(self, batch: Any, batch_idx: int) -> None:  # type: ignore[override]
            optimizer: Any = self.optimizers()
            optimizer.zero_grad()
            self.manual_backward(self.task.loss(self(batch[0]), batch[1]))
            optimizer.step()

        def validation_step(self, batch: Any, batch_idx: int) -> torch.Tensor:
            super().validation_step(batch, batch_idx)
            return self.task.loss(self(batch[0]), batch[1])

    config = replace(data.config, device="cpu", epochs=3)  # 12 steps: the tenth is looked at
    assert train(config, Manual).keys() == {"accuracy"}


def test_batches_may_be_dictionaries(data: DataModule) -> None:
    class Named(Module):
        def training_step(self, batch: Any, batch_idx: int) -> Any:
            return self.task.loss(self(batch["inputs"]), batch["targets"])

        def validation_step(self, batch: Any, batch_idx: int) -> Any:
            return super().validation_step((batch["inputs"], batch["targets"]), batch_idx)

    class NamedData(DataModule):
        def setup(self, stage: str) -> None:
            super().setup(stage)
            make = collate or torch.utils.data.default_collate
            names = ("inputs", "targets")
            together = {"collate_fn": lambda some: dict(zip(names, make(some), strict=True))}
            self.train_dataloader = lambda: DataLoader(self.train_set, 8, **together)  # type: ignore[method-assign]
            self.val_dataloader = lambda: DataLoader(self.val_set, 8, **together)  # type: ignore[method-assign]

    run = trainer(callbacks=[Progress()], logger=TensorBoardLogger("."))
    run.fit(make(data, Named), NamedData(data.config))
    assert run.global_step == 8


def test_a_module_beside_the_network_learns_too(data: DataModule) -> None:
    class WithScale(Module):
        def __init__(self, **hparams: Any) -> None:
            super().__init__(**hparams)
            self.scale = nn.Parameter(torch.ones(()))

        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            return self.model(inputs) * self.scale

    module = make(data, WithScale)
    trainer().fit(module, data)
    assert module.scale.item() != 1


def test_what_a_callback_freezes_and_frees_learns_from_then_on(data: DataModule) -> None:
    seen = []

    class Free(BaseFinetuning):
        def freeze_before_training(self, module: LightningModule) -> None:
            self.freeze(module.model, train_bn=False)  # type: ignore[arg-type]
            assert isinstance(module, Module)
            last = list(module.model.modules())[-1]
            self.make_trainable(last)

        def finetune_function(self, module: Any, epoch: int, optimizer: Any) -> None:
            seen.append(next(module.parameters()).detach().clone())
            if epoch == 1:
                self.unfreeze_and_add_param_group(module.model, optimizer)

    module = make(data, lr=1e-2)
    trainer(max_epochs=3, callbacks=[Free()]).fit(module, data)
    assert torch.equal(seen[0], seen[1])
    assert not torch.equal(seen[1], seen[2])


def test_the_trainers_own_gradient_clip_val_stands_above_1(data: DataModule) -> None:
    ends = []
    for clip in (None, 1.0, 1e-3):
        torch.manual_seed(0)
        module = make(data, WithSteps, lr=1e-2)
        trainer(max_epochs=1, gradient_clip_val=clip).fit(module, data)
        ends.append(torch.cat([p.detach().flatten() for p in module.parameters()]))
    assert torch.equal(ends[0], ends[1])
    assert not torch.equal(ends[0], ends[2])


def test_a_run_goes_on_after_validation_and_test(data: DataModule, module: Module) -> None:
    run = trainer(max_epochs=1)
    run.validate(module, data, verbose=False)
    run.fit(module, data)
    run.test(module, data, verbose=False)
    run.fit_loop.max_epochs = 2
    run.fit(module, data)
    assert run.global_step == 8


def test_two_processes_that_the_trainer_starts_share_one_run(few: Path, tmp_path: Path) -> None:
    script = tmp_path / "two.py"
    script.write_text(f"""
from pathlib import Path
from project.config import Config
from project.train import train
options = dict(columns="input:target", batch_size=8, epochs=1, num_workers=0, device="cpu")
train(Config(data=Path({str(few)!r}), **options), devices=2, strategy="ddp")
""")
    command = [sys.executable, "two.py"]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=200)
    assert run.stdout.count("finished: ") == 1, run.stdout + run.stderr
    [folder] = (tmp_path / "runs").iterdir()
    assert (folder / "best.ckpt").is_file()


def test_fast_dev_run(data: DataModule, module: Module) -> None:
    callbacks = [LearningRateMonitor(), Progress()]
    run = trainer(fast_dev_run=True, logger=CSVLogger("csv"), callbacks=callbacks)
    run.fit(module, data)
    assert run.global_step == 1


def test_overfit_one_batch(data: DataModule, tmp_path: Path) -> None:
    module = make(data, lr=1e-2)
    logger = CSVLogger(tmp_path, "csv", 0)
    trainer(overfit_batches=1, max_epochs=80, logger=logger).fit(module, data)
    losses = values(tmp_path / "csv/version_0/metrics.csv", "train/loss")
    assert losses[-1] < losses[0] / 2


class Rates(Callback):
    def __init__(self) -> None:
        self.seen: list[float] = []

    def on_before_optimizer_step(self, trainer: Any, module: Any, optimizer: Any) -> None:
        self.seen.append(optimizer.param_groups[-1]["lr"])


@pytest.mark.parametrize(
    ("changes", "steps"),
    [
        ({"limit_train_batches": 3}, 6),
        ({"limit_train_batches": 0.5}, 4),
        ({"max_steps": 7, "max_epochs": -1}, 7),
        ({"accumulate_grad_batches": 2}, 4),
        ({"accumulate_grad_batches": 3, "limit_train_batches": 4}, 4),
        ({"check_val_every_n_epoch": 2}, 8),
        ({"val_check_interval": 2}, 8),
        ({"gradient_clip_val": 0.5, "gradient_clip_algorithm": "value"}, 8),
    ],
)
def test_the_rate_ends_at_zero(
    data: DataModule, module: Module, changes: dict[str, Any], steps: int
) -> None:
    rates = Rates()
    run = trainer(callbacks=[rates], **changes)
    run.fit(module, data)
    assert run.global_step == steps
    assert max(rates.seen) > 1e-4
    assert rates.seen[-1] < 1e-6


def test_validate_test_and_predict(data: DataModule, module: Module) -> None:
    run, metric = trainer(), data.task.monitor[0]
    [validated] = run.validate(module, data, verbose=False)
    [tested] = run.test(module, data, verbose=False)
    assert {"val/loss", f"val/{metric}"} <= validated.keys()
    assert {"test/loss", f"test/{metric}"} <= tested.keys()
    predicted = run.predict(module, data)
    assert predicted is not None
    assert torch.cat(predicted).shape == (12, len(data.task.names))  # type: ignore[arg-type]


def test_a_checkpoint_is_loaded_in_a_fresh_process(
    data: DataModule, module: Module, tmp_path: Path
) -> None:
    run = trainer()
    run.fit(module, data)
    run.save_checkpoint(tmp_path / "model.ckpt")
    script = """
import sys, torch
from project.module import Module
from project.train import Progress
module = Module.load_from_checkpoint(sys.argv[1], weights_only=True)
print(module.task.names, sum(float(p.double().sum()) for p in module.parameters()))
"""
    command = [sys.executable, "-c", script, str(tmp_path / "model.ckpt")]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    total = sum(float(p.detach().double().sum()) for p in module.parameters())
    assert printed.strip() == f"{data.task.names} {total}"


class Other(LightningModule):
    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.layer = nn.Linear(1, outputs)

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        inputs, targets = batch
        means = inputs.flatten(1).float().mean(dim=1, keepdim=True)  # texts have many lengths
        return nn.functional.cross_entropy(self.layer(means), targets)

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), 0.01)


def test_data_module_with_another_module(data: DataModule) -> None:
    other = Other(len(data.task.names))
    run = trainer()
    run.fit(other, data)
    assert run.global_step == 8


def test_module_with_another_loader(data: DataModule, module: Module) -> None:
    ordinary = DataLoader(data.train_set, 4, shuffle=True, collate_fn=collate)
    run = trainer(callbacks=[Progress()])
    run.fit(module, ordinary, DataLoader(data.val_set, 4, collate_fn=collate))
    assert run.global_step == 16


class WithRecall(Module):
    def __init__(self, **hparams: Any) -> None:
        super().__init__(**hparams)
        self.recall = MulticlassRecall(len(self.task.names))

    def validation_step(self, batch: Any, batch_idx: int) -> Any:
        scores = super().validation_step(batch, batch_idx)
        self.recall(scores, batch[1])
        self.log("val/recall", self.recall)
        return scores


def test_one_more_metric(data: DataModule) -> None:
    run = trainer()
    run.fit(make(data, WithRecall), data)
    assert 0 <= run.callback_metrics["val/recall"] <= 1


class WithSteps(Module):
    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.SGD(self.parameters(), self.hparams["lr"], momentum=0.9)
        return [optimizer], [torch.optim.lr_scheduler.StepLR(optimizer, 1, gamma=0.5)]


class WithPlateau(Module):
    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.SGD(self.parameters(), self.hparams["lr"], momentum=0.9)
        schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer)
        plateau = {"scheduler": schedule, "monitor": "val/loss"}
        return {"optimizer": optimizer, "lr_scheduler": plateau}


# Lightning saves before a plateau is judged: where it lowers the rate then, a resumed run differs
@pytest.mark.parametrize("cls", [WithSteps, WithPlateau])
def test_another_optimizer_and_schedule_resume(
    data: DataModule, tmp_path: Path, cls: type[Module]
) -> None:
    def fit(epochs: int, path: Path | None = None) -> Module:
        torch.manual_seed(0)
        saver = ModelCheckpoint(tmp_path, "last", enable_version_counter=False)
        module = make(data, cls)
        run = trainer(max_epochs=epochs, callbacks=[saver], enable_checkpointing=True)
        run.fit(module, data, ckpt_path=path, weights_only=True)
        return module

    whole = fit(3)
    fit(2)
    resumed = fit(3, tmp_path / "last.ckpt")
    for one, other in zip(whole.parameters(), resumed.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)


def test_the_best_checkpoint_holds_the_averaged_weights_that_were_validated(
    data: DataModule, tmp_path: Path
) -> None:
    config = replace(data.config, epochs=1, device="cpu", run_dir=tmp_path / "run")
    train(config, callbacks=[EMAWeightAveraging(decay=0.9)])
    best, last = (
        torch.load(tmp_path / f"run/{name}.ckpt", weights_only=True)["state_dict"]
        for name in ("best", "last")
    )
    torch.testing.assert_close(best, last, rtol=0, atol=0)
    raw = torch.load(tmp_path / "run/last.ckpt", weights_only=True)["current_model_state"]
    assert any(not torch.equal(raw[name], best[name]) for name in best)


def test_profiler(data: DataModule, module: Module, caplog: pytest.LogCaptureFixture) -> None:
    trainer(max_epochs=1, profiler="simple").fit(module, data)
    assert "run_training_epoch" in caplog.text


def test_model_summary(data: DataModule, module: Module, caplog: pytest.LogCaptureFixture) -> None:
    summary = ModelSummary(max_depth=2)
    trainer(max_epochs=1, callbacks=[summary], enable_model_summary=True).fit(module, data)
    assert "Trainable params" in caplog.text


class Losses(Callback):
    """Record what a training step returns."""

    def __init__(self) -> None:
        self.losses: list[float] = []

    def on_train_batch_end(self, trainer: Any, module: Any, outputs: Any, *_: Any) -> None:
        self.losses.append(float(outputs["loss"]))


def test_validation_leaves_training_as_it_is(data: DataModule) -> None:
    seen = []
    for limit in (0, 1.0):
        torch.manual_seed(0)
        losses = Losses()
        trainer(limit_val_batches=limit, callbacks=[losses]).fit(make(data), data)
        seen.append(losses.losses)
    assert seen[0] == seen[1]


def test_two_processes_by_devices(few: Path, tmp_path: Path) -> None:
    script = tmp_path / "two.py"
    script.write_text(f"""
from dataclasses import asdict
from pathlib import Path
import torch
from lightning import Trainer
from project.config import Config
from project.data import collate
from project.datamodule import DataModule
from project.module import Module
from project.train import Progress
config = Config(data=Path({str(few)!r}), columns="input:target", batch_size=8, num_workers=0)
data = DataModule(config)
data.setup("fit")
module = Module(asdict(data.spec), asdict(data.task))
quiet = dict(logger=False, enable_checkpointing=False)
trainer = Trainer(accelerator="cpu", devices=2, max_epochs=1, **quiet)
trainer.fit(module, data)
assert trainer.global_step == 4 and trainer.world_size == 2, trainer.global_step
print("rank", trainer.global_rank, "norm", float(sum(p.norm() for p in module.parameters())))
held_out = data.val_set  # an odd number is shared out, and none of it counts twice
held_out.inputs, held_out.targets = held_out.inputs[:15], held_out.targets[:15]
[found] = trainer.validate(module, data, verbose=False)
[(inputs, targets)] = torch.utils.data.DataLoader(held_out, 15, collate_fn=collate)
with torch.no_grad():
    logits = module.eval()(inputs)
expected = [data.task.loss(logits, targets), (logits.argmax(dim=1) == targets).float().mean()]
found = torch.tensor([found["val/loss"], found["val/accuracy"]])
torch.testing.assert_close(found, torch.stack(expected))
""")
    run = subprocess.run([sys.executable, script], capture_output=True, text=True, cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    norms = {line.split("norm")[1] for line in run.stdout.splitlines() if line.startswith("rank")}
    assert len(norms) == 1
