"""`ptscaffold doctor` on environments and machines with a fault planted, in real processes."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import venv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ptscaffold.cli import app as cli
from ptscaffold.errors import InterpreterError
from ptscaffold.trial.doctor import Diagnosis, Patient, diagnose, find_python

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the stand-ins are shell scripts")

TORCH = """\
__version__ = {version!r}
get_num_threads = lambda: {threads}

class version:
    cuda, hip = {cuda!r}, None

class cuda:
    is_available = lambda: {available}
    device_count = lambda: 1
    get_device_name = lambda index: "NVIDIA H200"
    get_device_capability = lambda index: {capability}
    get_arch_list = lambda: ["sm_75", "sm_90", "compute_90"]

class backends:
    class mps:
        is_available = lambda: False
"""

BANNER = """\
| NVIDIA-SMI 580.65.06    Driver Version: {version}    CUDA Version: {cuda} |
| N/A   32C    P0    75W / 700W |       1MiB / 143771MiB |      0%      Default |
"""

GPU = {"version": "2.9.1+cu130", "cuda": "13.0", "available": True, "threads": 16}

CORES = "import os; os.sched_getaffinity = lambda process: set(range(16))\n"
ROOM = """\
import shutil
real = shutil.disk_usage
def disk_usage(path):
    return real(path)._replace(free=64_000_000) if {here} else real(path)
shutil.disk_usage = disk_usage
"""
QUOTA = """\
import pathlib
real = pathlib.Path.read_text
def read_text(self, **options):
    told = {"/proc/self/cgroup": "0::/", "/sys/fs/cgroup/cpu.max": "250000 100000"}
    return told.get(str(self)) or real(self, **options)
pathlib.Path.read_text = read_text
"""
PLENTY = """\
import shutil
usage = shutil.disk_usage
shutil.disk_usage = lambda path: usage(path)._replace(free=10**11)
"""
NOTHING_INSTALLED = """\
from importlib import metadata
def version(name):
    raise metadata.PackageNotFoundError(name)
metadata.version = version
"""
OLD = "import platform; platform.python_version = lambda: '3.10.13'\n"


@dataclass(frozen=True)
class Machine:
    """A project with an environment of stand-ins, and a machine to plant faults in."""

    project: Path
    programs: Path
    site: Path
    fakes: Path

    def install(self, name: str, version: str, source: str) -> None:
        (self.site / name).mkdir(exist_ok=True)
        (self.site / name / "__init__.py").write_text(source)
        for old in self.site.glob(f"{name}-*.dist-info"):
            shutil.rmtree(old)
        info = self.site / f"{name}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")

    def torch(self, **changes: Any) -> None:
        build = {"version": "2.9.1+cpu", "cuda": None, "available": False, "threads": 2}
        build |= {"capability": (9, 0), **changes}
        self.install("torch", build["version"], TORCH.format(**build))

    def program(self, name: str, script: str) -> None:
        (self.programs / name).write_text(f"#!/bin/sh\n{script}\n")
        (self.programs / name).chmod(0o755)

    def gpu(self, version: str = "580.65.06", cuda: str = "13.0") -> None:
        (self.programs / "banner").write_text(BANNER.format(version=version, cuda=cuda))
        told = f"cat {self.programs / 'banner'}"
        listed = "echo 'GPU 0: NVIDIA H200 (UUID: GPU-3b)'"
        self.program("nvidia-smi", f'if [ "$1" = -L ]; then {listed}; else {told}; fi')

    def pretend(self, source: str) -> None:
        with (self.fakes / "sitecustomize.py").open("a") as file:
            file.write(source)

    def workers(self, value: object) -> None:
        config = self.project / "src/digits/config.py"
        config.write_text(f"import torch\n\nclass Config:\n    num_workers: int | None = {value}\n")


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("environment") / ".venv"
    venv.create(folder, symlinks=True)
    return folder


@pytest.fixture
def machine(environment: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A sane one: two cores, uv, torch for the CPU and the torchvision that goes with it."""
    project, programs, fakes = (tmp_path / name for name in ("digits", "programs", "fakes"))
    for folder in (project / "src/digits", programs, fakes):
        folder.mkdir(parents=True)
    shutil.copytree(environment, project / ".venv", symlinks=True)
    monkeypatch.chdir(project)
    for name in ("VIRTUAL_ENV", "CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PYTHONPATH", str(fakes))
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.defpath}{os.pathsep}/usr/bin")
    monkeypatch.setattr("ptscaffold.cli.console.as_keyboard_interrupt", lambda: None)
    (site,) = (project / ".venv/lib").glob("python*/site-packages")
    made = Machine(project, programs, site, fakes)
    made.program("uv", "exit 0")
    made.workers(None)
    made.torch()
    made.install("torchvision", "0.24.1+cpu", '__version__ = "0.24.1+cpu"\n')
    made.pretend("import os; os.sched_getaffinity = lambda process: {0, 1}\n")
    made.pretend(PLENTY)
    return made


