"""Train the model: a fastai `Learner`, made in learner.py.

From the folder of the project:

    python -m <package>.train
    python -m <package>.train --data MY_DATA --epochs 30
    python -m <package>.train --resume auto
    torchrun --nproc-per-node 2 -m <package>.train
"""

import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from torch.distributed.elastic.multiprocessing.errors import record

from . import checkpoint
from .config import Config
from .data import make_datasets, make_loaders
from .flags import UserError, exit_cleanly, parse
from .learner import RunRecorder, make_learner, warmup_cosine
from .model import make_model
from .runtime import Runtime, StopRequest, start
from .tracking import Tracker


def train(config: Config) -> dict[str, float]:
    """Train, fill the run's folder and return the last row of its `metrics.jsonl`."""
    with start(config) as runtime, StopRequest(runtime) as stop:
        return fit(config, runtime, stop)


def fit(config: Config, runtime: Runtime, stop: StopRequest) -> dict[str, float]:
    datasets = make_datasets(config)
    loaders = make_loaders(datasets, config, runtime)
    epochs = 1 if config.dry_run else config.epochs
    model = runtime.place(make_model(config, len(datasets.classes)))
    learn = make_learner(model, loaders, config, runtime)

    # Where the run stands; the sums (loss, examples) are those of the epoch so far
    saved: dict[str, Any] = {"epoch": 0, "batch": 0, "step": 0, "best": -1.0}
    saved |= {"sums": torch.zeros(2), "scaler": {}}
    if config.resume:
        saved = checkpoint.restore(Path(config.resume), model, config, datasets)
        learn.create_opt()
        learn.opt.load_state_dict(saved["optimizer"])

    tracker = Tracker(config, runtime, datasets, saved["step"])
    tracker.log_graph(model, loaders.val)
    if config.compile:
        model.compile()  # after the graph, which cannot be traced through it
    recorder = RunRecorder(tracker, stop, saved)
    schedule = warmup_cosine(config, epochs * len(loaders.train))
    learn.remove_cbs([learn.recorder, learn.cast_to_tensor])  # batches are plain tensors
    watched = not tracker.quiet and sys.stdout.isatty()  # the bar goes to stdout
    with learn.no_logging(), nullcontext() if watched else learn.no_bar():
        try:
            learn.fit(epochs, cbs=[schedule, recorder], start_epoch=saved["epoch"])
        except UserError as error:
            # When a callback raises, fastai puts its name in front of the message
            raise UserError(str(error).rpartition("\n\t")[2]) from error
    return tracker.close(finished=not recorder.stopped)


@record  # the error of a process goes to the end of what torchrun prints
def main() -> None:
    with exit_cleanly():
        train(parse(__doc__))


if __name__ == "__main__":
    main()
