"""Train the model."""

import json
import sys
from contextlib import nullcontext
from dataclasses import asdict
from functools import partial
from typing import Any

import numpy as np
import torch
from fastai.basics import Callback, Learner, Recorder, num_distrib, set_seed
from fastai.callback.all import BnFreeze, CSVLogger, EarlyStoppingCallback, SaveModelCallback
from torch.utils.tensorboard import SummaryWriter

from .config import Config, with_defaults
from .data import make_spec, make_table
from .dls import make_dls, make_learner
from .learner import GradientNorm, RunFolder
from .run import find, main, optional, settings, start_run
from .task import Task


def train(config: Config, *others: Callback) -> dict[str, float]:
    """Train, and give the validation metrics of the best epoch; `others` watch it too."""
    if num_distrib() > 1:
        raise SystemExit("one process trains; in a notebook see distrib_ctx of fastai")
    torch.set_float32_matmul_precision("high")  # TF32 for what stays in fp32
    set_seed(config.seed)
    table = make_table(config)
    spec, task = make_spec(config, table), Task.fit(config.task, table)
    config = with_defaults(config, int((table["split"] == "train").sum()))
    if config.dry_run:
        table = table.groupby("split").head(2 * config.batch_size)
    dls = make_dls(table, task, spec, config)

    folder = start_run(config, examples=len(table), spec=asdict(spec), task=asdict(task))
    weights = None if config.resume else config.pretrained
    options = {"path": folder, "model_dir": ".", "train_bn": not config.freeze}
    learn = to_precision(make_learner(dls, task, spec, weights, **options), config.precision)
    learn.logger = partial(print_row, learn.recorder)  # where no progress bar draws the table
    done = []
    if config.resume:
        done = json.loads(find(config.resume, "last.json").read_text())
        learn.load("best", with_opt=False)  # SaveModelCallback will find it again

    bar = nullcontext() if sys.stdout.isatty() else learn.no_bar()
    step = len(done) * len(dls.train) + 1
    with bar, SummaryWriter(folder, purge_step=step) as writer:  # closed, however it ends
        with optional("graph"):
            inputs = dls.valid.one_batch()[0][:1]
            writer.add_graph(learn.model.to(dls.device), inputs, verbose=False)
        if config.compile:
            learn.model.compile()
        (folder / "history.csv").unlink(missing_ok=True)  # epochs that are done are written again
        metric, mode = task.monitor
        metric = "valid_loss" if metric == "loss" else metric  # as fastai calls it
        watch = {"monitor": metric, "comp": np.less if mode == "min" else np.greater}
        cbs = [
            GradientNorm(1.0),
            # Of equals the later: on few examples there are many, the early have hardly learned
            SaveModelCallback(**watch, min_delta=-1e-6, fname="best", reset_on_fit=False),
            EarlyStoppingCallback(**watch, patience=config.patience),
            CSVLogger(append=True),
            RunFolder(config, task, spec, writer, done),
            *others,
        ]
        if config.freeze:
            learn.freeze()
            learn.fit_one_cycle(config.epochs, config.lr, cbs=[*cbs, BnFreeze()])
        elif config.pretrained:
            below = getattr(learn.model, "below_head", 0.01)  # by default as fastai has it
            rest = max(config.epochs - 1, 1)  # it begins with one of the head alone
            learn.fine_tune(rest, config.lr, lr_mult=1 / below, cbs=cbs)
        else:
            learn.fit_one_cycle(config.epochs, config.lr, cbs=cbs)
        result = dict(zip(["loss", *learn.metrics.attrgot("name")], learn.validate(), strict=True))
        final = {f"final/{name}": value for name, value in result.items()}
        with optional("settings"):
            writer.add_hparams(settings(config), final, run_name=".")
            found = learn.metrics[0]
            task.embed(writer, torch.cat(found.preds), torch.cat(found.targs))
    for metric in learn.metrics:
        metric.reset()  # of what it has gathered
    try:
        learn.export()
    except (RuntimeError, TypeError) as error:  # pickle refuses hooks and norms of transformers
        (folder / "export.pkl").unlink(missing_ok=True)  # the half of it
        print(f"no export.pkl: {error}".splitlines()[0])
    print(f"finished: {folder / 'best.pth'}")
    return result


def to_precision(learn: Learner, precision: str) -> Learner:
    """fastai has mixed precision for CUDA alone."""
    cuda = learn.dls.device.type == "cuda"
    if precision == "auto":
        bf16 = cuda and torch.cuda.is_bf16_supported(including_emulation=False)
        precision = "bf16" if bf16 else "fp16"
    precision = precision if cuda else "fp32"
    print(f"device {learn.dls.device}, precision {precision}")
    return getattr(learn, f"to_{precision}")()


def print_row(recorder: Recorder, row: list[Any]) -> None:
    """Print a row of the table of epochs so that a log file can be read."""
    cells = [f"{cell:.4f}" if isinstance(cell, float) else str(cell) for cell in row]
    print(*map(" ".join, zip(recorder.metric_names, cells, strict=False)), sep="  ")


if __name__ == "__main__":
    main(train, __doc__)
