"""`ptscaffold doctor`: whether the machine and an environment are set up to train.

`checkup` looks at that: modules that run in the Python that trains, whose libraries they try.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ptscaffold.errors import InterpreterError, UsageError, in_project, shell_command
from ptscaffold.trial.children import Children

LIMIT: Final = 300.0  # seconds; the module itself waits less long for what it starts
HEALTHY, SICK = 0, 3

_CHECKUP: Final = Path(__file__).with_name("checkup")
_COMPILED: Final = shutil.ignore_patterns("__pycache__")


@dataclass(frozen=True)
class Patient:
    """A folder and the Python that is looked at; `own` when that is an environment for projects."""

    folder: Path
    python: Path
    own: bool


@dataclass(frozen=True)
class Diagnosis:
    """What was found: `facts` and `findings` as data, `text` as the same for a person."""

    patient: Patient
    text: str
    facts: dict[str, Any]
    findings: list[dict[str, str]]

    def as_dict(self) -> dict[str, Any]:
        return {
            "folder": str(self.patient.folder),
            "python": str(self.patient.python),
            "environment": self.patient.own,
            "facts": self.facts,
            "findings": self.findings,
        }


def find_python(folder: Path) -> Patient:
    """The Python that trains in a folder: where uv has put it, else the active one, or ours."""
    if not folder.is_dir():
        raise UsageError(f"{folder} is no folder", hint="name the folder of a project, or none")
    place = os.environ.get("UV_PROJECT_ENVIRONMENT") or ".venv"
    folders = (folder, *filter(_is_workspace, folder.resolve().parents))
    environment = next((p / place for p in folders if os.path.lexists(p / place)), None)
    if environment is None:
        environment = Path(os.environ.get("VIRTUAL_ENV") or sys.prefix)
        if environment.resolve() == Path(sys.prefix).resolve():
            return Patient(folder, Path(sys.executable), own=False)
    scripts = ("Scripts", "python.exe") if sys.platform == "win32" else ("bin", "python")
    return Patient(folder, environment.absolute().joinpath(*scripts), own=True)


def _is_workspace(folder: Path) -> bool:
    """Whether uv has one environment there for the projects below it."""
    with suppress(OSError):
        return b"[tool.uv.workspace]" in (folder / "pyproject.toml").read_bytes()
    return False


def diagnose(patient: Patient) -> Diagnosis:
    """Run the module in that Python; InterpreterError when it does not run to its end there."""
    if not patient.python.exists():
        raise _broken(patient, "there is no such file")
    options = [] if patient.own else ["--torch-optional"]
    command = shell_command([str(patient.python), "-m", "checkup.doctor", *options])
    with tempfile.TemporaryDirectory() as scratch:
        # A copy, since what stands beside the modules would hide modules of the project's Python
        shutil.copytree(_CHECKUP, Path(scratch, "checkup"), ignore=_COMPILED)
        paths = os.pathsep.join(filter(None, [scratch, os.environ.get("PYTHONPATH", "")]))
        environment = {**os.environ, "PYTHONPATH": paths}
        log = Path(scratch, "doctor.log")
        done = Children(limit=LIMIT).run(command, patient.folder, environment, log)
    if done.code is None:
        raise _broken(patient, f"no answer in {LIMIT:.0f} s")
    if done.code not in (HEALTHY, SICK):
        said = done.stderr.strip().splitlines()[-1:]
        raise _broken(patient, "; ".join([f"exit code {done.code}", *said]))
    try:
        found = json.loads(done.stdout)
        return Diagnosis(patient, done.stderr.rstrip(), found["facts"], found["findings"])
    except (ValueError, KeyError, TypeError) as error:
        raise _broken(patient, f"it printed {done.stdout[:200]!r}") from error


def _broken(patient: Patient, reason: str) -> InterpreterError:
    again = in_project(patient.folder, "doctor")
    return InterpreterError(
        f"{patient.python} does not run: {reason}",
        hint=f"remove the environment and make it again, by uv sync for example; then {again}",
    )
