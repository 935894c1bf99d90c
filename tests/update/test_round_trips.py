"""The real templates: from any style, domain or set of features to any other, and back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations, permutations
from pathlib import Path
from typing import Any

import pytest
from fitting import fitting

from ptscaffold.cli import app as cli
from ptscaffold.layers.catalogue import Catalogue
from ptscaffold.project.new import Request, create
from ptscaffold.project.update import Update, add, remove, update
from ptscaffold.render.renderer import Renderer

NAME = "digits"
PACKAGE = f"src/{NAME}"
MINE = '\n    "my-own>=1",'
LAST = '\n    "tyro>=1.0",'
CATALOGUE = Catalogue()
RENDERER = Renderer()
DOMAINS = sorted(CATALOGUE.names("domains"))
STYLES = sorted(CATALOGUE.names("styles"))
BY_DAY = ("lightning", "plain")  # of what takes a minute for all styles
FEATURES = sorted(CATALOGUE.names("features"))
# None, each alone, all together: the time of all subsets would grow fourfold with every feature
SUBSETS = [(), *((feature,) for feature in FEATURES), tuple(FEATURES)]

# Every file by its path, with its mode; folders, so that an empty one is seen, with neither.
Files = dict[str, tuple[bytes, int] | None]
Make = Callable[..., Path]


def read(project: Path) -> Files:
    return {
        path.relative_to(project).as_posix(): None
        if path.is_dir()
        else (path.read_bytes(), path.stat().st_mode)
        for path in project.rglob("*")
    }


@pytest.fixture(autouse=True)
def keep_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """One renderer for all updates here, which then reads and compiles every template once."""
    monkeypatch.setattr("ptscaffold.project.state.Renderer", lambda: RENDERER)


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Make a project, of the same name each time, and give its folder."""

    def make(domain: str, style: str, features: Sequence[str] = ()) -> Path:
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        create(
            Request(name=NAME, domain=domain, style=style, features=tuple(features), into=folder)
        )
        return folder

    return make


def edit(project: Path, path: str, old: str, new: str) -> None:
    """Change the one place of a file that reads `old`."""
    place = project / path
    text = place.read_text(encoding="utf-8")
    assert text.count(old) == 1, f"{path} has {old!r} {text.count(old)} times"
    place.write_text(text.replace(old, new), encoding="utf-8", newline="\n")


def append(project: Path, *paths: str) -> dict[str, bytes]:
    """Add a line of the user's to files, and give what they hold then."""
    for path in paths:
        with (project / path).open("a", encoding="utf-8", newline="\n") as stream:
            stream.write(f"\n# Mine: {path}\n")
    return {path: (project / path).read_bytes() for path in paths}


def kinds(done: Update) -> dict[str, str]:
    return {change.path: change.kind for change in done.changes}


def timed(*cell: str) -> Any:
    """Leave a domain and a style, or a style, to the night unless the style is of `BY_DAY`."""
    return pytest.param(*cell, marks=[pytest.mark.nightly] * (cell[-1] not in BY_DAY))


def test_there_is_something_to_switch() -> None:
    assert {"plain", "lightning", "fastai"} <= set(STYLES)
    assert {"docker", "ci", "slurm"} <= set(FEATURES)
    assert len(DOMAINS) >= 3


@pytest.mark.parametrize("domain", DOMAINS)
def test_every_style_becomes_every_other_and_comes_back(domain: str, make: Make) -> None:
    made = {style: read(make(domain, style)) for style in STYLES}
    for one, other in permutations(STYLES, 2):
        project = make(domain, one)
        there = update(project, sets=[f"style={other}"])
        assert read(project) == made[other], f"{one} to {other}"
        assert set(kinds(there).values()) <= {"added", "updated", "removed"}
        update(project, sets=[f"style={one}"])
        assert read(project) == made[one], f"{one} to {other} and back"


@pytest.mark.parametrize("style", list(map(timed, STYLES)))
def test_every_domain_becomes_every_other_and_comes_back(style: str, make: Make) -> None:
    made = {domain: read(make(domain, style)) for domain in DOMAINS}
    for one, other in combinations(DOMAINS, 2):
        project = make(one, style)
        update(project, sets=[f"domain={other}"])
        assert read(project) == made[other], f"{one} to {other}"
        update(project, sets=[f"domain={one}"])
        assert read(project) == made[one], f"{one} to {other} and back"