@dataclass(frozen=True)
class Fault:
    """What is done to a sane machine, and what of it must be said."""

    plant: Callable[[Machine], object]
    id: str
    fix: str
    why: str = ""
    variables: tuple[tuple[str, str], ...] = ()


def other_torchvision(machine: Machine) -> None:
    fails = 'raise RuntimeError("operator torchvision::nms does not exist")\n'
    machine.install("torchvision", "0.24.1", fails)


def other_torchaudio(machine: Machine) -> None:
    fails = 'raise RuntimeError("PyTorch and TorchAudio were compiled with different CUDA")\n'
    machine.install("torchaudio", "2.11.0", fails)


def big(machine: Machine, **changes: Any) -> None:
    """Sixteen cores and a GPU that torch uses."""
    machine.pretend(CORES)
    machine.gpu()
    machine.torch(**{**GPU, **changes})
    machine.install("torchvision", "0.24.1+cu130", '__version__ = "0.24.1+cu130"\n')


REINSTALL = "uv pip install --torch-backend auto --reinstall torch torchvision"

FAULTS = {
    "python": Fault(lambda m: m.pretend(OLD), "python", "uv sync --python 3.12"),
    "no-torch": Fault(lambda m: shutil.rmtree(m.site), "torch-missing", "uv sync"),
    "no-uv": Fault(
        lambda m: (shutil.rmtree(m.site), (m.programs / "uv").unlink()),
        "uv",
        "python -m pip install uv",
    ),
    "crash": Fault(
        lambda m: m.install("torch", "2.9.1", "import os\nos.kill(os.getpid(), 9)\n"),
        "torch-import",
        REINSTALL,
        "ended by SIGKILL",
    ),
    "shadow": Fault(
        lambda m: (m.project / "torch.py").write_text("x = 1\n"),
        "torch-import",
        "torch, which hides the real one",
        "digits/torch.py",
    ),
    "torchvision": Fault(
        other_torchvision, "torchvision-build", REINSTALL, "operator torchvision::nms"
    ),
    "tags": Fault(
        lambda m: m.install("torchvision", "0.24.1", '__version__ = "0.24.1+cu130"\n'),
        "torchvision-build",
        REINSTALL,
        "another CUDA",
    ),
    "torchaudio": Fault(
        other_torchaudio, "torchaudio-build", "uv pip uninstall torchaudio", "different CUDA"
    ),
    "driver": Fault(
        lambda m: m.program("nvidia-smi", "echo 'Driver/library version mismatch'; exit 18"),
        "driver",
        "sudo reboot",
        "exit code 18; Driver/library version mismatch",
    ),
    "driver-age": Fault(
        lambda m: (big(m, available=False), m.gpu("535.1.05", "12.2")),
        "driver-age",
        "; or update the driver",
        "it is built for CUDA 13.0, driver 535.1.05 runs 12.2",
    ),
    "cpu-build": Fault(
        lambda m: m.gpu(), "cpu-build", f"{REINSTALL} && export UV_NO_SYNC=1", "without CUDA"
    ),
    "hidden": Fault(
        lambda m: big(m, available=False),
        "gpu-hidden",
        "unset CUDA_VISIBLE_DEVICES",
        variables=(("CUDA_VISIBLE_DEVICES", "-1"),),
    ),
    "unusable": Fault(lambda m: big(m, available=False), "gpu-unusable", "sudo reboot"),
    "gpu-old": Fault(
        lambda m: big(m, capability=(6, 1)),
        "gpu-arch",
        "--torch-backend cu126 --reinstall torch torchvision",
        "compute capability 6.1",
    ),
    "quota": Fault(
        lambda m: (big(m, threads=3), m.pretend(QUOTA), m.workers(6)),
        "workers-many",
        "set num_workers = -1 in src/digits/config.py",
        "too many for 3 cores",
    ),
    "many-workers": Fault(
        lambda m: m.workers(64), "workers-many", "set num_workers = -1 in src/digits/config.py"
    ),
    "one-worker": Fault(
        lambda m: (big(m), m.workers(1)),
        "workers-few",
        "set num_workers = -1 in src/digits/config.py",
    ),
    "one-thread": Fault(
        lambda m: (m.pretend(CORES), m.torch(threads=1)),
        "threads-few",
        "unset OMP_NUM_THREADS",
        variables=(("OMP_NUM_THREADS", "1"),),
    ),
    "many-threads": Fault(
        lambda m: m.torch(threads=64), "threads-many", "export OMP_NUM_THREADS=2"
    ),
    "shared-memory": Fault(
        lambda m: (big(m), m.pretend(ROOM.format(here="str(path) == '/dev/shm'"))),
        "shared-memory",
        "docker run --ipc=host",
    ),
    "disk": Fault(
        lambda m: m.pretend(ROOM.format(here="str(path) != '/dev/shm'")),
        "disk",
        "train with --run-dir on another disk",
        "64 MB free",
    ),
}


