"""Packs from afar: fetched once, kept by commit, never because a record of a stranger says so."""

from __future__ import annotations

import shlex
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from packs.conftest import Run, put
from packs.test_packs import CHOICE, commit_of, git, record

from ptscaffold.errors import PackError
from ptscaffold.layers.catalogue import open_pack
from ptscaffold.layers.git import fetch, public


@dataclass(frozen=True)
class Remote:
    """A repository that holds the pack, and can be out of reach."""

    folder: Path

    @property
    def source(self) -> str:
        return f"git+{self.folder.as_uri()}"

    def commit(self, changes: dict[str, str | None], *tag: str) -> str:
        put(self.folder, changes)
        git(self.folder, "add", "--all")
        git(self.folder, "commit", "--quiet", "--allow-empty", "--message", "next")
        if tag:
            git(self.folder, "tag", "--force", *tag)
        return commit_of(self.folder, "HEAD")

    def unplug(self) -> None:
        self.folder.rename(self.folder.with_name("out of reach"))

    def plug(self) -> None:
        self.folder.with_name("out of reach").rename(self.folder)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user who has nothing yet."""
    for key in ("XDG_STATE_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(key, str(tmp_path / "home" / key))
    return tmp_path / "home"


@pytest.fixture
def remote(acme: Path, home: Path) -> Remote:
    git(acme, "init", "--quiet", "--initial-branch", "main")
    found = Remote(acme)
    found.commit({}, "v1.0")
    return found


WANDB = "features/wandb/wandb.txt"


def test_every_command_works_without_a_network_after_the_first(
    run: Run, remote: Remote, work: Path
) -> None:
    assert run("new", "net", *CHOICE, "--pack", remote.source).code == 0
    remote.unplug()
    for command in (
        ("check", "net"),
        ("diff", "net"),
        ("remove", "wandb", "--project", "net"),
        ("add", "wandb", "--project", "net"),
        ("update", "net"),
        ("show", "net"),
        ("new", "net2", *CHOICE, "--pack", remote.source),
    ):
        ran = run(*command)
        assert ran.code == 0, (command, ran.err)


def test_what_cannot_be_asked_for_news_is_said(
    run: Run, remote: Remote, work: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run("new", "net", *CHOICE, "--pack", remote.source)
    commit = record(work / "net")["packs"]["acme"]["commit"][:12]
    remote.unplug()
    for code, *command in ((0, "update", "net"), (3, "check", "net", "--pack", remote.source)):
        caplog.clear()
        ran = run(*command)
        assert ran.code == code
        (said,) = caplog.messages
        assert said.startswith(f"note: cannot fetch {remote.source}: fatal: ")
        assert said.endswith(f"; it is used as it was the last time, commit {commit}")
    assert (
        f"whether the pack acme has changed is not known (see that git reaches {remote.source})"
        in ran.err
    )


def test_check_never_fetches(run: Run, remote: Remote, work: Path) -> None:
    run("new", "net", *CHOICE, "--pack", remote.source)
    first = record(work / "net")["packs"]["acme"]["commit"]
    second = remote.commit({WANDB: "new\n"})
    assert run("check", "net").code == 0
    ran = run("check", "net", "--pack", remote.source)
    assert ran.code == 3
    assert f"made from 1.0 ({first[:12]}) of the pack acme, which is 1.0 ({second[:12]})" in ran.err


def test_check_names_the_command_that_leads_away_from_a_tag(
    run: Run, remote: Remote, work: Path
) -> None:
    assert run("new", "net", *CHOICE, "--pack", f"{remote.source}@v1.0").code == 0
    remote.commit({"pack.toml": 'name = "acme"\nversion = "1.1"\n', WANDB: "new\n"}, "v1.1")
    assert "nothing to do" in run("update", "net").err
    given = ("--pack", f"{remote.source}@v1.1")
    ran = run("check", "net", *given)
    assert ran.code == 3
    way = shlex.join(("update", "net", *given))
    assert f" now (ptscaffold {way})\n" in ran.err
    assert run(*shlex.split(way)).code == 0
    assert run("check", "net", *given).code == 0
    assert (work / "net/wandb.txt").read_text() == "new\n"


@pytest.mark.parametrize("given", [(), ("--set", "review=monthly")])
def test_what_the_coming_version_of_a_pack_asks_is_answered_with_it(
    run: Run, remote: Remote, work: Path, given: tuple[str, ...]
) -> None:
    assert run("new", "net", *CHOICE, "--pack", f"{remote.source}@v1.0").code == 0
    asks = 'label = "W"\nhelp = "w"\n[answers]\nreview = "yearly"\n'
    remote.commit({"features/wandb/layer.toml": asks}, "v1.1")
    ran = run("update", "net", "--pack", f"{remote.source}@v1.1", *given)
    assert ran.code == 0, ran.err
    said = "  review is asked for now and has its default, 'yearly' (ptscaffold update net --set"
    assert (said in ran.err) is (not given)
    answers = record(work / "net")["answers"]
    assert isinstance(answers, dict)
    assert answers["review"] == ("monthly" if given else "yearly")
    assert "asked for now" not in run("update", "net", "--set", "review=daily").err


def test_what_a_pack_requires_is_given_with_the_pack(run: Run, remote: Remote, work: Path) -> None:
    assert run("new", "net", *CHOICE[:4], "--pack", f"{remote.source}@v1.0").code == 0
    needs = 'label = "F"\nhelp = "f"\nrequires = ["features/wandb"]\n'
    remote.commit({"styles/fabric/layer.toml": needs}, "v1.1")
    ran = run("update", "net", "--pack", f"{remote.source}@v1.1")
    assert "styles/fabric requires features/wandb" in ran.err
    command = ran.err.partition("hint: give the answers for that version: ptscaffold ")[2]
    assert run(*shlex.split(command.replace("KEY=VALUE", "features=wandb"))).code == 0
    assert (work / "net/wandb.txt").is_file()


def test_check_says_what_it_would_have_to_fetch(
    run: Run, remote: Remote, work: Path, home: Path
) -> None:
    run("new", "net", *CHOICE, "--pack", remote.source)
    (home / "XDG_CACHE_HOME").rename(home / "lost")
    ran = run("check", "net")
    assert ran.code == 2
    assert "was not fetched yet" in ran.err
    assert "hint: ptscaffold diff net fetches it" in ran.err
    assert run("diff", "net").code == 0
    assert run("check", "net").code == 0


@pytest.mark.parametrize("moved", ["the tag", "nothing but the files"])
def test_what_a_pack_was_is_known_by_its_commit(
    run: Run, remote: Remote, work: Path, moved: str
) -> None:
    """A moved tag, a pack that was edited under one version, one without a pack.toml."""
    remote.commit({"pack.toml": None}, "v1.0")
    source = f"{remote.source}@v1.0" if moved == "the tag" else remote.source
    assert run("new", "net", *CHOICE, "--pack", source).code == 0
    put(work / "net", {"wandb.txt": "one\ntwo\nMINE\n"})
    first = record(work / "net")["packs"]["acme"]["commit"]
    last = remote.commit({WANDB: "ONE\ntwo\nthree\n"}, "v1.0")
    assert "-three" in run("diff", "net").out
    assert run("add", "wandb", "--project", "net").code == 2, "it has that already, and no more"
    ran = run("update", "net")
    assert ran.code == 0, ran.err
    assert (work / "net/wandb.txt").read_text() == "ONE\ntwo\nMINE\n"
    assert record(work / "net")["packs"]["acme"]["commit"] == last
    assert f"pack acme 0 ({first[:12]}) -> 0 ({last[:12]})\n" in ran.err


@pytest.mark.parametrize("kind", ["a folder", "a tag that moved"])
def test_what_is_recorded_anew_says_which_files_are_behind(
    run: Run, remote: Remote, work: Path, home: Path, kind: str
) -> None:
    """On another machine, which has not kept what the pack was."""
    source = str(remote.folder) if kind == "a folder" else f"{remote.source}@v1.0"
    assert run("new", "net", *CHOICE, "--pack", source).code == 0
    if kind != "a folder":
        git(remote.folder, "commit", "--quiet", "--amend", "--message", "no commit as it was")
    remote.commit({WANDB: "one\ntwo, urgent\nthree\n"}, "v1.0")
    git(remote.folder, "reflog", "expire", "--expire=now", "--all")
    git(remote.folder, "gc", "--quiet", "--prune=now")
    (home / "XDG_CACHE_HOME").rename(home / "lost")
    ran = run("update", "net", "--record")
    assert ran.code == 3, ran.err
    assert "  wandb.txt is not as the template has it now\n" in ran.err
    assert "+++ b/wandb.txt\n" in run("diff", "net").out
    put(work / "net", {"wandb.txt": "one\ntwo, urgent\nthree\n"})
    assert run("check", "net").code == 0
    assert run("update", "net", "--record").code == 0


REFS: dict[str, Callable[[list[str]], str]] = {
    "a tag": lambda _: "v1.0",
    "an annotated tag": lambda _: "v1.5",
    "a branch": lambda _: "side",
    "a branch with a slash": lambda _: "feature/side",
    "a commit": lambda commits: commits[0],
    "an abbreviated commit": lambda commits: commits[0][:8],
    "latest": lambda _: "latest",
}


@pytest.mark.parametrize("name", REFS)
def test_what_may_stand_behind_the_at(
    remote: Remote, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")  # a new repository has a branch of that name too
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "init.defaultBranch")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "main")
    git(remote.folder, "branch", "side")
    git(remote.folder, "branch", "feature/side")
    commits = [commit_of(remote.folder, "HEAD"), remote.commit({WANDB: "2\n"})]
    git(remote.folder, "tag", "--annotate", "v1.5", "--message", "half", commits[0])
    commits.append(remote.commit({WANDB: "3\n"}, "v1.10"))
    for tag in ("v1.10-rc1", "v2.0-rc1", "vote", "weekly"):
        git(remote.folder, "tag", tag, commits[0])
    wanted = commits[2] if name == "latest" else commits[0]
    assert open_pack(f"{remote.source}@{REFS[name](commits)}").commit == wanted


@pytest.mark.parametrize(
    ("ref", "reason"),
    [
        ("deadbeef", "has no commit deadbeef, no branch and no tag of that name"),
        ("latest", "no tag there is named for a version"),
        ("none", "fatal: couldn't find remote ref none"),
    ],
)
def test_what_is_not_there_is_named(remote: Remote, ref: str, reason: str) -> None:
    git(remote.folder, "tag", "--delete", "v1.0")
    with pytest.raises(PackError, match=reason):
        open_pack(f"{remote.source}@{ref}")


def test_the_reason_is_what_git_says_first(home: Path, tmp_path: Path) -> None:
    with pytest.raises(PackError, match=r"fatal: .*none.* not appear to be a git repository"):
        open_pack(f"git+{(tmp_path / 'none').as_uri()}")


@pytest.mark.parametrize("name", ["me@work", "c#", "a@b/c#d"])
def test_a_path_may_hold_what_has_a_meaning(remote: Remote, tmp_path: Path, name: str) -> None:
    place = tmp_path / name / "pack"
    place.parent.mkdir(parents=True)
    remote.folder.rename(place)
    commit = commit_of(place, "HEAD")
    for source in (f"git+file://{place}", f"git+file://{place}@v1.0"):
        assert open_pack(source).commit == commit
    put(place, {"more/features/x/layer.toml": 'label = "X"\nhelp = "x"\n'})
    Remote(place).commit({})
    below = open_pack(f"git+file://{place}#subdirectory=more")
    assert below.root.name == "more"


SECRETS = {
    "a token": ("git+https://TOKEN@host/p.git@v1", "git+https://host/p.git@v1"),
    "user and token": ("git+https://me:TOKEN@host/p.git", "git+https://host/p.git"),
    "an at in it": ("https://me:TO@KEN@host/p", "https://host/p"),
    "of ssh": ("git+ssh://git:TOKEN@host/p", "git+ssh://git@host/p"),
}


@pytest.mark.parametrize(("source", "shown"), SECRETS.values(), ids=SECRETS)
def test_no_secret_is_shown(source: str, shown: str, home: Path) -> None:
    assert public(source) == shown
    assert public(shown) == shown
    with pytest.raises(PackError) as caught:
        fetch(source.replace("host", "127.0.0.1:9"))
    assert "KEN" not in str(caught.value)


def test_no_secret_is_recorded_or_printed(
    run: Run, remote: Remote, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    local = remote.folder.as_uri()
    for number, (key, value) in enumerate(
        [(f"url.{local}.insteadOf", "https://me:TOKEN@host.invalid/p")]
    ):
        monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
        monkeypatch.setenv(f"GIT_CONFIG_KEY_{number}", key)
        monkeypatch.setenv(f"GIT_CONFIG_VALUE_{number}", value)
    source = "git+https://me:TOKEN@host.invalid/p"
    put(work, {"team.toml": f'packs = ["{source}"]\n'})
    for words in (("--pack", source), ("--preset", "team.toml")):
        for more in ((), ("--json",)):
            ran = run("new", "net", *CHOICE, *words, *more)
            assert ran.code == 0, ran.err
            assert "TOKEN" not in ran.out + ran.err
            assert b"TOKEN" not in b"".join(
                p.read_bytes() for p in (work / "net").rglob("*") if p.is_file()
            )
            assert record(work / "net")["packs"]["acme"]["source"] == "git+https://host.invalid/p"
            assert "TOKEN" not in run("show", "net").out
            (work / "net").rename(work / f"net-{words[0]}-{len(more)}")


def of_a_stranger(project: Path, source: str) -> None:
    """What a clone of somebody else's project names as its pack."""
    place = project / ".ptscaffold.toml"
    text = place.read_text()
    recorded = tomllib.loads(text)["packs"]["acme"]["source"]
    place.write_text(text.replace(f'source = "{recorded}"', f'source = "{source}"'))