@pytest.mark.parametrize(("domain", "style"), list(map(timed, DOMAINS, STYLES)))
def test_every_set_of_features_becomes_every_other(domain: str, style: str, make: Make) -> None:
    """There and back for each two sets, so each of them in both directions."""
    there = fitting(CATALOGUE, domain, style)
    sets = dict.fromkeys(tuple(f for f in subset if f in there) for subset in SUBSETS)
    made = {subset: make(domain, style, subset) for subset in sets}
    trees = {subset: read(project) for subset, project in made.items()}
    for one, other in combinations(sets, 2):
        for goal in (other, one):
            update(made[one], sets=[f"features={','.join(goal)}"])
            assert read(made[one]) == trees[goal], f"{one}, {other}: to {goal}"


@pytest.mark.parametrize("style", list(map(timed, STYLES)))
@pytest.mark.parametrize("domain", DOMAINS)
def test_a_feature_comes_as_at_the_start_and_goes_without_a_trace(
    domain: str, style: str, make: Make
) -> None:
    project = make(domain, style)
    bare = read(project)
    for feature in fitting(CATALOGUE, domain, style):
        add(project, [feature])
        assert read(project) == read(make(domain, style, [feature])), feature
        remove(project, [feature])
        assert read(project) == bare, feature


def test_features_are_added_and_removed_in_any_order(make: Make) -> None:
    bare, full = read(make("text", "plain")), read(make("text", "plain", FEATURES))
    turns = [FEATURES[i:] + FEATURES[:i] for i in range(0, len(FEATURES), 4)]
    for order in (*turns, *(turn[::-1] for turn in turns)):
        project = make("text", "plain")
        for feature in order:
            add(project, [feature])
        assert read(project) == full, order
        for feature in order:
            remove(project, [feature])
        assert read(project) == bare, order


def test_all_answers_change_at_once(make: Make) -> None:
    project, goal = make("vision", "plain", ["ci"]), make("audio", "fastai", ["docker", "slurm"])
    update(project, sets=["domain=audio", "style=fastai", "features=docker,slurm"])
    assert read(project) == read(goal)


def test_another_name_moves_the_package(make: Make) -> None:
    project = make("text", "lightning")
    before = read(project)
    mine = append(project, f"{PACKAGE}/data.py")
    done = update(project, sets=["name=letters"])
    assert not (project / PACKAGE).exists()
    assert (project / "src/letters/data.py").read_bytes() == mine[f"{PACKAGE}/data.py"]
    assert not done.wants_you
    update(project, sets=[f"name={NAME}"])
    assert (project / f"{PACKAGE}/data.py").read_bytes() == mine[f"{PACKAGE}/data.py"]
    (project / f"{PACKAGE}/data.py").write_bytes(before[f"{PACKAGE}/data.py"][0])  # type: ignore[index]
    assert read(project) == before


@pytest.mark.parametrize("domain", DOMAINS)
def test_edits_survive_every_style(domain: str, make: Make) -> None:
    project = make(domain, "plain", ["ci"])
    mine = append(
        project,
        *(f"{PACKAGE}/{name}.py" for name in ("data", "model", "config", "task")),
        *(f"tests/{name}.py" for name in ("test_data", "conftest")),
        ".github/workflows/ci.yml",
    )
    (project / "notes.txt").write_text("mine\n")
    before = read(project)
    for style in ("lightning", "fastai", "plain"):
        done = update(project, sets=[f"style={style}"])
        assert not done.wants_you
        assert not mine.keys() & kinds(done).keys()
        assert {path: (project / path).read_bytes() for path in mine} == mine
        assert (project / "notes.txt").read_text() == "mine\n"
    assert read(project) == before


