"""Words and their tags, out of the files and tables that people have."""

import ast
import re
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
from tokenizers import Regex, pre_tokenizers

from .config import Config
from .model import WORDS
from .table import TABLES, files_in, from_frame, split_of, tables_in

CONLL = (".conll", ".conllu", ".iob", ".iob2", ".bio", ".train", ".testa", ".testb")
OF_CONLL = {"testa": "val", "testb": "test"}  # its names of splits
INPUTS = ("tokens", "words", "text", "sentence", "input")
EDGES = ("start", "end")
SPANS = ("spans", "entities", "ents")
TARGETS = ("tags", "ner_tags", "ner", "labels", *SPANS, "label", "pos_tags", "upos", "target")
# Scripts without spaces: each character is a word
CHARACTER = "[\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
LETTERS = rf"(?:(?!{CHARACTER})\w)+"
PATTERN = rf"{CHARACTER}|{LETTERS}(?:[.,'\u2019-]{LETTERS})*|\S"
SPLIT = pre_tokenizers.Split(Regex(PATTERN), "removed", invert=True)

Word = tuple[str, tuple[int, int]]  # with its first character in the text and that behind it


def split(text: str) -> list[Word]:
    """Part a text into its words."""
    return SPLIT.pre_tokenize_str(text)


def find_conll(data: Path) -> list[Path]:
    """Give the files of a word a line; .txt could be notes, and counts where nothing else is."""
    files = files_in(data)
    found = [p for p in files if p.suffix.lower() in CONLL]
    tables = tables_in(data)
    found = found or [p for p in files if p.suffix.lower() == ".txt" and not tables]
    if not found and not tables:
        raise SystemExit(f"{data}: give files of {', '.join((*CONLL, *TABLES))}, or their folder")
    return found


def read_conll(files: list[Path], root: Path, columns: str | None) -> pd.DataFrame:
    """Read files of a word a line, its tag last, and an empty line after every text."""
    rows = []
    for path in files:
        name = path.name if path == root else path.relative_to(root).as_posix()
        parts = re.split(r"[-_./]", name)
        split = next((s for part in parts if (s := OF_CONLL.get(part) or split_of(part))), "")
        text: list[tuple[str, str]] = []
        for pair in [*read_lines(path, columns), None]:
            if pair:
                text.append(pair)
            elif text:
                words, tags = zip(*text, strict=True)
                rows.append((" ".join(words), to_iob2(list(tags)), split))
                text = []
    if not rows:
        raise SystemExit(f"{root} has no words")
    return pd.DataFrame(rows, columns=["input", "target", "split"], dtype=object)


def read_lines(path: Path, columns: str | None) -> Iterator[tuple[str, str] | None]:
    """Give words with their tags, and None between texts."""
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise SystemExit(f"{path} is not UTF-8: {error.reason}") from None
    universal, width = path.suffix.lower() == ".conllu", 0
    asked = (columns or ("2:4" if universal else "1")).split(":")
    if not all(number.isdecimal() and int(number) for number in asked):
        raise SystemExit(f"{path} has columns without names: say --columns 1:4, from 1 on")
    tabs = any("\t" in line for line in lines if not line.startswith("#"))
    for line in (line.strip("\r ") for line in lines):
        cells = line.split("\t") if tabs else re.split(" +", line)
        if not any(cells):
            yield None
        if not any(cells) or cells[0].startswith("-DOCSTART-"):
            continue
        if universal and re.match(r"#|\d+[-.]\d", line):
            continue  # comments, and words that are written as one
        if len(cells) != width and (cells[0] == "#" or cells[0].startswith("# ")):
            continue
        width = width or len(cells)
        places = [int(number) - 1 for number in (*asked, str(width))[:2]]
        if len(cells) != width or max(places) >= width or width < 2:
            raise SystemExit(f"{path}: a word and its tag stand in a line, not {line[:80]!r}")
        word, tag = (cells[place].strip() for place in places)
        yield "_".join(word.split()), tag


