"""The folder of a run: settings.json says with what, the checkpoints lie beside it."""

import json
import os
import subprocess
import sys
from dataclasses import asdict, replace
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, NoReturn

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
    config = tyro.cli(Config, description=description, default=load_config(folder))
    return replace(config, resume=str(folder), run_dir=folder)


def load_config(folder: Path) -> Config:
    saved = json.loads((folder / "settings.json").read_text(encoding="utf-8"))["config"]
    return Config(**saved | {key: Path(saved[key]) for key in ("data", "run_dir") if saved[key]})


def find(where: str | Path | None, name: str) -> Path:
    """Give a checkpoint by its file, the folder of its run, or, with None and auto, the newest."""
    newest = where in (None, "auto")
    if not newest and Path(str(where)).is_file():
        return Path(str(where))
    folders = RUNS.glob("*/") if newest else [Path(str(where))]
    found = [path for folder in folders for path in folder.glob(name)]
    if not found:
        raise SystemExit(f"no {name} in {RUNS if newest else where}: train first")
    return max(found, key=lambda path: path.stat().st_mtime)


def start_run(config: Config, **what: Any) -> Path:
    """Make the folder of a run, with its settings and what else rebuilds the model."""
    folder = config.run_dir or RUNS / f"{datetime.now():%Y-%m-%d_%H-%M-%S}"
    if config.resume is None and any(folder.glob("last.*")):
        raise SystemExit(f"{folder} holds a run: --resume {folder}, or another --run-dir")
    folder.mkdir(parents=True, exist_ok=True)
    versions = {"python": sys.version.split()[0], "torch": version("torch"), "git": commit()}
    content = {"config": asdict(config), "versions": versions, **what}
    text = json.dumps(content, indent=2, default=str)
    (folder / "settings.json").write_text(text, encoding="utf-8")
    return folder


def commit() -> str:
    try:
        git = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, check=False)
    except OSError:  # no git, as in a container
        return ""
    return git.stdout.decode(errors="replace").strip()


def leave(folder: Path, signals: list[int]) -> NoReturn:
    """End a run that was stopped by a signal, in this process or in another one."""
    if os.environ.get("RANK", "0") == "0":
        print(f"stopped: go on with --resume {folder}")
    # torchrun takes every code but 0 for a failure, and may start the run again
    raise SystemExit(0 if "TORCHELASTIC_RUN_ID" in os.environ else 128 + signals[0])
