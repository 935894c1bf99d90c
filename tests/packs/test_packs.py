"""Packs: layers that are not ptscaffold's own."""

from __future__ import annotations

import io
import json
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packs.conftest import ACME, Run, files, put

from ptscaffold.errors import PtscaffoldError
from ptscaffold.layers import history
from ptscaffold.layers.catalogue import Catalogue, installed_packs, open_packs
from ptscaffold.trial.matrix import layers_of

WANDB = "features/wandb/wandb.txt"
CHOICE = ("--domain", "graph", "--style", "fabric", "--feature", "wandb")


def git(folder: Path, *arguments: str) -> None:
    command = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org", *arguments]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)


def commit_of(folder: Path, ref: str) -> str:
    asked = ["git", "rev-parse", f"{ref}^{{commit}}"]
    return subprocess.run(
        asked, cwd=folder, check=True, capture_output=True, text=True
    ).stdout.strip()


def record(project: Path) -> dict[str, object]:
    return tomllib.loads((project / ".ptscaffold.toml").read_text())


def packs(project: Path) -> dict[str, dict[str, str]]:
    """The packs in a record, without the digest of their files."""
    found = record(project)["packs"]
    assert isinstance(found, dict)
    return {
        name: {key: value for key, value in origin.items() if key != "digest"}
        for name, origin in found.items()
    }


def digest_of(project: Path) -> str:
    """What messages show of the digest in a record."""
    found: Any = record(project)["packs"]
    return str(found["acme"]["digest"])[:12]


def test_a_pack_adds_a_domain_a_style_a_feature_and_files_for_all(
    run: Run, acme: Path, work: Path
) -> None:
    ran = run("new", "net", *CHOICE, "--pack", "../acme", "--set", "team=blue")
    assert ran.code == 0
    assert "Created net/ (27 files): graph, fabric, acme, wandb, template" in ran.err
    assert (work / "net/src/net/graph.py").read_text() == "nodes = 1\n"
    assert (work / "net/OWNERS").read_text() == "net of blue\n"
    assert (work / "net/.hidden/.dot").read_text() == "acme's\n"
    assert packs(work / "net") == {"acme": {"source": "../../acme", "version": "1.0"}}
    again = ran.err.splitlines()[1].partition("ptscaffold ")[2]
    assert "--pack ../acme" in again
    first = {path: (work / "net" / path).read_bytes() for path in files(work / "net")}
    (work / "net").rename(work / "old")
    assert run(*shlex.split(again)).code == 0
    assert first == {path: (work / "net" / path).read_bytes() for path in files(work / "net")}


def test_a_pack_that_gives_nothing_is_not_recorded(run: Run, acme: Path, work: Path) -> None:
    put(acme, {"base/.hidden/.dot": None, "base/OWNERS.jinja": None, "base/layer.toml": None})
    (acme / "base/.hidden").rmdir()
    (acme / "base").rmdir()
    assert run("new", "net", "--domain", "toy", "--style", "plain", "--pack", "../acme").code == 0
    assert "packs" not in record(work / "net")


def test_an_answer_of_two_layers_has_the_default_of_the_upper(
    run: Run, acme: Path, work: Path
) -> None:
    graph = "domains/graph/layer.toml"
    put(acme, {graph: ACME[graph] + '[answers]\nteam = "graph"\n'})
    ran = run("new", "net", *CHOICE, "--pack", "../acme")
    assert (work / "net/OWNERS").read_text() == "net of acme\n"
    assert "--set" not in ran.err


def test_a_project_is_tested_with_the_layers_that_it_has(run: Run, acme: Path, work: Path) -> None:
    assert run("new", "net", *CHOICE, "--pack", "../acme").code == 0
    found = layers_of(Path("net"), Catalogue(packs=open_packs(["../acme"])))
    paths = ["base", "domains/graph", "styles/fabric", "base/acme", "features/wandb"]
    assert [layer.path for layer in found] == paths


