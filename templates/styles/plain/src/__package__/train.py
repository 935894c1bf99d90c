"""Train the model: one loop, top to bottom."""

import json
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel as DDP
from torch.optim import AdamW, Optimizer
from torch.optim.lr_scheduler import OneCycleLR
from torch.utils.data import DataLoader, DistributedSampler
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from .config import Config, with_defaults
from .data import collate, draw, make_spec, make_table
from .dataset import Examples
from .device import RANK, WORLD_SIZE, agreed, start
from .evaluate import evaluate
from .model import make_model
from .run import catch_signals, find, leave, main, optional, settings, start_run
from .task import Task

LOG_EVERY = 10  # steps


def train(
    config: Config,
    distribute: Callable[[nn.Module, Optimizer], nn.Module] = lambda model, _: DDP(model),
    ends: Callable[[int, float], bool] = lambda epoch, value: False,
) -> dict[str, float]:
    """Train, and give the validation metrics of the best epoch; `ends` may end it after any."""
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
    config = with_defaults(config, int((table["split"] == "train").sum()))
    if config.dry_run:
        table = table.groupby("split").head(2 * config.batch_size)
    train_set = Examples(table[table["split"] == "train"], task, spec, True, config.seed)
    val_set = Examples(table[table["split"] == "val"], task, spec)
    order: Any = DistributedSampler(train_set, WORLD_SIZE, RANK, seed=config.seed)
    options: dict[str, Any] = {"num_workers": config.num_workers, "collate_fn": collate}
    options |= {"sampler": order, "pin_memory": device.type == "cuda"}
    options["drop_last"] = len(train_set) > config.batch_size
    loader = DataLoader(train_set, config.batch_size // WORLD_SIZE, **options)

    weights = None if config.resume else config.pretrained
    model = make_model(spec, len(task.names), weights).to(device)
    model = model.to(memory_format=torch.channels_last)
    if WORLD_SIZE > 1 and device.type == "cuda":
        model = nn.SyncBatchNorm.convert_sync_batchnorm(model)
    set_mode(model, config.freeze)
    optimizer = make_optimizer(model, config.lr)
    rates = [group["lr"] for group in optimizer.param_groups]
    steps = config.epochs * len(loader)
    # Not 0.2: where the rise has one step, OneCycleLR divides by zero
    schedule = OneCycleLR(optimizer, rates, steps, pct_start=0.21, cycle_momentum=False)
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
    described = {"spec": asdict(spec), "task": asdict(task)}
    folder = start_run(config, examples=len(table), **described) if RANK == 0 else Path()
    if config.resume:
        for name, part in objects.items():
            if saved[name]:  # a GradScaler that scaled nothing has none
                part.load_state_dict(saved[name])
    writer = SummaryWriter(folder, purge_step=state["step"] + 1) if RANK == 0 else None
    shown, labels = next(iter(DataLoader(val_set, 9, collate_fn=collate)))
    if writer and WORLD_SIZE == 1:
        with optional("graph"):
            writer.add_graph(model, shown[:1].to(device), verbose=False)
    if config.compile:
        model.compile()

    def save(name: str, parts: Iterable[str]) -> None:
        content = {part: objects[part].state_dict() for part in parts}
        if RANK == 0:
            torch.save(content | described | {"state": state}, folder / "saving.tmp")
            (folder / "saving.tmp").replace(folder / name)  # a crash leaves the old or the new

    stop = catch_signals()
    metric, mode = task.monitor
    for epoch in range(state["epoch"], config.epochs):
        order.set_epoch(epoch)
        train_set.epoch = epoch
        set_mode(model, config.freeze)
        began, examples = time.perf_counter(), 0
        bar = tqdm(loader, f"epoch {epoch + 1}", leave=False, disable=RANK > 0 or None)
        for inputs, targets in islice(bar, state["batch"], None):  # what a cut run has done
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
            if stop and WORLD_SIZE == 1:  # several have to agree, which takes time
                break
        if state["batch"] < len(loader) and agreed(bool(stop), device):
            save("last.pt", objects)
            if writer:
                writer.close()
            leave(folder, stop)
        result, scores, targets = evaluate(model, val_set, task, device, config, autocast)
        log(writer, {f"val/{name}": value for name, value in result.items()}, state["step"])
        state |= {"epoch": epoch + 1, "batch": 0, "waited": state["waited"] + 1}
        better = result[metric] if mode == "max" else -result[metric]
        if state["best"] is None or better >= state["best"]:  # of equals the later is the better
            waited = state["waited"] if better == state["best"] else 0
            state |= {"best": better, "waited": waited, "result": result}
            save("best.pt", ["model"])
        save("last.pt", objects)
        ended = state["waited"] >= config.patience or epoch + 1 == config.epochs
        ended |= ends(epoch, result[metric])
        if writer:
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
                    if WORLD_SIZE == 1 and (write := getattr(model, "draw", None)):
                        write(writer, state["step"])
        if ended:
            break
        if agreed(bool(stop), device):
            if writer:
                writer.close()
            leave(folder, stop)
    if writer:
        final = {f"final/{name}": value for name, value in state["result"].items()}
        with optional("settings"):
            writer.add_hparams(settings(config), final, run_name=".")
            task.embed(writer, scores, targets)
        writer.close()
        print(f"finished: {folder / 'best.pt'}")
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


def log(writer: SummaryWriter | None, scalars: dict[str, float], step: int) -> None:
    for tag, value in scalars.items():
        if tag.endswith("loss") and value != value:
            raise SystemExit(f"{tag} is {value} at step {step}: try a lower --lr")
        if writer:
            writer.add_scalar(tag, value, step)


if __name__ == "__main__":
    main(train, __doc__)