def from_columns(
    frame: pd.DataFrame, config: Config, suffixes: Collection[str], source: Path, split: str = ""
) -> pd.DataFrame:
    """Take words and tags, or texts and spans, and the split out of any table."""
    names = [str(name) for name in frame.columns]
    first, _, second = (config.columns or "").partition(":")
    second = second or next((n for wanted in TARGETS for n in names if n.lower() == wanted), "")
    inputs = ("text", *INPUTS) if second.lower() in SPANS else INPUTS
    first = first or next((n for wanted in inputs for n in names if n.lower() == wanted), "")
    if {first, second} - set(names):
        raise SystemExit(f"{source} has the columns {', '.join(names)}: say --columns WORDS:TAGS")
    cells = zip(map(unquote, frame[first]), map(unquote, frame[second]), strict=True)
    rows = [as_words(item, found, source) for item, found in cells]
    if lost := sum(more for _, _, more in rows):
        print(f"left out {lost} spans that hold no word, or lie over a longer one")
    texts, tags, _ = zip(*rows, strict=True)
    if all(len(row) < 2 for row in tags):
        raise SystemExit(f"{source}: no text has two words; a row holds all words of a text")
    named = frame.assign(**{first: texts, second: "a tag"})
    table = from_frame(named, replace(config, columns=f"{first}:{second}"), (), source, split)
    return table.assign(target=list(tags))


def unquote(cell: Any) -> Any:
    """Read a list that a table holds as a text; what is missing is empty."""
    if isinstance(cell, str) and cell.startswith("["):
        with suppress(ValueError, SyntaxError):
            return ast.literal_eval(cell)
    return "" if cell is None or isinstance(cell, float) else cell


def as_words(item: Any, found: Any, source: Path) -> tuple[str, list[str], int]:
    """Give a text, a space after every word, the tags of its words, and how many spans are lost."""
    found = found.split() if isinstance(found, str) else list(found)
    if isinstance(item, str) and not any(isinstance(tag, str) for tag in found):
        words, tags = from_spans(item, found, source)
        return " ".join(words), tags, len(found) - sum(tag.startswith("B-") for tag in tags)
    words = item.split() if isinstance(item, str) else ["_".join(str(w).split()) for w in item]
    if len(words) != len(found):
        raise SystemExit(f"{source}: {len(words)} words, {len(found)} tags: {' '.join(words)[:80]}")
    return " ".join(words), to_iob2([str(tag) for tag in found]), 0


def from_spans(text: str, spans: list[Any], source: Path) -> tuple[list[str], list[str]]:
    """Tag the words that spans of characters touch, the longest first."""
    words, found = split(text), []
    for span in spans:
        try:
            found.append(span_of(span))
        except (KeyError, TypeError, ValueError, IndexError):
            raise SystemExit(f"{source}: a span has start, end and label, not {span}") from None
    tags = ["O"] * len(words)
    for start, end, label in sorted(found, key=lambda span: span[0] - span[1]):
        touched = [n for n, (_, (a, b)) in enumerate(words) if a < end > start < b]
        if all(tags[n] == "O" for n in touched):
            for n in touched:
                tags[n] = f"{'B' if n == touched[0] else 'I'}-{label}"
    return [word for word, _ in words], tags


def span_of(span: Any) -> tuple[int, int, str]:
    """Read (start, end, label), or an object with these names, as annotation tools write them."""
    if isinstance(span, dict):
        start, end = (span[key] if key in span else span[f"{key}_offset"] for key in EDGES)
        label = span["label"] if "label" in span else span["labels"]
        label = label if isinstance(label, str) else label[0]
    else:
        start, end, label = span
    return int(start), int(end), str(label)


def to_iob2(tags: list[str]) -> list[str]:
    """Mark the first word of a span by B and the others by I, whatever marks they had.

    Of other schemes E and L end a span, M is within, S and U are alone, and I may begin one.
    """
    found, before, open_ = [], "", False
    for tag in tags:
        mark, _, label = tag.partition("-")
        if not label or mark not in tuple("BIMESUL"):
            found.append(tag)
            open_ = False
            continue
        first = mark in "BSU" or not open_ or label != before
        found.append(f"{'B' if first else 'I'}-{label}")
        before, open_ = label, mark not in "ESUL"
    return found


def cut(words: list[str], tags: list[str]) -> Iterator[tuple[list[str], list[str]]]:
    """Part what has more than WORDS words where no span is, behind a full stop if there is one."""
    while len(words) > WORDS:
        end = max(
            range(WORDS // 2, WORDS + 1),
            key=lambda n: (not tags[n].startswith("I-"), words[n - 1] in ".!?", n),
        )
        yield words[:end], tags[:end]
        words, tags = words[end:], tags[end:]
    yield words, tags
