"""The shortest loop of each framework around the vision project's model and data.

What one writes by hand after the framework's own documentation, with the settings of a project, and
nothing that a project adds: no resume, no best checkpoint, no pictures. Where the framework writes
to TensorBoard by itself, it does so here, as often as a project.
"""

from __future__ import annotations

import importlib
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from torch.optim.lr_scheduler import OneCycleLR
from torch.utils.data import DataLoader


def plain(config: Any) -> None:
    torch.manual_seed(config.seed)
    train, val, model = make_parts(config, "plain")
    optimizer, schedule = make_optimizer(model, config, len(train))
    for _ in range(config.epochs):
        model.train()
        for images, labels in train:
            loss = F.cross_entropy(model(images), labels, label_smoothing=0.1)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
            schedule.step()
        model.eval()
        with torch.inference_mode():
            hits = sum(int((model(x).argmax(dim=1) == y).sum()) for x, y in val)
        print(f"accuracy {hits / len(val.dataset):.4f}")


def lightning(config: Any) -> None:
    from lightning import LightningModule, Trainer, seed_everything
    from lightning.pytorch.loggers import TensorBoardLogger

    class Module(LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def training_step(self, batch: Any, batch_idx: int) -> Any:
            images, labels = batch
            loss = F.cross_entropy(self.model(images), labels, label_smoothing=0.1)
            self.log("train/loss", loss)
            return loss

        def validation_step(self, batch: Any, batch_idx: int) -> None:
            images, labels = batch
            self.log("val/accuracy", (self.model(images).argmax(dim=1) == labels).float().mean())

        def configure_optimizers(self) -> Any:
            optimizer, schedule = make_optimizer(self, config, len(train))
            return [optimizer], [{"scheduler": schedule, "interval": "step"}]

    seed_everything(config.seed)
    train, val, model = make_parts(config, "lightning")
    trainer = Trainer(
        accelerator="cpu",
        max_epochs=config.epochs,
        gradient_clip_val=1.0,
        log_every_n_steps=10,
        logger=TensorBoardLogger(config.run_dir),
        enable_progress_bar=False,
    )
    trainer.fit(Module(), train, val)


def fastai(config: Any, *callbacks: Any) -> None:
    from fastai.basics import Learner, OptimWrapper, accuracy, set_seed
    from fastai.callback.all import GradientClip
    from fastai.losses import CrossEntropyLossFlat

    set_seed(config.seed)
    table, spec, task, model = prepare(config, "fastai")
    dls = importlib.import_module("vision_fastai.dls").make_dls(table, task, spec, config)
    loss = CrossEntropyLossFlat(label_smoothing=0.1)
    options = {"cbs": [GradientClip(1.0), *callbacks], "metrics": accuracy}
    options["opt_func"] = partial(OptimWrapper, opt=torch.optim.AdamW, fused=True)
    learn = Learner(dls, model, loss, path=config.run_dir, **options)
    with learn.no_bar():
        learn.fit_one_cycle(config.epochs, config.lr)


def accelerate(config: Any) -> None:
    from accelerate import Accelerator

    torch.manual_seed(config.seed)
    accelerator = Accelerator(cpu=True, log_with="tensorboard", project_dir=config.run_dir)
    accelerator.init_trackers("run")
    train, val, model = make_parts(config, "accelerate")
    optimizer, schedule = make_optimizer(model, config, len(train))
    train, val, model, optimizer, schedule = accelerator.prepare(
        train, val, model, optimizer, schedule
    )
    step = 0
    for _ in range(config.epochs):
        model.train()
        for images, labels in train:
            loss = F.cross_entropy(model(images), labels, label_smoothing=0.1)
            accelerator.backward(loss)
            accelerator.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
            step += 1
            if step % 10 == 0:
                accelerator.log({"train/loss": loss.item()}, step)
        model.eval()
        hits = 0
        for images, labels in val:
            with torch.inference_mode():
                found = accelerator.gather_for_metrics((model(images).argmax(dim=1), labels))
            hits += int((found[0] == found[1]).sum())
        accelerator.log({"val/accuracy": hits / len(val.dataset)}, step)
    accelerator.end_training()


def trainer(config: Any) -> None:
    from transformers import Trainer, TrainingArguments

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, images: Any, labels: Any) -> dict[str, Any]:
            logits = self.model(images)
            loss = F.cross_entropy(logits, labels, label_smoothing=0.1)
            return {"loss": loss, "logits": logits}

    def collate(examples: Any) -> dict[str, Any]:
        images, labels = torch.utils.data.default_collate(examples)
        return {"images": images, "labels": labels}

    train, val, model = make_parts(config, "trainer")
    arguments = TrainingArguments(
        str(config.run_dir),
        num_train_epochs=config.epochs,
        per_device_train_batch_size=config.batch_size,
        per_device_eval_batch_size=config.batch_size,
        logging_steps=10,
        eval_strategy="epoch",
        save_strategy="no",
        report_to="tensorboard",
        dataloader_drop_last=True,
        disable_tqdm=True,
        use_cpu=True,
        seed=config.seed,
    )
    Trainer(
        Network(),
        arguments,
        data_collator=collate,
        train_dataset=train.dataset,
        eval_dataset=val.dataset,
        compute_metrics=lambda found: {
            "accuracy": float((found.predictions.argmax(axis=1) == found.label_ids).mean())
        },
        optimizers=make_optimizer(model, config, len(train)),
    ).train()


def prepare(config: Any, style: str) -> tuple[Any, Any, Any, nn.Module]:
    """Give table, spec, task and network of the project of a style."""
    names = ("data", "task", "model")
    data, task, model = (importlib.import_module(f"vision_{style}.{name}") for name in names)
    table = data.make_table(config)
    spec, found = data.make_spec(config, table), task.Task.fit(config.task, table)
    return table, spec, found, model.make_model(spec, len(found.names))


def make_parts(config: Any, style: str) -> tuple[DataLoader[Any], DataLoader[Any], nn.Module]:
    """Give what a project of this style trains on and validates with, and its network."""
    table, spec, task, model = prepare(config, style)
    module = "datamodule" if style == "lightning" else "dataset"
    holds = importlib.import_module(f"vision_{style}.{module}")
    parts = {part: table[table["split"] == part] for part in ("train", "val")}
    examples = holds.Examples(parts["train"], task, spec, train=True)
    train: Any = DataLoader(examples, config.batch_size, shuffle=True, drop_last=True)
    val: Any = DataLoader(holds.Examples(parts["val"], task, spec), config.batch_size)
    return train, val, model.to(memory_format=torch.channels_last)


def make_optimizer(model: nn.Module, config: Any, steps: int) -> tuple[Any, Any]:
    matrices = [p for p in model.parameters() if p.dim() >= 2]
    vectors = [p for p in model.parameters() if p.dim() < 2]
    groups = [
        {"params": matrices, "weight_decay": 0.05},
        {"params": vectors, "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=config.lr, fused=True)
    return optimizer, OneCycleLR(
        optimizer, config.lr, config.epochs * steps, pct_start=0.2, cycle_momentum=False
    )


SHORTEST = {
    "plain": plain,
    "lightning": lightning,
    "fastai": fastai,
    "accelerate": accelerate,
    "trainer": trainer,
}
