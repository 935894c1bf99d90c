"""`ptscaffold test`: projects made from their templates, and everything a newcomer does with them.

Each is made in a folder of its own below a temporary one, with the logs of all commands beside it.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ptscaffold.errors import PtscaffoldError, UsageError
from ptscaffold.layers.catalogue import Catalogue
from ptscaffold.layers.manifest import goal_of
from ptscaffold.project.guard import deferred
from ptscaffold.project.record import check_is_project, read_record
from ptscaffold.project.state import packs_of
from ptscaffold.trial.checks import Bench, needed, perform, steps_of
from ptscaffold.trial.children import Children
from ptscaffold.trial.matrix import Maker, copy_of, layers_of, new_project, write_scripts
from ptscaffold.trial.results import Outcome, Report, Trial, Tried

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from ptscaffold.trial.matrix import Cell


def try_cells(
    cells: Sequence[Cell],
    *,
    catalogue: Catalogue | None = None,
    jobs: int | None = None,
    only: Collection[str] = (),
    spared: Callable[[str, str], bool] = lambda _name, _check: False,
    during: Callable[[str], AbstractContextManager[object]] = lambda _check: nullcontext(),
    keep: bool = False,
    report: Report = lambda _name, _outcome: None,
    limit: float = 1800,
) -> Trial:
    """Make the project of every cell and do with it what its README says, `jobs` at a time.

    `spared` tells, by the name of a cell and a check, what is not done; a check is done within the
    context that `during` gives. UsageError without uv and for unknown checks; KeyboardInterrupt
    with everything removed again and no process left. `limit` is the time that one command may
    take, in seconds.
    """
    layers = catalogue or Catalogue()
    makers = {cell.name: new_project(cell, layers) for cell in cells}
    manner = _Manner(
        wanted=needed(only), spared=spared, during=during, keep=keep, report=report, limit=limit
    )
    return _try_all(makers, jobs, manner)


def try_project(
    project: Path,
    *,
    catalogue: Catalogue | None = None,
    packs: Sequence[str] = (),
    only: Collection[str] = (),
    during: Callable[[str], AbstractContextManager[object]] = lambda _check: nullcontext(),
    keep: bool = False,
    report: Report = lambda _name, _outcome: None,
    limit: float = 1800,
) -> Trial:
    """Do with a copy of a project what its README says; as above. UsageError when it is none."""
    check_is_project(project)
    wanted = needed(only)
    if wanted == {"new"}:
        raise UsageError("--only new makes projects; one that is there goes with other checks")
    found = packs_of(project, read_record(project).packs, packs)
    layers = layers_of(project, catalogue or Catalogue(packs=found))
    manner = _Manner(wanted=wanted, during=during, keep=keep, report=report, limit=limit)
    return _try_all({project.resolve().name: copy_of(project, layers)}, 1, manner)


def _cores() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@dataclass(frozen=True, kw_only=True)
class _Manner:
    """How projects are tried."""

    wanted: frozenset[str]
    keep: bool
    report: Report
    limit: float
    spared: Callable[[str, str], bool] = lambda _name, _check: False
    during: Callable[[str], AbstractContextManager[object]] = lambda _check: nullcontext()
    cores: int = field(default_factory=_cores)


def _try_all(makers: Mapping[str, Maker], jobs: int | None, manner: _Manner) -> Trial:
    if "install" in manner.wanted and shutil.which("uv") is None:
        raise UsageError(
            "ptscaffold test makes the environments of projects by uv, which is not on PATH",
            hint="python -m pip install uv; or give --only new, which needs none",
        )
    jobs = max(1, min(jobs or manner.cores // 2, len(makers)))
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
                threads=max(1, manner.cores // jobs),
            )
            running.append(pool.submit(_try_one, name, maker, bench, manner))
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


def _try_one(name: str, maker: Maker, bench: Bench, manner: _Manner) -> Tried:
    """Make one project, do all steps with it, and unless it is to be kept remove it."""
    bench.logs.mkdir(parents=True)
    bench.folder.mkdir(parents=True)
    outcomes = []
    wanted = {check for check in manner.wanted if not manner.spared(name, check)}
    manner = replace(manner, wanted=frozenset(wanted))
    for outcome in _outcomes(maker, bench, manner):
        outcomes.append(outcome)
        manner.report(name, outcome)
    if not manner.keep:
        shutil.rmtree(bench.folder, ignore_errors=True)
    return Tried(name, tuple(outcomes))


def _outcomes(maker: Maker, bench: Bench, manner: _Manner) -> Iterator[Outcome]:
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
    steps = [step for step in steps_of(text, made.printed, scripts) if step.check in manner.wanted]
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
