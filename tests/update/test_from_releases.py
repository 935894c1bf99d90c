"""Projects of the releases follow to the templates of today: the real ones, in every cell."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

import pytest
from update.trees import Tree, commit, git, missing, put, read_tree, to_crlf, write_tree

from ptscaffold import __version__
from ptscaffold.cli import app as cli
from ptscaffold.cli import report
from ptscaffold.layers.catalogue import Catalogue
from ptscaffold.layers.history import History
from ptscaffold.project.conflicts import undo_update
from ptscaffold.project.journal import FOLDER
from ptscaffold.project.new import Request, create
from ptscaffold.project.record import RECORD, write_record
from ptscaffold.project.state import render
from ptscaffold.project.update import Update, update
from ptscaffold.render.given import Given
from ptscaffold.render.renderer import Renderer

NAME = "digits"
RENDERER = Renderer()
RELEASES = [version for version in History().releases() if version != __version__]
CELLS = list(product(("vision", "text", "audio"), ("plain", "lightning", "fastai")))
DIAGONAL = [("vision", "plain"), ("text", "lightning"), ("audio", "fastai")]
FEATURES = ("docker", "ci")


@pytest.fixture(autouse=True)
def keep_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """One renderer for all updates here, which then compiles every template once.

    Nothing here is about a disk that loses power, whose writes take the longest.
    """
    monkeypatch.setattr("ptscaffold.project.state.Renderer", lambda: RENDERER)
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


@pytest.fixture(scope="module", params=RELEASES)
def release(request: pytest.FixtureRequest) -> Iterator[tuple[str, Catalogue]]:
    """A release and its layers, unpacked once."""
    with History().catalogue(request.param) as catalogue:
        yield request.param, catalogue


def fitting(catalogue: Catalogue, style: str) -> tuple[str, ...]:
    """All features of a release that go with a style, then and today."""
    today = {feature.name: feature.conflicts for feature in Catalogue().choices("features")}
    return tuple(
        feature.name
        for feature in catalogue.choices("features")
        if f"styles/{style}" not in (*feature.conflicts, *today[feature.name])
    )


def made(
    release: tuple[str, Catalogue], domain: str, style: str, features: Sequence[str] = ()
) -> Tree:
    """A project as a release made it."""
    version, catalogue = release
    given = Given({"name": NAME, "domain": domain, "style": style, "features": tuple(features)})
    done = render(given, version, catalogue)
    tree = {path: (file.data, file.mode == 0o755) for path, file in done.tree.items()}
    tree[RECORD] = (write_record(done.answers, done.tree, version), False)
    return tree


def fresh(folder: Path, domain: str, style: str, features: Sequence[str] = ()) -> Tree:
    """A project that `ptscaffold new` makes today."""
    create(Request(name=NAME, domain=domain, style=style, features=tuple(features), into=folder))
    return read_tree(folder)


@pytest.mark.parametrize(("domain", "style"), CELLS)
def test_an_unedited_project_becomes_a_new_one(
    domain: str, style: str, release: tuple[str, Catalogue], tmp_path: Path
) -> None:
    for features in ((), fitting(release[1], style)):
        project = tmp_path / f"old{len(features)}"
        write_tree(project, made(release, domain, style, features))
        done = update(project)
        assert read_tree(project) == fresh(
            tmp_path / f"new{len(features)}", domain, style, features
        )
        assert not done.wants_you
        assert done.notes == ()
        assert {change.kind for change in done.changes} <= {"added", "updated", "removed"}


def test_a_feature_that_goes_with_the_style_no_more_is_left_out(tmp_path: Path) -> None:
    project = tmp_path / NAME
    with History().catalogue("0.2.0") as catalogue:
        tree = made(("0.2.0", catalogue), "vision", "fastai", ["multinode", "docker"])
    write_tree(project, tree)
    done = update(project)
    assert done.notes == ("feature multinode no longer goes with styles/fastai: it is left out",)
    assert read_tree(project) == fresh(tmp_path / "new", "vision", "fastai", ["docker"])


Do = Callable[[Path, Path], None]  # gets the project and its package


@dataclass(frozen=True)
class Edit:
    """What a user does to a project, and what an update says to it.

    `said` are patterns of the summary, in which PACKAGE is `src/digits`.
    """

    do: Do
    said: Sequence[str] = field(default=())


def replacing(path: str, pattern: str, by: str) -> Do:
    def do(project: Path, package: Path) -> None:
        place = project / path.replace("PACKAGE", package.relative_to(project).as_posix())
        changed, count = re.subn(
            pattern, by, place.read_text(encoding="utf-8"), count=1, flags=re.MULTILINE
        )
        assert count, f"{path} has no {pattern}"
        place.write_text(changed, encoding="utf-8", newline="\n")

    return do


def appending(path: str, lines: str) -> Do:
    return replacing(path, r"\Z", lines)


def writing(path: str, lines: str) -> Do:
    return lambda project, package: put(
        project, {path.replace("PACKAGE", package.relative_to(project).as_posix()): lines}
    )


def with_another_loss(project: Path, package: Path) -> None:
    pattern = r"F\.cross_entropy\(logits, labels|nn\.CrossEntropyLoss\("
    for name in ("train.py", "lit.py", "learner.py"):
        place = package / name
        if place.is_file() and re.search(pattern, place.read_text()):
            by = r"\g<0>, weight=None" if "logits, labels" in place.read_text() else r"\g<0>None"
            replacing(f"PACKAGE/{name}", pattern, by)(project, package)
            return
    raise AssertionError("no loss is found")


FUNCTION = '\n\ndef is_mine(name: str) -> bool:\n    return name.startswith("camera-")\n'

EDITS = {
    "a layer is wider": Edit(
        replacing("PACKAGE/model.py", r"^(STEM, WIDTHS = |DIM, DEPTH.* = )", r"\g<1>8 + "),
        ["aside +PACKAGE/model.py +the .* anew; yours is kept as PACKAGE/model.py.yours"],
    ),
    "a field of the settings": Edit(
        replacing("PACKAGE/config.py", r"^    # Machine\n", "    mine: float = 0.5\n\\g<0>"),
        ["aside +PACKAGE/config.py +the template has written it anew; yours"],
    ),
    "another loss": Edit(with_another_loss, [r"aside .*; yours is kept as PACKAGE/\w+.py.yours"]),
    "a function for the data": Edit(
        appending("PACKAGE/data.py", FUNCTION),
        ["aside +PACKAGE/data.py +the template has written it anew; yours"],
    ),
    "a function in a module that has another name": Edit(
        appending("PACKAGE/files.py", FUNCTION),
        ["aside +PACKAGE/files.py -> PACKAGE/table.py +renamed; the template has written it anew"],
    ),
    "a function in a module that is dropped": Edit(
        appending("PACKAGE/checkpoint.py", FUNCTION),
        [
            "kept +PACKAGE/checkpoint.py +the template dropped it, you changed it; now: train.py",
            "PACKAGE/checkpoint.py imports what is gone: .*flags.py",
        ],
    ),
    "an own module": Edit(
        writing(
            "PACKAGE/losses.py",
            "from .data import (\n    make_datasets,  # of the old one\n    Config,\n)\n"
            "from .files import DataError\nfrom . import flags\n",
        ),
        ["PACKAGE/losses.py imports what is gone: make_datasets of data.py, files.py, flags.py\n"],
    ),
    "an own module of a name that is new": Edit(
        writing("PACKAGE/task.py", "MINE = 1\n"),
        ["aside +PACKAGE/task.py +the .* too: yours stays, the .* PACKAGE/task.py.new"],
    ),
    "a dependency": Edit(
        replacing("pyproject.toml", r'^    "numpy', '    "my-own>=1",\n\\g<0>'),
        ["merged +pyproject.toml"],
    ),
    "a section": Edit(
        replacing("README.md", "^## Runs\n", "## Our cluster\n\nAsk Anna.\n\n\\g<0>"),
        ["(merged|conflict) +README.md"],
    ),
    "an own test": Edit(
        writing("tests/test_mine.py", f"from {NAME}.runtime import Runtime\n"),
        ["tests/test_mine.py imports what is gone: runtime.py\n"],
    ),
    "a test more": Edit(
        appending("tests/test_training.py", "\n\ndef test_mine() -> None:\n    assert True\n"),
        ["aside +tests/test_training.py +the template has written it anew; yours"],
    ),
    "a test less": Edit(
        lambda project, package: (project / "tests/test_predict.py").unlink(),
        ["kept +tests/test_predict.py +you deleted it, and so did the template\n"],
    ),
    "a module less": Edit(
        lambda project, package: (package / "sample.py").unlink(),
        [
            "kept +PACKAGE/sample.py +you deleted it\n",
            "PACKAGE/sample.py is needed by PACKAGE/data.py.*, but you deleted it: .*-R",
        ],
    ),
    "a module less that has another name": Edit(
        lambda project, package: (package / "preview.py").unlink(),
        ["kept +PACKAGE/preview.py +you deleted it, and so did the template\n"],
    ),
    "a folder that git leaves out": Edit(appending(".gitignore", "wandb/\n")),
    "lines end as on Windows": Edit(lambda project, package: to_crlf(project)),
}


def follow(project: Path) -> tuple[Update, str]:
    """Update a project in git, and give the summary."""
    commit(project)
    done = update(project)
    return done, report.updated(done) + "\n"


def tree_of(project: Path) -> Tree:
    """The files of a project, without what an update keeps of it while conflicts are open."""
    return {path: f for path, f in read_tree(project).items() if not path.startswith(FOLDER)}


def check_nothing_is_lost(project: Path, recorded: Tree, yours: Tree, done: Update) -> None:
    after = tree_of(project)
    assert missing(recorded, yours, after, done) == {}
    gone = {path for change in done.changes for path, to in change.writes.items() if to is None}
    assert yours.keys() - after.keys() <= gone
    for change in done.changes:
        for name in change.writes.keys() - {change.path, change.formerly}:
            assert name in change.why, "what stands beside is said"


@pytest.mark.parametrize("name", EDITS)
def test_an_edit_is_kept_and_said(
    name: str, release: tuple[str, Catalogue], tmp_path: Path
) -> None:
    edit = EDITS[name]
    domain, style = DIAGONAL[(list(EDITS).index(name) + RELEASES.index(release[0])) % 3]
    project, recorded = tmp_path / NAME, made(release, domain, style, FEATURES)
    write_tree(project, recorded)
    edit.do(project, project / "src" / NAME)
    yours = read_tree(project)
    done, said = follow(project)
    check_nothing_is_lost(project, recorded, yours, done)
    for pattern in edit.said:
        assert re.search(pattern.replace("PACKAGE", f"src/{NAME}"), said), said
    # What was not edited is as in a new project
    new = fresh(tmp_path / "new", domain, style, FEATURES)
    edited = {path for path in yours.keys() | recorded if yours.get(path) != recorded.get(path)}
    named = {name for c in done.changes if edited & {c.path, c.formerly} for name in c.writes}
    after = tree_of(project)
    for path in new.keys() | after.keys():
        if path not in edited | named | {RECORD}:
            assert after.get(path) == new.get(path), path


@pytest.mark.parametrize(("domain", "style"), CELLS)
def test_all_edits_at_once(
    domain: str, style: str, release: tuple[str, Catalogue], tmp_path: Path
) -> None:
    features = fitting(release[1], style)
    project, recorded = tmp_path / NAME, made(release, domain, style, features)
    write_tree(project, recorded)
    for edit in EDITS.values():
        edit.do(project, project / "src" / NAME)
    yours = read_tree(project)
    done, said = follow(project)
    assert done.wants_you
    check_nothing_is_lost(project, recorded, yours, done)
    order = re.findall(
        r"^  (updated|added|removed|merged|kept|aside|conflict) ", said, re.MULTILINE
    )
    ranks = ["updated", "added", "removed", "merged", "kept", "aside", "conflict"]
    assert order == sorted(order, key=ranks.index), "what to look at comes last"
    if done.conflicts:
        undo_update(project)
        assert read_tree(project) == yours


def test_a_project_has_another_name_before_it_follows(
    release: tuple[str, Catalogue], tmp_path: Path
) -> None:
    project = tmp_path / NAME
    write_tree(project, made(release, "text", "plain"))
    EDITS["a function for the data"].do(project, project / "src" / NAME)
    update(project, sets=["name=letters"])
    assert FUNCTION in (project / "src/letters/data.py").read_text()
    done = update(project)
    assert FUNCTION in (project / "src/letters/data.py.yours").read_text()
    assert [change.path for change in done.changes if change.wants_you] == ["src/letters/data.py"]
    assert not (project / "src" / NAME).exists()


def test_a_deleted_module_comes_back_by_the_command_that_is_said(
    release: tuple[str, Catalogue], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = tmp_path / NAME
    write_tree(project, made(release, "vision", "plain"))
    (project / f"src/{NAME}/sample.py").unlink()
    monkeypatch.chdir(project)
    done, _ = follow(Path())
    (note,) = done.notes
    diff, apply = note.partition("deleted it: ")[2].split(" | ")
    patch = subprocess.run(
        [sys.executable, "-m", *diff.split()], capture_output=True, check=True
    ).stdout
    git(project, *apply.split()[1:], given=patch)
    assert read_tree(project) == fresh(tmp_path / "new", "vision", "plain")


def test_a_user_goes_through_it(
    release: tuple[str, Catalogue], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The commands, their exit codes and what they say, from the edit to a project that follows."""
    project = tmp_path / NAME
    write_tree(project, made(release, "vision", "plain"))
    for name in ("another loss", "a function for the data"):
        EDITS[name].do(project, project / "src" / NAME)
    replacing("README.md", r"\A# .*", "# Our digits")(project, project)
    replacing("pyproject.toml", r"^requires-python = .*", 'requires-python = ">=3.12"')(
        project, project
    )
    commit(project)
    yours = read_tree(project)
    assert cli.run(["update", str(project)]) == 3
    said = capsys.readouterr().err
    assert "conflict  pyproject.toml" in said
    assert "Look at the files marked aside" in said
    assert "update --continue" in said.replace(str(project), "").replace("  ", " ")
    assert cli.run(["update", str(project), "--abort"]) == 0
    assert read_tree(project) == yours
    assert cli.run(["update", str(project)]) == 3
    assert cli.run(["update", str(project), "--continue"]) == 3
    place = project / "pyproject.toml"
    mine = re.sub(r"<{7}.*\n(.*\n)={7}\n.*\n>{7}.*\n", r"\1", place.read_text())
    place.write_text(mine)
    assert cli.run(["update", str(project), "--continue"]) == 0
    assert cli.run(["check", str(project)]) == 0
    capsys.readouterr()
    assert cli.run(["diff", str(project), "--stat"]) == 0
    assert capsys.readouterr().out.split("\n")[:2] == [
        "README.md       +1 -1",
        "pyproject.toml  +1 -1",
    ]