def test_a_sane_machine_has_no_problems(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["doctor"]) == 0
    out, err = capsys.readouterr()
    python = machine.project / ".venv/bin/python"
    assert out == ""
    first, described, *rest, last = err.splitlines()
    assert first == f"looking at {python}"
    assert f"({python}), uv {machine.programs / 'uv'}" in described
    assert rest[:2] == ["torch 2.9.1+cpu, torchvision 0.24.1+cpu", "no GPU, 2 cores"]
    assert "disk " in rest[2]
    assert last == "no problems found"


def test_a_gpu_that_is_used_is_described(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    big(machine)
    assert cli.run(["doctor"]) == 0
    assert "\nNVIDIA H200 (compute capability 9.0), 16 cores\n" in capsys.readouterr().err


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_found_and_its_fix_is_told(
    name: str,
    machine: Machine,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    fault = FAULTS[name]
    fault.plant(machine)
    for variable, value in fault.variables:
        monkeypatch.setenv(variable, value)
    assert cli.run(["doctor", "--json"]) == 3
    out, err = capsys.readouterr()
    found = {finding["id"]: finding for finding in json.loads(out)["findings"]}
    assert fault.id in found
    assert len(found) == (2 if name == "no-uv" else 1), found
    finding = found[fault.id]
    assert fault.fix in re.sub(r" --python \S+/digits/.venv/bin/python", "", finding["fix"])
    assert fault.why in f"{finding['what']}; {finding['why']}"
    assert f"{fault.id}: {finding['what']}\n  why: {finding['why']}\n  fix: {finding['fix']}" in err
    assert err.endswith("2 problems found\n" if name == "no-uv" else "1 problem found\n")


@pytest.mark.parametrize(
    "script",
    [
        "exit 0",
        "printf '\\377\\376 CUDA Version: N/A'",
        "echo 'No devices were found'",
        "if [ $# = 0 ]; then echo 'KMD Version: 595.1  CUDA UMD Version: 13.2'; fi",
    ],
)
def test_odd_answers_of_nvidia_smi_are_no_problem(
    machine: Machine, script: str, capsys: pytest.CaptureFixture[str]
) -> None:
    machine.program("nvidia-smi", script)
    assert cli.run(["doctor", "--json"]) == 0
    driver = json.loads(capsys.readouterr().out)["facts"]["driver"]
    assert driver["gpus"] == []
    assert driver["cuda"] == ("13.2" if "UMD" in script else None)


def test_the_active_environment_is_the_second_choice(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = machine.project / ".venv"
    monkeypatch.setenv("VIRTUAL_ENV", str(elsewhere))
    assert find_python(tmp_path) == Patient(tmp_path, elsewhere / "bin/python", own=True)
    found = diagnose(find_python(tmp_path))
    assert isinstance(found, Diagnosis)
    assert found.facts["versions"]["torch"] == "2.9.1+cpu"


@pytest.mark.parametrize("workspace", [True, False])
def test_a_workspace_of_uv_has_one_environment(
    workspace: bool, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VIRTUAL_ENV", "")
    member = machine.project / "packages/one"
    member.mkdir(parents=True)
    table = "[tool.uv.workspace]\n" if workspace else "[tool.other]\n"
    (machine.project / "pyproject.toml").write_text(table)
    assert (find_python(member).python == find_python(machine.project).python) == workspace
    monkeypatch.setenv("UV_PROJECT_ENVIRONMENT", str(machine.project / ".venv"))
    assert find_python(member).python == find_python(machine.project).python


@pytest.mark.parametrize("active", ["", sys.prefix])
def test_without_an_environment_torch_is_not_expected(
    active: str,
    machine: Machine,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("VIRTUAL_ENV", active)
    (machine.project / ".venv").rename(machine.project / "other")
    machine.pretend(NOTHING_INSTALLED)
    assert cli.run(["doctor"]) == 0
    err = capsys.readouterr().err
    assert f"\n{sys.executable}, the Python of ptscaffold, where torch is not expected\n" in err
    assert "\nno torch\n" in err


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (None, "there is no such file"),
        ("echo 'cannot load libpython' >&2; exit 127", "exit code 127; cannot load libpython"),
        ("exit 0", "it printed ''"),
        ("echo '[1]'", r"it printed '\[1\]\\n'"),
    ],
)
def test_an_environment_that_does_not_run(
    script: str | None, reason: str, machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    python = machine.project / ".venv/bin/python"
    python.unlink()
    if script is None:
        python.symlink_to("/nowhere/python3")
    else:
        python.write_text(f"#!/bin/sh\n{script}\n")
        python.chmod(0o755)
    assert cli.run(["doctor"]) == 1
    assert "hint: remove the environment and make it again" in capsys.readouterr().err
    with pytest.raises(InterpreterError, match=reason):
        diagnose(find_python(machine.project))


def test_a_folder_that_is_not_there_is_wrong_usage(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["doctor", "nowhere"]) == 2
    assert "error: nowhere is no folder\n" in capsys.readouterr().err


def test_an_environment_that_never_answers(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.install("torch", "2.9.1", "import time\ntime.sleep(60)\n")
    monkeypatch.setattr("ptscaffold.trial.doctor.LIMIT", 0.5)
    with pytest.raises(InterpreterError, match="no answer in 0 s"):
        diagnose(find_python(machine.project))


def test_ctrl_c_ends_all_of_it(machine: Machine) -> None:
    """A torch that hangs, as one does that waits for a driver."""
    beats = machine.project / "beats"
    beat = f"    print('.', end='', file=open({str(beats)!r}, 'a'), flush=True)\n"
    hang = f"import time\nfor _ in range(600):\n{beat}    time.sleep(0.1)\n"
    machine.install("torch", "2.9.1", hang)
    command = [sys.executable, "-m", "ptscaffold", "doctor"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    until = time.monotonic() + 30
    while not beats.exists() and time.monotonic() < until:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert err.splitlines()[1:] == ["interrupted"]
    told = beats.read_text()
    time.sleep(0.5)
    assert beats.read_text() == told
