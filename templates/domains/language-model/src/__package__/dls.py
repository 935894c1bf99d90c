"""What fastai makes of the table of examples: a DataBlock, and a Learner for texts."""

from typing import Any

import pandas as pd
from fastai.data.transforms import ColSplitter
from fastai.optimizer import Adam
from fastai.text.all import DataBlock, DataLoaders, Learner, TensorText, TransformBlock
from fastai.torch_basics import TensorBase, TitledStr, Transform, dispatch, display_df

from .config import Config
from .data import make_transform
from .learner import for_task, loaders, make_splitter
from .model import PAD, Spec, load_tokenizer, make_model
from .task import Task


class Before(TensorText):
    """The tokens (T,) before each."""


class ToCome(TensorBase):
    """The tokens (T,) to learn."""


class ToIds(Transform):
    """Make of what is given and what is learned after it one of the two."""

    def __init__(self, task: Task, spec: Spec, place: int) -> None:
        super().__init__()
        self.task, self.place, self.transform = task, place, make_transform(spec)
        self.tokenizer = spec.tokenizer

    def encodes(self, texts: Any) -> Any:
        kind = (Before, ToCome)[self.place]
        return kind(self.task.pair(self.transform, *texts)[self.place])

    def decodes(self, ids: Any) -> TitledStr:
        tokens = [number for number in ids.tolist() if number != PAD]
        return TitledStr(load_tokenizer(self.tokenizer).decode(tokens))


@dispatch
def show_results(x: Before, y: Any, samples: Any, outs: Any, max_n: int = 9, **kwargs: Any) -> None:
    pairs = list(zip(samples, outs, strict=False))[:max_n]
    rows = [(text, found) for (text, _), (found, *_) in pairs]
    display_df(pd.DataFrame(rows, columns=["text", "likeliest to come"]))


def read_both(row: pd.Series | str) -> list:  # type: ignore[type-arg]  # fastai reads it
    """Take what is given, and what is learned after it, of a row; a text has nothing given."""
    return ["", row] if isinstance(row, str) else [row["input"], row["target"]]


def make_dls(table: pd.DataFrame, task: Task, spec: Spec, config: Config) -> DataLoaders:
    block = DataBlock(
        blocks=[TransformBlock(ToIds(task, spec, place)) for place in (0, 1)],
        get_x=read_both,
        get_y=read_both,
        splitter=ColSplitter("split", on="val"),
    )
    return loaders(block, table, config)


def make_learner(
    dls: DataLoaders, task: Task, spec: Spec, weights: str | None = None, **options: Any
) -> Learner:
    model = make_model(spec, len(task.names), weights)
    # fastai's own, which leaves norms and biases out of a decay that is large
    own = {"opt_func": Adam, "wd": getattr(model, "weight_decay", None)}
    options = for_task(task) | own | options
    return Learner(dls, model, splitter=make_splitter(model), **options)