def old_run(project: Path) -> None:
    """The folder of a run of 0.2.0, as far as a command can tell it from one of today."""
    import torch

    folder = project / "runs/2026-01-01_00-00-00"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    for name in ("best.pt", "last.pt"):
        torch.save({"task": "image classification", "model": {}, "epoch": 1}, folder / name)


def python(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(project / "src"), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", *arguments]
    return subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True)


@pytest.mark.nightly
@pytest.mark.parametrize(("domain", "style"), DIAGONAL)
def test_an_edited_project_trains_afterwards(
    domain: str, style: str, release: tuple[str, Catalogue], tmp_path: Path
) -> None:
    """But for a deleted module and one that has the name of a new one, which the summary names."""
    project = tmp_path / NAME
    write_tree(project, made(release, domain, style))
    for name, edit in EDITS.items():
        if name not in ("an own module of a name that is new", "a module less"):
            edit.do(project, project / "src" / NAME)
    follow(project)
    old_run(project)
    done = python(project, f"{NAME}.train", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert python(project, f"{NAME}.evaluate").returncode == 0


@pytest.mark.nightly
@pytest.mark.parametrize("command", ["evaluate", "predict x.png", "train --resume auto"])
@pytest.mark.parametrize(("domain", "style"), DIAGONAL)
def test_runs_of_a_release_are_refused_in_one_line(
    domain: str, style: str, command: str, tmp_path: Path
) -> None:
    project = tmp_path / NAME
    fresh(project, domain, style)
    old_run(project)
    done = python(project, *f"{NAME}.{command}".split())
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "train" in done.stderr.splitlines()[-1]