def test_list_and_show_know_packs(run: Run, acme: Path, work: Path) -> None:
    listed = json.loads(run("list", "--pack", "../acme", "--json").out)
    assert [layer["name"] for layer in listed["domains"]] == ["graph", "toy"]
    assert [layer["name"] for layer in listed["base"]] == ["acme"]
    assert [(preset["name"], preset["help"]) for preset in listed["presets"]] == [
        ("team", str(Path("../acme/presets/team.toml")))
    ]
    shown = json.loads(run("show", *CHOICE, "--pack", "../acme", "--json").out)
    assert shown["layers"][1:] == ["domains/graph", "styles/fabric", "base/acme", "features/wandb"]
    assert shown["files"]["OWNERS"] == "base/acme"
    assert "files" in json.loads(run("show", "base/acme", "--pack", "../acme", "--json").out)
    run("new", "net", *CHOICE, "--pack", "../acme")
    known = digest_of(work / "net")
    assert f"packs: acme 1.0 ({known}) (../../acme)\n" in run("show", "net").out


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"domains/toy/layer.toml": "x"},
            "domains/toy is in two places: {toy}/domains/toy and ../",
        ),
        ({"domains/Toy/layer.toml": "x"}, "domains/Toy is in two places: {toy}/domains/toy and "),
        (
            {"base/layer.toml": 'label = "A"\nhelp = "a"\n'},
            ".hidden/.dot is in two layers, base and",
        ),
        ({"base/new.txt": "", "base/NEW.txt": ""}, "base/acme holds "),
        ({"base/empty.txt/x": ""}, "base has a file empty.txt, base/acme has empty.txt/x"),
        ({"pack.toml": "name ="}, "acme/pack.toml: "),
        ({"pack.toml": 'naem = "x"\n'}, "unknown key 'naem' (name, version). Did you mean 'name'?"),
        ({"pack.toml": 'name = "A B"\nversion = 1\n'}, "the name 'A B' is not of lower-case"),
        ({"pack.toml": 'version = ""\n'}, "'version' must be a string"),
        (
            {"features/wandb/layer.toml": "label = 1"},
            "features/wandb/layer.toml: 'help' is missing",
        ),
        ({"features/wandb/layer.toml": None}, "layer features/wandb has no layer.toml"),
    ],
)
def test_a_pack_that_clashes_or_is_broken_changes_nothing(
    changes: dict[str, str | None], message: str, run: Run, acme: Path, work: Path, tmp_path: Path
) -> None:
    put(acme, changes)
    ran = run("new", "net", *CHOICE, "--pack", "../acme")
    assert ran.code == 1
    assert message.format(toy=tmp_path / "toy") in ran.err
    assert list(work.iterdir()) == []


def test_two_packs_that_clash(run: Run, acme: Path, work: Path, tmp_path: Path) -> None:
    put(tmp_path / "acme2", ACME)
    ran = run("new", "net", *CHOICE, "--pack", "../acme", "--pack", "../acme2")
    assert ran.code == 1
    assert "two packs are called acme: ../acme and ../acme2" in ran.err
    put(tmp_path / "acme2", {"pack.toml": 'name = "other"\n'})
    ran = run("new", "net", *CHOICE, "--pack", "../acme", "--pack", "../acme2")
    assert (
        "domains/graph is in two places: ../acme/domains/graph and ../acme2/domains/graph"
        in ran.err
    )
    assert list(work.iterdir()) == []


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("nothing", "unknown pack 'nothing' (there are none)"),
        ("../nothing", "there is no pack at ../nothing: no such folder"),
        (".", ". is no pack: it has no base, domains, styles, features folder"),
        ("file:///nothing/at/all", "cannot fetch file:///nothing/at/all: "),
        ("git+ext::sh -c true", "cannot fetch git+ext::sh -c true: "),
        ("git+--upload-pack=touch x@HEAD", "is no address of a pack"),
        ("git+file:///x#subdirectory=../y", "is no address of a pack"),
        ("git+file:///x#subdirectory=/etc", "is no address of a pack"),
        ("git+file:///x#egg=y", "is no address of a pack"),
    ],
)
def test_a_pack_that_is_not_there(source: str, message: str, run: Run, work: Path) -> None:
    ran = run("new", "net", *CHOICE, "--pack", source)
    assert ran.code in (1, 2)
    assert message in ran.err
    assert list(work.iterdir()) == []


