"""Every fault of the table is caught by the tests of the project that it is put into."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from mutation.table import CASES, CELLS, Case

from ptscaffold.create import Request, create

LIMIT = 300  # seconds; a project's tests take a fraction of it

pytestmark = pytest.mark.mutation


def run_tests(project: Path, *selection: str) -> tuple[int, str]:
    """Run tests of a project, from its source, up to the first that fails.

    A run that hangs is an error, not a catch: nobody would learn from it what is wrong.
    """
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-rf", "-p", "no:cacheprovider"]
    process = subprocess.Popen(
        [*command, *selection],
        cwd=project,
        env={**os.environ, "PYTHONPATH": str(project / "src"), "OMP_NUM_THREADS": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        output, _ = process.communicate(timeout=LIMIT)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)  # with the processes of torchrun
        raise
    return process.returncode, output


@pytest.fixture(scope="session", params=CELLS)
def project(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project without a fault, whose tests pass."""
    domain, style = request.param.split("-")
    folder = tmp_path_factory.mktemp("whole") / request.param
    create(Request(name=request.param, domain=domain, style=style, into=folder))
    code, output = run_tests(folder)
    assert code == 0, output
    return folder


@pytest.mark.parametrize(
    ("project", "case"),
    [(case.cell, case) for case in CASES],
    ids=[f"{case.cell}-{case.name}" for case in CASES],
    indirect=["project"],
)
def test_a_fault_is_caught(
    project: Path, case: Case, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    record_property("fault", case.name)
    record_property("cell", case.cell)
    faulty = tmp_path / "faulty"
    # Without the bytecode of the whole one, which might pass for that of the faulty one
    shutil.copytree(project, faulty, ignore=shutil.ignore_patterns("__pycache__"))
    package = faulty / "src" / case.package
    sources = {path.name: path.read_text(encoding="utf-8") for path in package.glob("*.py")}
    for file, source in case.apply(sources).items():
        (package / file).write_text(source, encoding="utf-8")

    began = time.perf_counter()
    code, output = run_tests(faulty, f"tests/{case.test}")
    if code == 0:
        code, output = run_tests(faulty)
    record_property("seconds", time.perf_counter() - began)
    assert code != 0, "no test of the project fails"
    caught = re.search(r"^FAILED tests/(\S+)(?: - (.*))?$", output, re.MULTILINE)
    assert code == 1, output
    assert caught, output
    record_property("caught", caught[1])
    print(output)
