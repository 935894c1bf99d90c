"""Rows of text and label from .csv, .tsv, .jsonl and .parquet files."""

import codecs
import csv
import difflib
import io
import json
import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from .files import DataError

csv.field_size_limit(2**31 - 1)  # the default, 128 KiB, is less than a long text


class Row(NamedTuple):
    place: str  # "line 3"
    text: str
    label: str
    problem: str = ""  # why the row is of no use


# What a row holds in the columns asked for, or what is wrong with it
Cells = list[Any] | str


def read_rows(path: Path, text_column: str, label_column: str | None = None) -> Iterator[Row]:
    """Read a table; without a label column every label is "".

    Raises `DataError` for a file that is no such table; a row that is of no use has a `problem`.
    """
    read = READERS.get(path.suffix.lower())
    if read is None:
        raise DataError(f"{path} is no {', '.join(READERS)} file. Export the table as CSV.")
    columns = [text_column] if label_column is None else [text_column, label_column]
    try:
        for place, cells in read(path, columns):
            if isinstance(cells, str):
                yield Row(place, "", "", cells)
                continue
            try:
                label = "" if label_column is None else clean_label(cells[1])
                yield Row(place, clean_text(cells[0]), label)
            except ValueError as error:
                yield Row(place, "", "", str(error))
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from error


def clean_text(value: object) -> str:
    """Strip a text; raises `ValueError` for what is none."""
    if value is None:
        raise ValueError("missing text")
    if not isinstance(value, str):
        raise ValueError(f"the text is of type {type(value).__name__}")
    text = value.encode("utf-8", "replace").decode()  # JSON may hold halves of surrogate pairs
    if not text.strip():
        raise ValueError("empty text")
    return text.strip()


def clean_label(value: object) -> str:
    """Give a label as text, 1 and 1.0 as "1"; raises `ValueError` for what is none."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if value in (None, "") or (isinstance(value, float) and math.isnan(value)):
        raise ValueError("missing label")
    if not isinstance(value, str | int | float):
        raise ValueError(f"the label is of type {type(value).__name__}")
    return clean_text(str(value))


def decode(content: bytes, name: str) -> str:
    """Decode UTF-8, with or without a byte order mark; raises `DataError` for anything else."""
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise DataError(f"{name} is UTF-16. Convert it: iconv -f UTF-16 -t UTF-8.")
    try:
        return content.decode().removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{name} is not UTF-8: byte 0x{content[error.start]:02x} at offset {error.start}, line"
            f" {line}. Convert it; if it is Windows-1252: iconv -f WINDOWS-1252 -t UTF-8."
        ) from error


def read_delimited(path: Path, columns: Sequence[str]) -> Iterator[tuple[str, Cells]]:
    delimiter = "\t" if path.suffix.lower() == ".tsv" else ","
    text = decode(path.read_bytes(), str(path))
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    line = 1  # on which a row begins: a text in quotes may hold line breaks
    try:
        header = next(reader, [])
        places = find_columns(path, header, columns)
        line = reader.line_num + 1
        for fields in reader:
            if len(fields) == len(header):
                yield f"line {line}", [fields[place] for place in places]
            elif fields:
                found = f"{len(fields)} instead of {len(header)} fields"
                yield f"line {line}", f"{found}; put a text with {delimiter!r} in quotes"
            line = reader.line_num + 1
    except csv.Error as error:
        raise DataError(
            f'{path} line {line}: {error}. Inside a text in quotes, write " as "".'
        ) from error


def read_jsonl(path: Path, columns: Sequence[str]) -> Iterator[tuple[str, Cells]]:
    lines = decode(path.read_bytes(), str(path)).split("\n")
    rows = {f"line {n}": parse(line) for n, line in enumerate(lines, 1) if line.strip()}
    names = dict.fromkeys(name for row in rows.values() if isinstance(row, dict) for name in row)
    if names or not rows:
        find_columns(path, list(names), columns)
    for place, row in rows.items():
        yield place, row if isinstance(row, str) else [row.get(column) for column in columns]


def parse(line: str) -> dict[str, Any] | str:
    try:
        row = json.loads(line)
    except ValueError as error:
        return f"no JSON: {error}"
    return row if isinstance(row, dict) else "no JSON object"


def read_parquet(path: Path, columns: Sequence[str]) -> Iterator[tuple[str, Cells]]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise DataError(
            f"{path} needs pyarrow: uv sync --extra parquet, or python -m pip install pyarrow."
        ) from error
    try:
        with parquet.ParquetFile(path) as file:
            find_columns(path, file.schema_arrow.names, columns)
            table = file.read(columns=list(columns))
    except pyarrow.ArrowException as error:
        raise DataError(f"{path} cannot be read: {str(error).splitlines()[0]}") from error
    cells = zip(*(table[column].to_pylist() for column in columns), strict=True)
    for number, values in enumerate(cells, 1):
        yield f"row {number}", list(values)


def find_columns(path: Path, header: Sequence[str], columns: Sequence[str]) -> list[int]:
    """Give the places of columns in a header; raises `DataError` unless each is there once."""
    names = [name.strip() for name in header]
    if not names:
        raise DataError(f"{path} is empty. Expected the columns {' and '.join(columns)}.")
    for column, flag in zip(columns, ("--text-column", "--label-column"), strict=False):
        if names.count(column) > 1:
            raise DataError(f"{path} has {names.count(column)} columns {column!r}. Rename one.")
        if column not in names:
            lower = {name.lower(): name for name in reversed(names)}
            near = difflib.get_close_matches(column.lower(), lower, n=1)
            shown = ", ".join(repr(name[:40]) for name in names[:10])
            fix = f"{flag} {lower[near[0]]}" if near else f"{flag} NAME"
            raise DataError(f"{path} has no column {column!r}, only {shown}. Choose with {fix}.")
    return [names.index(column) for column in columns]


Reader = Callable[[Path, Sequence[str]], Iterator[tuple[str, Cells]]]
READERS: dict[str, Reader] = {
    ".csv": read_delimited,
    ".tsv": read_delimited,
    ".jsonl": read_jsonl,
    ".parquet": read_parquet,
}