def test_a_pack_in_a_git_repository(run: Run, acme: Path, work: Path, tmp_path: Path) -> None:
    repository = tmp_path / "repository"
    repository.mkdir()
    acme.rename(repository / "layers")
    git(repository, "init", "--quiet")
    git(repository, "add", "--all")
    git(repository, "commit", "--quiet", "--message", "one")
    git(repository, "tag", "v1")
    put(repository, {"layers/features/wandb/wandb.txt": "new\n"})
    git(repository, "commit", "--quiet", "--all", "--message", "two")
    commits = {ref: commit_of(repository, at) for ref, at in (("", "HEAD"), ("@v1", "v1"))}
    for ref, text in (("", "new\n"), ("@v1", "one\ntwo\nthree\n")):
        source = f"git+{repository.as_uri()}{ref}#subdirectory=layers"
        assert run("new", f"net{ref[1:]}", *CHOICE, "--pack", source).code == 0
        project = work / f"net{ref[1:]}"
        assert (project / "wandb.txt").read_text() == text
        recorded = packs(project)
        assert recorded == {"acme": {"source": source, "version": "1.0", "commit": commits[ref]}}
        assert run("check", project.name).code == 0
    ran = run("new", "x", *CHOICE, "--pack", f"git+{repository.as_uri()}@v9#subdirectory=layers")
    assert ran.code == 2
    assert "v9" in ran.err


