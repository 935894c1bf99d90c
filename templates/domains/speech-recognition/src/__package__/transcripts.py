"""Sounds and what is said in them, out of the folders and tables that people have."""

import re
import unicodedata
from collections.abc import Collection
from pathlib import Path

import pandas as pd

from .config import Config
from .table import LISTS, files_in, locate, split_of, tables_in

SOUNDS = ("audio", "path", "file", "filename", "file_name", "audio_filepath", "wav", "input")
TEXTS = ("sentence", "text", "transcript", "transcription", "normalized_text", "target")


def spell(text: str) -> str:
    """Spell a text in small letters, digits and apostrophes, one space between words."""
    letters = unicodedata.normalize("NFC", text.replace("\u2019", "'")).lower()
    kept = [c if unicodedata.category(c)[0] in "LMN" or c == "'" else " " for c in letters]
    return " ".join("".join(kept).split())


def from_folder(root: Path, suffixes: Collection[str]) -> pd.DataFrame:
    """Read NAME.wav with NAME.txt beside it, or with its line in CHAPTER.trans.txt of LibriSpeech.

    Splits are folders named for them: train, train-clean-100, dev, test.
    """
    found = files_in(root)
    texts = dict[Path, str]()
    for path in found:
        if path.name.endswith(".trans.txt"):
            lines = path.read_text(encoding="utf-8-sig").splitlines()
            named = (line.partition(" ") for line in lines if line.strip())
            texts |= {path.with_name(name): text for name, _, text in named}
    rows, alone = [], 0
    for path in (p for p in found if p.suffix.lower() in suffixes):
        text, beside = texts.get(path.with_suffix("")), path.with_suffix(".txt")
        if text is None and not beside.is_file():
            alone += 1
            continue
        if text is None:
            text = beside.read_text(encoding="utf-8-sig", errors="replace")
        folders = path.relative_to(root).parts[:-1]
        split = next(filter(None, (split_of(re.split(r"[-_]", f)[0]) for f in folders)), "")
        rows.append((str(path), spell(text), split))
    if alone >= len(rows) and tables_in(root):  # has the texts
        rows = []
    elif alone:
        print(f"left out {alone} sounds without a text")
    return pd.DataFrame(rows, columns=["input", "target", "split"], dtype=object)


def find_tables(data: Path) -> list[Path]:
    """Give what `read` takes: a table, or a folder whose tables are named for splits, or them."""
    if not data.is_dir():
        return [data]
    tables = tables_in(data)
    if not tables:
        raise SystemExit(f"{data} has no sounds with a text")
    named = any(split_of(path.stem) or path.stem in LISTS for path in tables)
    return [data] if named else tables


def from_columns(
    frame: pd.DataFrame, config: Config, suffixes: Collection[str], source: Path, split: str = ""
) -> pd.DataFrame:
    """Take sounds and texts out of a table: manifests, Common Voice, the hub."""
    names = [str(name) for name in frame.columns]
    wanted = [*(config.columns or "").split(":"), ""][:2]
    for place, known in enumerate((SOUNDS, TEXTS)):
        if not wanted[place]:
            wanted[place] = next((n for k in known for n in names if n.lower() == k), "")
    if set(wanted) - set(names):
        there = ", ".join(names) + f", not {config.columns}" * bool(config.columns)
        raise SystemExit(f"{source} has the columns {there}: say --columns SOUND:TEXT")
    named = next((frame[n] for n in names if n.lower() == "split"), [""] * len(frame))
    splits = [split or split_of(str(cell)) for cell in named]
    targets = [spell(text) if isinstance(text, str) else "" for text in frame[wanted[1]]]
    inputs = locate(frame[wanted[0]], source, suffixes)
    return pd.DataFrame({"input": inputs, "target": targets, "split": splits}, dtype=object)
