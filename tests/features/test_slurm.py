"""The batch script, run by bash between stand-ins for the commands of SLURM.

As with SLURM's cgroups, a signal reaches the task that `srun` started and nothing below it.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ptscaffold.project.new import Request, create

pytestmark = pytest.mark.skipif(os.name == "nt", reason="SLURM runs on Linux")

SRUN = """\
#!/bin/bash
while [[ $1 == --* ]]; do shift; done
echo $$ > task.tmp && mv task.tmp task.pid
exec "$@"
"""
SCONTROL = """\
#!/bin/bash
if [[ $1 == show ]]; then echo localhost; else echo "$*" >> scontrol.log; fi
"""
# One process that trains. At SIGTERM it ends with CODE; torchrun itself would end with 143.
TORCHRUN = """\
#!/bin/bash
[[ $SIGNAL ]] || exit $CODE
bash -c 'trap "exit $CODE" TERM; touch ready; while :; do sleep 0.02; done' &
wait $!
"""


class Job:
    """A project with the script in it, and what a node of a cluster has in its environment."""

    def __init__(self, folder: Path, torchrun: str | None = None, **env: str) -> None:
        self.folder, self.number = folder, free_port() - 20000
        commands = {"srun": SRUN, "scontrol": SCONTROL, "torchrun": torchrun}
        for name, script in commands.items():
            if script:
                place = folder / "cluster" / name
                place.parent.mkdir(exist_ok=True)
                place.write_text(script)
                place.chmod(0o755)
        path = [str(folder / "cluster"), str(Path(sys.executable).parent), os.environ["PATH"]]
        self.environment = {
            **os.environ,
            **env,
            "PATH": os.pathsep.join(path),
            "PYTHONPATH": str(folder / "src"),
            "OMP_NUM_THREADS": "1",
            "SLURM_JOB_ID": str(self.number),
            "SLURM_JOB_NODELIST": "node[1-1]",
            "SLURM_JOB_NAME": "digits",
            "SLURM_NNODES": "1",
            "SLURM_NTASKS": "1",
            "SLURM_CPUS_PER_TASK": "1",
            "SLURM_GPUS_ON_NODE": "2",
        }

    @property
    def run_dir(self) -> Path:
        return self.folder / "runs" / f"slurm-{self.number}"

    @property
    def requeued(self) -> list[str]:
        log = self.folder / "scontrol.log"
        return log.read_text().splitlines() if log.exists() else []

    def start(self, *flags: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            ["bash", "scripts/train.sbatch", *flags],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def signal_task(self, number: signal.Signals) -> None:
        os.kill(int((self.folder / "task.pid").read_text()), number)


def free_port() -> int:
    for port in range(20000 + os.getpid() % 9000, 30000):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)):
                return port
    raise AssertionError("no port is free")


def end(process: subprocess.Popen[str]) -> str:
    """Wait for the script and give what it printed; nothing of it outlives the test."""
    try:
        return process.communicate(timeout=120)[0]
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        raise


def wait_for(ready: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 120
    while not ready():
        if process.poll() is not None or time.monotonic() > deadline:
            os.killpg(process.pid, signal.SIGKILL)
            raise AssertionError(process.communicate()[0])
        time.sleep(0.02)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    create(Request(name="digits", domain="vision", style="plain", features=("slurm",)))
    return tmp_path / "digits"


@pytest.mark.parametrize(
    ("sent", "code", "requeued"),
    [
        pytest.param("", 0, False, id="finished"),
        pytest.param("", 3, False, id="failed"),
        pytest.param("USR1", 0, True, id="stopped"),
        pytest.param("USR1", 3, False, id="failed while it stopped"),
        pytest.param("TERM", 0, False, id="cancelled"),
    ],
)
def test_only_a_stopped_run_is_requeued(
    project: Path, sent: str, code: int, requeued: bool
) -> None:
    job = Job(project, TORCHRUN, SIGNAL=sent, CODE=str(code))
    process = job.start()
    if sent:
        wait_for((project / "ready").exists, process)
        # Twice, as on clusters that signal more than once: the second must do no harm.
        job.signal_task(signal.Signals[f"SIG{sent}"])
        job.signal_task(signal.Signals[f"SIG{sent}"])
    said = end(process)
    assert process.returncode == code, said
    assert job.requeued == ([f"requeue {job.number}"] if requeued else [])


@pytest.mark.nightly
def test_a_run_of_two_processes_is_stopped_requeued_and_finished(project: Path) -> None:
    job = Job(project)
    flags = ("--epochs", "3", "--image-size", "16", "--num-workers", "0", "--device", "cpu")
    process = job.start(*flags)
    wait_for((job.run_dir / "metrics.jsonl").exists, process)
    job.signal_task(signal.SIGUSR1)
    said = end(process)
    assert process.returncode == 0, said
    assert "processes 2" in said
    assert "stopped:" in said
    assert job.requeued == [f"requeue {job.number}"]
    assert (job.run_dir / "last.pt").is_file()
    assert epochs(job) in ([1], [1, 2])

    process = job.start(*flags)
    said = end(process)
    assert process.returncode == 0, said
    assert "finished:" in said
    assert epochs(job) == [1, 2, 3]
    assert len(job.requeued) == 1

    said = end(job.start(*flags))  # stopped in its last moment, it would be queued again
    assert "finished before" in said
    assert epochs(job) == [1, 2, 3]


def epochs(job: Job) -> list[int]:
    lines = (job.run_dir / "metrics.jsonl").read_text().splitlines()
    return [json.loads(line)["epoch"] for line in lines]
