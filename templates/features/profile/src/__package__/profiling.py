"""Train a few steps under the profiler: a trace to look at, and what takes the most time.

From the folder of the project, with any flags of `train`:

    python -m <package>.profiling
    python -m <package>.profiling --data MY_DATA --batch-size 64
"""

import os
import signal
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import torch
from torch.autograd import DeviceType
from torch.optim.optimizer import register_optimizer_step_post_hook
from torch.profiler import ProfilerActivity, profile, schedule, tensorboard_trace_handler

from .config import Config
from .flags import RUNS, UserError, exit_cleanly, parse
from .train import train

WAIT, WARMUP, ACTIVE = 3, 2, 5  # steps: left out, traced but thrown away, traced


def profile_steps(config: Config) -> tuple[Path, list[tuple[str, int, float, float]]]:
    """Train until `ACTIVE` steps are traced; raises `UserError` when the run ends before.

    It is a run of its own, which cannot go on with another one.

    Gives the folder of the trace, and name, calls, ms and share of each operator, the costliest
    first. The time of an operator is its own, without that of the operators it calls: on the GPU
    where there is one, else on the CPU.
    """
    if config.resume:
        raise UserError("--resume is not for the profiler, which starts a run of its own.")
    run_dir = config.run_dir or RUNS / f"{datetime.now():%Y-%m-%d_%H-%M-%S}-profile"
    config = replace(config, run_dir=run_dir, dry_run=False)
    write_trace = tensorboard_trace_handler(str(run_dir))
    traced: list[Any] = []

    def keep(profiler: Any) -> None:
        if not running:  # the run has ended among the steps to trace
            return
        write_trace(profiler)
        traced.extend(profiler.key_averages())
        signal.raise_signal(signal.SIGTERM)  # the run saves, and leaves after this step

    activities = [ProfilerActivity.CPU]
    if torch.cuda.is_available() and config.device in ("auto", "cuda"):
        activities.append(ProfilerActivity.CUDA)
    steps = schedule(wait=WAIT, warmup=WARMUP, active=ACTIVE, repeat=1)
    running = True
    with profile(activities=activities, schedule=steps, on_trace_ready=keep) as profiler:
        # A step of the profiler ends where the optimizer has made one, whatever the loop
        hook = register_optimizer_step_post_hook(lambda *_: profiler.step())
        try:
            train(config)
        finally:
            running = False
            hook.remove()
    if not traced:
        needed = WAIT + WARMUP + ACTIVE
        raise UserError(f"The run ended before step {needed}: give more --epochs.")
    return run_dir, costs(traced)


def costs(events: Sequence[Any]) -> list[tuple[str, int, float, float]]:
    # The kernels of an operator come once more by themselves, as events of the GPU
    of_host = [event for event in events if event.device_type == DeviceType.CPU]
    operators = [event for event in of_host if not event.is_user_annotation]
    on_device = any(event.self_device_time_total for event in operators)
    kind = "self_device_time_total" if on_device else "self_cpu_time_total"
    times = {event.key: getattr(event, kind) for event in operators}  # microseconds
    total = sum(times.values())
    ranked = sorted(operators, key=lambda event: -times[event.key])
    return [(e.key, e.count, times[e.key] / 1000, times[e.key] / total) for e in ranked]


def main(argv: Sequence[str] | None = None) -> None:
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # its notes are for its developers
    with exit_cleanly():
        run_dir, rows = profile_steps(parse(__doc__, argv))
        print(f"{'operator':40} {'calls':>6} {'ms':>9} {'share':>6}")
        for name, calls, milliseconds, share in rows[:5]:
            print(f"{name[:40]:40} {calls:6d} {milliseconds:9.1f} {share:6.1%}")
        print(f"trace: {run_dir}")


if __name__ == "__main__":
    main()