@pytest.fixture
def installed(acme: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The pack inside an installed package, which must not be imported."""
    site = tmp_path / "site"
    put(
        site,
        {
            "acme_templates/__init__.py": "raise SystemExit('imported')\n",
            "acme_templates-1.dist-info/METADATA": "Name: acme-templates\nVersion: 1\n",
            "acme_templates-1.dist-info/entry_points.txt": (
                "[ptscaffold.packs]\nacme = acme_templates.layers\ngone = no_such_package\n"
            ),
        },
    )
    acme.rename(site / "acme_templates/layers")
    monkeypatch.setattr(sys, "path", [*sys.path, str(site)])
    return site


def test_a_pack_of_an_installed_package(run: Run, work: Path, installed: Path) -> None:
    assert installed_packs() == {"acme": installed / "acme_templates/layers"}
    assert run("new", "net", *CHOICE, "--pack", "acme").code == 0
    assert packs(work / "net") == {"acme": {"source": "acme", "version": "1.0"}}
    assert run("check", "net").code == 0
    ran = run("new", "net2", *CHOICE, "--pack", "acmee")
    assert "unknown pack 'acmee' (acme). Did you mean 'acme'?" in ran.err
    assert run("new", "net3", "--domain", "graph", "--style", "plain", "--preset", "team").code == 0
    assert "wandb.txt" in files(work / "net3")


def test_a_project_follows_its_pack(run: Run, acme: Path, work: Path) -> None:
    run("new", "net", *CHOICE, "--pack", "../acme")
    history.main([str(acme)])
    put(acme, {"pack.toml": 'name = "acme"\nversion = "2.0"\n'})
    put(acme, {"features/wandb/wandb.txt": "ONE\ntwo\nthree\n", "features/wandb/more.txt": "m\n"})
    put(work / "net", {"wandb.txt": "one\ntwo\nTHREE\n"})
    ran = run("check", "net")
    assert ran.code == 3
    first = digest_of(work / "net")
    assert f"made from 1.0 ({first}) of the pack acme, which is 2.0 (" in ran.err
    assert ") now (ptscaffold update net)\n" in ran.err
    assert "-three" in run("diff", "net").out
    ran = run("update", "net")
    assert ran.code == 0, ran.err
    assert f"  pack acme 1.0 ({first}) -> 2.0 ({digest_of(work / 'net')})\n" in ran.err
    assert (work / "net/wandb.txt").read_text() == "ONE\ntwo\nTHREE\n"
    assert (work / "net/more.txt").read_text() == "m\n"
    assert packs(work / "net") == {"acme": {"source": "../../acme", "version": "2.0"}}
    assert run("check", "net").code == 0
    history.main([str(acme)])
    put(acme, {"features/wandb/more.txt": "other\n"})
    with pytest.raises(PtscaffoldError, match="is released and cannot change"):
        history.main([str(acme)])


def test_answers_change_without_the_pack_moving_on(run: Run, acme: Path, work: Path) -> None:
    run("new", "net", *CHOICE, "--pack", "../acme")
    history.main([str(acme)])
    put(acme, {"pack.toml": 'name = "acme"\nversion = "2.0"\n'})
    put(acme, {"features/wandb/wandb.txt": "other\n"})
    assert run("update", "net", "--set", "style=plain").code == 0
    assert (work / "net/wandb.txt").read_text() == "one\ntwo\nthree\n"
    assert packs(work / "net") == {"acme": {"source": "../../acme", "version": "1.0"}}


def test_features_of_a_pack_come_and_go(run: Run, acme: Path, work: Path) -> None:
    run("new", "net", "--domain", "toy", "--style", "plain")
    before = {path: (work / "net" / path).read_bytes() for path in files(work / "net")}
    ran = run("add", "wandb", "--project", "net")
    assert ran.code == 2
    assert "unknown feature 'wandb'" in ran.err
    assert run("add", "wandb", "--project", "net", "--pack", "../acme").code == 0
    assert (work / "net/wandb.txt").is_file()
    assert (work / "net/OWNERS").read_text() == "net of acme\n"
    put(acme, dict.fromkeys(("base/.hidden/.dot", "base/OWNERS.jinja", "base/layer.toml")))
    assert run("remove", "wandb", "--project", "net").code == 0, "what the pack was is kept"
    assert "wandb.txt" not in files(work / "net")
    assert set(files(work / "net")) == {*before, "OWNERS"}


ASKING = 'label = "W"\nhelp = "w"\n[answers]\nkeeper = "nobody"\n'
TAKEN = "  keeper is asked for now and has its default, 'nobody' (ptscaffold update net --set "


@pytest.mark.parametrize(
    ("given", "typed", "keeper"),
    [
        ((), None, "nobody"),
        (("--set", "keeper=me"), None, "me"),
        (("--set", "keeper=me"), "", "me"),
        ((), "you\n", "you"),
        ((), "\n", "nobody"),
        (("--no-input",), "you\n", "nobody"),
    ],
)
def test_what_a_feature_that_is_added_asks_for(
    given: tuple[str, ...],
    typed: str | None,
    keeper: str,
    run: Run,
    acme: Path,
    work: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    put(acme, {"features/wandb/layer.toml": ASKING})
    assert run("new", "net", *CHOICE[:4], "--pack", "../acme").code == 0
    monkeypatch.setattr(
        "ptscaffold.cli.prompts.may_ask",
        lambda *, no_input: typed is not None and not no_input,
    )
    monkeypatch.setattr("sys.stdin", io.StringIO(typed))
    ran = run("add", "wandb", "--project", "net", *given)
    assert ran.code == 0, ran.err
    answers = record(work / "net")["answers"]
    assert isinstance(answers, dict)
    assert (answers["keeper"], answers["team"]) == (keeper, "acme")
    asked = typed is not None and not given
    assert ("What features/wandb asks for." in ran.err) is asked
    assert (TAKEN in ran.err) is (keeper == "nobody" and not asked)
    assert "Team" not in ran.err, "what has been answered is not asked again"


def test_a_wrong_answer_to_add_changes_nothing(run: Run, acme: Path, work: Path) -> None:
    put(acme, {"features/wandb/layer.toml": ASKING})
    assert run("new", "net", *CHOICE[:4], "--pack", "../acme").code == 0
    before = files(work / "net")
    for answer, message in (
        ("keepr=me", "unknown answer 'keepr'"),
        ("keeper", "--set 'keeper' is not of"),
    ):
        ran = run("add", "wandb", "--project", "net", "--set", answer)
        assert ran.code == 2
        assert message in ran.err
    assert files(work / "net") == before


def test_packs_come_and_go_in_a_record_that_people_wrote_to(
    run: Run, acme: Path, work: Path
) -> None:
    put(acme, dict.fromkeys(("base/.hidden/.dot", "base/OWNERS.jinja", "base/layer.toml")))
    (acme / "base/.hidden").rmdir()
    (acme / "base").rmdir()
    run("new", "net", "--domain", "toy", "--style", "plain")
    place = work / "net/.ptscaffold.toml"
    first = f"# ours\n{place.read_text()}"
    place.write_text(first)
    assert run("add", "wandb", "--project", "net", "--pack", "../acme").code == 0
    assert packs(work / "net") == {"acme": {"source": "../../acme", "version": "1.0"}}
    put(acme, {"pack.toml": 'name = "acme"\nversion = "1.1"\n', WANDB: "next\n"})
    assert run("update", "net").code == 0
    assert packs(work / "net") == {"acme": {"source": "../../acme", "version": "1.1"}}
    ran = run("update", "net", "--record", "--json")
    assert json.loads(ran.out)["answers"]["features"] == ["wandb"]
    assert run("remove", "wandb", "--project", "net").code == 0
    assert place.read_text() == first


def test_a_pack_under_work_needs_no_release(
    run: Run, acme: Path, work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("new", "net", *CHOICE, "--pack", "../acme")
    put(work / "net", {"wandb.txt": "one\ntwo\nMINE\n"})
    put(acme, {"features/wandb/wandb.txt": "ONE\ntwo\nthree\n"})
    assert "-three\n+MINE\n" in run("diff", "net").out
    ran = run("check", "net")
    assert ran.code == 3
    assert "made from 1.0 (" in ran.err
    ran = run("update", "net")
    assert ran.code == 0, ran.err
    assert (work / "net/wandb.txt").read_text() == "ONE\ntwo\nMINE\n"
    assert run("check", "net").code == 0
    # Another machine, on which it has never been used
    put(acme, {"features/wandb/wandb.txt": "ONE\nTWO\nthree\n"})
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "another"))
    ran = run("diff", "net")
    assert ran.code == 1
    assert "the pack acme 1.0 (../acme) does not give what .ptscaffold.toml recorded" in ran.err
    assert "ptscaffold update --record" in ran.err


def test_a_pack_that_moved_or_lost_its_history_is_said(
    run: Run, acme: Path, work: Path, tmp_path: Path
) -> None:
    run("new", "net", *CHOICE, "--pack", "../acme")
    acme.rename(tmp_path / "elsewhere")
    for command in (("check", "net"), ("diff", "net"), ("update", "net")):
        ran = run(*command)
        assert ran.code == 2
        assert "hint: say where the pack acme is now: --pack WHERE" in ran.err
        assert run(*command, "--pack", "../elsewhere").code == 0
    assert packs(work / "net") == {"acme": {"source": "../../elsewhere", "version": "1.0"}}
    put(tmp_path / "elsewhere", {"pack.toml": 'name = "acme"\nversion = "3.0"\n'})
    ran = run("update", "net")
    assert ran.code == 1
    assert "pack acme 3.0 does not know template version 1.0" in ran.err
    assert "its release step was left out" in ran.err
    assert run("update", "net", "--record").code == 0
    assert run("check", "net").code == 0


def test_the_release_step_of_a_pack(acme: Path, capsys: pytest.CaptureFixture[str]) -> None:
    history.main([str(acme)])
    first = capsys.readouterr().out
    assert first.startswith("1.0 ")
    history.main([str(acme)])
    assert capsys.readouterr().out == f"{first.rstrip()} (was there)\n"
