"""Commands run as a person types them, all of them to be ended, and what came of each."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

# Whatever tries to reach the network fails at once, but for a server of the command's own.
OFFLINE: Final = {
    "UV_OFFLINE": "1",
    "HF_HUB_OFFLINE": "1",
    **dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), "http://127.0.0.1:9"),
    "NO_PROXY": "localhost,127.0.0.1",
}

# What belongs to the shell that ptscaffold runs in, not to a newcomer's.
LEFT_OUT: Final = {
    *("VIRTUAL_ENV", "PYTHONPATH", "CI", "UV_PROJECT_ENVIRONMENT"),
    "PYTHONDONTWRITEBYTECODE",  # every command would compile all of torch anew, for ten seconds
}

PATIENCE: Final = 5.0  # seconds between asking a process to end and ending it


class Stopped(Exception):
    """No more commands are run: somebody has pressed Ctrl-C."""


@dataclass(frozen=True)
class Done:
    """A command that has ended; `code` is None when it took longer than it may."""

    command: str
    code: int | None
    seconds: float
    stdout: str
    stderr: str


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


def environment(threads: int, *, offline: bool = True) -> dict[str, str]:
    """The environment of a newcomer's shell, for as many threads as a command may use."""
    replaced = OFFLINE if offline else {}
    kept = {
        key: value
        for key, value in os.environ.items()
        if key not in LEFT_OUT and key.upper() not in replaced
    }
    return {**kept, **replaced, "OMP_NUM_THREADS": str(threads)}


class Children:
    """The processes that are running, in groups of their own, from any number of threads."""

    def __init__(self, *, limit: float = 1800) -> None:
        self.limit = limit
        self._running: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.Lock()
        self._stopped = False

    def run(self, command: str, folder: Path, env: Mapping[str, str], log: Path) -> Done:
        """Run one command line to its end, its output in `log`; Stopped after `stop`."""
        began = time.monotonic()
        with self.started(command, folder, env, log) as process:
            code = code_of(process, self.limit)
        return self.done(command, code, began, log)

    @contextmanager
    def started(
        self, command: str, folder: Path, env: Mapping[str, str], log: Path
    ) -> Iterator[subprocess.Popen[bytes]]:
        """Start a command; at the end of the block it and all that it has started are ended."""
        with _part(log, "out").open("wb") as out, _part(log, "err").open("wb") as err, self._lock:
            if self._stopped:
                raise Stopped
            process = subprocess.Popen(
                _shell(command),
                cwd=folder,
                env=dict(env),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )
            self._running.add(process)
        try:
            yield process
        finally:
            _signal(process, signal.SIGTERM)
            _wait(process, PATIENCE)
            with self._lock:
                self._running.discard(process)

    def done(self, command: str, code: int | None, began: float, log: Path) -> Done:
        """What a command did, from its output, which becomes one file; Stopped after `stop`."""
        seconds = time.monotonic() - began
        if self._stopped:
            raise Stopped
        stdout, stderr = read_part(log, "out"), read_part(log, "err")
        end = f"stopped after {seconds:.0f} s" if code is None else f"exit code {code}"
        parts = [f"$ {command}", stdout, stderr, end]
        text = "\n".join(filter(None, map(str.rstrip, parts))) + "\n"
        log.write_text(text, encoding="utf-8", errors="backslashreplace")
        for name in ("out", "err"):
            with suppress(OSError):  # Windows, when something that is left still has it open
                _part(log, name).unlink()
        return Done(command, code, seconds, stdout, stderr)

    def stop(self) -> None:
        """End everything that runs, and let nothing start any more."""
        with self._lock:
            self._stopped = True
            running = list(self._running)
        for process in running:
            _signal(process, signal.SIGTERM)
        until = time.monotonic() + PATIENCE
        for process in running:
            _wait(process, until - time.monotonic())


def code_of(process: subprocess.Popen[bytes], patience: float) -> int | None:
    """The exit code of a process, None when it has not ended after so many seconds."""
    with suppress(subprocess.TimeoutExpired):
        return process.wait(patience)
    return None


def address_of(log: Path) -> str | None:
    """Where the server that writes to `log` listens, as soon as it has said so."""
    text = read_part(log, "err") + read_part(log, "out")
    found = re.search(r"https?://[^\s/:]+:(\d+)", text)
    return f"http://127.0.0.1:{found[1]}/" if found else None


def read_part(log: Path, name: str) -> str:
    """What a command that runs has written so far to stdout (`out`) or stderr (`err`)."""
    return _part(log, name).read_text(encoding="utf-8", errors="replace")


def _part(log: Path, name: str) -> Path:
    return log.with_suffix(f".{name}")


def _shell(command: str) -> list[str] | str:
    """The call that runs a command line as it is typed into the system's shell."""
    if sys.platform == "win32":
        return f'{os.environ.get("COMSPEC", "cmd.exe")} /d /s /c "{command}"'
    return [shutil.which("bash") or "sh", "-c", command]


def _wait(process: subprocess.Popen[bytes], patience: float) -> None:
    """Wait for a process that was told to end; what is left of its group then is ended at once."""
    code_of(process, max(0, patience))
    if sys.platform != "win32":
        _signal(process, signal.SIGKILL)
    process.wait()


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """Send a signal to a process and all that it has started."""
    if sys.platform == "win32":
        if process.poll() is None:
            tree = ["taskkill", "/f", "/t", "/pid", str(process.pid)]
            subprocess.run(tree, capture_output=True, check=False)
        return
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)
