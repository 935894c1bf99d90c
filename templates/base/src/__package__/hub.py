"""What the Hugging Face hub gives: data sets and pretrained weights."""

import urllib.request
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd

from .table import from_frame, split_of


@contextmanager
def fetching(flag: str, name: str) -> Iterator[None]:
    """Say in one line, and at once, what cannot be had; trying the hub takes half a minute."""
    try:
        from huggingface_hub import constants

        try:
            if not Path(name).is_dir():
                urllib.request.urlopen(constants.ENDPOINT, timeout=5).close()
        except OSError:
            constants.HF_HUB_OFFLINE = True  # what was downloaded before is still there
        yield
    except ImportError as error:
        extra = "hub" if flag == "--dataset" else "pretrained"
        raise SystemExit(f"{flag} {name}: {error}: uv sync --extra {extra}") from None
    except Exception as error:  # of the network, of the file, of a network of another kind
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise SystemExit(f"{flag} {name}: {reason[0]}") from None


def from_hub(name: str, task: str, columns: str | None, suffixes: Collection[str]) -> pd.DataFrame:
    """Load a data set, its splits in one table; images and sounds stay encoded."""
    frames = []
    with fetching("--dataset", name):
        import datasets

        for key, part in datasets.load_dataset(name).items():
            for column, kind in part.features.items():
                if isinstance(kind, datasets.Audio | datasets.Image):
                    part = part.cast_column(column, type(kind)(decode=False))
            frame = part.to_pandas()
            for column, kind in part.features.items():
                if isinstance(kind, datasets.ClassLabel):
                    frame[column] = [kind.names[number] for number in frame[column]]
            frames.append(from_frame(frame, task, columns, suffixes, name, split_of(key)))
    return pd.concat(frames).reset_index(drop=True)
