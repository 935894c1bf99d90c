"""Folders of examples: find them, check them, split them, download them."""

import hashlib
import os
import random
import shutil
import sys
import tarfile
import tempfile
import urllib.request
import zipfile
import zlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from copy import copy
from datetime import timedelta
from itertools import accumulate
from lzma import LZMAError
from pathlib import Path
from threading import Lock
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from .flags import UserError

SPLITS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.xz", ".tar.bz2")
DAMAGE = (  # of an archive; a password and an unknown compression are RuntimeErrors
    *(tarfile.TarError, zipfile.BadZipFile, zlib.error, LZMAError),
    *(EOFError, OSError, RuntimeError),
)
IN_MEMORY = 1024**3  # bytes: a split that takes no more when it is decoded is kept in memory


class DataError(UserError):
    """The data is not what it should be: says what was found, what is expected, what to do."""


def find_labeled_files(root: Path, extensions: set[str]) -> dict[str, list[tuple[Path, str]]]:
    """Find the files of `root/CLASS/...`, or of `root/{train,val,test}/CLASS/...`.

    Returns sorted (path, class) pairs by split; without split folders, the only split is `""`.
    """
    if not root.is_dir():
        what = "is a file" if root.exists() else "does not exist"
        raise DataError(f"{root} {what}. Give a folder with one folder a class: FOLDER/CLASS/FILE.")
    named = [p for p in subfolders(root) if p.name.lower() in SPLITS]
    named = [p for p in named if subfolders(p)]  # `train` may be a class
    found = {SPLITS[p.name.lower()]: p for p in named}
    if "train" not in found:
        return {"": find_classes(root, extensions)}
    if len(found) < len(named):
        names = ", ".join(p.name for p in named)
        raise DataError(f"{root} holds {names}. Keep one folder for each of train, val and test.")
    return {split: find_classes(folder, extensions) for split, folder in found.items()}


def subfolders(folder: Path) -> list[Path]:
    folders = (p for p in folder.iterdir() if p.is_dir())
    return sorted(p for p in folders if not p.name.startswith((".", "__MACOSX")))


def find_classes(folder: Path, extensions: set[str]) -> list[tuple[Path, str]]:
    pairs = []
    kinds = ", ".join(sorted(extensions))
    for class_folder in subfolders(folder):
        everything = sorted(p for p in class_folder.rglob("*") if p.is_file())
        files = [p for p in everything if p.suffix.lower() in extensions and p.name[0] != "."]
        if not files:
            others = sorted({p.suffix.lower() or p.name for p in everything})
            held = f"no {kinds} file, only {', '.join(others[:5])}" if others else "no file"
            raise DataError(f"The class folder {class_folder} holds {held}. Fill it or remove it.")
        pairs += [(path, class_folder.name) for path in files]
    check_classes([label for _, label in pairs], str(folder))
    return pairs


def check_classes(labels: Sequence[str], where: str) -> None:
    """Raise `DataError` unless there are at least two classes."""
    classes = sorted(set(labels))
    if len(classes) < 2:
        found = f"one class only, {classes[0]!r}" if classes else "no class"
        raise DataError(
            f"{where} holds {found}. Give two or more, each a folder: {where}/CLASS/FILE."
        )


def class_indices(labels: Sequence[str], classes: Sequence[str], where: str) -> list[int]:
    """Turn class names into indices; a name that is not among `classes` raises `DataError`."""
    index = {name: i for i, name in enumerate(classes)}
    if unknown := sorted(set(labels) - set(index)):
        raise DataError(
            f"{where} has the label {unknown[0]!r}, which training has never seen (it knows"
            f" {', '.join(classes[:20])}). Remove its examples, or train with some of them."
        )
    return [index[label] for label in labels]


