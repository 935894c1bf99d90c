"""What came of a trial: as data, and as JUnit XML, which CI systems show."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from xml.etree import ElementTree

from ptscaffold.errors import WriteError, raised_as

# XML has no place for these, in whatever form.
_NO_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of a step. `status` is ok, failed or skipped; `metrics` has a row an epoch."""

    check: str
    command: str
    status: str = "ok"
    seconds: float = 0.0
    reason: str = ""
    log: Path | None = None
    stdout: str = ""
    stderr: str = ""
    metrics: tuple[Mapping[str, Any], ...] = field(default=(), repr=False)

    @property
    def found(self) -> tuple[str, float] | None:
        """What `evaluate` has found: its last line begins with `accuracy 0.9556`."""
        lines = self.stdout.split("\n") if self.check == "evaluate" else []
        last = next((line for line in reversed(lines) if line.strip()), "")
        found = re.match(r"(\w+) (\d+\.?\d*)", last)
        return (found[1], float(found[2])) if found else None

    def tail(self, count: int = 15) -> list[str]:
        """The last lines of the log."""
        if self.log is None:
            return []
        return self.log.read_text(encoding="utf-8").splitlines()[-count:]

    def as_dict(self, *, logs_kept: bool) -> dict[str, Any]:
        return {
            "name": self.check,
            "command": self.command,
            "seconds": round(self.seconds, 2),
            "ok": {"ok": True, "failed": False}.get(self.status),
            "reason": self.reason,
            "log": str(self.log) if self.log is not None and logs_kept else None,
        }


@dataclass(frozen=True)
class Tried:
    """A cell and what came of each step."""

    name: str
    outcomes: tuple[Outcome, ...]

    @property
    def ok(self) -> bool:
        return all(outcome.status == "ok" for outcome in self.outcomes)


@dataclass(frozen=True, kw_only=True)
class Trial:
    """All that was tried. `logs` is the folder that was kept, None when it was removed."""

    cells: tuple[Tried, ...]
    seconds: float
    logs: Path | None

    @property
    def ok(self) -> bool:
        return all(cell.ok for cell in self.cells)

    @property
    def score(self) -> float:
        """The share of checks that were passed; one that was skipped was not."""
        passed = [o.status == "ok" for cell in self.cells for o in cell.outcomes]
        return sum(passed) / len(passed) if passed else 1.0

    def as_dict(self) -> dict[str, Any]:
        cells = []
        for cell in self.cells:
            checks = [outcome.as_dict(logs_kept=self.logs is not None) for outcome in cell.outcomes]
            cells.append({"name": cell.name, "ok": cell.ok, "checks": checks})
        return {
            "cells": cells,
            "ok": self.ok,
            "score": round(self.score, 4),
            "seconds": round(self.seconds, 2),
            "logs": None if self.logs is None else str(self.logs),
        }


# Called with the name of a cell and what came of a step, as soon as it has come, from any thread.
Report = Callable[[str, Outcome], None]


def junit(trial: Trial) -> bytes:
    """The report as a file; of a failure it holds the reason and the last lines of the output."""
    root = ElementTree.Element("testsuites", name="ptscaffold test", time=f"{trial.seconds:.3f}")
    for cell in trial.cells:
        root.append(_suite(cell))
    ElementTree.indent(root)
    data: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return data + b"\n"


def write_junit(trial: Trial, path: Path) -> None:
    with raised_as(WriteError, f"cannot write {path}: ", hint="choose another file for --junit"):
        path.write_bytes(junit(trial))


def _suite(cell: Tried) -> ElementTree.Element:
    status = Counter(outcome.status for outcome in cell.outcomes)
    suite = ElementTree.Element(
        "testsuite",
        name=_text(cell.name),
        tests=str(len(cell.outcomes)),
        failures=str(status["failed"]),
        errors="0",
        skipped=str(status["skipped"]),
        time=f"{sum(outcome.seconds for outcome in cell.outcomes):.3f}",
    )
    seen: Counter[str] = Counter()
    for outcome in cell.outcomes:
        seen[name := outcome.check] += 1
        nth = f" {seen[name]}" if seen[name] > 1 else ""
        suite.append(_case(cell.name, name + nth, outcome))
    return suite


def _case(cell: str, name: str, outcome: Outcome) -> ElementTree.Element:
    time = f"{outcome.seconds:.3f}"
    case = ElementTree.Element("testcase", classname=_text(cell), name=name, time=time)
    if kind := {"failed": "failure", "skipped": "skipped"}.get(outcome.status):
        said = ElementTree.SubElement(case, kind, message=_text(outcome.reason))
        said.text = _text("\n".join(outcome.tail())) or None
    return case


def _text(text: str) -> str:
    return _NO_XML.sub("\ufffd", text)
