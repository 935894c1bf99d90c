"""What lasts, for a person who waits: a line of the terminal that says what and for how long.

Where nobody watches there is no such line: in a pipe, with CI set, on a terminal that is dumb.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import RLock, Thread

_lock = RLock()
_running: dict[object, tuple[str, float]] = {}  # what, and since when
_shown = ""
_drawing = False  # one thread does it, until nothing is being done


def watched() -> bool:
    return sys.stderr.isatty() and os.environ.get("TERM") != "dumb" and not os.environ.get("CI")


@contextmanager
def step(what: str) -> Iterator[None]:
    """Show what is being done as long as it is; several may be at a time."""
    global _drawing
    key = object()
    with _lock:
        if watched() and not _drawing:
            _drawing = True
            Thread(target=_draw, daemon=True).start()
        _running[key] = what, time.monotonic()
    try:
        yield
    finally:
        with _lock:
            del _running[key]
            clear()


def clear() -> None:
    """Make room for other text."""
    global _shown
    with _lock:
        if _shown:
            sys.stderr.write(f"\r{' ' * len(_shown)}\r")
            sys.stderr.flush()
            _shown = ""


def _draw() -> None:
    global _shown, _drawing
    while True:
        time.sleep(0.25)
        with _lock:
            if not _running:
                _drawing = False
                return
            now = time.monotonic()
            parts = [f"{what} {now - began:.0f} s" for what, began in _running.values()]
            clear()
            _shown = ", ".join(parts)[: shutil.get_terminal_size().columns - 1]
            sys.stderr.write(_shown)
            sys.stderr.flush()
