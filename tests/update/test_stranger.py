"""What a repository holds is no order: nothing outside is read or written, nothing is run."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from update.commands import COMMANDS
from update.trees import Lab, commit, copy, git, lab, put, read_tree, text

from ptscaffold.cli import app as cli
from ptscaffold.errors import PtscaffoldError
from ptscaffold.layers.catalogue import Catalogue

FOLDER = ".ptscaffold-update"
RECORD = ".ptscaffold.toml"

SECRET = "outside.secret"


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Whoever waits for the other end of a pipe waits for ever."""
    monkeypatch.setattr("ptscaffold.cli.console.as_keyboard_interrupt", lambda: None)
    signal.alarm(60)
    yield
    signal.alarm(0)


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """A project of a stranger, which a link leads out of, and a home that it has no business in."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    made = lab(tmp_path).make()
    put(tmp_path, {"home/.bashrc": "mine\n", f"home/{SECRET}": SECRET})
    (made.project / "out").symlink_to(tmp_path / "home")
    changed = made.change("2.0", {"base/notes.txt": text({3: "theirs\n"})})
    for module in ("update", "show"):
        monkeypatch.setattr(f"ptscaffold.project.{module}.History", lambda: changed.history)
    catalogue = Catalogue(changed.history.root)
    monkeypatch.setattr("ptscaffold.project.new.Catalogue", lambda **_: catalogue)
    return changed


def entry(path: str, **more: object) -> dict[str, object]:
    return {"path": path, "before": True, "after": None, **more}


def old(**table: object) -> Callable[[Path], None]:
    """A journal as releases wrote it that believed what they found."""
    return lambda project: put(
        project,
        {
            f"{FOLDER}/journal.json": json.dumps({"files": [], **table}),
            f"{FOLDER}/journal": "0" * 64 + "\n" + json.dumps({"files": [], **table}),
            f"{FOLDER}/before/0": "evil\n",
            f"{FOLDER}/after/0": "evil\n",
            f"{FOLDER}/record": "evil\n",
        },
    )


def raw(data: bytes) -> Callable[[Path], None]:
    return lambda project: put(project, {f"{FOLDER}/journal.json": data, f"{FOLDER}/journal": data})


def a_link(project: Path) -> None:
    put(project.parent, {"home/update/journal.json": json.dumps({"files": [entry("notes.txt")]})})
    put(project.parent, {"home/update/before/0": "evil\n"})
    (project / FOLDER).symlink_to(project.parent / "home/update")


def a_linked_journal(project: Path) -> None:
    (project / FOLDER).mkdir()
    for name in ("journal", "journal.json"):
        (project / FOLDER / name).symlink_to(project.parent / "home" / SECRET)


def a_pipe(project: Path) -> None:
    (project / FOLDER).mkdir()
    for name in ("journal", "journal.json"):
        os.mkfifo(project / FOLDER / name)


def a_huge_one(project: Path) -> None:
    (project / FOLDER).mkdir()
    for name in ("journal", "journal.json"):
        with (project / FOLDER / name).open("wb") as stream:
            stream.truncate(10**12)


def in_another_state(folder: Path, act: Callable[[], object]) -> None:
    """Act as somebody else, whose key is another one."""
    before = os.environ["XDG_STATE_HOME"]
    os.environ["XDG_STATE_HOME"] = str(folder / "somebody")
    try:
        act()
    finally:
        os.environ["XDG_STATE_HOME"] = before


def waiting(project: Path) -> None:
    """An update of these templates that waits, in this project."""
    templates = lab(project.parent / "templates of the update")
    put(project, {"notes.txt": text({1: "mine\n"})})
    changed = {"base/notes.txt": text({1: "theirs\n"})}
    Lab(templates.history, project).change("2.0", changed).update(force=True)


def of_another_user(project: Path) -> None:
    in_another_state(project.parent, lambda: waiting(project))


def of_another_folder(project: Path) -> None:
    """A journal that is really ours, carried to where it says nothing."""
    elsewhere = copy(project, project.parent / "elsewhere")
    waiting(elsewhere)
    copy(elsewhere / FOLDER, project / FOLDER)


JOURNALS: dict[str, Callable[[Path], None]] = {
    "a record for somebody's shell": old(conflicts=["x"], record="evil\n", finished="out/.bashrc"),
    "a path that leads up": old(files=[entry("../home/.bashrc")]),
    "an absolute path": old(files=[entry("/home/.bashrc")]),
    "a path through a link": old(files=[entry("out/.bashrc")]),
    "a hook of git": old(files=[entry(".git/hooks/post-checkout")]),
    "a hook of git for Windows": old(files=[entry("GIT~1/hooks/post-checkout")]),
    "a hook of git for a Mac": old(files=[entry(".g\u200cit/hooks/post-checkout")]),
    "a file that it removes": old(files=[entry("notes.txt", before=False)]),
    "folders that it removes": old(folders=["out", "src"]),
    "an end": old(files=[entry("notes.txt")], finished="README.md", record="evil\n"),
    "nothing": raw(b""),
    "no text": raw(b"\xff\xfe\n\0"),
    "much depth": raw(b"[" * 100_000),
    "a list": raw(b"[]"),
    "a folder that is a link": a_link,
    "a journal that is a link": a_linked_journal,
    "a pipe": a_pipe,
    "a huge one": a_huge_one,
    "of another user": of_another_user,
    "of another folder": of_another_folder,
}


@pytest.mark.parametrize("journal", JOURNALS.values(), ids=JOURNALS)
def test_a_journal_of_somebody_else_is_not_obeyed(
    clone: Lab, journal: Callable[[Path], None], capsys: pytest.CaptureFixture[str]
) -> None:
    journal(clone.project)
    sizes = {p: p.lstat().st_size for p in clone.project.parent.rglob("*")}
    before = {p: p.read_bytes() for p, size in sizes.items() if p.is_file() and size < 10**6}
    for name, words in COMMANDS.items():
        code = cli.run([str(clone.project) if word == "PROJECT" else word for word in words])
        said = capsys.readouterr()
        assert code in (1, 3), name
        problem, hint = said.err.splitlines()
        assert f"{FOLDER} is in the way: it was not written here by this user" in problem, name
        assert hint.startswith("hint: remove it; if an update of yours was under way")
        assert SECRET not in said.out + said.err
        found = {p: p.lstat().st_size for p in clone.project.parent.rglob("*")}
        assert found == sizes, name
    assert {path: path.read_bytes() for path in before} == before


def linked_record(project: Path) -> None:
    (project / RECORD).rename(project.parent / "home/record")
    (project / RECORD).symlink_to(project.parent / "home/record")


def piped_record(project: Path) -> None:
    (project / RECORD).unlink()
    os.mkfifo(project / RECORD)


def huge_record(project: Path) -> None:
    with (project / RECORD).open("ab") as stream:
        stream.truncate(10**12)


def record_of_what_is_outside(path: str) -> Callable[[Path], None]:
    def put_record(project: Path) -> None:
        with (project / RECORD).open("a") as stream:
            stream.write(f'"{path}" = "0"\n')

    return put_record


RECORDS: dict[str, Callable[[Path], None]] = {
    "a link": linked_record,
    "a pipe": piped_record,
    "a huge one": huge_record,
    "a path that leads up": record_of_what_is_outside(f"../home/{SECRET}"),
    "an absolute path": record_of_what_is_outside("/etc/passwd"),
    "the files of git": record_of_what_is_outside(".GIT/config"),
}


@pytest.mark.parametrize("record", RECORDS.values(), ids=RECORDS)
def test_a_record_leads_nowhere(
    clone: Lab, record: Callable[[Path], None], capsys: pytest.CaptureFixture[str]
) -> None:
    record(clone.project)
    before = read_tree(clone.project.parent / "home")
    for name, words in COMMANDS.items():
        code = cli.run([str(clone.project) if word == "PROJECT" else word for word in words])
        said = capsys.readouterr()
        assert code in (1, 2), name
        assert SECRET not in said.out, name
    assert read_tree(clone.project.parent / "home") == before


def test_a_way_that_became_a_link_is_not_gone_back(clone: Lab) -> None:
    """A journal of our own, in a project whose folders somebody has changed since."""
    put(clone.history.root, {"domains/x/src/__package__/data.py": text({5: "theirs\n"})})
    put(clone.project, {"src/toy/data.py": text({5: "mine\n"})})
    assert clone.update().conflicts == ("src/toy/data.py",)
    home = clone.project.parent / "home"
    copy(clone.project / "src/toy", home / "toy")
    (clone.project / "src").rename(clone.project / "was")
    (clone.project / "src").symlink_to(home)
    before = read_tree(home)
    for end in ("--abort", "--continue"):
        assert cli.run(["update", str(clone.project), end]) in (1, 3)
        assert read_tree(home) == before


PROGRAM = "#!/bin/sh\ntouch CANARY\ncat\n"

SETTINGS = {
    "a monitor of files": "[core]\nfsmonitor = PROGRAM\n",
    "hooks": "[core]\nhooksPath = HOOKS\n",
    "a filter": '[filter "evil"]\nclean = PROGRAM\nsmudge = PROGRAM\nrequired = true\n',
    "a filter that serves": '[filter "evil"]\nprocess = PROGRAM\n',
    "a filter with a name of its own": '[filter "a.b"]\nclean = PROGRAM\n',
    "a filter in another file": "[include]\npath = ../included\n",
    "what is not fetched yet": (
        "[core]\nrepositoryformatversion = 1\n[extensions]\npartialClone = origin\n"
        "[protocol]\nallow = always\n"
        '[remote "origin"]\npromisor = true\nurl = ext::PROGRAM\n'
    ),
}


@pytest.mark.parametrize("setting", SETTINGS.values(), ids=SETTINGS)
def test_a_repository_that_came_as_an_archive_runs_nothing(clone: Lab, setting: str) -> None:
    """Its .git may be what no clone can be."""
    project, canary = clone.project, clone.project.parent / "canary"
    put(project, {".gitattributes": "* filter=evil\n*.txt filter=a.b\n"})
    commit(project)
    program = project / "program"
    put(project, {"program": PROGRAM.replace("CANARY", str(canary))})
    program.chmod(0o755)
    for hook in ("post-index-change", "post-checkout", "reference-transaction"):
        put(project, {f"hooks/{hook}": program.read_bytes()})
        (project / "hooks" / hook).chmod(0o755)
    setting = setting.replace("PROGRAM", str(program)).replace("HOOKS", str(project / "hooks"))
    evil = f'[filter "evil"]\nclean = {program}\n'
    put(project, {"included": evil})
    with (project / ".git/config").open("a") as stream:
        stream.write(setting)
    for path in project.rglob("*"):  # so that git looks into each
        if ".git" not in path.parts and not path.is_symlink():
            os.utime(path, (1, 1))
    try:
        clone.update()
    except PtscaffoldError as error:
        assert "git" in str(error)  # noqa: PT017
    assert not canary.exists()


def test_git_that_cannot_tell_is_not_taken_for_yes(clone: Lab) -> None:
    commit(clone.project)
    put(clone.project, {"tail.txt": "dirty\n"})
    (clone.project / ".git/config").write_text("[core\n")
    before = read_tree(clone.project)
    with pytest.raises(PtscaffoldError, match=r"git says: bad config") as no:
        clone.update()
    assert "--force" in no.value.hint
    assert read_tree(clone.project) == before
    clone.update(force=True)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid(), reason="needs root")
def test_a_project_of_another_owner_is_not_taken_for_clean(clone: Lab) -> None:
    commit(clone.project)
    put(clone.project, {"tail.txt": "dirty\n"})
    for path in (clone.project, *clone.project.rglob("*")):
        os.chown(path, 12345, 12345, follow_symlinks=False)
    with pytest.raises(PtscaffoldError, match=r"uncommitted changes|dubious ownership"):
        clone.update()


def test_the_repository_of_a_hook_is_not_asked(
    clone: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, {"clean/x": "x\n"})
    commit(tmp_path / "clean")
    commit(clone.project)
    put(clone.project, {"tail.txt": "dirty\n"})
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "clean/.git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(tmp_path / "clean"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "clean/.git/index"))
    with pytest.raises(PtscaffoldError, match=r"uncommitted changes here: tail\.txt"):
        clone.update()


def test_git_is_asked_in_vain_without_a_repository(clone: Lab) -> None:
    put(clone.project, {".git/nothing": ""})
    clone.update()


def parted(project: Path, to: Path, how: str) -> None:
    """Put the repository of a project elsewhere, so that it is found by a link or a file."""
    (project / ".git").rename(to)
    if how == "a link":
        (project / ".git").symlink_to(to)
    else:
        (project / ".git").write_text(f"gitdir: {to}\n")


def inner_links(project: Path, to: Path, how: str) -> None:
    (project / ".git" / how).rename(to)
    (project / ".git" / how).symlink_to(to)


@pytest.mark.parametrize(
    ("how", "lead"),
    [("a link", parted), ("a file", parted), ("index", inner_links), ("objects", inner_links)],
)
def test_a_repository_elsewhere_is_not_written_to(
    clone: Lab, how: str, lead: Callable[[Path, Path, str], None]
) -> None:
    put(clone.project, {"notes.txt": text({3: "mine\n"})})
    commit(clone.project)
    lead(clone.project, clone.project.parent / "repository", how)
    before = read_tree(clone.project.parent)
    assert clone.update().conflicts == ("notes.txt",)
    after = read_tree(clone.project.parent)
    assert {p for p in after if after[p] != before.get(p) and p.split("/")[0] != "state"} <= {
        p for p in after if p.startswith(("toy/notes.txt", f"toy/{FOLDER}/"))
    }


def test_a_worktree_is_one_s_own(clone: Lab) -> None:
    put(clone.project, {"notes.txt": text({3: "mine\n"})})
    commit(clone.project)
    tree = clone.project.parent / "tree"
    git(clone.project, "worktree", "add", "--quiet", str(tree))
    assert Lab(clone.history, tree).update().conflicts == ("notes.txt",)
    assert git(tree, "status", "--porcelain", "notes.txt") == "UU notes.txt\n"


# Random repositories: what is read and written outside of them is seen by Python itself.


def hostile(chance: random.Random, project: Path, outside: Path) -> None:
    """Put links, journals, records and repositories of a stranger anywhere in a project."""
    places = sorted(p for p in project.rglob("*") if not p.is_symlink())
    for place in chance.sample(places, 4):
        if not os.path.lexists(place) or not place.parent.is_dir():
            continue
        if place.is_dir():
            place.rename(project / f"was-{chance.random()}")
        else:
            place.unlink()
        goals = [outside, outside / "deep", outside / SECRET, "..", "/dev/zero", "gone", "."]
        make = chance.choice([place.symlink_to] * 3 + [lambda _, p=place: os.mkfifo(p)])
        make(chance.choice(goals))
    paths = ["notes.txt", "../outside/x", f"{outside}/x", "src/x", "deep/../../x", ".git/config"]
    table: dict[str, Any] = {
        "files": [
            entry(chance.choice(paths), before=chance.choice([True, False, "0" * 64, None]))
            for _ in range(chance.randrange(4))
        ],
        "folders": chance.sample(paths, 2),
        "conflicts": chance.sample(paths, chance.randrange(3)),
        "record": "evil\n",
        "finished": chance.choice(["", *paths]),
        "aborted": chance.choice([True, False]),
        "state": chance.choice(["writing", "waiting", "ending", "aborting"]),
    }
    if chance.random() < 0.6:
        old(**table)(project)
    for name in (f"{FOLDER}.tmp", f"{FOLDER}.{'0' * 48}.tmp", f".toy.{'0' * 48}.tmp"):
        if chance.random() < 0.3:
            (project / name).symlink_to(outside)
    if chance.random() < 0.3 and not (project / ".git").exists():
        put(project, {".git/HEAD": "ref: refs/heads/../../x\n", ".git/config": "[core\n"})


WRITES = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.chmod")
READS = ("open", "os.listdir", "os.scandir")


def watch(outside: Path) -> None:
    """End this process when it opens or changes what is outside, or runs another program."""

    def look(event: str, arguments: tuple[Any, ...]) -> None:
        if event in ("subprocess.Popen", "os.exec", "os.posix_spawn", "os.system"):
            if event != "subprocess.Popen" or arguments[0] != "git":
                os._exit(99)
        elif event in WRITES or event in READS:
            for path in arguments[:2]:
                if isinstance(path, str | bytes | os.PathLike):
                    there = os.path.realpath(os.fsdecode(path))
                    if there.startswith(str(outside)) or there == "/dev/zero":
                        os._exit(98)

    sys.addaudithook(look)


def test_random_repositories_of_strangers(clone: Lab, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    put(outside, {SECRET: SECRET, "deep/notes.txt": text(), "deep/x": "x\n"})
    original = copy(clone.project, tmp_path / "original")
    before = read_tree(outside)
    for number in range(40):
        hostile(random.Random(number), clone.project, outside)
        child = os.fork()
        if not child:
            code = 97
            try:
                os.chdir(tmp_path)
                with Path(os.devnull).open("w") as nowhere:
                    sys.stdout = sys.stderr = nowhere
                    signal.alarm(20)
                    watch(outside)
                    for words in COMMANDS.values():
                        words = ["toy" if word == "PROJECT" else word for word in words]
                        assert cli.run(words) in range(4)
                code = 0
            finally:
                os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0, number
        assert read_tree(outside) == before
        subprocess.run(["rm", "-rf", str(clone.project)], check=True)
        copy(original, clone.project)


def test_the_state_of_a_user_is_nobody_else_s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    made = lab(tmp_path).make()
    waiting(made.project)
    key = tmp_path / "state/ptscaffold/key"
    assert (key.stat().st_mode & 0o777, key.stat().st_size) == (0o600, 32)
    assert sorted(p.name for p in key.parent.iterdir()) == ["key"]
    assert cli.run(["update", str(made.project), "--abort"]) == 0


BAD_KEYS = ["a folder", "readable by all", "too short", "in the project", "no place"]


@pytest.mark.parametrize("bad", BAD_KEYS)
def test_without_a_key_that_is_kept_no_later_process_believes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bad: str
) -> None:
    state = tmp_path / ("toy" if bad == "in the project" else "state")
    monkeypatch.setenv("XDG_STATE_HOME", str(state))
    made = lab(tmp_path).make()
    if bad == "a folder":
        (state / "ptscaffold/key").mkdir(parents=True)
    elif bad == "no place":
        put(tmp_path, {"state": "a file\n"})
    else:
        put(state, {"ptscaffold/key": b"0" * (3 if bad == "too short" else 32)})
        (state / "ptscaffold/key").chmod(0o644 if bad == "readable by all" else 0o600)
    waiting(made.project)
    command = [sys.executable, "-m", "ptscaffold", "check", str(made.project)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, "is in the way" in done.stderr) == (1, True)
    assert cli.run(["update", str(made.project), "--abort"]) == 0  # this process has its own


def test_git_status_in_a_project_leaves_its_index_alone(clone: Lab) -> None:
    commit(clone.project)
    index = clone.project / ".git/index"
    os.utime(clone.project / "tail.txt", (1, 1))
    before = (index.read_bytes(), git(clone.project, "rev-parse", "HEAD"))
    clone.update(force=False)
    assert (index.read_bytes(), git(clone.project, "rev-parse", "HEAD")) == before
