"""Every error that ptscaffold raises on purpose.

    PtscaffoldError          exit 1
    ├── UsageError           exit 2  unknown, bad, missing or clashing input, all of it at once
    ├── PackError            exit 2  a pack that was named cannot be found or fetched
    ├── LayerError           exit 1  a layer is broken: its manifest, a file name, a template
    ├── DestinationError     exit 1  something stands where the project should go
    ├── WriteError           exit 1  the disk refused; what was written has been removed
    ├── InstallError         exit 1  the project stands, its environment does not
    ├── InterpreterError     exit 1  an environment's Python does not run
    ├── ProvenanceError      exit 1  what a project was made from cannot be found out
    └── PendingError         exit 3  something else has to be decided first

Each says what is wrong, one sentence per problem, and carries a hint: what to do about it. Commands
in hints are written as they are typed, from the working folder.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import ClassVar, Final

LONGEST: Final = 2_000  # characters of one problem

# What a terminal would obey, or a text file cannot hold: names and texts of strangers have it.
_UNSEEN: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


class PtscaffoldError(Exception):
    """The base of all of them; `problems` holds one sentence each, `hint` the way out."""

    exit_code: ClassVar[int] = 1
    default_hint: ClassVar[str] = "run it again with --debug to see where it failed"

    def __init__(self, *problems: str, hint: str = "") -> None:
        self.problems = tuple(map(_shown, problems))
        super().__init__("\n".join(self.problems))
        self.hint = _shown(hint or self.default_hint)


class UsageError(PtscaffoldError):
    exit_code = 2
    default_hint = "see ptscaffold --help"


class LayerError(PtscaffoldError):
    default_hint = "fix the layer, or tell who keeps the pack; a built-in one: reinstall ptscaffold"


class PackError(PtscaffoldError):
    exit_code = 2
    default_hint = "a pack is a folder, git+URL[@REF][#subdirectory=DIR] or an installed pack"


class DestinationError(PtscaffoldError):
    default_hint = "choose another name, or adopt the folder with --into"


class WriteError(PtscaffoldError):
    default_hint = "free some space or choose a place you can write to; nothing was left behind"


class InstallError(PtscaffoldError):
    default_hint = "the project is complete; repeat the failed command inside it"


class InterpreterError(PtscaffoldError):
    default_hint = "remove the environment and make it again"


class ProvenanceError(PtscaffoldError):
    default_hint = "restore .ptscaffold.toml from version control"


class PendingError(PtscaffoldError):
    exit_code = 3
    default_hint = "ptscaffold update --continue, or --abort to go back"


def _shown(problem: str) -> str:
    return printable(problem if len(problem) <= LONGEST else f"{problem[:LONGEST]}...")


@contextmanager
def raised_as(kind: type[PtscaffoldError], said: str, *, hint: str = "") -> Iterator[None]:
    """Let what the system refuses be an error of this kind, its reason behind what is `said`."""
    try:
        yield
    except OSError as error:
        raise kind(f"{said}{error.strerror or error}", hint=hint) from error


def printable(text: str) -> str:
    """The text without what a terminal would obey."""
    return _UNSEEN.sub(lambda found: ascii(found[0])[1:-1], text)


def unknown(what: str, value: str, where: str, choices: Iterable[str]) -> str:
    """Say that `value` is not among `choices`, with the nearest one when there is one.

    >>> unknown("style", "plane", "--style", ["plain", "fastai"])
    "unknown style 'plane' for --style (plain, fastai). Did you mean 'plain'?"
    """
    known = list(choices)
    link = "" if where.startswith("in ") else "for "
    text = f"unknown {what} {value!r}" + (f" {link}{where}" if where else "")
    text += f" ({', '.join(known)})" if known else " (there are none)"
    nearest = get_close_matches(value.lower(), known, n=1, cutoff=0.5)
    return f"{text}. Did you mean {nearest[0]!r}?" if nearest else text


def shell_command(words: Iterable[str]) -> str:
    """Write a command as it is typed into the system's shell."""
    return subprocess.list2cmdline(words) if os.name == "nt" else shlex.join(words)


def in_project(project: Path, *words: str) -> str:
    """A ptscaffold command for a project, as it is typed from the working folder."""
    place = [] if project.resolve() == Path.cwd() else [not_an_option(str(project))]
    return shell_command(["ptscaffold", words[0], *place, *words[1:]])


def not_an_option(path: str) -> str:
    return os.path.join(".", path) if path.startswith("-") else path  # noqa: PTH118 (pathlib drops the dot)
