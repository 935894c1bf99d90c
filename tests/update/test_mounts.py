"""Folders of a project that really are other disks, where the system lets the tests mount some."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from update.test_interrupted import TEMPLATE
from update.trees import Lab, Tree, files_of, lab, put, read_tree, text

from ptscaffold.layers.catalogue import Catalogue
from ptscaffold.project.conflicts import undo_update
from ptscaffold.project.new import Request, create
from ptscaffold.project.record import RECORD
from ptscaffold.project.show import check

MOUNTED = ("src", "old", "far")  # in which an update changes, drops and brings something


def mount(*words: str) -> bool:
    command = ["mount", *words] if shutil.which("mount") else ["false"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.fixture(params=["tmpfs", "bind"])
def made(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Lab]:
    """A project with a change that is its own, in folders of other disks, and a new version."""
    made = lab(tmp_path).make()
    put(made.project, {"src/toy/data.py": text({2: "mine\n"})})
    mounted = []
    try:
        for name in MOUNTED:
            place, other = made.project / name, tmp_path / f"disk-{name}"
            place.mkdir(exist_ok=True)
            shutil.copytree(place, other)
            kind = ["-t", "tmpfs", "tmpfs"] if request.param == "tmpfs" else ["--bind", str(other)]
            if not mount(*kind, str(place)):
                pytest.skip("nothing can be mounted here")
            mounted.append(place)
            if request.param == "tmpfs":
                shutil.copytree(other, place, dirs_exist_ok=True)
        more = {"domains/x/src/__package__/data.py": text({11: "theirs\n"})}
        yield made.change("2.0", {**TEMPLATE, **more})
    finally:
        for place in mounted:
            subprocess.run(["umount", str(place)], check=True)


def files(project: Path) -> Tree:
    return {path: file for path, file in read_tree(project).items() if not path.endswith("/")}


def test_an_update_goes_across_disks(made: Lab) -> None:
    assert not made.update().wants_you
    after = files(made.project)
    assert after["src/toy/data.py"][0].decode() == text({2: "mine\n", 11: "theirs\n"})
    own = {"src/toy/data.py": after["src/toy/data.py"]}
    assert after == files_of(made.history) | own
    assert check(made.project, history=made.history).problems == ()


def test_it_is_taken_back_across_disks(made: Lab) -> None:
    put(made.project, {"src/toy/data.py": text({11: "mine\n"})})
    before = files(made.project)
    assert made.update().conflicts == ("src/toy/data.py",)
    undo_update(made.project)
    assert files(made.project) == before


def test_a_folder_with_other_disks_is_adopted(made: Lab) -> None:
    (made.project / RECORD).unlink()
    request = Request(domain="x", style="a", sets=("name=toy",), into=made.project)
    create(request, catalogue=Catalogue(made.history.root))
    assert (made.project / RECORD).exists()
    assert (made.project / "far/away/tail.txt").exists()
