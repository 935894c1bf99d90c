"""Presets: a team's answers, packs and fixed values."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from packs.conftest import Run, files, put

TEAM = """\
packs = ["../acme"]
[answers]
domain = "toy"
features = ["extra"]
description = "of the team"
[locked.style]
value = "plain"
reason = "we look after plain"
[locked.features]
value = ["wandb"]
reason = "we log there"
"""


@pytest.fixture
def team(tmp_path: Path, acme: Path) -> Path:
    return put(tmp_path / "presets", {"team.toml": TEAM}) / "team.toml"


def description(project: Path) -> str:
    return (project / "README.md").read_text().splitlines()[2].partition(" by ")[0]


def test_a_preset_is_announced_and_answers(run: Run, team: Path, work: Path) -> None:
    ran = run("new", "net", "--preset", "../presets/team.toml")
    assert ran.code == 0
    assert ran.err.startswith(
        "Preset team (../presets/team.toml)\n"
        "  packs: ../acme\n"
        "  domain: toy\n"
        "  features: extra\n"
        "  description: of the team\n"
        "  style: plain, fixed: we look after plain\n"
        "  features: wandb, fixed: we log there\n"
        "Created net/ ("
    )
    assert description(work / "net") == "of the team"
    assert {"wandb.txt", "plain.txt", ".github/ci.yml"} <= set(files(work / "net"))


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--set", "description=mine"), "mine"),
        (("--answers", "answers.toml"), "from the file"),
        (("--answers", "answers.toml", "--set", "description=mine"), "mine"),
        ((), "of the team"),
    ],
)
def test_what_is_given_goes_before_the_preset(
    arguments: tuple[str, ...], expected: str, run: Run, team: Path, work: Path
) -> None:
    put(work, {"answers.toml": 'description = "from the file"\n'})
    assert run("new", "net", "--preset", str(team), *arguments).code == 0
    assert description(work / "net") == expected


def test_features_that_are_given_replace_those_of_the_preset(
    run: Run, team: Path, work: Path
) -> None:
    ran = run("new", "net", "--preset", str(team), "--set", "features=")
    assert ran.code == 0
    assert "wandb.txt" in files(work / "net"), "a fixed one is there all the same"
    assert ".github/ci.yml" not in files(work / "net")


@pytest.mark.parametrize("give", [("--style", "fabric"), ("--set", "style=fabric")])
def test_a_fixed_value_cannot_be_changed(
    give: tuple[str, ...], run: Run, team: Path, work: Path
) -> None:
    ran = run("new", "net", "--preset", str(team), *give)
    assert ran.code == 2
    assert ran.err.startswith(
        "error: style is fixed to 'plain' by the preset team (we look after plain),"
        " and cannot be 'fabric'\n"
    )
    assert list(work.iterdir()) == []
    assert run("new", "net", "--preset", str(team), "--style", "plain").code == 0


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (
            ("update", "net", "--set", "style=fabric"),
            "style is fixed to 'plain' by the preset team (we look after plain), and cannot be",
        ),
        (
            ("remove", "wandb", "--project", "net"),
            "features is fixed to wandb by the preset team (we log there), and cannot be",
        ),
        (
            ("update", "net", "--set", "features=extra"),
            "features is fixed to wandb by the preset team (we log there), and cannot be",
        ),
        (("update", "net", "--set", "description=mine"), ""),
        (("remove", "extra", "--project", "net"), ""),
        (("add", "other", "--project", "net"), ""),
    ],
)
def test_what_a_preset_fixes_binds_later_changes(
    command: tuple[str, ...], said: str, run: Run, team: Path, work: Path, tmp_path: Path
) -> None:
    put(tmp_path / "acme/features/other", {"layer.toml": 'label = "O"\nhelp = "o"\n', "o.txt": "o"})
    assert run("new", "net", "--preset", str(team)).code == 0
    before = files(work / "net")
    ran = run(*command)
    assert ran.code == (2 if said else 0)
    assert said in ran.err
    assert (files(work / "net") == before) is (bool(said) or "description=mine" in command)
    assert "fixed: style by the preset team: we look after plain, " in run("show", "net").out
    # It stands in a file of the project's, so a team can lift it there.
    record = work / "net/.ptscaffold.toml"
    text = record.read_text()
    assert text.index("[preset]") < text.index("[files]")
    record.write_text(text[: text.index("[preset]")] + text[text.index("[files]") :])
    assert run(*command).code in (0, 2)
    assert "is fixed" not in run(*command).err


@pytest.mark.parametrize("both", [False, True])
def test_a_lock_is_lifted_where_the_hint_says(both: bool, run: Run, team: Path, work: Path) -> None:
    assert run("new", "net", "--preset", str(team)).code == 0
    change = ("update", "net", "--set", "style=fabric")
    ran = run(*change)
    assert "a lock is lifted in .ptscaffold.toml: [preset.locked.NAME]\n" in ran.err
    record = work / "net/.ptscaffold.toml"
    for name in ("style", "features")[: 1 + both]:
        record.write_text(re.sub(rf"\[preset\.locked\.{name}\]\n.*\n.*\n", "", record.read_text()))
    assert run(*change).code == 0
    assert run("remove", "wandb", "--project", "net").code == (0 if both else 2)
    assert run("check", "net").code == 0


@pytest.mark.parametrize(
    "wrong",
    [
        "[preset.locked.style]\nvalue = 'plain'\nreason = 'r'\n",
        "[preset]\nname = 'team'\n[preset.locked.style]\nvalue = 1\nreason = 'r'\n",
        "[preset]\nname = 'team'\n[preset.locked.style]\nvalue = 'plain'\n",
        "[preset]\nname = 'team'\n[preset.locked.'a b']\nvalue = 'plain'\nreason = 'r'\n",
        "[preset]\nname = 'team'\nlocked = 'style'\n",
    ],
)
def test_a_record_whose_preset_is_broken_is_met_with_one_line(
    wrong: str, run: Run, work: Path
) -> None:
    assert run("new", "net", "--domain", "toy", "--style", "plain").code == 0
    record = work / "net/.ptscaffold.toml"
    record.write_text(f"{record.read_text()}{wrong}")
    ran = run("update", "net", "--set", "style=plain")
    assert ran.code == 1
    assert ran.err.startswith("error: cannot read net/.ptscaffold.toml: ")


def test_a_preset_from_the_environment(
    run: Run, team: Path, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PTSCAFFOLD_PRESET", str(team))
    assert run("new", "one").err.startswith("Preset team (")
    ran = run("new", "two", "--domain", "toy", "--style", "plain", "--no-preset")
    assert "Preset" not in ran.err
    assert "wandb.txt" not in files(work / "two")
    monkeypatch.setenv("PTSCAFFOLD_PRESET", "")
    assert "Preset" not in run("new", "three", "--domain", "toy", "--style", "plain").err


def test_a_preset_by_name(run: Run, acme: Path, team: Path, work: Path, tmp_path: Path) -> None:
    choice = ("--domain", "toy", "--style", "plain")
    assert run("new", "one", *choice, "--pack", "../acme", "--preset", "team").code == 0
    assert "wandb.txt" in files(work / "one")
    put(tmp_path / "config/ptscaffold/presets", {"mine.toml": '[answers]\nowner = "me"\n'})
    assert "\n  mine  " in run("list").out
    assert run("new", "two", *choice, "--preset", "mine").code == 0
    assert "by me" in (work / "two/README.md").read_text()
    ran = run("new", "three", *choice, "--preset", "mein")
    assert ran.code == 2
    assert ran.err.startswith("error: unknown preset 'mein' (mine). Did you mean 'mine'?\nhint: ")


def test_a_given_pack_takes_the_place_of_the_presets(
    run: Run, team: Path, acme: Path, work: Path, tmp_path: Path
) -> None:
    changed = put(tmp_path / "changed", {})
    for path in files(acme):
        put(changed, {path: (acme / path).read_text()})
    put(changed, {"features/wandb/wandb.txt": "changed\n"})
    assert run("new", "net", "--preset", str(team), "--pack", str(changed)).code == 0
    assert (work / "net/wandb.txt").read_text() == "changed\n"


def test_the_preset_is_in_the_command_to_make_it_again(run: Run, team: Path, work: Path) -> None:
    ran = run("new", "net", "--preset", str(team))
    again = next(line for line in ran.err.splitlines() if line.startswith("Again:"))
    assert f"--preset {team}" in again
    assert "--pack" not in again


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("packs = 1", "'packs' must be a list of strings"),
        ("answers = 1", "'answers' must be a table"),
        ("locked = 1", "'locked' must be a table"),
        ("[locked]\nstyle = 'plain'", "'locked.style' must be a table of value and reason"),
        ("[locked.style]\nvalue = 'plain'", "'locked.style' must be a table of value and reason"),
        ("pack = []", "unknown key 'pack' (answers, locked, packs). Did you mean 'packs'?"),
        ("x = ", "team.toml: "),
        ("[answers]\ncolor = 'red'", "unknown answer 'color' in "),
        ("[answers]\nfeatures = 'wandb'", "features must be a list of names"),
        ("[locked.features]\nvalue = 1\nreason = 'r'", "features must be a list of names"),
    ],
)
def test_a_broken_preset_changes_nothing(
    text: str, message: str, run: Run, team: Path, work: Path
) -> None:
    team.write_text(text)
    ran = run("new", "net", "--domain", "toy", "--style", "plain", "--preset", str(team))
    assert ran.code in (1, 2)
    assert message in ran.err
    assert list(work.iterdir()) == []


def test_a_folder_of_a_preset_counts_from_the_preset_alone(
    run: Run, tmp_path: Path, acme: Path, work: Path
) -> None:
    """A folder of the same name where somebody works, as in a stranger's repository, is another."""
    put(tmp_path / "presets", {"team.toml": 'packs = ["./pack"]\n'})
    acme.rename(work / "pack")
    ran = run(
        "new", "net", "--domain", "toy", "--style", "plain", "--preset", "../presets/team.toml"
    )
    assert ran.code == 2
    assert "there is no pack at ../presets/pack: no such folder" in ran.err
    assert files(work / "net") == []
