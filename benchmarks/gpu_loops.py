"""One measurement of gpu.py, in a process of its own: a loop at a size, timed, profiled or fitted.

    python gpu_loops.py '{"task": "time", "domain": "text", "loop": "plain", ...}'

The loop is the one written by hand, `hand_loop` below, or the `train` of a generated project with
all that it does by default. A hook that torch runs after each step of an optimizer, whoever calls
it, opens and closes the window in which time is taken. The last line printed is JSON.
"""

from __future__ import annotations

import gc
import importlib
import json
import math
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest import mock

import torch
import torch.nn.functional as F
from gpu_sizes import HAND, Cycle, Job
from torch import Tensor, nn
from torch.optim.optimizer import register_optimizer_step_post_hook
from torch.profiler import ProfilerActivity, profile, record_function
from torch.utils.flop_counter import FlopCounterMode

MEMORY_SHARE = 0.85  # of the card, which the largest batch may take
LARGEST_BATCH = 2048
# Names in a profile of what makes the host wait for the device; an operator that needs a value,
# such as `if tensor:`, ends in _local_scalar_dense, one whose result has an unknown size in nonzero
SYNCS = (
    *("aten::_local_scalar_dense", "aten::nonzero"),
    *("cudaStreamSynchronize", "cudaDeviceSynchronize", "cudaEventSynchronize", "Memcpy DtoH"),
)


class Window:
    """Calls `open` after the step `first` of the optimizer and `close` after the step `last`."""

    def __init__(
        self, first: int, last: int, open: Callable[[], None], close: Callable[[], None]
    ) -> None:
        self.calls, self.step = {first: open, last: close}, 0
        register_optimizer_step_post_hook(self)

    def __call__(self, *_: Any) -> None:
        self.step += 1
        self.calls.get(self.step, lambda: None)()


@dataclass
class Project:
    """A generated package at the size of a job."""

    job: Job
    run_dir: str
    loader: Any = field(default=None, init=False)  # the one of the training split, once it is made

    def __post_init__(self) -> None:
        for name, value in self.job.size.constants.items():
            if not hasattr(self.module("model"), name):
                raise SystemExit(f"model.py of {self.job.domain} has no {name} any more")
            setattr(self.module("model"), name, value)
        flags = dict(self.job.size.flags)
        if self.job.domain == "text":
            flags["data"] = self.write_texts()
        self.config = self.module("config").Config(
            device=self.job.device,
            precision="bf16",
            compile=self.job.compile,
            epochs=1,
            batch_size=self.job.batch or self.job.size.batch,
            num_workers=self.job.workers,
            run_dir=Path(self.run_dir),
            **flags,
        )

    def module(self, name: str) -> ModuleType:
        style = "plain" if self.job.loop == HAND else self.job.loop
        return importlib.import_module(f"{self.job.domain}_{style}.{name}")

    def write_texts(self) -> Path:
        """Write texts that are cut at `max_length`, words of the sample in any order."""
        texts, labels = self.module("sample").make_sample(1000, seed=0)
        words = " ".join(texts).split()
        size, path = self.job.size.words, Path(self.run_dir, "texts.jsonl")
        rows = (
            json.dumps({"text": " ".join(words[7 * i : 7 * i + size]), "label": label})
            for i, label in enumerate(labels)
        )
        path.write_text("\n".join(rows) + "\n", encoding="utf-8")
        return path

    def make_datasets(self, config: Any) -> Any:
        datasets = self.module("data").make_datasets(config)
        length = self.job.size.steps * config.batch_size
        return replace(datasets, train=Cycle(datasets.train, length))

    def make_loaders(self, datasets: Any, config: Any, runtime: Any) -> Any:
        loaders = self.module("data").make_loaders(datasets, config, runtime)
        self.loader = loaders.train
        return loaders

    def make_model(self, classes: int) -> nn.Module:
        model: nn.Module = self.module("model").make_model(self.config, classes)
        return model

    def run(self) -> None:
        if self.job.loop == HAND:
            hand_loop(self)
            return
        train: Any = self.module("train")
        train.make_datasets, train.make_loaders = self.make_datasets, self.make_loaders
        train.train(self.config)


def hand_loop(project: Project) -> None:
    """The yardstick: what one tunes by hand for one GPU, and nothing that a project adds.

    The same batches as those of the projects, four of them, lie on the device from the beginning.
    """
    config, device = project.config, torch.device(project.config.device)
    torch.manual_seed(config.seed)
    torch.set_float32_matmul_precision("high")
    torch.backends.cudnn.benchmark = True
    batches, classes = load_batches(project, 4)
    model = project.make_model(classes).to(memory_format=torch.channels_last).to(device)
    if config.compile:
        model.compile()
    optimizer = make_optimizer(model, config)
    total = project.job.size.steps
    rise = max(1, round(config.warmup * total))
    for step in range(total):
        inputs, labels = batches[step % len(batches)]
        decay = 0.5 * (1 + math.cos(math.pi * (step - rise) / (total - rise)))
        for group in optimizer.param_groups:
            group["lr"] = config.lr * ((step + 1) / rise if step < rise else decay)
        train_step(model, optimizer, inputs, labels, config.clip_norm)


def load_batches(project: Project, number: int) -> tuple[list[tuple[Tensor, Tensor]], int]:
    """Give batches of the project's own loader, on the device, and the number of classes."""
    runtime = project.module("runtime").choose(project.config)
    datasets = project.make_datasets(project.config)
    project.make_loaders(datasets, project.config, runtime)
    batches = [batch for _, batch in zip(range(number), project.loader, strict=False)]
    project.loader = None
    gc.collect()  # the loader's processes end
    to = project.config.device
    return [(inputs.to(to), labels.to(to)) for inputs, labels in batches], len(datasets.classes)


