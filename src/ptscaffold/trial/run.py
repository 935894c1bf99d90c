"""`ptscaffold test`: projects made from their templates, and everything a newcomer does with them.

Each is made in a folder of its own below a temporary one, with the logs of all commands beside it.
What came of them is given as data, and as JUnit XML, which CI systems show.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final
from xml.etree import ElementTree

from ptscaffold.errors import PtscaffoldError, UsageError, WriteError, raised_as
from ptscaffold.layers.catalogue import Catalogue
from ptscaffold.layers.manifest import goal_of
from ptscaffold.project.guard import deferred
from ptscaffold.project.record import check_is_project, read_record
from ptscaffold.project.state import packs_of
from ptscaffold.trial.checks import Bench, needed, perform, steps_of
from ptscaffold.trial.children import Children, Outcome
from ptscaffold.trial.matrix import Cell, Maker, copy_of, layers_of, new_project, write_scripts

# XML has no place for these, in whatever form.
_NO_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


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


@dataclass(frozen=True, kw_only=True)
class Manner:
    """How projects are tried: `jobs` at a time, of the checks `only` some and what they need.

    `spared` tells, by the name of a cell and a check, what is not done; a check is done within the
    context that `during` gives. `report` is called with the name of a cell and what came of a step,
    as soon as it has come, from any thread. `limit` is for one command, in seconds.
    """

    jobs: int | None = None
    only: Collection[str] = ()
    spared: Callable[[str, str], bool] = lambda _name, _check: False
    during: Callable[[str], AbstractContextManager[object]] = lambda _check: nullcontext()
    keep: bool = False
    report: Callable[[str, Outcome], None] = lambda _name, _outcome: None
    limit: float = 1800


def try_cells(
    cells: Sequence[Cell], manner: Manner, *, catalogue: Catalogue | None = None
) -> Trial:
    """Make the project of every cell and do with it what its README says.

    UsageError without uv and for unknown checks; KeyboardInterrupt with everything removed again
    and no process left.
    """
    layers = catalogue or Catalogue()
    makers = {
        cell.name: Maker(cell.command(layers.packs), partial(new_project, cell, layers))
        for cell in cells
    }
    return _try_all(makers, manner)


def try_project(project: Path, manner: Manner, *, packs: Sequence[str] = ()) -> Trial:
    """Do with a copy of a project what its README says; as above. UsageError when it is none."""
    check_is_project(project)
    if needed(manner.only) == {"new"}:
        raise UsageError("--only new makes projects; one that is there goes with other checks")
    found = packs_of(project, read_record(project).packs, packs)
    layers = layers_of(project, Catalogue(packs=found))
    maker = Maker("", partial(copy_of, project, layers))
    return _try_all({project.resolve().name: maker}, manner)


def _try_all(makers: Mapping[str, Maker], manner: Manner) -> Trial:
    wanted = needed(manner.only)
    if "install" in wanted and shutil.which("uv") is None:
        raise UsageError(
            "ptscaffold test makes the environments of projects by uv, which is not on PATH",
            hint="python -m pip install uv; or give --only new, which needs none",
        )
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    jobs = max(1, min(manner.jobs or cores // 2, len(makers)))
    children = Children(limit=manner.limit)
    began = time.monotonic()
    root = Path(tempfile.mkdtemp(prefix="ptscaffold-test-")).resolve()
    pool = ThreadPoolExecutor(jobs)
    try:
        running = []
        for name, maker in makers.items():
            bench = Bench(
                folder=root / "projects" / name,
                logs=root / "logs" / name,
                children=children,
                threads=max(1, cores // jobs),
            )
            left = {check for check in wanted if not manner.spared(name, check)}
            running.append(pool.submit(_try_one, name, maker, bench, manner, left))
        cells = tuple(map(_result, running))
    except BaseException:
        with deferred():
            children.stop()
            pool.shutdown(cancel_futures=True)
            shutil.rmtree(root, ignore_errors=True)
        raise
    pool.shutdown()
    kept = manner.keep or not all(cell.ok for cell in cells)
    if not manner.keep:
        shutil.rmtree(root / "projects" if kept else root, ignore_errors=True)
    seconds = time.monotonic() - began
    return Trial(cells=cells, seconds=seconds, logs=root / "logs" if kept else None)


def _result(future: Future[Tried]) -> Tried:
    """Wait for a cell, in turns, so that Ctrl-C comes through on every system."""
    while True:
        with suppress(TimeoutError):
            return future.result(timeout=0.5)


def _try_one(
    name: str, maker: Maker, bench: Bench, manner: Manner, wanted: Collection[str]
) -> Tried:
    """Make one project, do all steps with it, and unless it is to be kept remove it."""
    bench.logs.mkdir(parents=True)
    bench.folder.mkdir(parents=True)
    outcomes = []
    for outcome in _outcomes(maker, bench, manner, wanted):
        outcomes.append(outcome)
        manner.report(name, outcome)
    if not manner.keep:
        shutil.rmtree(bench.folder, ignore_errors=True)
    return Tried(name, tuple(outcomes))


def _outcomes(
    maker: Maker, bench: Bench, manner: Manner, wanted: Collection[str]
) -> Iterator[Outcome]:
    began = time.monotonic()
    try:
        made = maker.make(bench.folder)
        scripts = write_scripts(made.layers, bench.folder)
        bench = replace(bench, folder=made.folder, goal=goal_of(made.layers))
    except PtscaffoldError as error:
        log = bench.logs / "00-new.log"
        log.write_text(f"{error}\nhint: {error.hint}\n", encoding="utf-8")
        yield Outcome(
            check="new",
            command=maker.command,
            status="failed",
            seconds=time.monotonic() - began,
            reason=str(error),
            log=log,
        )
        return
    if maker.command:
        yield Outcome(check="new", command=maker.command, seconds=time.monotonic() - began)
    readme = made.folder / "README.md"
    text = readme.read_text(encoding="utf-8", errors="replace") if readme.is_file() else ""
    steps = [step for step in steps_of(text, made.printed, scripts) if step.check in wanted]
    installed = True
    for number, step in enumerate(steps, 1):
        if not installed:
            yield Outcome(
                check=step.check, command=step.command, status="skipped", reason="install failed"
            )
            continue
        log = bench.logs / f"{number:02}-{step.check}.log"
        with manner.during(step.check):
            outcome = perform(step, bench, log)
        installed = step.check != "install" or outcome.status == "ok"
        yield outcome


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
