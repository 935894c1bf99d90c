"""What fastai makes of the table of examples: a DataBlock, and a Learner for tags."""

from typing import Any

import pandas as pd
from fastai.data.transforms import ColReader, ColSplitter
from fastai.text.all import DataBlock, DataLoaders, Learner, TensorText, TransformBlock
from fastai.torch_basics import TensorBase, TitledStr, Transform, dispatch, display_df
from torch.nn.utils.rnn import pad_sequence

from .config import Config
from .data import make_transform, words_of
from .learner import for_task, loaders, make_splitter
from .model import PAD, Spec, make_model
from .task import Task


class Pieces(TensorText):
    """The pieces (W, P) of the words of a text."""


class Tags(TensorBase):
    """The numbers (WORDS,) of the tags of a text."""


class ToPieces(Transform):
    def __init__(self, spec: Spec) -> None:
        super().__init__()
        self.spec, self.transform = spec, make_transform(spec)

    def encodes(self, text: str) -> Pieces:
        return Pieces(self.transform(text))

    def decodes(self, pieces: Pieces) -> TitledStr:
        return TitledStr(" ".join(words_of(pieces, self.spec)))


class ToTags(Transform):
    def __init__(self, task: Task) -> None:
        super().__init__()
        self.task = task

    def encodes(self, tags: list) -> Tags:  # type: ignore[type-arg]  # fastai takes no list[str]
        return Tags(self.task.encode(tags))

    def decodes(self, tags: Tags) -> TitledStr:
        return TitledStr(" ".join(self.task.decode(tags)["tags"]))


@dispatch
def show_results(x: Pieces, y: Any, samples: Any, outs: Any, max_n: int = 9, **kwargs: Any) -> None:
    pairs = list(zip(samples, outs, strict=False))[:max_n]
    rows = [(text, tags, found) for (text, tags), (found, *_) in pairs]
    display_df(pd.DataFrame(rows, columns=["text", "tags", "prediction"]))


def pad(samples: Any) -> Any:  # fastai casts to what is said here
    pieces = pad_sequence([sample[0] for sample in samples], batch_first=True, padding_value=PAD)
    return [(Pieces(p), *rest) for p, (_, *rest) in zip(pieces, samples, strict=True)]


def make_dls(table: pd.DataFrame, task: Task, spec: Spec, config: Config) -> DataLoaders:
    texts = TransformBlock(ToPieces(spec), dls_kwargs={"before_batch": pad})
    block = DataBlock(
        blocks=(texts, TransformBlock(ToTags(task))),
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
