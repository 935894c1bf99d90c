"""Where texts come from: your own files and folders, public data sets."""

import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from .config import Config
from .files import (
    SPLITS,
    DataError,
    find_labeled_files,
    first_on_machine,
    keep_readable,
    report,
    split,
)
from .tables import READERS, clean_text, decode, read_rows

PUBLIC = {"AG_NEWS": "fancyzhx/ag_news", "IMDB": "stanfordnlp/imdb"}


class Source(NamedTuple):
    texts: list[str]
    labels: list[str]


def read_path(path: Path, config: Config) -> dict[str, Source]:
    """Read a table, a folder of `train`, `val` and `test` tables, or folders `CLASS/*.txt`.

    The only split is `""` when the data is not divided.
    """
    if not path.exists():
        raise DataError(f"{path} does not exist. Give a {', '.join(READERS)} file or a folder.")
    if path.is_file():
        return {"": read_tables([path], config)}
    if tables := find_tables(path):
        return {name: read_tables(paths, config) for name, paths in tables.items()}
    if not any(p.is_dir() for p in path.iterdir()):
        names = ", ".join(sorted(p.name for p in path.iterdir())[:5]) or "nothing"
        raise DataError(f"{path} holds {names}. Expected train.csv, say, or folders CLASS/*.txt.")
    files = find_labeled_files(path, {".txt"})
    return {name: read_files(pairs, config) for name, pairs in files.items()}


def find_tables(folder: Path) -> dict[str, list[Path]]:
    """Find the tables of each split: `train.csv`, or parts like `train-00000-of-00002.parquet`."""
    tables = sorted(p for p in folder.iterdir() if p.suffix.lower() in READERS)
    found: dict[str, list[Path]] = {}
    for table in tables:
        stem = re.sub(r"-\d+-of-\d+$", "", table.stem.lower())
        if stem in SPLITS:
            found.setdefault(SPLITS[stem], []).append(table)
    for name, paths in found.items():
        if len(paths) > 1 and not all("-of-" in path.stem for path in paths):
            names = " and ".join(path.name for path in paths)
            raise DataError(f"{folder} holds {names}. Keep one file for {name}.")
    if tables and "train" not in found:
        names = ", ".join(table.name for table in tables[:5])
        raise DataError(
            f"{folder} holds {names}, but no train file. Name the files train, val and test, or"
            f" give one of them: --data {tables[0]}."
        )
    return found


def read_tables(paths: Sequence[Path], config: Config) -> Source:
    """Read the rows of tables, leaving out those that are of no use."""
    source = Source([], [])
    problems = []
    for path in paths:
        for row in read_rows(path, config.text_column, config.label_column):
            if row.problem:
                problems.append(f"{path} {row.place}: {row.problem}")
            else:
                source.texts.append(row.text)
                source.labels.append(row.label)
    if problems and config.strict:
        raise DataError(f"{problems[0]}. Fix it, or leave out --strict.")
    if not source.texts:
        raise DataError("; ".join([f"{paths[0]} holds no text with a label", *problems[:1]]) + ".")
    if problems:
        report(f"skipped {len(problems)} of {len(problems) + len(source.texts)} rows:")
        for problem in problems[:5]:
            report(f"  {problem}")
        if len(problems) > 5:
            report(f"  and {len(problems) - 5} more; --strict stops at the first")
    return source


def read_files(pairs: Sequence[tuple[Path, str]], config: Config) -> Source:
    """Read text files, one example each, leaving out those that are of no use."""
    texts: dict[Path, str] = {}

    def read(path: Path) -> None:
        texts[path] = clean_text(decode(path.read_bytes(), path.name))

    # The archive of IMDB has a folder of texts without a class beside the classes
    pairs = [(path, label) for path, label in pairs if label != "unsup"]
    keep_readable([path for path, _ in pairs], read, config.strict)
    kept = [(texts[path], label) for path, label in pairs if path in texts]
    return Source([text for text, _ in kept], [label for _, label in kept])


def read_public(name: str, config: Config) -> dict[str, Source]:
    """Download a data set of the Hugging Face Hub; later runs take it from `data_dir`."""
    if name not in PUBLIC:
        raise DataError(f"--dataset {name}: choose one of {', '.join(PUBLIC)}.")
    try:
        import datasets as hub
    except ImportError as error:
        raise DataError(
            "--dataset needs datasets: uv sync --extra hub, or python -m pip install datasets."
        ) from error
    if not sys.stderr.isatty():
        hub.disable_progress_bars()
    splits = {}
    for split_name in ("train", "test"):
        cache = str(config.data_dir)
        try:
            with first_on_machine():
                raw = hub.load_dataset(PUBLIC[name], split=split_name, cache_dir=cache)
        except (OSError, ValueError, hub.exceptions.DatasetsError) as error:
            raise DataError(f"{name} cannot be fetched from {PUBLIC[name]}: {error}") from error
        names = raw.features["label"].names
        splits[split_name] = Source(list(raw["text"]), [names[i] for i in raw["label"]])
    return splits


def divide(splits: dict[str, Source], config: Config) -> dict[str, Source]:
    """Take validation (and, of undivided data, test) examples from the training split.

    With a validation split nothing is changed.
    """
    if "val" in splits:
        return splits
    whole = splits.get("train") or splits[""]
    parts = split(whole.labels, config.seed, test=0.0 if "train" in splits else 0.15)
    if not parts["val"]:
        raise DataError(f"{len(whole.labels)} examples are too few: each class needs two or more.")
    made = {name: source for name, source in splits.items() if name == "test"}
    for name, indices in parts.items():
        if indices:
            texts = [whole.texts[i] for i in indices]
            made[name] = Source(texts, [whole.labels[i] for i in indices])
    return made
