"""Something that happens in the middle of an act, at each of the steps by which it writes."""

from __future__ import annotations

import errno
import functools
import io
import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from update.trees import copy

from ptscaffold.cli.console import as_keyboard_interrupt
from ptscaffold.errors import PtscaffoldError

# What the journal's writes come down to. Each is one step before it and one after it.
PRIMITIVES = [
    (os, name)
    for name in ("open", "mkdir", "rename", "replace", "link", "unlink", "rmdir", "chmod", "fsync")
]
PRIMITIVES += [(io, "open")]

DONE, STOPPED, DONE_ALL_THE_SAME, KILLED, STRANGE = range(5)


def kill() -> None:
    os._exit(KILLED)


def disk_full() -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def terminate() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def act_in_child(act: Callable[[], object], fault: Callable[[], None], step: int) -> int:
    """Act in a process of its own, with a fault at one of its steps; tells how it ended."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    code = STRANGE
    try:
        as_keyboard_interrupt()
        count = 0

        def tick() -> None:
            nonlocal count
            count += 1
            if count == step:
                fault()

        for module, name in PRIMITIVES:
            setattr(module, name, _ticking(getattr(module, name), tick, fault is disk_full))
        try:
            act()
        except (PtscaffoldError, KeyboardInterrupt):
            code = STOPPED
        else:
            code = DONE_ALL_THE_SAME if count >= step else DONE
    finally:
        os._exit(code)


def _ticking(
    function: Callable[..., Any], tick: Callable[[], None], full: bool
) -> Callable[..., Any]:
    """The function with a step before it, and behind it when it leaves a file open and empty.

    A full disk stops only what needs space.
    """

    @functools.wraps(function)
    def ticking(*arguments: Any, **options: Any) -> Any:
        writes = not full or function.__name__ not in ("unlink", "rmdir")
        opens = function.__name__ == "open"
        if opens:
            mode = arguments[1] if len(arguments) > 1 else "r"
            writes = bool(mode & os.O_WRONLY) if isinstance(mode, int) else "w" in mode
        if writes:
            tick()
        if function.__name__ == "fsync":  # nobody pulls the plug
            return None
        result = function(*arguments, **options)
        if writes and opens:
            try:
                tick()
            except OSError:
                result.close() if hasattr(result, "close") else os.close(result)
                raise
        return result

    return ticking


def runs(
    folder: Path, act: Callable[[], object], fault: Callable[[], None], stride: int = 1
) -> Iterator[int]:
    """Act in a folder with a fault at the first step, the second, and so on, each time anew.

    It is always the same folder: a journal counts in its own only.
    """
    original = copy(folder, Path(tempfile.mkdtemp(dir=folder.parent), "original"))
    step = 1
    while True:
        code = act_in_child(act, fault, step)
        assert code != STRANGE
        if code != DONE:
            yield code
        renew(folder, original)
        if code == DONE:
            break
        step += stride
    shutil.rmtree(original.parent)


def renew(folder: Path, original: Path) -> None:
    shutil.rmtree(folder)
    copy(original, folder)


def begun(work: Callable[[int], None]) -> Callable[[], list[bytes]]:
    """Work in another process; what is given ends it and tells which lines it has written."""
    reads, writes = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.close(reads)
            signal.signal(signal.SIGPIPE, signal.SIG_DFL)
            work(writes)
        finally:
            os._exit(1)
    os.close(writes)

    def ended() -> list[bytes]:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        with os.fdopen(reads, "rb") as stream:
            return stream.read().splitlines()

    return ended
