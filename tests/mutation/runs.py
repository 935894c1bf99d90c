"""The tests of a project, run from its source in a process that has imported PyTorch already.

Every run is a pytest of its own, forked from a server that holds the libraries and nothing else:
to import them takes longer than most tests.
"""

from __future__ import annotations

import os
import signal
import sys
from multiprocessing import get_context, set_start_method
from pathlib import Path

import pytest

__all__ = ["run_tests"]

LIMIT = 600  # seconds; the tests of a whole project take one or two minutes
LIBRARIES = (
    *("torch", "torchvision", "torch.distributed.run", "torch.utils.tensorboard"),
    *("tensorboard.backend.event_processing.event_accumulator", "matplotlib.figure"),
    *("lightning.pytorch", "fastai.vision.all", "accelerate", "transformers", "torchmetrics"),
    *("torchmetrics.detection", "pycocotools.cocoeval"),
    *("pandas", "tokenizers", "soundfile", "soxr", "tqdm", "tyro", "PIL.Image", "pytest"),
)

FORKS = get_context("forkserver")
FORKS.set_forkserver_preload(["mutation.runs", *LIBRARIES])


def run_tests(project: Path, *selection: str) -> tuple[int, str]:
    """Run tests of a project up to the first that fails; give pytest's exit code and its output.

    A run that hangs is an error, not a catch: nobody would learn from it what is wrong.
    """
    log = project.with_suffix(".log")
    process = FORKS.Process(target=run_here, args=(project, selection, log))
    process.start()
    process.join(LIMIT)
    if process.exitcode is None:
        assert process.pid
        os.killpg(process.pid, signal.SIGKILL)  # with the processes of torchrun
        raise TimeoutError(log.read_text())
    return process.exitcode, log.read_text()


def run_here(project: Path, selection: tuple[str, ...], log: Path) -> None:
    """Turn this process into `python -m pytest`, run in the project."""
    os.setsid()
    set_start_method(None, force=True)  # for the workers of loaders: that of any other process
    FORKS.set_forkserver_preload([])
    os.chdir(project)
    with log.open("wb") as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
    source = str(project / "src")
    os.environ.update(PYTHONPATH=source, OMP_NUM_THREADS="1", PYTEST_DISABLE_PLUGIN_AUTOLOAD="1")
    sys.path[:] = [source, *(path for path in sys.path if not Path(path, "mutation").exists())]
    sys.exit(int(pytest.main(["-x", "-q", "-rf", "-p", "no:cacheprovider", *selection])))
