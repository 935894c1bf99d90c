"""The table of examples: whatever layout data comes in, rows of `input`, `target` and `split`."""

import csv
import hashlib
import json
import math
import os
import re
import shutil
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pandas as pd
from pandas.api.types import is_scalar
from tqdm.contrib.concurrent import thread_map

from .config import Config
from .run import fetching

SPLITS = {"train": "train", "training": "train", "val": "val", "valid": "val", "dev": "val"}
SPLITS |= {"validation": "val", "test": "test", "testing": "test"}
TABLES = (".csv", ".tsv", ".jsonl", ".json", ".parquet")
LISTS = ("metadata", "_annotations", "_classes")  # tables of Hugging Face and of Roboflow
ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.xz", ".tar.bz2")
FILES = ["path", "file", "filename", "file_name", "image", "audio"]
INPUTS = ["text", "sentence", "content", "review", "document"]
TARGETS = ["label", "labels", "target", "class", "category", "tags", "value"]
BAR: Any = {"desc": "reading", "leave": False, "disable": None}  # None: on a terminal alone
YES, NO = ("1", "true", "yes", "x"), ("0", "false", "no", "", "nan", "none", "<na>")
SHARE = 0.15  # of the examples, for validation and again for the test


def read(data: Path, config: Config, suffixes: Collection[str], how: Any = None) -> pd.DataFrame:
    """Read CLASS/FILE, {train,val,test}/CLASS/FILE, tables of paths or texts, an archive of these.

    `suffixes` are those of the examples, none where tables hold them; `how` replaces `from_frame`.
    """
    data = unpack(data)
    tables = found = tables_in(data)
    words = {p: (p.stem, *re.split(r"[-_.]", p.stem)[::-1]) for p in found}  # reviews_test
    if data.is_dir():
        tables = [p for p in found if any(map(split_of, words[p][:2])) or p.stem in LISTS]
        if not tables and suffixes and how is None:
            tables = [p for p in found if p.parent == data and lists_examples(p)]
        if not tables and suffixes:
            return read_folders(data, suffixes)
    if not found:
        raise SystemExit(f"{data}: give a folder, or a file of {', '.join(TABLES + ARCHIVES)}")
    frames = []
    for path in tables or found:
        said = (*words[path][:2], words[path][-1], path.parent.name * (path.parent != data))
        split = next(filter(None, map(split_of, said)), "") if path != data else ""
        try:
            frame = read_rows(path, config.columns)
            frames.append((how or from_frame)(frame, config, suffixes, path, split))
        except SystemExit as error:
            if split != "test" or all("test" in p.stem.lower() for p in tables or found):
                raise
            print(f"left out {error}")  # a competition keeps the labels
    return pd.concat(frames, ignore_index=True)


def split_of(name: str) -> str:
    """Tell which split a folder, a cell or a file such as train-00000-of-00002 is named for."""
    return SPLITS.get(re.split(r"[-_.]\d", name.strip().lower())[0], "")


def lists_examples(path: Path) -> bool:
    """Whether a table beside folders says itself which examples there are, and what of."""
    with suppress(SystemExit):
        names = {str(name).lower() for name in read_rows(path)}
        return bool(names & {*FILES} and names & {*TARGETS})
    return False


def tables_in(data: Path) -> list[Path]:
    """List the tables of a folder, or the one file."""
    found = [p for p in files_in(data) if p.suffix.lower() in TABLES]
    return [p for p in found if p == data or p.suffix.lower() != ".json" or holds_rows(p)]


def holds_rows(path: Path) -> bool:
    """Whether JSON is a list of rows, or a row a line, and no settings."""
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        head = file.readline(2**16) + file.readline(2**16)
    return bool(re.match(r"\s*(\[\s*\{|\{.*\}\s*\{)", head))


def files_in(data: Path) -> list[Path]:
    """List the files that a person has put into a folder, behind links too, or the one file."""
    if data.is_file():
        return [data]
    found = list[Path]()
    for parent, folders, names in os.walk(data, onerror=print, followlinks=True):
        folders[:] = [name for name in folders if not hidden(name)]
        found += [Path(parent, name) for name in names if not hidden(name)]
    return sorted(found)


def hidden(name: str) -> bool:
    """Whether a system, a notebook or an archiver has put it there."""
    return name.startswith((".", "@eaDir", "__MACOSX", "__pycache__", "_background_noise_"))