def keep_readable(
    paths: Sequence[Path], check: Callable[[Path], object], strict: bool
) -> list[bool]:
    """Try every file; name and count those that fail on stderr, or raise `DataError` if strict."""

    def problem(path: Path) -> str | None:
        try:
            if path.stat().st_size == 0:
                return "empty file"
            check(path)
        except Exception as error:  # a decoder raises whatever it likes
            return str(error).splitlines()[0] if str(error) else type(error).__name__
        return None

    if len(paths) > 10_000:
        report(f"checking {len(paths):,} files")
    with ThreadPoolExecutor(min(16, (os.cpu_count() or 1) * 2)) as pool:
        problems = list(pool.map(problem, paths))
    bad = [(path, text) for path, text in zip(paths, problems, strict=True) if text]
    if bad and strict:
        raise DataError(f"{bad[0][0]} cannot be read: {bad[0][1]}. Fix it, or leave out --strict.")
    if bad and len(bad) == len(paths):
        raise DataError(f"None of the {len(paths)} files can be read; {bad[0][0]}: {bad[0][1]}.")
    if bad:
        report(f"skipped {len(bad)} of {len(paths)} files that cannot be read:")
        for path, text in bad[:5]:
            report(f"  {path}: {text}")
        if len(bad) > 5:
            report(f"  and {len(bad) - 5} more; --strict stops at the first")
    return [text is None for text in problems]


class Decoded:
    """Tensors of any shapes in one flat tensor, which loading processes share, not copy."""

    def __init__(self, tensors: Sequence[Tensor]) -> None:
        ends = accumulate(tensor.numel() for tensor in tensors)
        self.places = [(end, tensor.shape) for end, tensor in zip(ends, tensors, strict=True)]
        self.values = torch.cat([tensor.flatten() for tensor in tensors])

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, index: int) -> Tensor:
        end, shape = self.places[index]
        return self.values[end - shape.numel() : end].view(shape)

    def pick(self, indices: list[int]) -> "Decoded":
        picked = copy(self)
        picked.places = [self.places[i] for i in indices]
        return picked


def read_all(
    paths: Sequence[Path],
    read: Callable[[Path], Tensor | None],
    strict: bool,
    check: Callable[[Path], object] | None = None,
) -> tuple[list[Path] | Decoded, list[bool]]:
    """Try every file; give those that can be read, decoded if all fit into memory, and which.

    `read` gives None for what is too long to be kept. What is not kept is left to `check`, if that
    is quicker. The processes of a machine share the room.
    """
    decoded: dict[Path, Tensor] = {}
    room, lock = IN_MEMORY // int(os.environ.get("LOCAL_WORLD_SIZE", 1)), Lock()

    def keep_decoded(path: Path) -> None:
        nonlocal room
        tensor = read(path) if room >= 0 else None
        if tensor is None:
            (check or read)(path)
        with lock:
            room = -1 if room < 0 or tensor is None else room - tensor.nbytes
            if room < 0 or tensor is None:
                decoded.clear()
            else:
                decoded[path] = tensor

    keep = keep_readable(paths, keep_decoded, strict)
    readable = [path for path, good in zip(paths, keep, strict=True) if good]
    return (Decoded([decoded[path] for path in readable]) if room >= 0 else readable), keep


def report(text: str) -> None:
    """Print on stderr, once for all processes."""
    if os.environ.get("RANK", "0") == "0":
        print(text, file=sys.stderr)


def split(
    labels: Sequence[str], seed: int, val: float = 0.15, test: float = 0.15
) -> dict[str, list[int]]:
    """Split at random, each class in the same shares; every class keeps a training example.

    Returns sorted indices for `train`, `val` and `test`. A class of one example is in `train` only.
    """
    members: dict[str, list[int]] = defaultdict(list)
    for index, label in enumerate(labels):
        members[label].append(index)
    parts: dict[str, list[int]] = {"train": [], "val": [], "test": []}
    for label in sorted(members):
        indices = members[label]
        random.Random(f"{seed} {label}").shuffle(indices)
        spare = len(indices) - 1
        num_val = min(spare, max(1, round(val * len(indices)))) if val else 0
        num_test = min(spare - num_val, max(1, round(test * len(indices)))) if test else 0
        parts["val"] += indices[:num_val]
        parts["test"] += indices[num_val : num_val + num_test]
        parts["train"] += indices[num_val + num_test :]
    return {name: sorted(indices) for name, indices in parts.items()}


