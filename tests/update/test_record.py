"""`.ptscaffold.toml` belongs to people too: what they wrote stays, and what is wrong is said."""

from __future__ import annotations

import codecs
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from update.trees import Lab, Text, commit, git, lab, put, read_tree, text

from ptscaffold import __version__
from ptscaffold.cli import app as cli
from ptscaffold.project.record import RECORD, read_record
from ptscaffold.project.state import record_anew
from ptscaffold.project.update import add, update

THEIRS = {"base/notes.txt": text({11: "theirs\n"}), "base/new.txt": "new\n"}
CONFLICT = {"base/notes.txt": text({5: "theirs\n"})}
SECOND = {
    "features/g/layer.toml": 'label = "G"\nhelp = "another feature"\n',
    "features/g/g.txt": "g\n",
    "base/listed.txt.jinja": "{{ features | join(' ') }}\n",
}


def edit(project: Path, change: Callable[[str], str]) -> None:
    place = project / RECORD
    place.write_bytes(change(place.read_bytes().decode()).encode())


def above(line: str) -> Callable[[str], str]:
    return lambda record: f"{line}\n{record}"


def behind(key: str, comment: str) -> Callable[[str], str]:
    """Put a comment behind the line that sets a key."""

    def change(record: str) -> str:
        (found,) = (line for line in record.split("\n") if line.startswith(f"{key} = "))
        return record.replace(found, f"{found}  {comment}")

    return change


@dataclass(frozen=True)
class Written:
    """What a person did to a record, and the lines of it that must be there after an update."""

    change: Callable[[str], str]
    kept: tuple[str, ...] = ()
    table: Mapping[str, object] = field(default_factory=dict)


WRITTEN = {
    "a comment above all": Written(above("# ask the platform team"), ("# ask the platform team",)),
    "a comment behind an answer": Written(
        behind("style", "# not b: see the wiki"), ('style = "a"  # not b: see the wiki',)
    ),
    "a comment behind the version": Written(
        behind("template-version", "# newest"), ('template-version = "2.0"  # newest',)
    ),
    "a comment above a file": Written(
        lambda record: record.replace('"logo.png"', '# ours\n"logo.png"'), ("# ours",)
    ),
    "a comment behind a file": Written(
        behind('"logo.png"', "# ours"),
    ),
    "a comment at the end": Written(lambda record: f"{record}# the end\n", ("# the end",)),
    "locked": Written(above('locked = ["Makefile"]'), (), {"locked": ["Makefile"]}),
    "locked over several lines": Written(
        above('locked = [\n  "Makefile",  # of CI\n]'), ("# of CI",), {"locked": ["Makefile"]}
    ),
    "a key of their own": Written(above('team = "red"'), ('team = "red"',), {"team": "red"}),
    "a table of their own": Written(
        lambda record: record.replace("[files]", "[renovate]\nskip = true\n\n[files]"),
        ("[renovate]",),
        {"renovate": {"skip": True}},
    ),
    "a byte order mark": Written(lambda record: f"\ufeff{record}"),
    "Windows' line endings": Written(lambda record: record.replace("\n", "\r\n")),
}


@pytest.mark.parametrize("name", WRITTEN)
def test_what_people_wrote_to_it_stays(tmp_path: Path, name: str) -> None:
    made, written = lab(tmp_path).make().change("2.0", THEIRS), WRITTEN[name]
    edit(made.project, written.change)
    before = (made.project / RECORD).read_bytes()
    made.update()
    after = (made.project / RECORD).read_bytes()
    assert after.startswith(codecs.BOM_UTF8) == before.startswith(codecs.BOM_UTF8)
    assert (b"\r\n" in after) == (b"\r\n" in before)
    if b"\r\n" in after:
        assert after.count(b"\r\n") == after.count(b"\n")
    said = after.decode("utf-8-sig").replace("\r\n", "\n")
    assert [line for line in written.kept if line not in said] == []
    for comment in (line.partition("#")[2] for line in before.decode().split("\n")):
        assert comment.strip() in said
    plain = lab(tmp_path / "plain").change("2.0", THEIRS).record()
    assert tomllib.loads(said) == {**tomllib.loads(plain.decode()), **written.table}
    again = made.update()
    assert (again.changes, (made.project / RECORD).read_bytes()) == ((), after)


def test_locked_that_was_written_while_an_update_waits_stays(tmp_path: Path) -> None:
    made = lab(tmp_path).make().change("2.0", CONFLICT)
    put(made.project, {"notes.txt": text({5: "mine\n"})})
    assert made.update().conflicts
    edit(made.project, above('# of CI\nlocked = ["run.sh"]'))
    put(made.project, {"notes.txt": text({5: "both\n"})})
    assert cli.run(["update", str(made.project), "--continue"]) == 0
    record = read_record(made.project)
    assert (record.template_version, record.locked) == ("2.0", ("run.sh",))
    assert "# of CI\n" in (made.project / RECORD).read_text()
    assert not list(made.project.glob(f"{RECORD}.*"))


