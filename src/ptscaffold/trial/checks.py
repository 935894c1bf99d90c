"""The checks of `ptscaffold test`: the commands of a README, and how each is done and judged."""

from __future__ import annotations

import csv
import json
import re
import signal
import sys
import time
import urllib.request
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from ptscaffold.errors import UsageError, unknown
from ptscaffold.layers.manifest import Goal
from ptscaffold.trial.children import Children, Done, Outcome, address_of, code_of, environment

CHECKS: Final = (
    *("new", "install", "prepare", "train", "evaluate", "tensorboard", "own-data", "predict"),
    *("serve", "resume", "processes", "tests", "lint", "types", "readme", "format", "interrupt"),
)

# By what a command of a README is known, the first that fits.
_KNOWN_BY: Final[Mapping[str, str]] = {
    "tensorboard": r"\btensorboard\b",
    "serve": r"\.serve\b",
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

# The run that is stopped and resumed.
_INTERRUPTED: Final = "runs/interrupted"
_STOPPED: Final = (0, -signal.SIGTERM, 128 + signal.SIGTERM, 128 + signal.SIGINT)

# What the styles keep their metrics in; with Lightning a resumed run has a file of its own.
_METRICS: Final = ("metrics.jsonl", "metrics.csv", "history.csv")
PATIENCE: Final = 60.0  # seconds that a run may take to save and leave


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
    if wanted & {"evaluate", "predict", "resume", "serve"}:
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
    if sys.platform == "win32":  # which has no SIGTERM, and where PyTorch's torchrun does not work
        return [step for step in steps if step.check != "processes"]
    return steps + [Step("interrupt", command) for command in train[:1]]


def commands_of(readme: str) -> list[str]:
    """The commands of the blocks marked `bash`: one a line, or several that end in a backslash."""
    blocks = re.findall(r"^```bash\n(.*?)^```", readme, re.DOTALL | re.MULTILINE)
    lines = [line for block in blocks for line in re.split(r"(?<!\\)\n", block)]
    return [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]


def _check_of(command: str) -> str:
    found = (check for check, pattern in _KNOWN_BY.items() if re.search(pattern, command))
    return next(found, "readme")


@dataclass(frozen=True, kw_only=True)
class Bench:
    """Where the steps of one project are done: its folder, and one for the logs.

    `goal` is what `evaluate` has to find after its first run.
    """

    folder: Path
    logs: Path
    children: Children
    threads: int
    goal: Goal | None = None

    def run(self, command: str, log: Path, *, offline: bool = True) -> Done:
        env = environment(self.threads, offline=offline)
        return self.children.run(command, self.folder, env, log)


def perform(step: Step, bench: Bench, log: Path) -> Outcome:
    """Do one step; the outcome says what is wrong, if anything is."""
    if step.check == "interrupt":
        return _interrupt(step, bench, log)
    if step.check in ("tensorboard", "serve"):
        return _serve(step, bench, log)
    done = bench.run(step.command, log, offline=step.check != "install")
    outcome = _outcome(step, done, log, _how_it_ended(done))
    if step.check == "train":
        return replace(outcome, metrics=_rows(_newest_run(bench.folder)))
    if step.check == "evaluate" and bench.goal is not None and not outcome.reason:
        return _outcome(step, done, log, _missed(outcome.found, bench.goal))
    if step.check == "predict" and not outcome.reason:
        return _outcome(step, done, log, _no_objects(done.stdout))
    return outcome


def _outcome(step: Step, done: Done, log: Path, reason: str) -> Outcome:
    return Outcome(
        check=step.check,
        command=done.command,
        status="failed" if reason else "ok",
        seconds=done.seconds,
        reason=reason,
        log=log,
        stdout=done.stdout,
        stderr=done.stderr,
    )


def _how_it_ended(done: Done) -> str:
    if done.code is None:
        return f"not finished after {done.seconds:.0f} s"
    return f"exit code {done.code}" if done.code else ""


def _missed(found: tuple[str, float] | None, goal: Goal) -> str:
    if found is None or found[0] != goal.metric:
        return f"the last line of its output does not begin as in `{goal.metric} 0.9556`"
    if goal.met(found[1]):
        return ""
    side = "below" if goal.kind == "floor" else "above"
    return f"{goal.metric} {found[1]:.4f} is {side} the {goal.kind} {goal.bound}"


def _no_objects(text: str) -> str:
    """What is wrong with predictions: there must be one JSON object a line."""
    lines = text.splitlines()
    for number, line in enumerate(lines, 1):
        with suppress(ValueError):
            if isinstance(json.loads(line), dict):
                continue
        return f"line {number} of its output is no JSON object"
    return "" if lines else "it printed no predictions"


def _newest_run(folder: Path) -> Path:
    found = sorted(folder.glob("runs/*/settings.json"), key=lambda path: path.stat().st_mtime)
    return found[-1].parent if found else folder / "runs"


def _rows(run: Path) -> tuple[dict[str, Any], ...]:
    """The rows of a run with what was found by validation; none when they cannot be read yet."""
    rows: list[dict[str, Any]] = []
    try:
        for path in sorted(path for name in _METRICS for path in run.rglob(name)):
            with path.open(encoding="utf-8", newline="") as file:
                rows += map(json.loads, file) if path.suffix == ".jsonl" else csv.DictReader(file)
        return tuple(dict(row) for row in rows if any(row[k] for k in row if str(k)[:3] == "val"))
    except (OSError, ValueError, TypeError, csv.Error):
        return ()


def _serve(step: Step, bench: Bench, log: Path) -> Outcome:
    """Start a server, read its start page over loopback, end it."""
    began = time.monotonic()
    page = ""
    reason = "it did not say where it listens"
    children = bench.children
    env = {**environment(bench.threads), "PORT": "0"}  # any that is free, where a server heeds it
    with children.started(step.command, bench.folder, env, log) as process:
        while time.monotonic() < began + min(60, children.limit) and process.poll() is None:
            if address := address_of(log):
                page, reason = _fetch(address)
                break
            time.sleep(0.2)
    code = process.returncode if reason else 0
    done = children.done(step.command, code, began, log)
    return _outcome(step, Done(step.command, 0, done.seconds, page, done.stderr), log, reason)


def _fetch(address: str) -> tuple[str, str]:
    """The page at an address of this machine, and what is wrong with it."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(address, timeout=30) as response:
            page = response.read().decode(errors="replace")
    except OSError as error:
        return "", f"no page at {address}: {error}"
    return page, "" if page else f"the page at {address} is empty"


def _interrupt(step: Step, bench: Bench, log: Path) -> Outcome:
    """Stop a run by SIGTERM after its first epoch; resumed, it must have every epoch once."""
    began = time.monotonic()
    children, run = bench.children, bench.folder / _INTERRUPTED
    command = f"{step.command} --run-dir {_INTERRUPTED} --epochs 3"
    with children.started(command, bench.folder, environment(bench.threads), log) as process:
        while time.monotonic() < began + children.limit and process.poll() is None:
            if _rows(run):
                process.terminate()
                break
            time.sleep(0.05)
        code = code_of(process, PATIENCE)
    done = children.done(command, code, began, log)
    if code not in _STOPPED:
        return _outcome(step, done, log, f"after SIGTERM {_how_it_ended(done)}")
    again = log.with_name(f"{log.stem}-resume.log")
    resumed = bench.run(f"{step.command} --resume {_INTERRUPTED}", again)
    reason = _how_it_ended(resumed) or _epochs_missing(run)
    return replace(_outcome(step, resumed, again, reason), seconds=done.seconds + resumed.seconds)


def _epochs_missing(run: Path) -> str:
    """What is wrong with the rows of a run: one for each epoch of its settings.json."""
    try:
        settings = json.loads((run / "settings.json").read_text(encoding="utf-8"))
        epochs = settings["config"]["epochs"]
    except (OSError, ValueError, KeyError, TypeError):
        return f"no epochs in {_INTERRUPTED}/settings.json"
    rows = [str(row.get("epoch")) for row in _rows(run)]
    if len(rows) == len(set(rows)) == epochs:
        return ""
    return f"{epochs} epochs in settings.json, but its metrics are of [{', '.join(rows)}]"
