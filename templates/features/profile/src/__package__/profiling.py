"""Train a few steps under the profiler: a trace to look at, and what takes the most time.

python -m <package>.profiling --data MY_DATA --batch-size 64
"""

import os
import signal
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from torch.autograd.profiler_util import EventList
from torch.optim.optimizer import register_optimizer_step_post_hook
from torch.profiler import profile, schedule, supported_activities

from .config import Config
from .run import RUNS, parse
from .train import train

WAIT, WARMUP, ACTIVE = 3, 2, 5  # steps: left out, traced but thrown away, traced


def profile_steps(config: Config) -> tuple[Path, EventList]:
    """Train until `ACTIVE` steps are traced; give the trace, and what each operator costs."""
    folder = config.run_dir or RUNS / f"{datetime.now():%Y-%m-%d_%H-%M-%S}-profile"
    trace, found = folder / "trace.json.gz", list[EventList]()

    def keep(profiler: profile) -> None:
        if not ended:
            profiler.export_chrome_trace(str(trace))
            found.append(profiler.key_averages())
            signal.raise_signal(signal.SIGTERM)  # the run saves, and ends soon

    steps, ended = schedule(wait=WAIT, warmup=WARMUP, active=ACTIVE, repeat=1), False
    with profile(
        activities=supported_activities(), schedule=steps, on_trace_ready=keep
    ) as profiler:
        # A step of the profiler ends where the optimizer has made one, whatever the loop
        hook = register_optimizer_step_post_hook(lambda *_: profiler.step())
        try:
            train(replace(config, run_dir=folder, dry_run=False))
        except SystemExit:
            if not found:
                raise
        finally:
            ended = True
            hook.remove()
    if not found:
        raise SystemExit(f"the run ended before step {WAIT + WARMUP + ACTIVE}: give more --epochs")
    return trace, found[0]


if __name__ == "__main__":
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # its notes are for its developers
    trace, costs = profile_steps(parse(__doc__))
    on_gpu = any(event.self_device_time_total for event in costs)
    kind = "self_device_time_total" if on_gpu else "self_cpu_time_total"
    print(costs.table(sort_by=kind, row_limit=10, max_name_column_width=40))
    print(f"trace: {trace}, for https://ui.perfetto.dev")