@pytest.mark.parametrize("kind", ["git", "folder", "folder inside"])
@pytest.mark.parametrize("command", ["check", "diff", "update", "add", "remove", "record"])
def test_the_pack_of_a_stranger_is_not_touched(
    run: Run,
    remote: Remote,
    work: Path,
    home: Path,
    kind: str,
    command: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    choice = CHOICE[:4] if command == "add" else CHOICE
    assert run("new", "net", *choice, "--pack", str(remote.folder)).code == 0
    monkeypatch.setenv("XDG_STATE_HOME", str(home / "another user"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / "another cache"))
    source = remote.source if kind == "git" else record(work / "net")["packs"]["acme"]["source"]
    if kind == "folder inside":
        remote.folder.rename(work / "net/layers")
        source = "./layers"
    of_a_stranger(work / "net", source)
    commands = {
        "add": ("add", "wandb", "--project", "net"),
        "remove": ("remove", "wandb", "--project", "net"),
        "record": ("update", "net", "--record"),
    }
    ran = run(*commands.get(command, (command, "net")))
    assert ran.code == 2
    assert "which you have not used yet: it was not looked at" in ran.err
    assert not (home / "another cache").exists(), "something was fetched"
    (hint,) = (line for line in ran.err.splitlines() if line.startswith("hint: "))
    allow = hint.partition("ptscaffold ")[2].split(" ")
    assert run(*allow).code == 0
    assert run("diff", "net").code == 0, "once is enough"


@pytest.mark.parametrize("commit", ["../../../etc", "/etc", "HEAD", "--upload-pack=x", "ab12"])
def test_a_recorded_commit_is_one(
    run: Run, remote: Remote, work: Path, home: Path, commit: str
) -> None:
    assert run("new", "net", *CHOICE, "--pack", remote.source).code == 0
    place = work / "net/.ptscaffold.toml"
    recorded = record(work / "net")["packs"]["acme"]["commit"]
    place.write_text(place.read_text().replace(recorded, commit))
    for command in (("check", "net"), ("diff", "net"), ("update", "net")):
        ran = run(*command)
        assert ran.code in (1, 2, 3)
        assert "is no commit or digest" in ran.err


def test_a_folder_beside_the_project_is_no_installed_pack(
    run: Run, remote: Remote, work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    offered = {"acme": remote.folder}
    for module in ("layers.catalogue", "project.state", "project.trust"):
        monkeypatch.setattr(f"ptscaffold.{module}.installed_packs", lambda: offered)
    put(work, {"acme/notes.txt": "another thing\n"})
    assert run("new", "net", *CHOICE, "--pack", "acme").code == 0
    put(work, {"net/acme/notes.txt": "and another\n"})
    for command in (("check", "net"), ("update", "net"), ("diff", "net")):
        assert run(*command).code == 0
