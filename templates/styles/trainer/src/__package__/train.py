"""Train the model."""

import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState
from accelerate.utils import broadcast_object_list
from torch import nn
from torch.utils.data import DataLoader
from torch.utils.tensorboard import SummaryWriter
from transformers import TrainerCallback, TrainerState, TrainingArguments

from .config import Config, with_defaults
from .data import collate, draw, make_spec, make_table
from .dataset import Examples
from .model import Spec, make_model
from .run import catch_signals, find, leave, main, optional, settings, start_run
from .task import Task
from .trainer import ModelTrainer, Network, machine, named


def train(
    config: Config,
    ends: Callable[[int, float], bool] = lambda epoch, value: False,
    **options: Any,  # `callbacks` for the Trainer, the rest for TrainingArguments
) -> dict[str, float]:
    """Train, and give the validation metrics of the best epoch; `ends` may end it after any."""
    callbacks, chosen = options.pop("callbacks", []), machine(config)
    processes = PartialState()
    first, number = processes.is_main_process, processes.num_processes
    torch.manual_seed(config.seed)
    with processes.main_process_first():  # it writes what the others only read
        table = make_table(config)
        spec = make_spec(config, table)
    task = Task.fit(config.task, table)
    config = with_defaults(config, int((table["split"] == "train").sum()))
    size = config.batch_size
    if size % number:
        more = (size // number + 1) * number
        raise SystemExit(f"--batch-size {size} is no multiple of {number} processes: try {more}")
    if config.dry_run:
        table = table.groupby("split").head(2 * size)
    train_set = Examples(table[table["split"] == "train"], task, spec, True, config.seed)
    val_set = Examples(table[table["split"] == "val"], task, spec)

    weights = None if config.resume else config.pretrained
    model = make_model(spec, len(task.names), weights)
    if number > 1 and processes.device.type == "cuda":
        model = nn.SyncBatchNorm.convert_sync_batchnorm(model)
    last, step = None, 0
    if config.resume:
        last = find(config.resume, "last.*")  # names the one that is whole
        last = last.with_name(f"checkpoint-{last.suffix[1:]}")
        before = TrainerState.load_from_json(str(last / "trainer_state.json"))
        history, step = History(before, task), before.global_step
        if step >= before.max_steps or history.waited >= config.patience:
            print(f"finished before: {config.resume}")
            return history.best
    described = {"spec": asdict(spec), "task": asdict(task)}
    made = str(start_run(config, examples=len(table), **described)) if first else ""
    folder = Path(broadcast_object_list([made])[0])
    arguments: dict[str, Any] = {
        "num_train_epochs": config.epochs,
        "per_device_train_batch_size": size // number,
        "per_device_eval_batch_size": size // number,
        "learning_rate": config.lr,
        "weight_decay": getattr(model, "weight_decay", 0.05),
        "lr_scheduler_type": "cosine",
        "warmup_steps": 0.2,  # of all
        "logging_steps": min(10, max(1, len(train_set) // size)),
        "logging_nan_inf_filter": False,
        "eval_strategy": "epoch",
        "save_strategy": "epoch",
        "save_total_limit": 2,  # a crash leaves the old or the new
        "dataloader_num_workers": config.num_workers,
        "dataloader_pin_memory": processes.device.type == "cuda",
        "remove_unused_columns": False,
        "seed": config.seed % 2**32,
        "data_seed": config.seed % 2**32,
        "ddp_find_unused_parameters": False,
    }
    trainer = ModelTrainer(
        Network(model, task, config.freeze),
        TrainingArguments(str(folder), **arguments | chosen | options),
        train_dataset=train_set,
        eval_dataset=val_set,
        callbacks=callbacks,
    )
    writer = SummaryWriter(str(folder), purge_step=step + 1) if first else None
    if writer and number == 1:
        with optional("graph"):
            writer.add_graph(model, val_set[0][0][None], verbose=False)
    if config.compile:
        model.compile()
    run = Run(trainer, config.patience, described, writer, ends)
    trainer.add_callback(run)
    trainer.train(resume_from_checkpoint=str(last) if last else None)
    processes.destroy_process_group()
    if run.stopped:
        leave(folder, run.signals)
    result = History(trainer.state, task).best
    if writer:
        with optional("settings"):
            final = {f"final/{name}": value for name, value in result.items()}
            writer.add_hparams(settings(config), final, run_name=".")
            task.embed(writer, *run.found)
        writer.close()
        print(f"finished: {folder / 'best.pt'}")
    return result


class History:
    """The validations that a Trainer remembers, a row each, the best, and how many came after."""

    def __init__(self, state: TrainerState, task: Task) -> None:
        (metric, mode), loss, top = task.monitor, math.nan, -math.inf
        self.rows, self.best = list[dict[str, float]](), dict[str, float]()
        self.improved, self.waited = False, 0
        for row in state.log_history:
            loss = row.get("loss", loss)
            if "eval_loss" not in row:
                continue
            found = named(row, task)
            value = found[metric] if mode == "max" else -found[metric]
            self.improved = value >= top  # of equals the later is the better
            self.waited = 0 if value > top else self.waited + 1
            if self.improved:
                top, self.best = value, found
            done = {"epoch": math.ceil(row["epoch"]), "step": row["step"], "train/loss": loss}
            self.rows.append(done | {f"val/{k}": v for k, v in found.items()})


@dataclass
class Run(TrainerCallback):
    """What a run has beside its Trainer: lines, TensorBoard, the best, an end by a signal."""

    trainer: Any
    patience: int
    described: dict[str, Any]
    writer: Any  # TensorBoard's, in the first process
    ends: Callable[[int, float], bool]
    stopped: bool = False
    signals: list[int] = field(default_factory=catch_signals)

    def signalled(self) -> bool:
        """Whether any of the processes has got a signal."""
        if self.signals:
            self.trainer.accelerator.set_trigger()
        return self.trainer.accelerator.check_trigger()

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if hasattr(self.trainer.train_dataset, "set_epoch"):  # one of your own need not have it
            self.trainer.train_dataset.set_epoch(int(state.epoch))
        self.began, self.first = time.perf_counter(), state.global_step

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        # Dropout follows from the step, so that a resumed run repeats it
        torch.manual_seed(args.seed + state.global_step * 1009 + args.process_index)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        # With a point in TensorBoard, whose mean would be another one later
        if state.global_step % args.logging_steps == 0 and state.epoch % 1 and self.signalled():
            self.stopped = control.should_save = control.should_training_stop = True

    def on_epoch_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        control.should_log = not self.stopped
        control.should_evaluate &= not self.stopped
        control.should_save &= not self.stopped

    def on_log(self, args: Any, state: Any, control: Any, **given: Any) -> None:
        logs, step = given["logs"], state.global_step
        if "loss" not in logs:
            return
        if math.isnan(logs["loss"]):
            raise SystemExit(f"train/loss is nan at step {step}: try a lower --lr")
        done = (step - self.first) * self.trainer.get_total_train_batch_size(args)
        scalars = {"train/loss": logs["loss"], "grad_norm": logs["grad_norm"]}
        scalars["lr"] = given["lr_scheduler"].get_last_lr()[-1]
        scalars["examples_per_second"] = done / (time.perf_counter() - self.began)
        for name, value in scalars.items() if self.writer else ():
            self.writer.add_scalar(name, value, step)

    def on_evaluate(self, args: Any, state: Any, control: Any, **given: Any) -> None:
        trainer, folder, step = self.trainer, Path(args.output_dir), state.global_step
        network, task = trainer.model, trainer.model.task
        if "eval_loss" not in given["metrics"]:  # of a split of one's own
            return
        history, epochs, self.found = History(state, task), state.num_train_epochs, trainer.found
        row, model = history.rows[-1], None
        epoch, value = int(row["epoch"]), row[f"val/{task.monitor[0]}"]
        ended = history.waited >= self.patience or self.ends(epoch - 1, value)
        control.should_training_stop |= ended
        if history.improved:  # all processes, for each may have a part
            model = trainer.accelerator.get_state_dict(trainer.model_wrapped)
        if not self.writer:
            return
        if model:
            names = {k: k.removeprefix("_orig_mod.").removeprefix("model.") for k in model}
            weights = {names[key]: value for key, value in model.items()}  # the first: compiled
            torch.save(self.described | {"model": weights}, folder / "saving.pt")
            (folder / "saving.pt").replace(folder / "best.pt")
        lines = [json.dumps(row) + "\n" for row in history.rows]
        (folder / "metrics.jsonl").write_text("".join(lines))
        scalars = {name: value for name, value in row.items() if "/" in name}
        print(f"epoch {epoch}/{epochs}", *(f"{k} {v:.4f}" for k, v in scalars.items()), sep="  ")
        for name in (name for name in row if name.startswith("val/")):
            self.writer.add_scalar(name, row[name], step)
        if (epoch - 1) % max(1, epochs // 10) == 0 or ended or epoch == epochs:
            with optional("pictures"):
                shown = DataLoader(trainer.eval_dataset, 9, collate_fn=collate)
                inputs, labels = next(iter(shown))
                titles = list(map(task.describe, self.found[0], labels))
                draw(self.writer, step, inputs, titles, Spec(**self.described["spec"]))
                task.draw(self.writer, step, *self.found)
                if args.world_size == 1 and hasattr(network.model, "draw"):
                    network.model.draw(self.writer, step)

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.trainer.accelerator.wait_for_everyone()  # each process writes a part
        if self.writer:
            whole = Path(args.output_dir, f"last.{state.global_step}")
            whole.touch()
            for old in set(whole.parent.glob("last.*")) - {whole}:
                old.unlink()
        if not self.stopped and self.signalled():
            self.stopped = control.should_training_stop = True


if __name__ == "__main__":
    main(train, __doc__)