def unpack(archive: str | Path) -> Path:
    """Give the folder that an archive holds; what is none stays as it is."""
    if not (archive := Path(archive)).exists():
        raise SystemExit(f"{archive}: no such file or folder")
    if not archive.name.lower().endswith(ARCHIVES):
        return archive
    version = archive.stat()
    folder = Path("data", f"{archive.name}-{version.st_size}-{version.st_mtime_ns}")
    if not folder.is_dir():
        scratch = folder.with_name(folder.name + ".tmp")
        shutil.rmtree(scratch, ignore_errors=True)
        options: Any = {} if archive.suffix == ".zip" else {"filter": "data"}
        try:
            shutil.unpack_archive(archive, scratch, **options)
        except Exception as error:  # every format has errors of its own
            raise SystemExit(f"cannot unpack {archive}: {error}") from None
        scratch.rename(folder)
    inside = [p for p in folder.iterdir() if not hidden(p.name)]
    return inside[0] if len(inside) == 1 and inside[0].is_dir() else folder


def read_folders(root: Path, suffixes: Collection[str]) -> pd.DataFrame:
    tops = below = folders_in(root)
    while len(below) == 1 and not split_of(below[0].name) and (below := folders_in(tops[0])):
        root, tops = tops[0], below  # a folder around all
    depth = int(all(split_of(p.name) for p in tops))
    inner = [{p.name for p in top.iterdir() if p.is_dir()} for top in tops]
    alike = len(tops) > 1 and len(inner[0]) > 1 and all(names == inner[0] for names in inner)
    if not depth and (alike or any(split_of(p.name) for p in tops)):
        names = ", ".join(p.name for p in tops)
        raise SystemExit(f"{root}: are {names} splits or classes? Call splits train, val and test")
    rows, left_out = [], Counter[str]()
    for path in files_in(root):
        parts = path.relative_to(root).parts
        if path.suffix.lower() in suffixes and path.exists() and len(parts) > depth + 1:
            rows.append((str(path), tidy(parts[depth]), split_of(parts[0]) if depth else ""))
        else:
            left_out[path.suffix.lower() or path.name] += 1
    if left_out:
        print(f"left out in {root}:", *(f"{n} {kind}" for kind, n in left_out.most_common(8)))
    if not rows:
        raise SystemExit(f"{root}: no folders of classes with {', '.join(sorted(suffixes))}")
    return pd.DataFrame(rows, columns=["input", "target", "split"], dtype=object)


def folders_in(root: Path) -> list[Path]:
    return [p for p in sorted(root.iterdir()) if p.is_dir() and not hidden(p.name)]


def read_rows(path: Path, columns: str | None = None) -> pd.DataFrame:
    """Read a table; it has no header, where `columns` are numbers that are no names in it."""
    wanted = {*re.split("[:,]", columns or "")} - {""}
    try:
        if path.suffix.lower() == ".parquet":
            return pd.read_parquet(path)
        with path.open(encoding="utf-8-sig") as file:
            if path.suffix.lower() in (".json", ".jsonl"):
                text = file.read()
                if not text.lstrip().startswith("["):
                    text = "[" + ",".join(filter(str.strip, text.split("\n"))) + "]"
                return pd.DataFrame(json.loads(text))
            marks = "\t,;|" if path.suffix.lower() == ".tsv" else ",\t;|"  # of none the first
            head = re.sub('"[^"\n]*"', "", file.read(9999)).splitlines()[:9] or [""]
        counts = {mark: [line.count(mark) for line in head] for mark in marks}
        mark = max(marks, key=lambda m: (min(counts[m]) == max(counts[m]) > 0, counts[m][0]))
        # In a file with tabs a quote is a character like any other
        options: Any = {"quoting": csv.QUOTE_NONE if mark in "\t|" else csv.QUOTE_MINIMAL}
        options |= {"dtype": str, "keep_default_na": False, "encoding": "utf-8-sig"}
        options |= {"sep": mark, "skipinitialspace": True}
        frame = pd.read_csv(path, **options)
        if all(map(str.isdecimal, wanted)) and wanted - set(frame):
            frame = pd.read_csv(path, header=None, **options).rename(columns=lambda n: str(n + 1))
    except ValueError as error:
        raise SystemExit(f"cannot read {path}: {error}") from None
    if not isinstance(frame.index, pd.RangeIndex):  # the first cells of rows that have too many
        raise SystemExit(f"{path} has rows with more cells than columns: use quotes")
    if frame.empty:
        raise SystemExit(f"{path} has no rows")
    if mark == ";":  # where it parts columns, a comma parts whole numbers from the rest
        if frame.apply(lambda column: column.str.fullmatch(r"-?[\d.]*\d,\d+").any()).any():
            whole = r"(?<=\d)\.(?=\d{3}(?:\.\d{3})*(?:,\d+)?$)"  # and a dot the thousands
            frame = frame.replace(whole, "", regex=True)
        frame = frame.replace(r"^(-?\d+),(\d+)$", r"\1.\2", regex=True)
    return frame.rename(columns=str.strip)


