"""What fastai makes of the table of examples: a DataBlock, and a Learner for texts."""

from functools import partial
from typing import Any

import pandas as pd
from fastai.text.all import (
    ColReader,
    ColSplitter,
    DataBlock,
    DataLoaders,
    Learner,
    TensorText,
    TitledStr,
    Transform,
    TransformBlock,
    dispatch,
    display_df,
    pad_input,
)

from .config import Config
from .data import load_input
from .learner import loader_options, target_block, trainable_groups
from .model import PAD, Spec, load_tokenizer, make_model
from .task import Task


class TokenIds(TensorText):
    """Has a `show_results` of its own: that of TensorText fails in fastai 2.8."""


class Tokenize(Transform):
    def __init__(self, spec: Spec) -> None:
        super().__init__()
        self.spec = spec

    def encodes(self, text: str) -> TokenIds:
        return TokenIds(load_input(text, self.spec))

    def decodes(self, ids: TokenIds) -> TitledStr:
        return TitledStr(load_tokenizer(self.spec.tokenizer).decode(ids[ids != PAD].tolist()))


def make_dls(table: pd.DataFrame, task: Task, spec: Spec, config: Config) -> DataLoaders:
    padding = {"before_batch": partial(pad_input, pad_idx=PAD)}
    block = DataBlock(
        blocks=(TransformBlock(Tokenize(spec), dls_kwargs=padding), target_block(task)),
        get_x=ColReader("input"),
        get_y=ColReader("target"),
        splitter=ColSplitter("split", on="val"),
    )
    rows = table[table["split"] != "test"]
    return block.dataloaders(rows, **loader_options(rows, config))


def make_learner(
    dls: DataLoaders, task: Task, spec: Spec, weights: str | None = None, **options: Any
) -> Learner:
    model = make_model(spec, len(task.names), weights)
    return Learner(dls, model, splitter=trainable_groups, **options)


@dispatch
def show_results(x: TokenIds, y, samples, outs, ctxs=None, max_n=9, trunc_at=150, **kwargs):  # type: ignore[no-untyped-def]
    rows = zip(samples, outs, range(max_n))
    columns = ["text", "target", "prediction"]
    display_df(
        pd.DataFrame(
            [(text[:trunc_at], target, out[0]) for (text, target), out, _ in rows], columns=columns
        )
    )
