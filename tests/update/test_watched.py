"""Random repositories of strangers, in git and out of it, while the system tells what is touched.

`strace` says which programs are started and which files are opened, by git too.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import subprocess
import sys
from contextlib import nullcontext
from io import StringIO
from pathlib import Path

import pytest
from update import commands
from update.test_stranger import PROGRAM, SECRET, hostile
from update.trees import Lab, commit, copy, lab, put, read_tree, text, times

pytestmark = pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")

SEEDS = [pytest.param(n, marks=pytest.mark.nightly) if n > 1 else n for n in range(20)]
TRIES = 6  # a seed
OPENED = re.compile(r'^(\d+) +(?:openat|open|creat)\(.*?"([^"]*)".*= \d+<([^>]*)>$')
STARTED = re.compile(r'^(\d+) +execve\("([^"]*)", .*\) = 0')

# What a repository that came as an archive can have git do; P is a program, O a folder outside.
SETTINGS = [
    "[core]\nfsmonitor = P\nhooksPath = hooks\nsshCommand = P\npager = P\neditor = P\n",
    '[filter "evil"]\nclean = P\nsmudge = P\nprocess = P\nrequired = true\n',
    '[diff "evil"]\ntextconv = P\ncommand = P\n[merge "evil"]\ndriver = P %O %A %B\n',
    "[diff]\nexternal = P\n[credential]\nhelper = !P\n[gpg]\nprogram = P\n",
    "[alias]\nstatus = !P\nls-files = !P\nrev-parse = !P\nsymbolic-ref = !P\n",
    "[core]\nworktree = O\n",
    "[include]\npath = O/config\n",
    "[core]\nattributesFile = O/attributes\nexcludesFile = O/excludes\n",
    "[core]\nbare = true\n",
    "[core]\nalternateRefsCommand = P\n[uploadpack]\npackObjectsHook = P\n",
    "[core]\nrepositoryformatversion = 1\n[extensions]\npartialClone = origin\n"
    '[protocol]\nallow = always\n[remote "origin"]\npromisor = true\nurl = ext::P\n',
]
CONFIGURED = ("config", "attributes", "excludes")
HOOKS = ["post-index-change", "reference-transaction", "pre-commit", "post-checkout", "pre-auto-gc"]


def arm(chance: random.Random, project: Path, outside: Path) -> None:
    """Give a project a repository that nobody can clone."""
    program = str(project / "program")
    put(project, {".gitattributes": "* filter=evil diff=evil merge=evil\n"})
    commit(project)
    put(project, {"program": PROGRAM.replace("CANARY", str(outside / "canary"))})
    (project / "program").chmod(0o755)
    for folder in (".git/hooks", "hooks"):
        for hook in HOOKS:
            put(project, {f"{folder}/{hook}": (project / "program").read_bytes()})
            (project / folder / hook).chmod(0o755)
    with (project / ".git/config").open("a") as stream:
        for setting in chance.sample(SETTINGS, chance.randrange(2, 8)):
            stream.write(re.sub(r"\bP\b", program, setting).replace("O", str(outside)))
    what = chance.choice(
        ["as it is", "as it is", "a link", "a file", "an index", "a head", "objects"]
    )
    git = project / ".git"
    if what in ("a link", "a file"):
        copy(project, outside / "theirs")
        shutil.rmtree(git)
        if what == "a link":
            git.symlink_to(outside / "theirs/.git")
        else:
            git.write_text(f"gitdir: {outside}/theirs/.git\n")
    elif what == "an index":
        (git / "index").unlink()
        (git / "index").symlink_to(outside / SECRET)
    elif what == "a head":
        (git / "HEAD").unlink()
        (git / "HEAD").symlink_to(outside / SECRET)
    elif what == "objects":
        put(
            project,
            {".git/objects/info/alternates": f"{outside}\n", ".git/commondir": str(outside)},
        )
    for path in project.rglob("*"):  # so that git looks into each
        if ".git" not in path.parts and not path.is_symlink():
            os.utime(path, (1, 1))


PACKS = ["./pack", "../outside", "O", "git+ext::P", "git+file://O/theirs", "git+file:///P#x=y"]
PACKS += ["git+ssh://-oProxyCommand=P/x", "evil", "~/pack", "git+https://127.0.0.1:9/x.git@v1"]


def is_plain(place: Path) -> bool:
    return place.is_file() and not any(p.is_symlink() for p in (place, *place.parents))


def odd(chance: random.Random, project: Path, outside: Path) -> None:
    """Packs and presets in the record, huge files, odd modes, anywhere in a project."""
    record = project / ".ptscaffold.toml"
    with record.open("a") if is_plain(record) else nullcontext(StringIO()) as stream:
        for number, source in enumerate(chance.sample(PACKS, chance.randrange(3))):
            source = source.replace("P", str(project / "program")).replace("O", str(outside))
            more = chance.choice(["", f'commit = "{"0" * 40}"\n', f'digest = "{"0" * 64}"\n'])
            stream.write(f'\n[packs.evil{number}]\nsource = "{source}"\nversion = "1"\n{more}')
        if chance.random() < 0.2:
            stream.write(f'\n[preset]\nname = "{outside}/preset"\nlocked = {{}}\n')
    put(project, {"pack/base/evil.txt": "evil\n", "pack/pack.toml": 'name = "evil"\n'})
    for path in chance.sample(["notes.txt", "tail.txt", "src/toy/data.py", ".gitattributes"], 2):
        if is_plain(project / path):
            os.truncate(project / path, chance.choice([10**12, 10**8 + 1, 0]))
    for path in chance.sample(sorted(project.rglob("*")), 3):
        if not path.is_symlink():
            path.chmod(chance.choice([0, 0o4755, 0o1777, 0o111]))


def watched(made: Lab, project: Path, log: Path) -> str:
    """Run all commands, and give what was said; strace writes to the log."""
    tests = str(Path(__file__).parents[1])
    command = ["strace", "-f", "-y", "-qq", "-s", "4096", "--seccomp-bpf", "-o", str(log)]
    command += ["-e", "trace=execve,openat,open,creat", sys.executable, "-m", commands.__name__]
    command += [str(made.history.root), made.history.version, str(project)]
    paths = os.pathsep.join([tests, os.environ.get("PYTHONPATH", "")])
    env = {**os.environ, "PYTHONPATH": paths, "HOME": str(project.parent / "home")}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_outside_is_touched_and_nothing_started(tmp_path: Path, seed: int) -> None:
    made = lab(tmp_path).make()
    put(made.project, {"notes.txt": text({3: "mine\n"})})
    made = made.change("2.0", {"base/notes.txt": text({3: "theirs\n"})})
    for number in range(seed * TRIES, (seed + 1) * TRIES):
        chance, place = random.Random(number), tmp_path / str(number)
        outside, log = place / "outside", place / "log"
        project = copy(made.project, place / "toy")
        own = {SECRET: SECRET, "deep/notes.txt": text(), "deep/x": "x\n", "notes.txt": SECRET}
        put(
            outside,
            {**own, "config": "[core\n", "attributes": "* filter=evil\n", "excludes": "x\n"},
        )
        put(place, {"home/.bashrc": "mine\n"})
        if chance.random() < 0.7:
            arm(chance, project, outside)
        if chance.random() < 0.4:
            hostile(chance, project, outside)
        if chance.random() < 0.5:
            odd(chance, project, outside)
        before = read_tree(outside), times(outside), read_tree(place / "home")
        said = watched(made, project, log)
        assert SECRET not in said, number
        assert (read_tree(outside), times(outside), read_tree(place / "home")) == before, number
        calls = log.read_text(errors="replace").splitlines()
        started = [match.groups() for line in calls if (match := STARTED.search(line))]
        _, *others = [Path(program).name for _, program in started]
        assert set(others) <= {"git"}, number
        gits = {process for process, program in started if Path(program).name == "git"}
        for process, path, opened in (m.groups() for x in calls if (m := OPENED.search(x))):
            # What its folder refers to is git's own affair, as long as it is not changed.
            if not (
                process in gits and (".git" in Path(path).parts or Path(path).name in CONFIGURED)
            ):
                assert not opened.startswith(str(outside)), (number, path)
            assert opened != "/dev/zero", number