def make_optimizer(model: nn.Module, config: Any) -> torch.optim.AdamW:
    matrices = [p for p in model.parameters() if p.dim() >= 2]
    vectors = [p for p in model.parameters() if p.dim() < 2]
    groups = [
        {"params": matrices, "weight_decay": config.weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=config.lr, betas=(0.9, 0.99), fused=True)


def train_step(
    model: nn.Module, optimizer: torch.optim.Optimizer, inputs: Tensor, labels: Tensor, clip: float
) -> None:
    with torch.autocast(inputs.device.type, torch.bfloat16):
        loss = F.cross_entropy(model(inputs), labels)
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), clip)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)


def take_time(project: Project) -> dict[str, float]:
    """Time the steps of the window, the device idle at both of its ends."""
    job, found, cuda = project.job, {"waited": 0.0}, project.job.device == "cuda"

    def open() -> None:
        if cuda:
            torch.cuda.synchronize()
            torch.cuda.reset_peak_memory_stats()
        found["waited"] = -getattr(project.loader, "waited", 0.0)
        found["seconds"] = -time.perf_counter()

    def close() -> None:
        if cuda:
            torch.cuda.synchronize()
        found["seconds"] += time.perf_counter()
        found["waited"] += getattr(project.loader, "waited", 0.0)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        found["memory"] = torch.cuda.max_memory_allocated() if cuda else peak

    Window(job.size.warm, job.size.warm + job.size.timed, open, close)
    project.run()
    rate = job.size.timed * project.config.batch_size / found["seconds"]
    waited = found["waited"] / found["seconds"]
    return {"rate": rate, "memory": found["memory"], "waited": waited}


def take_profile(project: Project) -> dict[str, Any]:
    """Profile the steps between two points of the log; count what waits for the device in them."""
    every = project.config.log_every
    first = max(1, project.job.size.warm // every) * every + 1  # a point is written after its step
    last = first + every - 2
    activities = [ProfilerActivity.CPU]
    if project.job.device == "cuda":
        activities.append(ProfilerActivity.CUDA)
    profiler = profile(activities=activities)

    def open() -> None:
        profiler.start()
        with record_function("window opens"):
            pass

    def close() -> None:
        with record_function("window closes"):
            pass
        profiler.stop()  # which itself waits for the device

    Window(first, last, open, close)
    project.run()
    events: Any = profiler.events()
    times = {e.name: e.time_range.start for e in events if e.name.startswith("window ")}
    began, ended = times["window opens"], times["window closes"]
    inside = [e for e in events if began < e.time_range.start < ended]
    if project.job.device == "cpu":
        inside = [event for event in inside if not is_optimizer(event)]
    profiler.export_chrome_trace(project.job.trace)
    counts = {name: sum(event.name.startswith(name) for event in inside) for name in SYNCS}
    return {"steps": last - first, "events": len(inside), "counts": counts}


def is_optimizer(event: Any) -> bool:
    """Whether an operator runs in the fused AdamW, which on the CPU reads a value per parameter."""
    while event is not None and not event.name.startswith("aten::_fused_adam"):
        event = event.cpu_parent
    return event is not None


def fit_batch(project: Project) -> dict[str, int]:
    """Double the batch as long as the step of it may be expected to fit on the card."""
    ((inputs, labels),), classes = load_batches(project, 1)
    model = project.make_model(classes).to(memory_format=torch.channels_last).to(inputs.device)
    optimizer = make_optimizer(model, project.config)
    room = MEMORY_SHARE * torch.cuda.get_device_properties(inputs.device).total_memory
    train_step(model, optimizer, inputs, labels, 1.0)  # from here on there are moments
    while len(inputs) < LARGEST_BATCH:
        torch.cuda.reset_peak_memory_stats()
        train_step(model, optimizer, inputs, labels, 1.0)
        if 2 * torch.cuda.max_memory_allocated() > room:
            break
        inputs, labels = inputs.repeat(2, *[1] * (inputs.dim() - 1)), labels.repeat(2)
    return {"batch": len(inputs)}


def count_flops(project: Project) -> dict[str, float]:
    """Count the FLOPs of forward and backward for one example, two to a multiplication and sum.

    Nothing is computed: a step on the device `meta` has shapes only.
    """
    ((inputs, labels),), classes = load_batches(project, 1)
    model = project.make_model(classes)
    parameters = sum(p.numel() for p in model.parameters())
    model.to("meta")
    no_autocast = mock.patch.object(torch, "autocast", return_value=nullcontext())
    with no_autocast, FlopCounterMode(display=False) as counter:  # meta has none
        F.cross_entropy(model(inputs.to("meta")), labels.to("meta")).backward()
    return {"flops": counter.get_total_flops() / len(inputs), "parameters": parameters}


TASKS: Mapping[str, Callable[[Project], Mapping[str, Any]]] = {
    "time": take_time,
    "profile": take_profile,
    "fit": fit_batch,
    "count": count_flops,
}


def main() -> None:
    job = Job(**json.loads(sys.argv[1]))
    with tempfile.TemporaryDirectory(prefix="ptscaffold-bench-") as run_dir:
        print(json.dumps(TASKS[job.task](Project(job, run_dir))))


if __name__ == "__main__":
    main()