@pytest.mark.parametrize(("one", "other"), list(permutations(STYLES, 2)))
def test_an_edited_training_file_is_kept_beside_the_new_one(
    one: str, other: str, make: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    project, goal = make("vision", one), make("vision", other)
    train = f"{PACKAGE}/train.py"
    mine = append(project, train)[train]
    assert cli.run(["update", str(project), "--set", f"style={other}"]) == 3
    said = capsys.readouterr().err
    assert f"replaced; yours is kept as {train}.{one}" in said
    assert "Look at the files marked aside" in said
    kept = {f"{train}.{one}": (mine, (project / train).stat().st_mode)}
    assert read(project) == {**read(goal), **kept}
    # Back again there is nothing of the user's in train.py; what was kept stays
    assert cli.run(["update", str(project), "--set", f"style={one}"]) == 0
    assert read(project) == {**read(make("vision", one)), **kept}


def test_an_edited_file_that_one_style_has_alone_stays(make: Make) -> None:
    project = make("text", "lightning")
    module = f"{PACKAGE}/module.py"
    mine = append(project, module)[module]
    done = update(project, sets=["style=plain"])
    assert kinds(done)[module] == "kept"
    assert not done.wants_you
    assert (project / module).read_bytes() == mine
    done = update(project, sets=["style=lightning"])
    assert {c.path: c.why for c in done.changes if c.wants_you} == {
        module: f"the template brings it too: yours stays, the template's is {module}.new"
    }
    found, fresh = read(project), read(make("text", "lightning"))
    assert found.pop(f"{module}.new") == fresh.pop(module)
    assert found.pop(module) == (mine, (project / module).stat().st_mode)
    assert found == fresh


@pytest.mark.parametrize("domain", DOMAINS)
@pytest.mark.parametrize(("one", "other"), list(permutations(STYLES, 2)))
def test_pyproject_and_readme_are_merged(one: str, other: str, domain: str, make: Make) -> None:
    project = make(domain, one)
    edit(project, "pyproject.toml", 'version = "0.1.0"', 'version = "0.2.0"')
    edit(project, "pyproject.toml", LAST, f"{LAST}{MINE}")
    edit(project, "README.md", "## Your data\n", "## Your data\n\nOurs lies in the cellar.\n")
    done = update(project, sets=[f"style={other}"])
    assert not done.wants_you
    assert kinds(done) | {"README.md": "merged", "pyproject.toml": "merged"} == kinds(done)
    edit(project, "README.md", "\nOurs lies in the cellar.\n", "")
    edit(project, "pyproject.toml", 'version = "0.2.0"', 'version = "0.1.0"')
    edit(project, "pyproject.toml", MINE, "")
    assert read(project) == read(make(domain, other))


def test_a_dependency_where_the_style_has_its_own_is_a_marked_conflict(
    make: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    project = make("vision", "plain")
    edit(project, "pyproject.toml", "\ndependencies = [", f"\ndependencies = [{MINE}")
    before = read(project)
    assert cli.run(["update", str(project), "--set", "style=lightning"]) == 3
    assert "conflict  pyproject.toml" in capsys.readouterr().err
    text = (project / "pyproject.toml").read_text()
    mine, theirs = text.partition("<<<<<<< yours\n")[2].split(">>>>>>>")[0].split("=======\n")
    assert ("my-own" in mine, "lightning" in mine) == (True, False)
    assert ("my-own" in theirs, "lightning" in theirs) == (False, True)
    assert cli.run(["update", str(project), "--continue"]) == 3
    assert cli.run(["update", str(project), "--abort"]) == 0
    assert read(project) == before
    assert cli.run(["update", str(project), "--set", "style=lightning"]) == 3
    lines = text.splitlines(keepends=True)
    resolved = [line for line in lines if not line.startswith(("<<<<<<<", "=======", ">>>>>>>"))]
    (project / "pyproject.toml").write_text("".join(resolved), newline="\n")
    assert cli.run(["update", str(project), "--continue"]) == 0
    assert cli.run(["check", str(project)]) == 0
    edit(project, "pyproject.toml", MINE, "")
    assert read(project) == read(make("vision", "lightning"))


@pytest.mark.parametrize(("one", "other"), list(permutations(DOMAINS, 2)))
def test_another_domain_loses_nothing(one: str, other: str, make: Make) -> None:
    """What both domains have is kept beside the new one, what one has alone stays as it is."""
    project, goal = make(one, "plain"), read(make(other, "plain"))
    had = read(project)
    shared = append(project, f"{PACKAGE}/data.py", f"{PACKAGE}/train.py", "tests/test_data.py")
    own = append(project, *(path for path in had if path.endswith(".py") and path not in goal))
    done = update(project, sets=[f"domain={other}"])
    found = read(project)
    swapped = [f"{PACKAGE}/data.py", "tests/test_data.py"]
    assert {path for path, kind in kinds(done).items() if kind == "aside"} == set(swapped)
    assert {kinds(done)[path] for path in own} <= {"kept"}
    for path in swapped:
        assert found.pop(f"{path}.{one}") == (shared[path], had[path][1])  # type: ignore[index]
        assert found[path] == goal[path]
    train = f"{PACKAGE}/train.py"
    assert found.pop(train) == (shared[train], had[train][1])  # type: ignore[index]
    for path, data in own.items():
        assert found.pop(path) == (data, had[path][1])  # type: ignore[index]
    assert found == {path: goal[path] for path in goal if path != train}