def from_frame(
    frame: pd.DataFrame, config: Config, suffixes: Collection[str], source: Path, split: str = ""
) -> pd.DataFrame:
    """Take the columns of the inputs, the targets and the split out of any table."""
    names = [str(name) for name in frame.columns]
    first, _, rest = (config.columns or "").partition(":")
    known = FILES if suffixes else INPUTS
    first = first or next((n for wanted in known for n in names if n.lower() == wanted), "")
    wanted = rest.split(",") if rest else [n for t in TARGETS for n in names if n.lower() == t][:1]
    many = len(wanted) > 1 and config.task == "classification"
    if not first or not wanted or many or {first, *wanted} - set(names):
        there = ", ".join(names) + f", not {config.columns}" * bool(config.columns)
        raise SystemExit(f"{source} has the columns {there}: say --columns INPUT:TARGET, or 1:2")
    if not rest and len(several := [n for n in names if n.lower() in TARGETS]) > 1:
        print(f"{source}: of the columns {', '.join(several)} it is {wanted[0]} that is learned")
    inputs = locate(frame[first], source, suffixes) if suffixes else list(frame[first])
    rows = frame[wanted].itertuples(index=False)
    targets = [read_target(row, config.task, wanted, source) for row in rows]
    named = next((frame[n] for n in names if n.lower() == "split"), [""] * len(frame))
    splits = [split or split_of(str(cell)) for cell in named]
    if suffixes and not any(splits):  # train/1.png
        tops = [split_of(str(i).rpartition("/")[0].partition("/")[0]) for i in frame[first]]
        splits = tops if all(tops) else splits
    if not any(splits) and (said := sorted({str(cell) for cell in named} - {""})[:5]):
        print(f"{source}: divided anew, its splits {', '.join(said)} are no train, val and test")
    table = pd.DataFrame({"input": inputs, "target": targets, "split": splits}, dtype=object)
    table.attrs["targets"] = wanted  # the names of numbers
    return table


def locate(cells: Iterable[Any], source: Path, suffixes: Collection[str]) -> list[Any]:
    """Find the files of a table: by their paths from it, or as one of them alone is called."""
    files = [{"bytes": c, "path": None} if isinstance(c, bytes) and c else c for c in cells]
    found: list[Any] = [str(source.parent / str(f)) if is_scalar(f) else f for f in files]
    lost = [n for n, f in enumerate(found) if isinstance(f, str) and not Path(f).is_file()]
    places = defaultdict[str, set[str]](set)
    for path in files_in(source.parent) if lost else ():
        if path.suffix.lower() in suffixes:
            places[path.name].add(str(path))
            places[path.stem].add(str(path))
    for n in lost:  # named without an ending, or as on another machine
        same = places[re.split(r"[\\/]", found[n])[-1]]
        if len(same) != 1:
            raise SystemExit(f"{source}: {found[n]!r} is missing")
        found[n] = min(same)
    return found


def from_hub(name: str, config: Config, suffixes: Collection[str], how: Any = None) -> pd.DataFrame:
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
                names = getattr(getattr(kind, "feature", kind), "names", None)
                if names and isinstance(kind, datasets.ClassLabel):
                    frame = frame[frame[column] >= 0]  # -1: what has no label
                    frame[column] = [names[n] for n in frame[column]]
                elif names:  # of lists of labels, or of tags
                    frame[column] = [[names[n] for n in row] for row in frame[column]]
            frames.append((how or from_frame)(frame, config, suffixes, Path(name), split_of(key)))
    return pd.concat(frames, ignore_index=True)


def read_target(row: Any, task: str, names: list[str], source: Path) -> Any:
    """Give a class, a list of labels or a list of numbers."""
    if task == "regression":
        try:
            if all(map(math.isfinite, numbers := [float(value) for value in row])):
                return numbers
            raise ValueError
        except (TypeError, ValueError):
            raise SystemExit(f"{source}: regression needs numbers, not {[*row]}") from None
    if task == "multilabel" and len(row) > 1:  # a column for every label
        said = [tidy(value).lower() for value in row]
        if odd := [cell for cell in said if cell not in (*YES, *NO)]:
            raise SystemExit(f"{source}: a label is 1 or 0, true or false, not {odd[0]}")
        return [n for n, cell in zip(names, said, strict=True) if cell in YES]
    if task == "multilabel":
        labels = row[0]
        if is_scalar(labels):  # a text, a number, or nothing
            text = "" if pd.isna(labels) else str(labels)
            labels = re.split(r"[;|,]", text)
            if text.startswith("["):  # a list, as pandas and JSON write it
                labels = [label.strip(" '\"") for label in text[1:-1].split(",")]
        return [tidy(label) for label in labels if tidy(label)]
    label = row[0]
    if not is_scalar(label):  # a list of one
        if len(label) > 1:
            raise SystemExit(f"{source}: a row has several {names[0]}: is it --task multilabel?")
        label = next(iter(label), None)
    if pd.isna(label) or tidy(label) == "":
        raise SystemExit(f"{source}: a row has no {names[0]}")
    return tidy(label)


