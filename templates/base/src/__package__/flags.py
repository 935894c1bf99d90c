"""Command line flags, made from the fields of `Config`."""

import argparse
import dataclasses
import io
import json
import math
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from .config import Config

RUNS = Path("runs")
MAY_BE_ZERO = {"seed", "num_workers", "weight_decay", "warmup", "ema"}


class UserError(Exception):
    """A mistake the person at the keyboard can mend: printed as one line, without a traceback."""


@contextmanager
def exit_cleanly() -> Iterator[None]:
    """Turn a `UserError` into one line on stderr and exit code 2, Ctrl-C into exit code 130."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a name the terminal cannot show
    try:
        yield
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:  # whoever read our output, `head` say, has left
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


def parse(doc: str | None, argv: Sequence[str] | None = None) -> Config:
    """Make a `Config` from the command line.

    With `--resume` the settings of the interrupted run hold for every flag that is not given.
    """
    parser = make_parser(doc)
    hints = get_type_hints(Config, include_extras=True)
    for field in dataclasses.fields(Config):
        add_flag(parser, field.name, hints[field.name], field.default)
    given = vars(parser.parse_args(argv))
    saved: dict[str, Any] = {}
    if given.get("resume") is not None:
        checkpoint = find_checkpoint(given["resume"], given.get("run_dir"))
        given["resume"] = None if checkpoint is None else str(checkpoint)
        if checkpoint is not None:
            if given.get("dry_run"):
                raise UserError(
                    "--dry-run would write over the run that --resume goes on with: leave one out."
                )
            saved = read_settings(checkpoint)
            saved["run_dir"] = checkpoint.parent
    run_dir: Path | None = given.get("run_dir")
    if run_dir and (run_dir / "last.pt").is_file():
        resumed: Path | None = saved.get("run_dir")
        if resumed is None or not resumed.samefile(run_dir):
            raise UserError(
                f"--run-dir {run_dir} holds a run: give another folder, or go on with it by"
                f" --resume {run_dir}."
            )
    return check(from_dict(saved | given))


def make_parser(doc: str | None) -> argparse.ArgumentParser:
    """Make a parser whose help is a module's docstring, `<package>` being the name of this one."""
    return argparse.ArgumentParser(
        description=(doc or "").replace("<package>", str(__package__)),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def add_flag(parser: argparse.ArgumentParser, name: str, hint: Any, default: Any) -> None:
    kind, text, *extra = get_args(hint)
    options: dict[str, Any] = dict(extra[0]) if extra else {}
    kinds = [k for k in get_args(kind) if k is not NoneType] if is_union(kind) else [kind]
    if get_origin(kinds[0]) is Literal:
        options["choices"] = get_args(kinds[0])
    elif kinds[0] is bool:
        options["action"] = argparse.BooleanOptionalAction
    else:
        options |= {"type": kinds[0], "metavar": kinds[0].__name__.upper()}
    if default is not None and kinds[0] is not bool:
        text += f" ({default})"
    flags = ["--" + name.replace("_", "-"), *options.pop("aliases", [])]
    parser.add_argument(*flags, default=argparse.SUPPRESS, help=text.replace("%", "%%"), **options)


def is_union(kind: Any) -> bool:
    return isinstance(kind, UnionType) or get_origin(kind) is Union


def from_dict(values: Mapping[str, Any]) -> Config:
    """Make a `Config` from plain values, as in a checkpoint; unknown names are left out."""
    paths = {n for n, h in get_type_hints(Config).items() if h is Path or Path in get_args(h)}
    known = {field.name for field in dataclasses.fields(Config)}
    kept: dict[str, Any] = {name: value for name, value in values.items() if name in known}
    kept |= {name: Path(kept[name]) for name in paths & set(kept) if kept[name] is not None}
    return Config(**kept)


def to_dict(config: Config) -> dict[str, Any]:
    """Give the settings as plain values that JSON and `torch.load(weights_only=True)` take."""
    return {
        name: str(value) if isinstance(value, Path) else value
        for name, value in dataclasses.asdict(config).items()
    }


def check(config: Config) -> Config:
    """Return the settings when every number makes sense, raise `UserError` otherwise."""
    for name, value in to_dict(config).items():
        if isinstance(value, bool) or not isinstance(value, int | float):
            continue
        if not math.isfinite(value) or value < 0 or (value == 0 and name not in MAY_BE_ZERO):
            least = "0 or more" if name in MAY_BE_ZERO else "greater than 0"
            raise UserError(f"--{name.replace('_', '-')} must be {least}, not {value}.")
    if config.warmup > 1:
        raise UserError(f"--warmup is a share of the steps, between 0 and 1, not {config.warmup}.")
    if config.ema >= 1:
        raise UserError(f"--ema is a decay below 1, such as 0.999, not {config.ema}.")
    if config.data is not None and config.dataset is not None:
        raise UserError("--data and --dataset exclude each other: give one of them.")
    return config


def find_checkpoint(resume: str, run_dir: Path | None) -> Path | None:
    """Find the checkpoint that `--resume` means; `auto` with nothing to resume gives None."""
    if resume != "auto":
        path = Path(resume)
        path = path / "last.pt" if path.is_dir() else path
        if not path.is_file():
            raise UserError(f"--resume {resume}: there is no such checkpoint. Try --resume auto.")
        return path
    newest = find_newest("last.pt", run_dir)
    if newest is None and os.environ.get("RANK", "0") == "0":
        print(f"--resume auto: no last.pt in {run_dir or RUNS}, starting fresh", file=sys.stderr)
    return newest


def find_newest(name: str, run_dir: Path | None = None) -> Path | None:
    """Find the file of that name that was written last, in a run or in all that are no trials."""
    trials = ("-dry-run", "-profile")
    runs = [run_dir] if run_dir else [p for p in RUNS.glob("*") if not p.name.endswith(trials)]
    found = [run / name for run in runs if (run / name).is_file()]
    return max(found, key=os.path.getmtime, default=None)


def add_checkpoint(parser: argparse.ArgumentParser) -> None:
    """Add `--checkpoint`; `checkpoint_of` gives its value."""
    parser.add_argument(
        "--checkpoint", type=Path, metavar="FILE", help="default: best.pt of the newest run"
    )


def checkpoint_of(args: argparse.Namespace) -> Path:
    path: Path | None = args.checkpoint or find_newest("best.pt")
    if path is None:
        raise UserError(f"There is no best.pt in {RUNS}: train first, or give --checkpoint FILE.")
    return path / "best.pt" if path.is_dir() else path


def read_settings(checkpoint: Path) -> dict[str, Any]:
    """Read the settings of a run, which stand beside its checkpoints."""
    path = checkpoint.with_name("config.json")
    try:
        saved: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(
            f"--resume {checkpoint}: {path} should hold the settings of that run, and cannot be"
            f" read: {error}. Name a checkpoint in the folder of its run, or copy all of that."
        ) from error
    return saved


def positive(text: str) -> int:
    """Read a whole number above zero, for `argparse`."""
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"must be 1 or more, not {number}")
    return number


def print_rows(rows: Iterable[Mapping[str, Any]]) -> bool:
    """Print one JSON object per line, those with an `error` on stderr; whether there were any."""
    failed = False
    for row in rows:
        if "error" in row:
            print(f"{row['input']}: {row['error']}", file=sys.stderr)
            failed = True
        else:
            # A Windows pipe takes few characters: they are escaped there
            print(json.dumps(row, ensure_ascii=sys.stdout.encoding.lower() != "utf-8"))
    return failed
