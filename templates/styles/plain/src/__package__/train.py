"""Train the model: one loop, top to bottom.

From the folder of the project:

    python -m <package>.train
    python -m <package>.train --data MY_DATA --epochs 30
    python -m <package>.train --resume auto
    torchrun --nproc-per-node 2 -m <package>.train
"""

import time
from collections import deque
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.distributed.elastic.multiprocessing.errors import record
from tqdm import tqdm

from . import checkpoint
from .config import Config
from .data import make_datasets, make_loaders
from .evaluate import evaluate
from .flags import exit_cleanly, parse
from .model import make_model
from .optim import averaged, lr_factor, make_optimizer, set_lr
from .parallel import distribute, load_optimizer, sum_gradients
from .runtime import Runtime, StopRequest, start
from .tracking import Tracker


def train(config: Config) -> dict[str, float]:
    """Train, fill the run's folder and return the last row of its `metrics.jsonl`."""
    with start(config) as runtime, StopRequest(runtime) as stop:
        return fit(config, runtime, stop)


def fit(config: Config, runtime: Runtime, stop: StopRequest) -> dict[str, float]:
    datasets = make_datasets(config)
    loaders = make_loaders(datasets, config, runtime)
    num_classes = len(datasets.classes)
    epochs = 1 if config.dry_run else config.epochs
    total_steps = epochs * len(loaders.train) // config.accumulate

    model = runtime.place(make_model(config, num_classes))

    # Where the run stands; the sums (loss, examples) are those of the epoch so far
    first_epoch, batch, step, best = 0, 0, 0, -1.0
    sums, one = torch.zeros(2, device=runtime.device), torch.ones((), device=runtime.device)
    losses: deque[Tensor] = deque(maxlen=config.accumulate)  # of the step
    saved = {}
    if config.resume:
        saved = checkpoint.restore(Path(config.resume), model, config, datasets)
        first_epoch, batch, step, best = (saved[k] for k in ("epoch", "batch", "step", "best"))
        sums += saved["sums"].to(runtime.device) * runtime.is_main

    tracker = Tracker(config, runtime, datasets, step)
    tracker.log_graph(model, loaders.val)
    if config.compile:
        model.compile()  # after the graph, which cannot be traced through it
    net = distribute(model, runtime)
    optimizer = make_optimizer(model, config)
    tracker.watch(model, optimizer)
    scaler = torch.amp.GradScaler(runtime.device.type, enabled=runtime.precision == "fp16")
    if config.resume:
        load_optimizer(optimizer, saved)
        if saved["scaler"]:
            scaler.load_state_dict(saved["scaler"])

    def save(name: str, epoch: int) -> None:
        state = {"epoch": epoch, "batch": batch, "step": step, "best": best, "sums": sums}
        state |= {"optimizer": optimizer.state_dict(), "scaler": scaler.state_dict()}
        tracker.save(name, model, state)

    for epoch in range(first_epoch, epochs):
        loaders.train.set_epoch(epoch, start=batch)
        examples, began = 0, time.perf_counter()
        bar = tqdm(loaders.train, f"epoch {epoch + 1}/{epochs}", disable=tracker.quiet)
        for inputs, labels in bar:
            inputs = inputs.to(runtime.device, non_blocking=True)
            labels = labels.to(runtime.device, non_blocking=True)
            lr = config.lr * lr_factor(step, total_steps, config.warmup)
            set_lr(optimizer, lr)
            if batch % config.accumulate == 0:
                runtime.seed_step(config.seed, step)
            complete = (batch + 1) % config.accumulate == 0  # the last part of the step
            sum_gradients(net, complete)

            with runtime.autocast():
                logits = net(inputs)
                loss = F.cross_entropy(logits, labels)
            scaler.scale(loss / config.accumulate).backward()
            if complete:
                scaler.unscale_(optimizer)
                grad_norm = nn.utils.clip_grad_norm_(model.parameters(), config.clip_norm)
                scaler.step(optimizer)
                scaler.update()
                optimizer.zero_grad(set_to_none=True)

            batch, step, examples = batch + 1, step + complete, examples + len(labels)
            losses.append(loss.detach())
            sums += torch.stack([loss.detach(), one]) * len(labels)
            rate = examples * runtime.world_size / (time.perf_counter() - began)
            if complete and step % config.log_every == 0:
                mean_loss = torch.stack([*losses]).mean()
                accuracy = (logits.argmax(dim=1) == labels).float().mean()  # of the last part
                wait = loaders.train.wait_share
                tracker.log_step(step, mean_loss, accuracy, grad_norm, lr, rate, wait)
            if complete and batch < len(loaders.train) and stop.agreed(step):
                sums = runtime.sum(sums)
                save("last.pt", epoch)
                return tracker.close(finished=False)

        train_loss, seen = runtime.sum(sums).tolist()
        batch = 0
        sums.zero_()
        with averaged(optimizer):
            result = evaluate(model, loaders.val, num_classes, runtime)
            row = {
                "epoch": epoch + 1,
                "step": step,
                "train/loss": train_loss / seen,
                "val/loss": result.loss,
                "val/accuracy": result.accuracy,
                "lr": lr,
                "examples_per_second": rate,
                "data_wait": loaders.train.wait_share,
            }
            tracker.log_epoch(row, model, loaders.val, result.confusion)
            if result.accuracy > best:
                best = result.accuracy
                save("best.pt", epoch + 1)
        save("last.pt", epoch + 1)
        if stop.agreed():
            return tracker.close(finished=False)
    return tracker.close(finished=True)


@record  # the error of a process goes to the end of what torchrun prints
def main() -> None:
    with exit_cleanly():
        train(parse(__doc__))


if __name__ == "__main__":
    main()
