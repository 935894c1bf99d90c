"""What the benchmarks of training share: a project, and a process for each measurement."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any


def make_project(folder: Path, domain: str, style: str, *flags: str) -> Path:
    """Make the project DOMAIN-STYLE in a folder; give the folder of its package."""
    new = [sys.executable, "-m", "ptscaffold", "new", "--domain", domain, "--style", style]
    command = [*new, *flags]
    done = subprocess.run(
        command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    return folder / f"{domain}-{style}" / "src"


def measure_apart(arguments: Sequence[str], source: Path, folder: Path) -> dict[str, Any]:
    """Run a script that imports the package in `source`; give the JSON that it prints last."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(source)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(arguments)} failed:\n{done.stderr}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def watch_steps(style: str, note: Callable[[], None]) -> list[Any]:
    """Have `note` called after each step of an optimizer; give what `train` is to be given too."""
    if style != "fastai":
        from torch.optim.optimizer import register_optimizer_step_post_hook

        register_optimizer_step_post_hook(lambda *_: note())
        return []
    from fastai.callback.core import Callback  # the optimizer of fastai is none of torch

    class Steps(Callback):
        def after_step(self) -> None:
            note()

    return [Steps()]
