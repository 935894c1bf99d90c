"""Ctrl-C and termination, held back while files are being written."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import FrameType

__all__ = ["as_keyboard_interrupt", "deferred"]

_SIGNALS = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
]


def as_keyboard_interrupt() -> None:
    """Let termination and hang-up end the program as Ctrl-C does, unless ignored (nohup)."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    for number in _SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, interrupt)


@contextmanager
def deferred() -> Iterator[Callable[[], None]]:
    """Hold interrupts back; the function given raises KeyboardInterrupt if one has come.

    So no line of the block, and no line that cleans up after it, is ever cut short. One that comes
    too late for the block to stop is delivered after it. Outside the main thread, where Python
    delivers no signals, there is nothing to hold back.
    """
    arrived: list[int] = []
    stopped = False

    def remember(number: int, _frame: FrameType | None) -> None:
        arrived.append(number)

    def check() -> None:
        nonlocal stopped
        if arrived:
            stopped = True
            raise KeyboardInterrupt

    before: dict[int, Any] = {}
    if threading.current_thread() is threading.main_thread():
        for number in _SIGNALS:
            if signal.getsignal(number) not in (signal.SIG_IGN, None):
                before[number] = signal.signal(number, remember)
    try:
        yield check
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if arrived and not stopped:
        raise KeyboardInterrupt
