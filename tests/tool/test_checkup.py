"""What `doctor` finds on machines with a fault each, and what it reads on this one."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tool.test_doctor import TORCH

from ptscaffold.trial.checkup import doctor, facts
from ptscaffold.trial.checkup.facts import Driver, Facts, Torch

CUDA = "2.9.1+cu130"
USED = Torch(CUDA, "13.0", None, True, False, (("H200", "9.0"),), ("sm_80", "compute_90"), 16)
UNUSED = replace(USED, available=False, gpus=(), archs=())

# Sixteen cores and a GPU that is used: nothing is wrong
SANE = Facts(
    python="3.12.1",
    executable="/home/me/digits/.venv/bin/python",
    system="Linux",
    folder="/home/me/digits",
    runs="/home/me/digits/runs",
    torch_wanted=True,
    cores=16,
    disk_free=10**11,
    uv="/usr/bin/uv",
    versions={"torch": CUDA, "torchvision": "0.24.1+cu130"},
    torch=USED,
    driver=Driver("580.65", "13.0", ("NVIDIA H200",)),
    memory=10**11,
    shared_memory=10**10,
    config="src/digits/config.py",
)


@pytest.mark.parametrize(
    ("changes", "found", "fix"),
    [
        ({}, "", ""),
        ({"shared_memory": None, "driver": None, "memory": None}, "", ""),
        ({"uv": None, "versions": {"torch": CUDA}}, "", ""),
        ({"driver": Driver(error="no driver")}, "", ""),
        ({"driver": Driver("575.51", "12.9", ("H200",))}, "", ""),
        ({"cuda_visible_devices": "0,1"}, "", ""),
        ({"torch": replace(USED, threads=1), "omp_num_threads": "1"}, "", ""),
        ({"versions": {}, "torch": None, "torch_wanted": False}, "", ""),
        ({"torch": replace(USED, gpus=(("H20", "9.0"), ("A10", "8.6")))}, "", ""),
        ({"num_workers": 0, "torch": UNUSED, "driver": None, "shared_memory": 0}, "", ""),
        ({"python": "3.10.2"}, "python", "uv sync --python 3.12"),
        ({"uv": None, "versions": {}, "torch": None, "torch_wanted": False}, "uv", "install uv"),
        ({"versions": {}, "torch": None, "missing": ("torch",)}, "torch-missing", "uv sync"),
        ({"missing": ("torchvision", "numpy")}, "packages-missing", "uv pip install --editable ."),
        ({"torch": None, "errors": {"torch": "no libcudart"}}, "torch-import", "--reinstall torch"),
        ({"errors": {"torchvision": "no nms"}}, "torchvision-build", "--torch-backend auto"),
        (
            {"versions": {"torch": CUDA, "torchvision": "0.24.1+cpu"}},
            "torchvision-build",
            "&& export UV_NO_SYNC=1",
        ),
        (
            {"versions": {"torch": CUDA, "torchaudio": "2"}, "errors": {"torchaudio": "CUDA"}},
            "torchaudio-build",
            "uv pip uninstall torchaudio",
        ),
        ({"torch": UNUSED, "driver": Driver(error="no driver")}, "driver", "reboot"),
        ({"torch": UNUSED, "driver": Driver("535", "12.2", ("A10",))}, "driver-age", "--reinstall"),
        ({"torch": replace(UNUSED, cuda=None)}, "cpu-build", "--torch-backend auto"),
        (
            {"torch": UNUSED, "cuda_visible_devices": "1"},
            "gpu-hidden",
            "unset CUDA_VISIBLE_DEVICES",
        ),
        (
            {"torch": UNUSED, "cuda_visible_devices": "", "system": "Windows"},
            "gpu-hidden",
            "set CUDA_VISIBLE_DEVICES=",
        ),
        ({"torch": UNUSED}, "gpu-unusable", "update the NVIDIA driver"),
        ({"torch": replace(USED, gpus=(("GTX", "6.1"),))}, "gpu-arch", "--torch-backend cu126"),
        (
            {"torch": replace(USED, archs=("sm_80",), gpus=(("B200", "10.0"),))},
            "gpu-arch",
            "--torch-backend auto",
        ),
        (
            {"cpu_quota": 2.5, "num_workers": 6, "torch": replace(USED, threads=3)},
            "workers-many",
            "num_workers = -1 in src/digits/config.py",
        ),
        ({"num_workers": 32}, "workers-many", "num_workers = -1 in src/digits/config.py"),
        ({"num_workers": 1}, "workers-few", "num_workers = -1 in src/digits/config.py"),
        ({"torch": replace(UNUSED, threads=1), "driver": None}, "threads-few", "THREADS=16"),
        (
            {"torch": replace(UNUSED, threads=1), "driver": None, "omp_num_threads": "1"},
            "threads-few",
            "unset OMP_NUM_THREADS",
        ),
        ({"torch": replace(USED, threads=64)}, "threads-many", "export OMP_NUM_THREADS=16"),
        ({"shared_memory": 64_000_000}, "shared-memory", "docker run --ipc=host"),
        ({"disk_free": 64_000_000}, "disk", "--run-dir"),
    ],
)
def test_each_fault_is_found_alone(changes: dict[str, Any], found: str, fix: str) -> None:
    findings = doctor.diagnose(replace(SANE, **changes))
    assert [finding.id for finding in findings] == ([found] if found else [])
    for finding in findings:
        assert fix in finding.fix.replace(f" --python {SANE.executable}", "")


def test_another_environment_is_named_in_the_fix() -> None:
    other = replace(SANE, executable="/opt/my env/bin/python", uv=None)
    (finding,) = doctor.diagnose(replace(other, errors={"torchvision": "no nms"}))
    assert finding.fix.startswith("'/opt/my env/bin/python' -m pip install uv && ")
    assert " -m uv pip install --python '/opt/my env/bin/python' --torch" in finding.fix


def test_windows_knows_no_single_quotes() -> None:
    other = replace(SANE, system="Windows", executable=r"C:\my env\python.exe")
    (finding,) = doctor.diagnose(replace(other, errors={"torchvision": "no nms"}))
    assert r' --python "C:\my env\python.exe" --torch' in finding.fix


def test_a_torchaudio_that_fails_is_not_installed_again() -> None:
    versions = {**SANE.versions, "torchaudio": "2.11.0"}
    errors = {"torchaudio": "other CUDA", "torchvision": "no nms"}
    fix, _ = (f.fix for f in doctor.diagnose(replace(SANE, versions=versions, errors=errors)))
    assert " --reinstall torch torchvision && " in fix


@pytest.mark.parametrize("chosen", [None, -1])  # by a project of 0.2.0, and of today
@pytest.mark.parametrize(("quota", "expected"), [(None, 6), (2.5, 3), (0.5, 1)])
def test_loading_processes_are_counted_as_projects_choose_them(
    quota: float | None, expected: int, chosen: int | None
) -> None:
    facts = replace(SANE, cores=6, cpu_quota=quota, num_workers=chosen)
    assert doctor.workers(facts) == expected


def test_the_facts_are_described() -> None:
    assert doctor.describe(SANE)[1:] == [
        "torch 2.9.1+cu130, torchvision 0.24.1+cu130",
        "H200 (compute capability 9.0), 16 cores",
        "memory 100.0 GB, /dev/shm 10.0 GB, disk 100.0 GB",
    ]


def test_what_a_project_needs_and_lacks_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = [
        "Name: some-digits",
        "Version: 1",
        "Requires-Dist: pytest>=2",
        "Requires-Dist: no-such",
    ]
    lines += ["Requires-Dist: nor_this[all]>=1.0", 'Requires-Dist: nor-that; extra == "hub"', ""]
    place = tmp_path / "some_digits-1.dist-info/METADATA"
    place.parent.mkdir()
    place.write_text("\n".join(lines))
    monkeypatch.syspath_prepend(tmp_path)
    assert facts.find_missing("some_digits") == ("no-such", "nor_this")
    assert facts.find_missing("not_installed") == ()


def test_torch_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stand_in = TORCH.format(
        version="9.9", cuda="13.0", available=True, threads=4, capability=(9, 0)
    )
    (tmp_path / "torch.py").write_text(stand_in)
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(sys.modules, "torch")
    monkeypatch.syspath_prepend(tmp_path)
    facts.probe("torch", "package_that_nobody_has")
    found, missing = map(json.loads, capsys.readouterr().out.splitlines())
    said = Torch(**found["torch"])
    assert (said.version, said.cuda, said.threads) == ("9.9", "13.0", 4)
    assert missing["error"].startswith("ModuleNotFoundError: ")


def test_an_import_that_fails_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "torch.py").write_text("raise OSError('libcudart.so: cannot open')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(facts, "find_versions", lambda: {"torch": "2.9.1"})
    monkeypatch.setattr("sys.argv", ["doctor"])
    with pytest.raises(SystemExit) as ended:
        doctor.main()
    output = capsys.readouterr()
    findings = {finding["id"]: finding for finding in json.loads(output.out)["findings"]}
    assert ended.value.code == 3
    assert findings["torch-import"]["why"] == "OSError: libcudart.so: cannot open"
    assert "torch-import: torch 2.9.1 is installed and does not work\n  why: OSErr" in output.err
    assert output.err.endswith(" found\n")


def test_the_driver_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = {
        "nvidia-smi": "| Driver Version: 580.65.06    CUDA Version: 13.0 |",
        "nvidia-smi -L": "GPU 0: NVIDIA H200 (UUID: GPU-3b)\nGPU 1: NVIDIA A10 (UUID: GPU-4c)\n",
    }
    monkeypatch.setattr("shutil.which", lambda name: name)
    monkeypatch.setattr(facts, "run", lambda command, limit: ("", answers[" ".join(command)], ""))
    assert facts.ask_driver() == Driver("580.65.06", "13.0", ("NVIDIA H200", "NVIDIA A10"))
    monkeypatch.setattr(facts, "run", lambda command, limit: ("exit code 9", "", "no driver\n\n"))
    assert facts.ask_driver() == Driver(error="exit code 9; no driver")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("class Config:\n    num_workers: int | None = 4\n", 4),
        ("class Config:\n    num_workers: int | None = None\n", None),
        ("class Config:\n    num_workers: int = cores()\n", None),
        ("class Config:\n    num_workers: int\n    other = 1\n", None),
        ("class Config(\n", None),
    ],
)
def test_the_number_of_workers_is_read(tmp_path: Path, text: str, value: int | None) -> None:
    config = tmp_path / "config.py"
    config.write_text(text)
    assert facts.read_num_workers(config) == value
