"""Evaluate a checkpoint on a split of the data."""

from dataclasses import replace
from pathlib import Path
from typing import Literal

import tyro
from fastai.learner import DataLoaders, Learner
from fastai.learner import load_model as load_weights
from torch import nn

from .data import make_table
from .dls import make_dls, make_learner
from .learner import for_task
from .model import Spec
from .run import find, load_config, load_settings
from .task import Task


def load_model(checkpoint: Path | None, device: str = "cpu") -> tuple[nn.Module, Task, Spec]:
    """Rebuild a trained model, ready to predict, from the checkpoint and the settings beside it."""
    path = find(checkpoint, "best.pth")
    saved = load_settings(path.parent)
    task, spec = Task(**saved["task"]), Spec(**saved["spec"])
    model = make_learner(DataLoaders(), task, spec).model
    load_weights(path, model, None, with_opt=False, device=device)
    return model.to(device).eval(), task, spec


def main(
    checkpoint: Path | None = None,
    data: Path | None = None,
    split: Literal["train", "val", "test", "all"] | None = None,
    columns: str | None = None,
) -> None:
    """Evaluate.

    Args:
        checkpoint: default: the best of the newest run
        data: default: what the run has trained with
        split: default: test, where there is one, or else val; all of other data
        columns: as for training; default: those of the run
    """
    path = find(checkpoint, "best.pth")
    config = load_config(path.parent)
    table = make_table(replace(config, data=data or config.data, columns=columns or config.columns))
    other = data is not None and data.resolve() != Path(config.data or "data/sample").resolve()
    split = split or ("all" if other else "test" if (table["split"] == "test").any() else "val")
    rows = table[(table["split"] == split) | (split == "all")]
    if rows.empty:
        raise SystemExit(f"the data has no split {split}")
    model, task, spec = load_model(path)
    rows["target"].map(task.encode)  # says which class the model does not know
    alone = rows.assign(split="train")  # there may be no others
    dls = make_dls(alone, task, spec, replace(config, device="auto"))
    learn = Learner(dls, model, **for_task(task))
    with learn.no_bar():
        values = learn.validate(dl=dls.test_dl(rows, with_labels=True))
    result = dict(zip(["loss", *learn.metrics.attrgot("name")], values, strict=True))
    last = task.monitor[0]
    print(split, *(f"{name} {value:.4f}" for name, value in result.items() if name != last))
    print(f"{last} {result[last]:.4f} on {len(rows)} examples")


if __name__ == "__main__":
    tyro.cli(main, description=__doc__)
