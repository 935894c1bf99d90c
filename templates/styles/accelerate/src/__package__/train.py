"""Train the model: one loop, in whatever `accelerate launch` or torchrun has set up."""

import json
import math
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from accelerate import DistributedType, skip_first_batches
from accelerate.utils import broadcast_object_list
from torch import nn
from torch.optim import AdamW
from torch.optim.lr_scheduler import OneCycleLR
from torch.utils.data import DataLoader
from tqdm import tqdm

from .accelerator import start
from .config import Config, with_defaults
from .data import collate, draw, make_spec, make_table
from .dataset import Examples
from .evaluate import evaluate
from .model import make_model
from .run import RUNS, catch_signals, find, leave, main, optional, settings, start_run
from .task import Task

LOG_EVERY = 10  # steps


def train(
    config: Config, ends: Callable[[int, float], bool] = lambda epoch, value: False
) -> dict[str, float]:
    """Train, and give the validation metrics of the best epoch; `ends` may end it after any."""
    accelerator = start(config, log_with="tensorboard", project_dir=RUNS)
    first = accelerator.is_main_process
    torch.manual_seed(config.seed)
    with accelerator.main_process_first():  # it writes what the others only read
        table = make_table(config)
        spec = make_spec(config, table)
    task = Task.fit(config.task, table)
    config = with_defaults(config, int((table["split"] == "train").sum()))
    size, number = config.batch_size, accelerator.num_processes
    if config.dry_run:
        table = table.groupby("split").head(2 * size)
    train_set = Examples(table[table["split"] == "train"], task, spec, True, config.seed)
    val_set = Examples(table[table["split"] == "val"], task, spec)
    options: dict[str, Any] = {"num_workers": config.num_workers, "collate_fn": collate}
    options |= {"batch_size": size, "pin_memory": accelerator.device.type == "cuda"}
    loader = DataLoader(train_set, shuffle=True, drop_last=len(train_set) > size, **options)

    weights = None if config.resume else config.pretrained
    model = make_model(spec, len(task.names), weights)
    if accelerator.distributed_type != DistributedType.FSDP:  # which can shard no other format
        model = model.to(memory_format=torch.channels_last)
    if number > 1 and accelerator.device.type == "cuda":
        model = nn.SyncBatchNorm.convert_sync_batchnorm(model)
    set_mode(model, config.freeze)
    optimizer = make_optimizer(model, config.lr)
    rates = [group["lr"] for group in optimizer.param_groups]
    accumulated = accelerator.gradient_accumulation_steps  # batches a step
    steps = config.epochs * math.ceil(len(loader) / accumulated)
    # Not 0.2: where the rise has one step, OneCycleLR divides by zero
    schedule = OneCycleLR(optimizer, rates, steps, pct_start=0.21, cycle_momentum=False)
    state: dict[str, Any] = {"epoch": 0, "batch": 0, "step": 0, "best": None, "waited": 0}
    state["accumulated"] = accumulated
    last = find(config.resume, "last.*") if config.resume else None
    if last:
        state = json.loads((last / "state.json").read_text())
        if state["epoch"] >= config.epochs or state["waited"] >= config.patience:
            print(f"finished before: {config.resume}")
            accelerator.end_training()
            return state["result"]
        if (before := state["accumulated"]) != accumulated:  # another length of the schedule
            raise SystemExit(f"the run takes {before} batches for a step, not {accumulated}")
    described = {"spec": asdict(spec), "task": asdict(task)}
    made = str(start_run(config, examples=len(table), **described)) if first else ""
    folder = Path(broadcast_object_list([made])[0])
    accelerator.project_configuration.logging_dir = str(folder.parent)
    board = {"tensorboard": {"purge_step": state["step"] + 1}}
    accelerator.init_trackers(folder.name, init_kwargs=board)
    writer: Any = accelerator.get_tracker("tensorboard", unwrap=True) if first else None
    shown, labels = next(iter(DataLoader(val_set, 9, collate_fn=collate)))
    if number == 1:
        with optional("graph"):
            writer.add_graph(model, shown[:1], verbose=False)
    if config.compile:
        model.compile()
    net, optimizer, schedule, loader, val_loader = accelerator.prepare(
        model, optimizer, schedule, loader, DataLoader(val_set, **options)
    )
    if last:
        accelerator.load_state(str(last))

    def save() -> None:
        accelerator.save_state(str(folder / "saving.tmp"))
        accelerator.wait_for_everyone()  # each process writes a part
        if first:
            (folder / "saving.tmp/state.json").write_text(json.dumps(state))
            before = list(folder.glob("last.*"))  # a crash leaves the old or the new
            (folder / "saving.tmp").rename(folder / f"last.{state['step']}")
            for old in before:
                shutil.rmtree(old)

    stop = catch_signals()

    def stopped() -> bool:
        """Whether any of the processes has got a signal."""
        if stop:
            accelerator.set_trigger()
        return accelerator.check_trigger() if number > 1 else bool(stop)

    metric, mode = task.monitor
    for epoch in range(state["epoch"], config.epochs):
        train_set.epoch = epoch
        loader.set_epoch(epoch)
        set_mode(model, config.freeze)
        began, examples = time.perf_counter(), 0
        left = skip_first_batches(loader, state["batch"]) if state["batch"] else loader
        bar = tqdm(left, f"epoch {epoch + 1}", leave=False, disable=not first or None)
        for inputs, targets in bar:
            count = epoch * len(loader) + state["batch"]
            torch.manual_seed(config.seed + count * 1009 + accelerator.process_index)  # dropout
            with accelerator.accumulate(net):
                loss = task.loss(net(inputs), targets)
                accelerator.backward(loss)
                if accelerator.sync_gradients:
                    grad_norm = accelerator.clip_grad_norm_(net.parameters(), 1.0)
                optimizer.step()
                schedule.step()
                optimizer.zero_grad()

            state["batch"] += 1
            examples += size
            if not accelerator.sync_gradients:
                continue
            state["step"] += 1
            if state["step"] % LOG_EVERY == 0 or config.dry_run:
                if loss.isnan():
                    raise SystemExit(f"train/loss is nan at step {state['step']}: try a lower --lr")
                speed = examples / (time.perf_counter() - began)
                scalars = {"train/loss": loss.item(), "grad_norm": float(grad_norm or 0)}
                scalars |= {"lr": schedule.get_last_lr()[-1], "examples_per_second": speed}
                accelerator.log(scalars, state["step"])
            # Several processes have to agree, which takes time
            if (number == 1 or state["step"] % LOG_EVERY == 0) and stopped():
                break
        if state["batch"] < len(loader) and stopped():
            save()
            accelerator.end_training()
            leave(folder, stop)
        result, scores, targets = evaluate(net, val_loader, task, accelerator)
        accelerator.log({f"val/{name}": value for name, value in result.items()}, state["step"])
        state |= {"epoch": epoch + 1, "batch": 0, "waited": state["waited"] + 1}
        better = result[metric] if mode == "max" else -result[metric]
        if state["best"] is None or better >= state["best"]:  # of equals the later is the better
            waited = state["waited"] if better == state["best"] else 0
            state |= {"best": better, "waited": waited, "result": result}
            weights = accelerator.get_state_dict(net).items()  # a name more where it is compiled
            best = {"model": {name.removeprefix("_orig_mod."): value for name, value in weights}}
            accelerator.save(described | best, folder / "saving.pt")
            if first:
                (folder / "saving.pt").replace(folder / "best.pt")
        save()
        ended = state["waited"] >= config.patience or epoch + 1 == config.epochs
        ended |= ends(epoch, result[metric])
        if first:
            row = {"train/loss": loss.item()} | {f"val/{k}": v for k, v in result.items()}
            numbers = [f"{name} {value:.4f}" for name, value in row.items()]
            print(f"epoch {epoch + 1}/{config.epochs}", *numbers, sep="  ")
            with (folder / "metrics.jsonl").open("a") as file:
                print(json.dumps({"epoch": epoch + 1, "step": state["step"], **row}), file=file)
            if epoch % max(1, config.epochs // 10) == 0 or ended:
                with optional("pictures"):
                    titles = list(map(task.describe, scores, labels))
                    draw(writer, state["step"], shown, titles, spec)
                    task.draw(writer, state["step"], scores, targets)
                    if number == 1 and (write := getattr(model, "draw", None)):
                        write(writer, state["step"])
        if ended:
            break
        if stopped():
            accelerator.end_training()
            leave(folder, stop)
    if first:
        final = {f"final/{name}": value for name, value in state["result"].items()}
        with optional("settings"):
            writer.add_hparams(settings(config), final, run_name=".")
            task.embed(writer, scores, targets)
        print(f"finished: {folder / 'best.pt'}")
    accelerator.end_training()
    return state["result"]


def set_mode(model: Any, freeze: bool) -> None:
    """Let the network learn, or what is frozen stay as it is, its running statistics too."""
    model.train()
    if freeze:
        model.requires_grad_(False).eval()
        model.get_classifier().requires_grad_(True).train()


def make_optimizer(model: Any, lr: float) -> AdamW:
    """Decay matrices, not norms and biases; what is pretrained learns at a lower rate."""
    head = model.get_classifier() if hasattr(model, "get_classifier") else model
    new, below = set(head.parameters()), lr * getattr(model, "below_head", 0.1)
    decay = getattr(model, "weight_decay", 0.05)
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for p in model.parameters():
        key = (lr if p in new else below, decay if p.dim() > 1 else 0.0)
        groups.setdefault(key, []).append(p)
    options = [{"params": ps, "lr": r, "weight_decay": d} for (r, d), ps in groups.items()]
    return AdamW(options, lr, fused=True)


if __name__ == "__main__":
    main(train, __doc__)
