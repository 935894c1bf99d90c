"""Loops in turns: one runs at a time, and the time of the others does not count."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from types import ModuleType

import pytest

stoppable = pytest.mark.skipif(sys.platform == "win32", reason="no process can be stopped there")

TICK = """
import time

ticks = []
for _ in range(40):
    ticks.append(time.perf_counter())
    time.sleep(0.01)
print(*ticks)
"""


def test_what_a_stop_takes_does_not_count(script: Callable[[str], ModuleType]) -> None:
    turns = script("turns")
    ran = [(0.0, 1.0), (5.0, 6.0), (20.0, 30.0)]
    assert turns.running(ran, 0.5, 5.5) == pytest.approx(1.0)
    assert turns.running(ran, 2.0, 4.0) == 0
    assert turns.running(ran, 0.0, 30.0) == pytest.approx(12.0)
    # Ten steps of 0.1 s until the stop, ten of 0.1 s after it
    ends = [step / 10 for step in range(11)] + [5 + step / 10 for step in range(1, 11)]
    assert turns.find_rate(ends, ran) == pytest.approx(10)


@stoppable
def test_one_loop_runs_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: Callable[[str], ModuleType]
) -> None:
    module = script("turns")
    monkeypatch.setattr(module, "TURN", 0.1)
    outputs = {name: tmp_path / name for name in "abc"}
    loops = {}
    for name, path in outputs.items():
        with path.open("wb") as output:
            loops[name] = subprocess.Popen([sys.executable, "-c", TICK], stdout=output)
    turns = module.take_turns(loops)
    spans = sorted(span for each in turns.values() for span in each)
    assert all(before[1] <= after[0] for before, after in pairwise(spans))
    for name, path in outputs.items():
        ticks = [float(tick) for tick in path.read_text().split()]
        assert len(ticks) == 40
        late = [tick for tick in ticks if tick > spans[0][0]]  # those before the first turn aside
        inside = [tick for tick in late if module.running(turns[name], tick - 0.005, tick + 0.005)]
        assert inside == late


@stoppable
def test_a_loop_that_fails_ends_all(script: Callable[[str], ModuleType]) -> None:
    loops = {
        "good": subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]),
        "bad": subprocess.Popen([sys.executable, "-c", "raise SystemExit(3)"]),
    }
    with pytest.raises(SystemExit, match="bad failed"):
        script("turns").take_turns(loops)
    assert loops["good"].wait(10) < 0
