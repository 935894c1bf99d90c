"""The checks of `ptscaffold test`: their names, and which commands of a README are which."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ptscaffold.errors import UsageError, unknown

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

__all__ = ["CHECKS", "Step", "needed", "steps_of", "unheard"]

CHECKS: Final = (
    *("new", "install", "prepare", "train", "evaluate", "tensorboard", "own-data", "predict"),
    *("resume", "processes", "tests", "lint", "types", "readme", "format", "interrupt"),
)

# By what a command of a README is known, the first that fits.
_KNOWN_BY: Final[Mapping[str, str]] = {
    "tensorboard": r"\btensorboard\b",
    "processes": r"\btorchrun\b",
    "resume": r"--resume\b",
    "own-data": r"\.train\b.*--data[ =]",
    "train": r"\.train\b",
    "evaluate": r"\.evaluate\b",
    "predict": r"\.predict\b",
    "tests": r"\bpytest\b",
    "format": r"\bruff format\b",
    "lint": r"\bruff\b",
    "types": r"\bmypy\b",
    "install": r"\buv sync\b",
}

_FORMAT: Final = "uv run ruff format --check"


@dataclass(frozen=True)
class Step:
    """A check and the command that it runs, or starts from."""

    check: str
    command: str


def unheard(only: Iterable[str]) -> list[str]:
    """What is wrong with names of checks."""
    return [unknown("check", name, "--only", CHECKS) for name in only if name not in CHECKS]


def needed(only: Collection[str]) -> frozenset[str]:
    """The checks that were asked for, all when none was, and those that must go before them."""
    if problems := unheard(only):
        raise UsageError(*problems, hint="see ptscaffold test --help")
    wanted = set(only or CHECKS)
    if wanted & {"evaluate", "predict", "resume"}:
        wanted.add("train")
    if wanted & {"own-data", "predict"}:
        wanted.add("prepare")
    return frozenset(wanted | {"new", "install"} if wanted != {"new"} else wanted)


def steps_of(readme: str, printed: Iterable[str] = (), scripts: Iterable[str] = ()) -> list[Step]:
    """All steps of a project after `new`, in order.

    They are the commands of its README, after the installation those that `new` `printed` beside
    them, before all others the `scripts` that prepare the files the README speaks of.
    """
    steps = [Step(_check_of(command), command) for command in commands_of(readme)]
    if not any(step.check == "install" for step in steps):
        steps.insert(0, Step("install", "uv sync"))
    first = next(index for index, step in enumerate(steps) if step.check == "install") + 1
    known = {step.command for step in steps}
    between = [Step("prepare", script) for script in scripts]
    between += [Step(_check_of(line), line) for line in printed if line not in known]
    steps[first:first] = between
    if not any(step.check == "format" for step in steps):
        steps.append(Step("format", _FORMAT))
    train = [step.command for step in steps if step.check == "train"]
    if train and sys.platform != "win32":  # which has no SIGTERM
        steps.append(Step("interrupt", train[0]))
    return steps


def commands_of(readme: str) -> list[str]:
    """The commands of the blocks marked `bash`: one a line, or several that end in a backslash."""
    blocks = re.findall(r"^```bash\n(.*?)^```", readme, re.DOTALL | re.MULTILINE)
    lines = [line for block in blocks for line in re.split(r"(?<!\\)\n", block)]
    return [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]


def _check_of(command: str) -> str:
    found = (check for check, pattern in _KNOWN_BY.items() if re.search(pattern, command))
    return next(found, "readme")
