"""Two machines, played by two of its scripts on one: a world of two that outlives a process."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from training.conftest import Package
from training.test_processes import FLAGS, children

from ptscaffold.project.new import Request, create

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the script is for bash")


def start(project: Path, **env: str) -> subprocess.Popen[str]:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    source = {"PYTHONPATH": str(project / "src"), "OMP_NUM_THREADS": "1", "PATH": path}
    return subprocess.Popen(
        ["bash", "scripts/node.sh", *FLAGS, "--epochs", "8"],
        cwd=project,
        env={**os.environ, **source, **env},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.mark.nightly
def test_two_machines_train_as_one_and_go_on_after_a_death(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    create(Request(name="digits", domain="vision", style="plain", features=("multinode",)))
    project = tmp_path / "digits"
    package = Package("digits", project / "src", project)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        head = f"127.0.0.1:{probe.getsockname()[1]}"
    machines = [start(project, HEAD=head, NODES="2", GPUS="1", RUN="pair") for _ in range(2)]
    try:
        package.wait_for_an_epoch("runs/pair", machines[0])
        os.kill(children(machines[1])[0], signal.SIGKILL)
        said = [machine.communicate(timeout=180)[0] for machine in machines]
    finally:
        for machine in machines:
            machine.terminate()  # and with it what it has started
            machine.wait(timeout=60)
            if machine.stdout:
                machine.stdout.close()
    assert [machine.returncode for machine in machines] == [0, 0], said
    assert any("processes 2" in text and "finished:" in text for text in said)
    assert [row["epoch"] for row in package.epochs("runs/pair")] == [*range(1, 9)]


def test_without_a_head_the_script_says_what_to_give(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HEAD", raising=False)
    create(Request(name="digits", domain="vision", style="plain", features=("multinode",)))
    process = start(tmp_path / "digits")
    assert "error: no HEAD: give one" in process.communicate(timeout=30)[0]
    assert process.returncode == 2


def test_gpus_that_are_hidden_are_not_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    create(Request(name="digits", domain="vision", style="plain", features=("multinode",)))
    tools = tmp_path / "digits" / ".venv" / "bin"
    tools.mkdir(parents=True)
    for name, line in {"torchrun": 'echo "$@"', "nvidia-smi": "echo GPU 0; echo GPU 1"}.items():
        (tools / name).write_text(f"#!/bin/sh\n{line}\n")
        (tools / name).chmod(0o755)
    process = start(tmp_path / "digits", HEAD="one:29400", CUDA_VISIBLE_DEVICES="")
    assert "--nproc-per-node 1 " in process.communicate(timeout=60)[0]
    assert process.returncode == 0
