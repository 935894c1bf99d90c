"""The folder of a run: settings.json says with what, the checkpoints lie beside it."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, replace
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn

import torch
import tyro

from .config import Config

RUNS = Path("runs")


def parse(description: str | None) -> Config:
    """Read the flags; with --resume, what that run had stands in for what is not given."""
    sys.stdout.reconfigure(line_buffering=True, errors="backslashreplace")  # type: ignore[union-attr]
    config = tyro.cli(Config, description=description)
    if config.resume == "auto" and config.run_dir:  # a job that may be queued again
        there = any(config.run_dir.glob("last.*"))
        config = replace(config, resume=str(config.run_dir) if there else None)
    if config.resume is None:
        return config
    folder = find(config.resume, "last.*").parent
    saved = load_config(folder)
    config = tyro.cli(Config, description=description, default=saved)
    if any(getattr(config, k) != getattr(saved, k) for k in ("epochs", "batch_size", "lr")):
        raise SystemExit("--epochs, --batch-size and --lr are those of the run: start another one")
    if os.environ.get("RANK", "0") == "0":
        print(f"going on with {folder}")
    return replace(config, resume=str(folder), run_dir=folder)


def main(train: Callable[[Config], object], description: str | None) -> None:
    """Train as the flags say; what no code can mend is one line."""
    config = parse(description)
    try:
        train(config)
    except torch.OutOfMemoryError:
        raise SystemExit("the memory of the GPU is full: try a smaller --batch-size") from None
    except (OSError, RuntimeError) as error:
        full = getattr(error, "errno", 0) in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        if not full and "inline_container" not in str(error):  # how torch.save calls it
            raise
        folder = config.run_dir or RUNS
        reason = str(error).splitlines()[-1].strip()
        free = shutil.disk_usage(folder).free / 1e6
        raise SystemExit(f"cannot write to {folder}, with {free:.0f} MB free: {reason}") from None


def load_config(folder: Path) -> Config:
    saved = json.loads((folder / "settings.json").read_text(encoding="utf-8"))["config"]
    return Config(**saved | {key: Path(saved[key]) for key in ("data", "run_dir") if saved[key]})


def find(where: str | Path | None, name: str) -> Path:
    """Give a checkpoint by its file, the folder of its run, or, with None and auto, the newest."""
    newest = where in (None, "auto")
    if not newest and Path(str(where)).is_file():
        return Path(str(where))
    folders = set(RUNS.glob("*/")) - {RUNS / "dry-run"} if newest else {Path(str(where))}
    runs = [folder for folder in folders if (folder / "settings.json").exists()]
    found = [path for folder in runs for path in folder.glob(name)]
    if not found:
        raise SystemExit(f"no {name} in {RUNS if newest else where}: train first")
    return max(found, key=lambda path: path.stat().st_mtime)


def start_run(config: Config, **what: Any) -> Path:
    """Make the folder of a run, with its settings and what else rebuilds the model."""
    name = "dry-run" if config.dry_run else f"{datetime.now():%Y-%m-%d_%H-%M-%S}"
    folder = config.run_dir or RUNS / name
    if config.dry_run and not config.run_dir:
        shutil.rmtree(folder, ignore_errors=True)  # of the last one
    if config.resume is None and any(folder.glob("last.*")):
        raise SystemExit(f"{folder} holds a run: --resume {folder}, or another --run-dir")
    folder.mkdir(parents=True, exist_ok=True)
    versions = {"python": sys.version.split()[0], "torch": torch.__version__, "git": commit()}
    content = {"config": asdict(config), "versions": versions, **what}
    text = json.dumps(content, indent=2, default=str)
    (folder / "settings.json").write_text(text, encoding="utf-8")
    return folder


def commit() -> str:
    with suppress(OSError, subprocess.CalledProcessError):  # no git, as in a container
        command = ["git", "rev-parse", "HEAD"]
        return subprocess.check_output(command, stderr=subprocess.DEVNULL).decode().strip()
    return ""


def catch_signals(interrupt: Callable[[], None] = lambda: None) -> list[int]:
    """Give the list that SIGTERM and Ctrl-C are put into, so that a run ends with its step."""
    caught: list[int] = []

    def catch(number: int, _: Any) -> None:
        caught.append(number)
        if number == signal.SIGINT:
            interrupt()

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, catch)
        signal.signal(signal.SIGINT, catch)
    return caught


def leave(folder: Path, signals: list[int]) -> NoReturn:
    """End a run that was stopped by a signal, in this process or in another one."""
    if os.environ.get("RANK", "0") == "0":
        saved = any(folder.glob("last.*"))
        print(
            f"stopped: go on with --resume {folder}" if saved else "stopped: nothing is saved yet"
        )
    # torchrun takes every code but 0 for a failure, and may start the run again
    raise SystemExit(0 if "TORCHELASTIC_RUN_ID" in os.environ else 128 + signals[0])