def tidy(label: Any) -> str:
    """Spell a label in one way: 1.0 as 1, accents as one character, whatever the locale is."""
    text = str(label).strip().encode(errors="surrogateescape").decode(errors="replace")
    text = unicodedata.normalize("NFC", text)
    return re.sub(r"^(-?\d+)\.0+$", r"\1", text) if text.endswith("0") else text


def divide(
    table: pd.DataFrame, config: Config, readable: Callable[[Any], object] | None = None
) -> pd.DataFrame:
    """Split what is not split, classes alike and equal inputs together, and say what there is.

    Content decides, not order; a few examples change sides where others are added.
    """
    keys = [str(i if isinstance(i, str | dict) else n) for n, i in enumerate(table["input"])]
    if readable:  # files, or what the hub has of them
        keys = thread_map(content_key, table["input"], **BAR)
    elif len(set(keys)) < len(keys) / 2 and isinstance(table["input"].iloc[0], dict):
        # Rows of a few categories are no copies: the third of a kind is the third of its kind
        numbers = pd.Series(keys).groupby(keys).cumcount()
        keys = [f"{key} {n}" for key, n in zip(keys, numbers, strict=True)]
    seed = config.seed % 2**32
    table = table.assign(key=[digest(f"{seed} {k}".encode(errors="surrogatepass")) for k in keys])
    if readable:
        good = pd.Series(map(bool, thread_map(readable, table["input"], **BAR)), table.index)
        if not good.all():
            first = str(table["input"][~good].iloc[0])[:200]
            print(f"left out {(~good).sum()} that cannot be read, such as {first}")
            table = table[good]
    there = set(table["split"]) - {""}
    known = set(table["key"][table["split"] == "train"])
    if twice := int((table["key"].isin(known) & ~table["split"].isin(["", "train"])).sum()):
        print(f"{twice} of the given val and test are in train too")
    if "train" in there and (count := (table["split"] == "").sum()):
        print(f"left out {count} of a split that is neither train, val nor test")
        table = table[table["split"] != ""]
    table.loc[table["split"] == "", "split"] = "train"
    by_class = config.task == "classification"
    for part, share in {"test": SHARE, "val": SHARE / (1 - SHARE)}.items():
        if part in there or (part == "test" and there):
            continue
        rest = table[table["split"] == "train"].drop_duplicates("key").sort_values("key")
        strata = rest.groupby(rest["target"] if by_class else [""] * len(rest))["key"]
        chosen = rest["key"][strata.cumcount() < (strata.transform("size") * share).round()]
        table.loc[table["key"].isin(chosen) & (table["split"] == "train"), "split"] = part
    table = table.drop(columns="key").sample(frac=1, random_state=seed, ignore_index=True)
    counts = Counter(table["split"])
    sizes = ", ".join(f"{part} {counts[part]}" for part in ("train", "val", "test") if counts[part])
    kinds = {"classification": "classes", "multilabel": "labels"}
    if config.task not in kinds:
        print(f"{config.task}, {sizes}")
        return table
    found = Counter(table["target"].explode().dropna())
    names = ", ".join(f"{name} {found[name]}" for name in sorted(found)[:20])
    print(f"{len(found)} {kinds[config.task]}: {names}{', ...' * (len(found) > 20)}; {sizes}")
    tested = table["target"][table["split"] == "test"]
    if by_class and len(tested) and (lost := sorted(set(found) - set(tested))):
        print(f"no example to test {', '.join(lost[:5])}{', ...' * (len(lost) > 5)}")
    return table


def content_key(item: Any) -> str:
    """Give files that are as long, and begin, go on and end alike, the same key."""
    if isinstance(item, dict):
        return digest(item["bytes"] or item["path"].encode())
    if not isinstance(item, str):
        return digest(item.tobytes())
    with suppress(OSError), Path(item).open("rb") as file:
        size, parts = file.seek(0, os.SEEK_END), []
        for start in (0, size // 2, size - 2**16):  # scans have the same dark borders
            file.seek(max(start, 0))
            parts.append(file.read(2**16))
        return digest(str(size).encode() + b"".join(parts))
    return digest(item.encode(errors="surrogateescape"))  # `readable` says that it is not


def digest(content: bytes) -> str:
    """Hash content alike in every process, as hash() does not."""
    return hashlib.blake2b(content, digest_size=8).hexdigest()
