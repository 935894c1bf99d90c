"""Loops that train at the same time, but of which only one runs at a time.

The speed of a machine that is shared may change by a third within minutes. Loops that take turns of
a second while the others are stopped meet the same of it.
"""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import pairwise
from statistics import median, quantiles

TURN = 1.0  # seconds
EVERY = 10  # steps: all loops write to TensorBoard at every tenth

Turns = Sequence[tuple[float, float]]  # from, to: `time.perf_counter`, the same in every process


def take_turns(
    loops: Mapping[str, subprocess.Popen[bytes]],
) -> dict[str, list[tuple[float, float]]]:
    """Let one process run at a time until all have ended; give the turns of each.

    Every other round goes in reverse. Any that fails ends all.
    """
    for process in loops.values():
        process.send_signal(signal.SIGSTOP)
    turns: dict[str, list[tuple[float, float]]] = {name: [] for name in loops}
    order = list(loops)
    try:
        while any(process.returncode is None for process in loops.values()):
            for name in order:
                process = loops[name]
                if process.poll() is None:
                    began = time.perf_counter()
                    process.send_signal(signal.SIGCONT)
                    with suppress(subprocess.TimeoutExpired):
                        process.wait(TURN)
                    process.send_signal(signal.SIGSTOP)
                    turns[name].append((began, time.perf_counter()))
                if process.returncode:
                    raise SystemExit(f"{name} failed")
            order.reverse()
    finally:
        for process in loops.values():
            process.kill()
    return turns


def running(turns: Turns, start: float, end: float) -> float:
    """Give the seconds between two moments in which a loop was not stopped."""
    return sum(max(0.0, min(end, to) - max(start, begin)) for begin, to in turns)


def find_rate(ends: Sequence[float], turns: Turns) -> float:
    """Give the steps per second of an epoch, the median of ten each, from the ends of its steps."""
    return EVERY / median(running(turns, *pair) for pair in pairwise(ends[::EVERY]))


def spread(values: Sequence[float], digits: int) -> str:
    """Give the median and the quartiles."""
    low, middle, high = quantiles(values, method="inclusive") if len(values) > 1 else values * 3
    return f"{middle:.{digits}f} [{low:.{digits}f} to {high:.{digits}f}]"
