"""Predict the class of texts: one JSON object a line.

From the folder of the project:

    python -m <package>.predict "A text" MORE.txt REVIEWS.csv
    cat MORE.txt | python -m <package>.predict --checkpoint runs/NAME/best.pt -
"""

import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer

from . import checkpoint
from .data import pad
from .files import DataError
from .flags import (
    add_checkpoint,
    checkpoint_of,
    exit_cleanly,
    make_parser,
    positive,
    print_rows,
)
from .runtime import choose_device
from .tables import READERS, Row, clean_text, decode, read_rows
from .tokenizer import load_tokenizer


def predict(
    path: Path,
    inputs: Iterable[str | Path],
    device: str = "auto",
    batch_size: int = 64,
    text_column: str | None = None,
) -> Iterator[dict[str, Any]]:
    """Classify texts; of one that cannot be read, `error` says why.

    An input is a .txt file of one text a line, a table, "-" for the lines of standard input, or
    the text itself. The column of a table is that of the training data unless it is given.
    """
    place = torch.device(choose_device(device))
    trained = checkpoint.load_model(path, place)
    tokenizer = load_tokenizer(trained.state["tokenizer"])
    texts: list[str] = []
    for row in read_inputs(inputs, text_column or trained.config.text_column):
        if row.problem:
            yield {"input": row.place, "error": row.problem}
            continue
        texts.append(row.text)
        if len(texts) == batch_size:
            yield from classify(texts, tokenizer, trained, place)
            texts = []
    if texts:
        yield from classify(texts, tokenizer, trained, place)


@torch.inference_mode()
def classify(
    texts: list[str], tokenizer: Tokenizer, trained: checkpoint.Trained, device: torch.device
) -> list[dict[str, Any]]:
    encodings = tokenizer.encode_batch_fast(texts)
    input_ids, _ = pad([(torch.tensor(encoding.ids), 0) for encoding in encodings])  # (B, T)
    scores = trained.model(input_ids.to(device)).softmax(dim=1).cpu()
    rows = []
    for text, row in zip(texts, scores.tolist(), strict=True):
        by_class = dict(zip(trained.classes, row, strict=True))
        label = max(by_class, key=by_class.__getitem__)
        rows.append({"input": text, "label": label, "score": by_class[label], "scores": by_class})
    return rows


def read_inputs(inputs: Iterable[str | Path], text_column: str) -> Iterator[Row]:
    """Give the texts of all inputs; what cannot be read has a `problem`."""
    for source in map(str, inputs):
        try:
            if source == "-":
                yield from read_lines(sys.stdin.buffer.read(), "standard input")
            elif not is_path(source):
                yield Row(source, clean_text(source), "")
            elif Path(source).suffix.lower() == ".txt":
                yield from read_lines(Path(source).read_bytes(), source)
            else:
                for row in read_rows(Path(source), text_column):
                    yield row._replace(place=f"{source} {row.place}")
        except (OSError, DataError, ValueError) as error:
            yield Row(source, "", "", str(error))


def is_path(source: str) -> bool:
    """Tell a file from a text: what ends like a data file is no text, even if it does not exist."""
    try:
        if Path(source).exists():
            return True
    except (OSError, ValueError):  # too long for a path, or with a zero byte
        return False
    return source.lower().endswith((".txt", *READERS)) and len(source.split()) == 1


def read_lines(content: bytes, name: str) -> Iterator[Row]:
    for number, line in enumerate(decode(content, name).split("\n"), 1):
        if line.strip():
            yield Row(f"{name} line {number}", line.strip(), "")


def main(argv: Sequence[str] | None = None) -> None:
    parser = make_parser(__doc__)
    add_checkpoint(parser)
    parser.add_argument("--device", choices=("auto", "cpu", "cuda", "mps"), default="auto")
    parser.add_argument("--batch-size", type=positive, default=64, metavar="N")
    parser.add_argument("--text-column", metavar="NAME", help="default: that of the training data")
    help_text = "a text, a .txt file of one text a line, a table, or - for standard input"
    parser.add_argument("inputs", nargs="+", metavar="INPUT", help=help_text)
    args = parser.parse_args(argv)
    with exit_cleanly():
        path = checkpoint_of(args)
        rows = predict(path, args.inputs, args.device, args.batch_size, args.text_column)
        sys.exit(print_rows(rows))


if __name__ == "__main__":
    main()
