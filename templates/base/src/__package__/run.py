"""The run: its flags, its folder, and how it ends when it is stopped."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import urllib.request
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from datetime import datetime
from io import TextIOWrapper
from pathlib import Path
from typing import Any, NoReturn
from urllib.error import HTTPError
from zipfile import is_zipfile

import torch
import tyro

from .config import Config

RUNS, TIME = Path("runs"), "%Y-%m-%d_%H-%M-%S-%f"  # a run is named by when it began
FREE = {"patience", "device", "precision", "compile", "num_workers", "resume", "run_dir"}
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)
if isinstance(sys.stdout, TextIOWrapper):  # a pipe of Windows could not say every name
    sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)
if sys.platform == "linux" and not torch.multiprocessing.get_start_method(allow_none=True):
    torch.multiprocessing.set_start_method("fork")  # 3.14 would send all examples, every epoch


def parse(description: str | None) -> Config:
    """Read the flags; with --resume, what that run had stands in for what is not given."""
    config = check(tyro.cli(Config, description=description))
    if config.resume == "auto" and config.run_dir:  # a job that may be queued again
        there = any(config.run_dir.glob("last.*"))
        config = replace(config, resume=str(config.run_dir) if there else None)
    if config.resume is None:
        return config
    folder = find(config.resume, "last.*").parent
    saved = load_config(folder)
    config = tyro.cli(Config, description=description, default=saved)
    for key, value in asdict(config).items():
        if value != getattr(saved, key) and key not in FREE:  # the run would be another one
            flag = key.replace("_", "-")
            raise SystemExit(f"--{flag} of the run is {getattr(saved, key)}: start another one")
    return replace(config, resume=str(folder), run_dir=folder)


def check(config: Config) -> Config:
    """Give the settings back, unless they cannot be meant."""
    found = torch.accelerator.current_accelerator(check_available=True)
    if config.device.partition(":")[0] not in ("auto", "cpu", found and found.type):
        raise SystemExit(f"--device {config.device}: PyTorch finds no such device")
    if not config.pretrained and (config.freeze or getattr(config, "lora", False)):
        raise SystemExit("--freeze and --lora train a part of a network of --pretrained")
    for key, value in asdict(config).items():
        if isinstance(value, int | float) and not value >= 0 and key not in ("seed", "num_workers"):
            raise SystemExit(f"--{key.replace('_', '-')} {value}: give no number below 0")
    return config


def main(train: Callable[[Config], object], description: str | None) -> None:
    """Train as the flags say; what no code can mend is one line."""
    config = parse(description)
    try:
        train(config)
    except KeyboardInterrupt:  # the second
        raise SystemExit(128 + signal.SIGINT) from None
    except (PermissionError, FileExistsError, NotADirectoryError) as error:  # of --run-dir
        raise SystemExit(str(error)) from None
    except (OSError, RuntimeError) as error:
        if getattr(error, "errno", 0) not in FULL and "inline_container" not in str(error):
            raise  # a full disk is the latter to torch.save
        folder = config.run_dir or RUNS
        raise SystemExit(f"cannot write to {folder}, is its disk full? {error}") from None


def load_settings(folder: Path) -> dict[str, Any]:
    if not (folder / "settings.json").is_file():
        raise SystemExit(f"{folder} has no settings.json: it lies in the folder of the run")
    return json.loads((folder / "settings.json").read_text(encoding="utf-8"))


def load_config(folder: Path) -> Config:
    saved = load_settings(folder)["config"] | {"resume": str(folder)}
    return Config(**saved | {key: Path(saved[key]) for key in ("data", "run_dir") if saved[key]})


def find(where: str | Path | None, name: str) -> Path:
    """Give a checkpoint by its file, the folder of its run, or, with None and auto, the newest."""
    given = Path(where or "auto")
    found = [given] if given.is_file() else list(given.glob(name))
    if where in (None, "auto"):
        found = [path for path in RUNS.glob(f"*/{name}") if path.parent.name != "dry-run"]
    if not found:
        raise SystemExit(f"no {name} in {where or RUNS}: train first")
    newest = max(found, key=lambda path: path.stat().st_mtime)
    if name.startswith("best") and newest.is_file() and not is_zipfile(newest):
        raise SystemExit(f"{newest} is damaged, or no checkpoint of PyTorch")
    if where in (None, "auto"):
        print(f"taking {newest}", file=sys.stderr)
    return newest


def start_run(config: Config, **what: Any) -> Path:
    """Make the folder of a run, with its settings and what else rebuilds the model."""
    name = "dry-run" if config.dry_run else f"{datetime.now():{TIME}}"
    folder = Path(config.run_dir or RUNS / name)
    if config.resume:
        folder = Path(config.run_dir or find(config.resume, "last.*").parent)
        before = what | load_settings(folder)
        same = set(what) - ({"spec"} if config.pretrained else set())  # which a library may write
        now, then = ({k: json.dumps(d[k], default=str) for k in same} for d in (what, before))
        if now != then:
            raise SystemExit(f"the data of {folder} has changed since: start another run")
    elif config.dry_run and not config.run_dir:
        shutil.rmtree(folder, ignore_errors=True)
    elif any(folder.glob("last.*")):
        raise SystemExit(f"{folder} holds a run: --resume {folder}, or another --run-dir")
    folder.mkdir(parents=True, exist_ok=True)
    status, commit = subprocess.getstatusoutput("git rev-parse HEAD", errors="replace")
    what["versions"] = {"torch": torch.__version__, "git": "" if status else commit}
    content = {"config": asdict(config), **what}
    (folder / "settings.json").write_text(json.dumps(content, indent=2, default=str))
    sizes = [f"{k} {v}" for k, v in what.get("spec", {}).items() if v and type(v) in (int, float)]
    print(f"run in {folder}", *sizes, sep=", ")  # sizes as the data are, or as a flag says
    return folder


def settings(config: Config) -> dict[str, Any]:
    """Give the numbers of a configuration as they are, the rest as texts for TensorBoard."""
    texts = {k: str(v).encode(errors="replace").decode() for k, v in asdict(config).items()}
    return texts | {k: v for k, v in asdict(config).items() if isinstance(v, int | float)}


def catch_signals() -> list[int]:
    """Give the list that SIGTERM and Ctrl-C are put into, so that a run ends with its step."""
    caught: list[int] = []

    def catch(number: int, frame: Any) -> None:
        if caught and "TORCHELASTIC_RUN_ID" not in os.environ:  # which sends it twice
            signal.default_int_handler(number, frame)
        caught.append(number)

    with suppress(ValueError):  # in a thread of a notebook there are no signals
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, catch)
    return caught


def leave(folder: Path, signals: list[int]) -> NoReturn:
    """End a run that was stopped by a signal, in this process or in another one."""
    if os.environ.get("RANK", "0") == "0":
        saved = any(folder.glob("last.*"))
        print("stopped:", f"go on with --resume {folder}" if saved else "nothing is saved yet")
    if "TORCHELASTIC_RUN_ID" in os.environ:  # it takes all else for a failure, and starts again
        raise SystemExit(0)
    raise SystemExit(128 + (signals[0] if signals else signal.SIGTERM))


@contextmanager
def optional(what: str) -> Iterator[None]:
    """Say what TensorBoard cannot show, and go on."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a font without a letter, a traced branch
        try:
            yield
        except Exception as error:
            print(f"TensorBoard has no {what}: {error}".splitlines()[0])


@contextmanager
def fetching(flag: str, name: str) -> Iterator[None]:
    """Say in one line, and at once, what cannot be had; trying the hub takes half a minute."""
    if (name.startswith((".", "/", "~")) or name.count("/") > 1) and not Path(name).is_dir():
        raise SystemExit(f"{flag} {name}: no such folder")
    try:
        from huggingface_hub import constants

        try:
            if not Path(name).is_dir():
                urllib.request.urlopen(constants.ENDPOINT, timeout=5).close()
        except OSError as error:  # what was downloaded before is still there
            constants.HF_HUB_OFFLINE |= not isinstance(error, HTTPError)  # which is an answer
        yield
    except ImportError as error:
        raise SystemExit(f"{error}: uv sync --all-extras") from None
    except Exception as error:  # of the network, of the file, of a network of another kind
        raise SystemExit(f"{flag} {name}: {error}".splitlines()[0]) from None
