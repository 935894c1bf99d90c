"""What `ptscaffold test` and `ptscaffold doctor` print for a person."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ptscaffold.trial.doctor import Patient
    from ptscaffold.trial.results import Outcome, Trial, Tried

__all__ = ["ended", "examined", "line", "table"]

_WORDS: Final = {"ok": "ok", "failed": "FAIL", "skipped": "skip"}


def line(name: str, outcome: Outcome, width: int) -> str:
    """A step that has ended: `vision-plain  train        ok    21.3 s`."""
    word = _WORDS[outcome.status]
    text = f"{name:<{width}}  {outcome.check:<11}  {word:<4}  {outcome.seconds:>6.1f} s"
    if outcome.reason:
        return f"{text}  {outcome.reason.splitlines()[0]}"
    return text if outcome.accuracy is None else f"{text}  accuracy {outcome.accuracy:.4f}"


def table(trial: Trial) -> str:
    """A line for each cell: its checks counted, its accuracy, the longest check."""
    width = max([len(cell.name) for cell in trial.cells] + [len("cell")])
    head = f"{'cell':<{width}}  checks  failed  skipped  accuracy  seconds  longest"
    return "\n".join([head, *(_row(cell, width) for cell in trial.cells)])


def ended(trial: Trial) -> str:
    """The end: every failure, how many checks were passed, and where the logs are."""
    status = _counts(trial.cells)
    cells = "1 cell" if len(trial.cells) == 1 else f"{len(trial.cells)} cells"
    text = f"{status['ok']} of {status.total()} checks passed in {cells}, {trial.seconds:.0f} s"
    blocks = [
        _failure(cell.name, outcome)
        for cell in trial.cells
        for outcome in cell.outcomes
        if outcome.status == "failed"
    ]
    return "\n\n".join([*blocks, text if trial.logs is None else f"{text}; logs: {trial.logs}"])


def examined(patient: Patient) -> str:
    """Which Python is looked at, and what is not expected of it."""
    if patient.own:
        return f"looking at {patient.python}"
    return (
        f"no environment in {patient.folder} and no other active: looking at the machine with\n"
        f"{patient.python}, the Python of ptscaffold, where torch is not expected"
    )


def _failure(name: str, outcome: Outcome) -> str:
    """What failed: the command, the reason, the last lines of its output, the log with the rest."""
    lines = [f"{name} {outcome.check} failed: {outcome.reason}"]
    lines += [f"  $ {outcome.command}"] if outcome.command else []
    lines += [f"  | {text}" for text in outcome.tail()]
    return "\n".join([*lines, f"  log: {outcome.log}"])


def _row(cell: Tried, width: int) -> str:
    status = _counts([cell])
    found = [o.accuracy for o in cell.outcomes if o.accuracy is not None]
    accuracy = f"{found[0]:.4f}" if found else "-"
    longest = max(cell.outcomes, key=lambda outcome: outcome.seconds)
    seconds = sum(outcome.seconds for outcome in cell.outcomes)
    return (
        f"{cell.name:<{width}}  {status.total():>6}  {status['failed']:>6}"
        f"  {status['skipped']:>7}  {accuracy:>8}  {seconds:>7.1f}"
        f"  {longest.check} {longest.seconds:.1f}"
    )


def _counts(cells: Iterable[Tried]) -> Counter[str]:
    return Counter(outcome.status for cell in cells for outcome in cell.outcomes)
