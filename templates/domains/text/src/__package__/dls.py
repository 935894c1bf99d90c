"""What fastai makes of the table of examples: a DataBlock, and a Learner for texts."""

from functools import partial
from typing import Any

import pandas as pd
from fastai.data.transforms import ColReader, ColSplitter
from fastai.text.all import DataBlock, DataLoaders, Learner, TensorText, TransformBlock, pad_input
from fastai.torch_basics import TitledStr, Transform, dispatch, display_df

from .config import Config
from .data import make_transform
from .learner import for_task, loaders, make_splitter, target_block
from .model import PAD, Spec, load_tokenizer, make_model
from .task import Task


class TokenIds(TensorText):
    """Has a `show_results` of its own: that of TensorText fails in fastai 2.8."""


class Tokenize(Transform):
    def __init__(self, spec: Spec) -> None:
        super().__init__()
        self.spec, self.transform = spec, make_transform(spec)

    def encodes(self, text: str) -> TokenIds:
        return TokenIds(self.transform(text))

    def decodes(self, ids: TokenIds) -> TitledStr:
        return TitledStr(load_tokenizer(self.spec.tokenizer).decode(ids[ids != PAD].tolist()))


@dispatch
def show_results(
    x: TokenIds, y: Any, samples: Any, outs: Any, max_n: int = 9, **kwargs: Any
) -> None:
    pairs = list(zip(samples, outs, strict=False))[:max_n]
    rows = [(str(text)[:150], target, *found) for (text, target), found in pairs]
    display_df(pd.DataFrame(rows, columns=["text", "target", "prediction"]))


def make_dls(table: pd.DataFrame, task: Task, spec: Spec, config: Config) -> DataLoaders:
    padding = {"before_batch": partial(pad_input, pad_idx=PAD)}
    block = DataBlock(
        blocks=(TransformBlock(Tokenize(spec), dls_kwargs=padding), target_block(task)),
        get_x=ColReader("input"),
        get_y=ColReader("target"),
        splitter=ColSplitter("split", on="val"),
    )
    return loaders(block, table, config)


def make_learner(
    dls: DataLoaders, task: Task, spec: Spec, weights: str | None = None, **options: Any
) -> Learner:
    model = make_model(spec, len(task.names), weights)
    return Learner(dls, model, splitter=make_splitter(model), **for_task(task) | options)
