"""Every fault of the table is caught by the tests of the project that it is put into."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from mutation.runs import run_tests
from mutation.table import CASES, Case

from ptscaffold.project.new import Request, create

Made = tuple[Path, int, str]  # a project, and how its tests ended

pytestmark = pytest.mark.mutation


@pytest.fixture(scope="session")
def make(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Case], Made]:
    """Makes the project of a case without its fault, once, and runs its tests."""

    @cache
    def make_once(domain: str, style: str) -> Made:
        folder = tmp_path_factory.mktemp("whole") / f"{domain}-{style}"
        create(Request(name=folder.name, domain=domain, style=style, into=folder))
        return folder, *run_tests(folder)

    return lambda case: make_once(case.domain, case.style)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.cell}-{case.name}")
def test_a_fault_is_caught(
    case: Case,
    make: Callable[[Case], Made],
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    record_property("fault", case.name)
    record_property("cell", case.cell)
    project, code, output = make(case)
    assert code == 0, output
    faulty = tmp_path / "faulty"
    # Without the bytecode of the whole one, which might pass for that of the faulty one
    shutil.copytree(project, faulty, ignore=shutil.ignore_patterns("__pycache__"))
    package = faulty / "src" / case.package
    sources = {path.name: path.read_text(encoding="utf-8") for path in package.glob("*.py")}
    for file, source in case.apply(sources).items():
        (package / file).write_text(source, encoding="utf-8")

    began = time.perf_counter()
    code, output = run_tests(faulty)
    record_property("seconds", time.perf_counter() - began)
    assert code != 0, "no test of the project fails"
    caught = re.search(r"^FAILED tests/(\S+)(?: - (.*))?$", output, re.MULTILINE)
    assert code == 1, output
    assert caught, output
    record_property("caught", caught[1])
    print(output)
