"""Train the model.

python -m <package>.train --data MY_DATA --epochs 20
python -m <package>.train --resume auto
"""

import json
import sys
from contextlib import nullcontext
from dataclasses import asdict
from functools import partial
from typing import Any

import numpy as np
import torch
from fastai.basics import Callback, num_distrib, set_seed
from fastai.callback.all import BnFreeze, CSVLogger, EarlyStoppingCallback, SaveModelCallback
from torch.utils.tensorboard import SummaryWriter

from .boards import add_end, add_graph
from .config import Config, with_defaults
from .data import make_spec, make_table
from .dls import make_dls, make_learner
from .learner import (
    GradientNorm,
    Resumable,
    TaskLoss,
    TensorBoard,
    make_metrics,
    print_row,
    to_precision,
)
from .run import catch_signals, find, main, start_run
from .task import Task


def train(config: Config, *others: Callback) -> dict[str, float]:
    """Train, and give the validation metrics of the best epoch; `others` watch it too."""
    if num_distrib() > 1:
        raise SystemExit("one process trains; in a notebook see distrib_ctx of fastai")
    torch.set_float32_matmul_precision("high")  # TF32 for what stays in fp32
    set_seed(config.seed)
    table = make_table(config)
    spec, task = make_spec(config, table), Task.fit(config.task, table)
    if config.dry_run:
        table = table.groupby("split").head(2 * config.batch_size)
    config = with_defaults(config, int((table["split"] == "train").sum()))
    dls = make_dls(table, task, spec, config)

    folder = start_run(config, spec=asdict(spec), task=asdict(task))
    options: dict[str, Any] = {"loss_func": TaskLoss(task), "metrics": make_metrics(task)}
    options |= {"path": folder, "model_dir": ".", "train_bn": not config.freeze}
    weights = None if config.resume else config.pretrained
    learn = to_precision(make_learner(dls, task, spec, weights, **options), config)
    learn.logger = partial(print_row, learn.recorder)  # where no progress bar draws the table
    if config.compile:
        learn.model.compile()
    done = []
    if config.resume:
        done = json.loads(find(config.resume, "last.json").read_text())
        learn.load("best", with_opt=False)  # SaveModelCallback will find it again

    stop = catch_signals()
    writer = SummaryWriter(folder, purge_step=len(done) * len(dls.train) + 1)
    (folder / "history.csv").unlink(missing_ok=True)
    metric, mode = task.monitor
    watch = {"monitor": metric, "comp": np.less if mode == "min" else np.greater}
    cbs = [
        GradientNorm(1.0),
        SaveModelCallback(**watch, fname="best", reset_on_fit=False),
        EarlyStoppingCallback(**watch, patience=config.patience),
        CSVLogger(append=True),
        TensorBoard(writer, task, spec, every=1 if config.dry_run else 10),
        Resumable(config.seed, stop, done),
        *others,
    ]
    epochs = 1 if config.dry_run else config.epochs
    with nullcontext() if sys.stdout.isatty() else learn.no_bar():
        if config.freeze:
            learn.freeze()
            learn.fit_one_cycle(epochs, config.lr, cbs=[*cbs, BnFreeze()])
        elif config.pretrained:
            learn.fine_tune(epochs, config.lr, cbs=cbs)
        else:
            learn.fit_one_cycle(epochs, config.lr, cbs=cbs)
        names = ["loss", *(metric.name for metric in learn.metrics)]
        result = dict(zip(names, learn.validate(), strict=True))
        scores, targets = learn.get_preds()

    add_end(writer, task, scores, targets, asdict(config), result, len(done) * len(dls.train))
    add_graph(writer, learn.model, dls.valid.one_batch()[0])
    writer.close()
    learn.export()
    print(f"finished: {folder / 'best.pth'}")
    return result


if __name__ == "__main__":
    main(train, __doc__)
