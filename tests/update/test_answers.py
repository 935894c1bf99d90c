"""Answers from release to release: renamed, asked anew, required; names that are taken since."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from update.trees import Lab, lab, put, read_tree, text

from ptscaffold.cli import app as cli
from ptscaffold.errors import UsageError
from ptscaffold.layers.history import History
from ptscaffold.project.record import RECORD, read_record
from ptscaffold.project.show import check
from ptscaffold.project.update import add, update

STYLE = 'label = "A"\nhelp = "style a"\n'
G = {"features/g/layer.toml": 'label = "G"\nhelp = "g"\n', "features/g/g.txt": "g\n"}


def asking(answers: str, renamed: str = "") -> dict[str, str]:
    """A style that asks for something, and shows it."""
    manifest = f"{STYLE}[answers]\n{answers}\n[renamed-answers]\n{renamed}\n"
    return {
        "styles/a/layer.toml": manifest,
        **{
            f"styles/a/{line.split(' ')[0]}.txt.jinja": "{{ " + line.split(" ")[0] + " }}\n"
            for line in answers.split("\n")
        },
    }


RENAMED: Mapping[str, tuple[str, str, dict[str, str]]] = {
    # what the next version asks for, what it calls otherwise, what a project then has
    "another name": ('tint = "grey"', 'color = "tint"', {"tint": "red"}),
    "a name that is used again": (
        'tint = "grey"\ncolor = "8 bits"',
        'color = "tint"',
        {"tint": "red", "color": "8 bits"},
    ),
    "two renames in a row": (
        'shade = "grey"',
        'color = "tint"\ntint = "shade"',
        {"shade": "red"},
    ),
}


@pytest.mark.parametrize("name", RENAMED)
def test_a_renamed_answer_arrives_once(tmp_path: Path, name: str) -> None:
    asks, renamed, expected = RENAMED[name]
    made = lab(tmp_path)
    put(made.history.root, {**asking('color = "blue"'), **G})
    made = Lab(History(made.history.root, "1.1"), made.project).make(color="red", features=())
    made = made.change("2.0", {"styles/a/color.txt.jinja": None, **asking(asks, renamed)})
    made.update()
    for act in (lambda: None, lambda: add(made.project, ["g"], history=made.history), made.update):
        act()
        answers = read_record(made.project).answers
        assert {key: answers[key] for key in expected} == expected
    made.update(*(f"{key}=mine" for key in expected))
    assert {read_record(made.project).answers[key] for key in expected} == {"mine"}


def needy(folder: Path) -> Lab:
    """A template whose next version requires a feature, and asks a question."""
    made = lab(folder)
    put(made.history.root, G)
    made = Lab(History(made.history.root, "1.1"), made.project).make(features=())
    manifest = f'{STYLE}requires = ["features/g"]\n[answers]\ncolor = "blue"\n'
    return made.change("2.0", {"styles/a/layer.toml": manifest})


def test_what_the_coming_version_requires_is_given_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made = needy(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("ptscaffold.project.update.History", lambda: made.history)
    assert cli.run(["update", "toy"]) == 2
    said = capsys.readouterr().err
    assert "styles/a requires features/g" in said
    assert "hint: give the answers for that version: ptscaffold update toy --to 2.0 --set" in said
    assert (
        cli.run(["update", "toy", "--to", "2.0", "--set", "features=g", "--set", "color=red"]) == 0
    )
    record = read_record(made.project)
    assert (record.template_version, record.answers["features"]) == ("2.0", ["g"])
    assert record.answers["color"] == "red"
    assert (made.project / "g.txt").is_file()
    assert check(made.project, history=made.history).problems == ()


@pytest.mark.parametrize("version", ["2.0", "3.0"])
def test_an_update_to_a_version(tmp_path: Path, version: str) -> None:
    made = lab(tmp_path).make()
    made = made.change("2.0", {"base/tail.txt": "2\n"}).change("3.0", {"base/tail.txt": "3\n"})
    done = update(made.project, history=made.history, to=version)
    assert done.new.version == version
    assert (made.project / "tail.txt").read_text() == f"{version[0]}\n"
    made.update()
    assert (made.project / "tail.txt").read_text() == "3\n"


def test_an_update_to_a_version_that_there_is_not(tmp_path: Path) -> None:
    made = lab(tmp_path).make().change("2.0", {"base/tail.txt": "2\n"})
    with pytest.raises(UsageError, match=r"unknown version '2.1' for --to \(1.0, 2.0\)"):
        update(made.project, history=made.history, to="2.1")


SKIPS: Mapping[str, tuple[str, dict[str, Any], dict[str, str]]] = {
    # the project's own edit of notes.txt, further arguments, what it has afterwards
    "what it changed does not come": ("", {}, {"tail.txt": "3\n", "notes.txt": text({2: "C\n"})}),
    "what is edited stays": ("mine\n", {}, {"notes.txt": text({2: "C\n"}) + "mine\n"}),
    "and nothing else comes": ("", {"to": "2.0"}, {"tail.txt": "first\nlast", "notes.txt": text()}),
    "with other answers": ("", {"sets": ["style=b"]}, {"src/toy/train.py": text({1: "style b\n"})}),
}


@pytest.mark.parametrize("name", SKIPS)
def test_a_release_that_is_left_out(tmp_path: Path, name: str) -> None:
    edit, more, expected = SKIPS[name]
    made = lab(tmp_path).make()
    made = made.change("2.0", {"base/new.txt": "2\n", "base/notes.txt": text({9: "B\n"})})
    made = made.change(
        "3.0", {"base/tail.txt": "3\n", "base/notes.txt": text({2: "C\n", 9: "B\n"})}
    )
    notes = made.project / "notes.txt"
    notes.write_text(notes.read_text() + edit)
    done = update(made.project, history=made.history, skip="2.0", **more)
    assert "template 2.0 is left out: what it has changed does not come" in done.notes
    assert {path: (made.project / path).read_text() for path in expected} == expected
    assert not (made.project / "new.txt").exists()
    assert read_record(made.project).template_version == more.get("to", "3.0")
    made.update()
    assert not (made.project / "new.txt").exists(), "it stays left out"
    assert (made.project / "tail.txt").read_text() == "3\n"
    assert check(made.project, history=made.history).problems == ()


def test_the_command_leaves_a_release_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made = lab(tmp_path).make().change("2.0", {"base/new.txt": "2\n"})
    monkeypatch.chdir(tmp_path)
    for module in ("update", "show"):
        monkeypatch.setattr(f"ptscaffold.project.{module}.History", lambda: made.history)
    assert cli.run(["check", "toy"]) == 3
    assert cli.run(["update", "toy", "--skip", "2.0", "--abort"]) == 2
    assert "go with no other flag of update" in capsys.readouterr().err
    assert cli.run(["update", "toy", "--skip", "2.0"]) == 0
    assert capsys.readouterr().err == (
        "toy: template 2.0\n"
        "  template 2.0 is left out: what it has changed does not come\n"
        "0 files, 13 more as they were\n"
    )
    assert cli.run(["check", "toy"]) == 0
    assert cli.run(["update", "toy"]) == 0
    assert capsys.readouterr().err.endswith("toy: template 2.0, nothing to do\n")


@pytest.mark.parametrize(
    ("skip", "message"),
    [
        ("3.0", "--skip leaves out the next release, which is 2.0 and not 3.0"),
        ("1.0", r"unknown coming release '1.0' for --skip \(2.0, 3.0\)"),
        ("4.0", r"unknown coming release '4.0' for --skip \(2.0, 3.0\)"),
    ],
)
def test_a_release_that_cannot_be_left_out(tmp_path: Path, skip: str, message: str) -> None:
    made = lab(tmp_path).make().change("2.0").change("3.0", {"base/tail.txt": "3\n"})
    before = read_tree(made.project)
    with pytest.raises(UsageError, match=message) as caught:
        update(made.project, history=made.history, skip=skip)
    assert skip != "3.0" or caught.value.hint.endswith("--to 2.0")
    assert read_tree(made.project) == before


def test_nothing_comes_that_could_be_left_out(tmp_path: Path) -> None:
    made = lab(tmp_path).make()
    with pytest.raises(UsageError, match="no release comes after"):
        update(made.project, history=made.history, skip="1.0")


DEFAULTS: Mapping[str, tuple[str, str, dict[str, str], str, str]] = {
    # what the next version asks for, its renames, what was given; the answer then, what is said
    "nobody chose it": ('color = "grey"', "", {}, "color", "grey"),
    "it was chosen": ('color = "grey"', "", {"color": "red"}, "color", "red"),
    "it has another name now": ('tint = "grey"', 'color = "tint"', {}, "tint", "grey"),
    "the default is as it was": ('color = "blue"', "", {}, "color", "blue"),
}


@pytest.mark.parametrize("name", DEFAULTS)
def test_a_default_that_nobody_chose_follows_the_new_one(tmp_path: Path, name: str) -> None:
    asks, renamed, given, key, expected = DEFAULTS[name]
    made = lab(tmp_path)
    put(made.history.root, asking('color = "blue"'))
    made = Lab(History(made.history.root, "1.1"), made.project).make(**given)
    made = made.change("2.0", {"styles/a/color.txt.jinja": None, **asking(asks, renamed)})
    said = f"{key} was never chosen and follows the new default, {expected!r}"
    assert (said in made.update().notes) is (expected == "grey")
    assert (made.project / f"{key}.txt").read_text() == f"{expected}\n"
    assert read_record(made.project).answers[key] == expected


def test_a_default_can_be_kept_when_the_new_one_comes(tmp_path: Path) -> None:
    made = lab(tmp_path)
    put(made.history.root, asking('color = "blue"'))
    made = Lab(History(made.history.root, "1.1"), made.project).make()
    made = made.change("2.0", asking('color = "grey"'))
    update(made.project, history=made.history, to="2.0", sets=["color=blue"])
    made = made.change("3.0", asking('color = "white"'))
    made.update()
    assert read_record(made.project).answers["color"] == "blue"


def test_a_name_that_is_taken_since_can_be_kept_and_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = lab(tmp_path).make().change("2.0", {"base/tail.txt": "2\n"})
    monkeypatch.setattr("sys.stdlib_module_names", frozenset({"toy"}))
    made.update()
    assert (made.project / "tail.txt").read_text() == "2\n"
    with pytest.raises(UsageError, match="'torch' cannot be a project name"):
        made.update("name=torch")
    made.update("name=robot")
    assert (made.project / "src/robot/config.py").is_file()
    with pytest.raises(UsageError, match="'toy' cannot be a project name"):
        made.update("name=toy")


@pytest.mark.parametrize("name", ["../toy", "a/b", "", "to y", "x" * 300])
def test_a_recorded_name_that_never_was_one_is_refused(tmp_path: Path, name: str) -> None:
    made = lab(tmp_path).make()
    place = made.project / RECORD
    place.write_text(place.read_text().replace('name = "toy"', f'name = "{name}"'))
    assert tomllib.loads(place.read_text())["answers"]["name"] == name
    with pytest.raises(Exception, match="cannot be a project name"):
        made.update()


def test_the_tests_of_one_s_own_that_import_the_old_name_are_named(tmp_path: Path) -> None:
    made = lab(tmp_path).make()
    own: dict[str, Any] = {
        "tests/test_mine.py": "from toy.config import X\n",
        "scripts/run.py": "import toy\n",
        "tests/test_other.py": "import toyota, os  # toys\n",
        ".venv/lib/site.py": "import toy\n",
    }
    put(made.project, own)
    notes = made.update("name=robot").notes
    assert [note for note in notes if "imports toy" in note] == [
        "scripts/run.py is yours and imports toy, which is called robot now",
        "tests/test_mine.py is yours and imports toy, which is called robot now",
    ]