def describe(labels: Sequence[str]) -> str:
    """Count the examples of each class, the largest first, in one line."""
    counts = Counter(labels).most_common()
    shown = ", ".join(f"{label} {count}" for label, count in counts[:8])
    return shown + (f", and {len(counts) - 8} more" if len(counts) > 8 else "")


def is_archive(name: str) -> bool:
    return name.lower().endswith(ARCHIVES)


def fetch(source: str, folder: Path, sha256: str | None = None) -> Path:
    """Download an archive (or take a local one) and unpack it into a folder of its name; done once.

    Raises `DataError` when it cannot be fetched, has another checksum or is no archive.
    """
    name = source.rstrip("/").rpartition("/")[2] if "://" in source else Path(source).name
    ending = next((end for end in ARCHIVES if name.lower().endswith(end)), None)
    stem = name.removesuffix(name[-len(ending) :]) if ending else ""
    if not stem:
        raise DataError(f"{source} is no archive; expected one of {', '.join(ARCHIVES)}.")
    target = folder / stem
    with first_on_machine():
        if target.is_dir():
            report(f"taking {target}; delete it to unpack {name} again")
        else:
            unpack_into(target, source, name, sha256)
    return only_child(target)


def unpack_into(target: Path, source: str, name: str, sha256: str | None) -> None:
    folder, stem = target.parent, target.name
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(
            f"{folder} cannot be made: {error.strerror}. Give another --data-dir."
        ) from error
    with tempfile.TemporaryDirectory(dir=folder, prefix=f".{stem}-") as scratch:
        archive = Path(scratch) / name
        try:
            if "://" in source:
                report(f"downloading {source}")
                with urllib.request.urlopen(source) as response, archive.open("wb") as file:
                    shutil.copyfileobj(response, file)
            else:
                shutil.copyfile(source, archive)
        except OSError as error:
            raise DataError(f"{source} cannot be fetched: {error}. Check the address.") from error
        if sha256 and checksum(archive) != sha256:
            raise DataError(f"{source} is not the expected file (other checksum). Try again.")
        unpack(archive, Path(scratch) / stem)
        (Path(scratch) / stem).rename(target)


@contextmanager
def first_on_machine() -> Iterator[None]:
    """Let one process of a machine download; the others go on when the files are there."""
    if not dist.is_initialized():
        yield
        return
    # A download may take longer than a step of training ever should
    group: Any = dist.new_group(timeout=timedelta(hours=3), backend="gloo")
    waits = os.environ.get("LOCAL_RANK", "0") != "0"
    if waits:
        dist.barrier(group)
    yield
    if not waits:
        dist.barrier(group)


def checksum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def unpack(archive: Path, target: Path) -> None:
    """Unpack a zip or tar file; nothing in it can land outside the target."""
    try:
        if archive.suffix.lower() == ".zip":
            with zipfile.ZipFile(archive) as zipped:
                zipped.extractall(target)
        else:
            with tarfile.open(archive) as tar:
                tar.extractall(target, filter="data")
    except DAMAGE as error:
        reason = str(error).partition("\n")[0].rstrip(":")
        raise DataError(
            f"{archive.name} cannot be unpacked: {reason}. Download it again, or give it unpacked."
        ) from error


def only_child(folder: Path) -> Path:
    """Step into the one folder that most archives hold, unless that is a class or a split."""
    children = [p for p in folder.iterdir() if not p.name.startswith(("._", "__MACOSX", ".DS"))]
    inner = children[0] if len(children) == 1 and children[0].is_dir() else None
    if inner is None or not subfolders(inner):
        return folder
    return inner
