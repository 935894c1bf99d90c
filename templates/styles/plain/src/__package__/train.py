"""Train the model: one loop, top to bottom.

python -m <package>.train --data MY_DATA --epochs 20
python -m <package>.train --resume auto
torchrun --nproc-per-node 2 -m <package>.train
"""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim import Optimizer
from torch.utils.data import BatchSampler, DataLoader, DistributedSampler
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from .boards import add_end, add_graph, add_pictures, spread
from .config import Config, with_defaults
from .data import Examples, collate, make_spec, make_table
from .device import RANK, WORLD_SIZE, agreed, start
from .evaluate import evaluate
from .model import make_model
from .optim import freeze, make_optimizer
from .run import catch_signals, find, leave, main, start_run
from .task import Task

LOG_EVERY = 10  # steps


def replicate(model: nn.Module, optimizer: Optimizer) -> nn.Module:
    """Let every process step with the mean of the gradients of all."""
    return DistributedDataParallel(model)


def train(
    config: Config, distribute: Callable[[nn.Module, Optimizer], nn.Module] = replicate
) -> dict[str, float]:
    """Train, and give the validation metrics of the best epoch."""
    device, dtype = start(config)
    autocast = torch.autocast(device.type, dtype, enabled=dtype != torch.float32)
    scaler = torch.amp.GradScaler(device.type, enabled=dtype == torch.float16)
    torch.manual_seed(config.seed)

    if RANK > 0:
        dist.barrier()  # the first process writes or downloads what the others only read
    table = make_table(config)
    spec = make_spec(config, table)
    if RANK == 0 and WORLD_SIZE > 1:
        dist.barrier()
    task = Task.fit(config.task, table)
    train_set = Examples(table[table["split"] == "train"], task, spec, True, config.seed)
    val_set = Examples(table[table["split"] == "val"], task, spec)
    config = with_defaults(config, len(train_set))
    batches = Batches(train_set, config)
    options: dict[str, Any] = {"num_workers": config.num_workers, "collate_fn": collate}
    options["pin_memory"] = device.type == "cuda"
    loader = DataLoader(train_set, batch_sampler=batches, **options)

    weights = None if config.resume else config.pretrained
    model = make_model(spec, len(task.names), weights).to(device)
    model = model.to(memory_format=torch.channels_last)
    if WORLD_SIZE > 1 and device.type == "cuda":
        model = nn.SyncBatchNorm.convert_sync_batchnorm(model)
    if config.compile:
        model.compile()
    if config.freeze:
        freeze(model)
    optimizer, schedule = make_optimizer(model, config.lr, config.epochs * len(loader))
    net = distribute(model, optimizer) if WORLD_SIZE > 1 else model
    objects: dict[str, Any] = {"model": model, "optimizer": optimizer}
    objects |= {"schedule": schedule, "scaler": scaler}
    state: dict[str, Any] = {"epoch": 0, "batch": 0, "step": 0, "best": None, "waited": 0}
    if config.resume:
        saved = torch.load(find(config.resume, "last.pt"), map_location="cpu", weights_only=True)
        state = saved["state"]
        if state["epoch"] >= config.epochs or state["waited"] >= config.patience:
            print(f"finished before: {config.resume}")
            return state["result"]
        for name, part in objects.items():
            part.load_state_dict(saved[name])
    described = {"spec": asdict(spec), "task": asdict(task)}
    folder = start_run(config, **described) if RANK == 0 else Path()
    writer = SummaryWriter(folder, purge_step=state["step"] + 1) if RANK == 0 else None
    if writer:
        inputs, _ = next(iter(DataLoader(val_set, 2, collate_fn=collate)))
        add_graph(writer, model, inputs.to(device))

    def save(name: str) -> None:
        content = {key: part.state_dict() for key, part in objects.items()}
        if RANK == 0:
            torch.save(content | described | {"state": state}, folder / "saving.tmp")
            (folder / "saving.tmp").replace(folder / name)  # a crash leaves the old or the new

    stop = catch_signals()
    metric, mode = task.monitor
    for epoch in range(state["epoch"], config.epochs):
        batches.start_at(epoch, state["batch"])
        model.train()
        if config.freeze:
            freeze(model)
        began, examples = time.perf_counter(), 0
        bar = tqdm(loader, f"epoch {epoch + 1}", leave=False, disable=RANK > 0 or None)
        for inputs, targets in bar:
            torch.manual_seed(config.seed + state["step"] * 1009 + RANK)  # dropout
            inputs, targets = inputs.to(device, non_blocking=True), targets.to(device)
            with autocast:
                logits = net(inputs)
                loss = task.loss(logits, targets)
            scaler.scale(loss).backward()
            scaler.unscale_(optimizer)
            grad_norm = nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            scaler.step(optimizer)
            scaler.update()
            optimizer.zero_grad()
            schedule.step()

            state |= {"batch": state["batch"] + 1, "step": state["step"] + 1}
            examples += config.batch_size
            if state["step"] % LOG_EVERY == 0 or config.dry_run:
                speed = examples / (time.perf_counter() - began)
                scalars = {"train/loss": float(loss.detach()), "grad_norm": float(grad_norm)}
                scalars |= {"lr": float(schedule.get_last_lr()[-1]), "examples_per_second": speed}
                log(writer, scalars, state["step"])
                if agreed(bool(stop), device):
                    break
            if config.dry_run and state["batch"] == 2:
                break
        if state["batch"] < len(loader) and agreed(bool(stop), device):
            save("last.pt")
            if writer:
                writer.close()
            leave(folder, stop)
        result, scores, labels = evaluate(
            model, val_set, task, device, autocast, config.num_workers
        )
        log(writer, {f"val/{name}": value for name, value in result.items()}, state["step"])
        state |= {"epoch": epoch + 1, "batch": 0, "waited": state["waited"] + 1}
        better = result[metric] if mode == "max" else -result[metric]
        if state["best"] is None or better > state["best"]:
            state |= {"best": better, "waited": 0, "result": result}
            save("best.pt")
        save("last.pt")
        if writer:
            row = {"train/loss": loss.item()} | {f"val/{k}": v for k, v in result.items()}
            numbers = [f"{name} {value:.4f}" for name, value in row.items()]
            print(f"epoch {epoch + 1}/{config.epochs}", *numbers, sep="  ")
            with (folder / "metrics.jsonl").open("a") as stream:
                print(json.dumps({"epoch": epoch + 1, "step": state["step"], **row}), file=stream)
            if epoch % max(1, config.epochs // 10) == 0 or epoch + 1 == config.epochs:
                shown = [(x, y, found) for (x, y), found in spread((val_set, scores))]
                add_pictures(writer, state["step"], task, spec, shown, scores, labels)
        if state["waited"] >= config.patience and epoch + 1 < config.epochs:
            print(f"stopped early: val/{metric} is no better since {config.patience} epochs")
        if config.dry_run or state["waited"] >= config.patience:
            break
    if writer:
        add_end(writer, task, scores, labels, asdict(config), state["result"], state["step"])
        writer.close()
        print(f"finished: {folder / 'best.pt'}")
    return state["result"]


class Batches(BatchSampler):
    """The order of an epoch follows from its number and the seed, in any number of processes."""

    start = 0

    def __init__(self, examples: Examples, config: Config) -> None:
        self.examples = examples
        self.order = DistributedSampler[Any](examples, WORLD_SIZE, RANK, seed=config.seed)
        full = len(examples) > config.batch_size
        super().__init__(self.order, config.batch_size // WORLD_SIZE, drop_last=full)

    def start_at(self, epoch: int, batch: int) -> None:
        self.order.set_epoch(epoch)
        self.examples.epoch, self.start = epoch, batch

    # A generator: DataLoader makes two of them, and uses the last
    def __iter__(self) -> Iterator[list[int]]:
        start, self.start = self.start, 0
        yield from islice(super().__iter__(), start, None)


def log(writer: SummaryWriter | None, scalars: dict[str, float], step: int) -> None:
    for tag, value in scalars.items():
        if tag.endswith("loss") and value != value:
            raise SystemExit(f"{tag} is {value} at step {step}: try a lower --lr")
        if writer:
            writer.add_scalar(tag, value, step)


if __name__ == "__main__":
    main(train, __doc__)