NEWER = f"{int(__version__.split('.')[0]) + 1}.0.0"
WRONG = {
    "of a newer ptscaffold": (
        lambda record: record.replace(f'"{__version__}"', f'"{NEWER}"', 1),
        [f"was written by ptscaffold {NEWER}, and this is {__version__}"],
        f"uv tool install 'ptscaffold>={NEWER}'",
    ),
    "with markers of git": (
        lambda record: record.replace(
            'features = ["f"]',
            '<<<<<<< HEAD\nfeatures = ["f", "g"]\n=======\nfeatures = ["f", "h"]\n>>>>>>> other',
        ),
        ["git has left conflict markers in it"],
        "update toy --record takes the features of both sides",
    ),
    "cut off": (lambda record: record[: record.index("[files]")], ["files is missing"], "restore"),
}


def test_what_a_record_holds_is_no_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nobody copies a line from a hint that a stranger has written."""
    made = lab(tmp_path).make()
    place = made.project / RECORD
    plain = place.read_text()
    for version in (f"{NEWER}'; touch x #", f"{NEWER}\\u001b[2J"):
        place.write_text(plain.replace(f'"{__version__}"', f'"{version}"', 1))
        assert cli.run(["update", str(made.project)]) == 1
        hint = capsys.readouterr().err.partition("hint: ")[2]
        assert hint == f"uv tool install 'ptscaffold>={NEWER}', or by pip\n"
    named = '[packs.acme]\nsource = "../x\\u001b[2J"\nversion = "1"\n\n[files]'
    place.write_text(plain.replace("[files]", named))
    assert cli.run(["update", str(made.project)]) == 2
    assert cli.run(["show", str(made.project)]) == 0
    assert "\x1b" not in "".join(capsys.readouterr())


@pytest.mark.parametrize("name", WRONG)
@pytest.mark.parametrize("command", ["update", "diff", "check", "remove f"])
def test_what_is_wrong_with_it_is_said(
    tmp_path: Path,
    name: str,
    command: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    made = lab(tmp_path).make()
    change, problems, hint = WRONG[name]
    edit(made.project, change)
    before = read_tree(made.project)
    monkeypatch.chdir(tmp_path)
    words = command.split()
    code = cli.run([*words, *(["--project"] if len(words) > 1 else []), "toy"])
    said = capsys.readouterr().err
    finding = command == "check" and name == "of a newer ptscaffold"
    assert code == (3 if finding else 1)
    assert [problem for problem in problems if problem not in said] == []
    assert hint in (said if finding else said.partition("hint: ")[2])
    assert read_tree(made.project) == before


def two_branches(folder: Path) -> Lab:
    """A project of two branches that add a feature each, and git's merge of them."""
    made = lab(folder).change("2.0", {**SECOND, "features/h/layer.toml": 'label="H"\nhelp="h"\n'})
    put(made.history.root, {"features/h/h.txt": "h\n"})
    made = made.make(features=())
    commit(made.project)
    git(made.project, "branch", "other")
    for name, branch in (("g", "-"), ("h", "other")):
        if branch != "-":
            git(made.project, "switch", "--quiet", branch)
        add(made.project, [name], history=made.history)
        commit(made.project)
    return made


def merge(project: Path) -> None:
    command = ["-c", "user.name=a", "-c", "user.email=a@b", "merge", "--quiet", "-"]
    with pytest.raises(AssertionError):
        git(project, *command)


def test_two_branches_that_add_a_feature_each_are_recorded_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made = two_branches(tmp_path)
    merge(made.project)
    put(made.project, {"listed.txt": "g h\n"})
    monkeypatch.setattr("ptscaffold.project.state.History", lambda: made.history)
    before = read_tree(made.project)
    assert cli.run(["update", str(made.project), "--record"]) == 0
    assert "recorded anew, template 2.0, features g, h" in capsys.readouterr().err
    after = read_tree(made.project)
    assert before.keys() == after.keys()
    assert [path for path in after if after[path] != before[path]] == [RECORD]
    assert after[RECORD][0] == made.record(features=("g", "h"))
    commit(made.project)
    assert update(made.project, history=made.history).changes == ()


def test_a_merge_without_conflict_is_recorded_anew_too(tmp_path: Path) -> None:
    made = lab(tmp_path).change("2.0", SECOND).make()
    edit(made.project, lambda record: record.replace('features = ["f"]', 'features = ["f", "g"]'))
    put(made.project, {"g.txt": "g\n", "listed.txt": "f g\n"})
    with pytest.raises(Exception, match="does not give what") as caught:
        made.update()
    assert "ptscaffold update --record" in caught.value.hint  # type: ignore[attr-defined]
    record_anew(made.project, history=made.history)
    assert made.update().changes == ()
    assert read_record(made.project).answers["features"] == ["f", "g"]


DIFFER: Mapping[str, Text] = {"another style": 'style = "b"', "another name": 'name = "top"'}


@pytest.mark.parametrize("line", DIFFER.values(), ids=DIFFER)
def test_what_else_differs_is_for_a_person(tmp_path: Path, line: str) -> None:
    made = lab(tmp_path).make()
    key = line.split(" ")[0]
    edit(
        made.project,
        lambda record: record.replace(
            next(found for found in record.split("\n") if found.startswith(f"{key} = ")),
            f'<<<<<<< HEAD\n{line}\n=======\n{key} = "toy"\n>>>>>>> other',
        ),
    )
    with pytest.raises(Exception, match=f"differ in {key}: choose one by hand"):
        record_anew(made.project, history=made.history)
