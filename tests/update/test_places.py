"""Files that change their place: to folders and back, to names that are used again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from update.trees import Lab, files_of, lab, put, read_tree, text

from ptscaffold.layers.history import History
from ptscaffold.project.conflicts import undo_update
from ptscaffold.project.record import RECORD

BASE = 'label = "Base"\nhelp = "what all have"\n'
A, B, NEW = text({1: "a\n"}), text({1: "b\n"}), text({1: "a\n", 9: "theirs\n"})


@dataclass(frozen=True)
class Moved:
    """Files of two versions, the renames that the second declares, and whose edits arrive where."""

    old: Mapping[str, str]
    new: Mapping[str, str]
    renames: Mapping[str, str]
    edits: Mapping[str, str] = field(default_factory=dict)


MOVED = {
    "a file into a folder of its name": Moved(
        {"conf": A}, {"conf/main": NEW}, {"conf": "conf/main"}, {"conf": "conf/main"}
    ),
    "and back": Moved(
        {"conf/main": A}, {"conf": NEW}, {"conf/main": "conf"}, {"conf/main": "conf"}
    ),
    "deeper": Moved(
        {"conf": A, "other": B},
        {"conf/a/b": NEW, "conf/other": B},
        {"conf": "conf/a/b", "other": "conf/other"},
        {"conf": "conf/a/b", "other": "conf/other"},
    ),
    "the old name is used again": Moved(
        {"a": A}, {"a": "another\n", "b": NEW}, {"a": "b"}, {"a": "b"}
    ),
    "one takes the name of another": Moved(
        {"a": A, "b": B}, {"b": NEW, "c": B}, {"a": "b", "b": "c"}, {"a": "b", "b": "c"}
    ),
    "one takes the name of one that is dropped": Moved({"a": A, "b": B}, {"b": NEW}, {"a": "b"}),
    "two change their names": Moved({"a": A, "b": B}, {"a": B, "b": A}, {"a": "b", "b": "a"}),
}


def moved(folder: Path, case: Moved) -> Lab:
    made = lab(folder)
    root = made.history.root
    put(root, {f"base/{path}": content for path, content in case.old.items()})
    made = Lab(History(root, "1.1"), made.project).make()
    made.history.add()
    for path in case.old:
        (root / "base" / path).unlink()
        if "/" in path:
            (root / "base" / path).parent.rmdir()
    put(root, {f"base/{path}": content for path, content in case.new.items()})
    table = "".join(f'"{path}" = "{to}"\n' for path, to in case.renames.items())
    put(root, {"base/layer.toml": f"{BASE}[renames]\n{table}"})
    return Lab(History(root, "2.0"), made.project)


@pytest.mark.parametrize("name", MOVED)
def test_an_untouched_project_becomes_that_of_the_new_version(tmp_path: Path, name: str) -> None:
    made = moved(tmp_path, MOVED[name])
    assert not made.update().wants_you
    assert read_tree(made.project) == files_of(made.history)
    assert made.update().changes == ()


@pytest.mark.parametrize("name", MOVED)
def test_edits_are_carried_along(tmp_path: Path, name: str) -> None:
    case = MOVED[name]
    made = moved(tmp_path, case)
    for path in case.edits:
        put(made.project, {path: (made.project / path).read_text() + f"mine of {path}\n"})
    before = read_tree(made.project)
    assert not made.update().wants_you
    for path, content in files_of(made.history).items():
        was = [old for old, to in case.edits.items() if to == path]
        mine = "".join(f"mine of {old}\n" for old in was).encode()
        if path != RECORD:
            assert read_tree(made.project)[path][0] == content[0] + mine, path
    assert read_tree(made.project).keys() == files_of(made.history).keys()
    assert before.keys() != ()


@pytest.mark.parametrize("name", [name for name in MOVED if MOVED[name].edits])
def test_abort_brings_everything_back(tmp_path: Path, name: str) -> None:
    case = MOVED[name]
    made = moved(tmp_path, case)
    put(made.project, {path: text({9: "mine\n"}) for path in case.edits})
    before = read_tree(made.project)
    if made.update().conflicts:
        undo_update(made.project)
        assert read_tree(made.project) == before


def test_what_stands_in_the_way_stays(tmp_path: Path) -> None:
    made = moved(tmp_path, MOVED["and back"])
    put(made.project, {"conf/mine": "mine\n"})
    assert made.update().wants_you
    assert (made.project / "conf/mine").read_text() == "mine\n"
    assert (made.project / "conf/main").read_text() == A
    assert (made.project / "conf.new").read_text() == NEW
