"""The command line as a process of its own: start-up, streams, signals, a disk that refuses."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ptscaffold import errors

Command = Callable[..., subprocess.CompletedProcess[str]]

VISION = ("new", "digits", "--domain", "vision", "--style", "lightning")

ENVIRONMENT = {
    "PATH": os.defpath,
    "XDG_STATE_HOME": os.environ["XDG_STATE_HOME"],
    "PYTHONDONTWRITEBYTECODE": "1",
}

HEAVY = ("jinja2", "copier", "cookiecutter", "rich", "pydantic", "torch", "tomllib")
HEAVY += ("concurrent.futures", "xml.etree.ElementTree", "urllib.request")

REPORT_IMPORTS = """
import sys
from ptscaffold.cli.app import run
run(sys.argv[2:])
print("imported:", *(name for name in sys.argv[1].split(",") if name in sys.modules))
"""


@pytest.mark.parametrize(
    ("arguments", "imported"),
    [
        (["--help"], ""),
        (["--version"], ""),
        (["new", "--help"], ""),
        (["test", "--help"], ""),
        (["nwe"], ""),
        (["list"], " tomllib"),
        (["new", "--domain", "vision", "--style", "plain"], " jinja2 tomllib"),
    ],
)
def test_a_command_imports_what_it_needs(
    installed: Path, work: Path, arguments: list[str], imported: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", REPORT_IMPORTS, ",".join(HEAVY), *arguments],
        cwd=work,
        env={**ENVIRONMENT, "PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1].rstrip() == f"imported:{imported}"


def test_new_in_a_pipe_is_plain_and_asks_nothing(command: Command, work: Path) -> None:
    done = command(*VISION, env={"TERM": "xterm-256color", "FORCE_COLOR": "1"})
    assert done.returncode == 0
    assert done.stdout == "digits\n"
    assert "\x1b" not in done.stderr
    assert done.stderr.startswith("Created digits/ (12 files)")
    assert (work / "digits/run.sh").stat().st_mode & 0o111
    assert [path.name for path in work.iterdir()] == ["digits"]


def test_what_is_missing_is_an_error_not_a_question(command: Command) -> None:
    done = command("new")
    assert done.returncode == 2
    assert done.stderr.count("is missing") == 2


def test_of_two_at_once_one_makes_the_project(installed: Path, work: Path) -> None:
    children = [
        subprocess.Popen(
            [sys.executable, "-m", "ptscaffold", *VISION],
            cwd=work,
            env={**ENVIRONMENT, "PYTHONPATH": str(installed)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    talk = [child.communicate(timeout=60)[1] for child in children]
    assert sorted(child.returncode for child in children) == [0, 1, 1, 1]
    assert all("Created" in text or "error: " in text for text in talk)
    assert [path.name for path in work.iterdir()] == ["digits"]
    assert len([path for path in work.rglob("*") if path.is_file()]) == 12


@pytest.mark.skipif(sys.platform == "win32", reason="there are no resource limits there")
def test_a_disk_that_refuses_leaves_nothing(command: Command, work: Path) -> None:
    import resource

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))

    done = command(*VISION, preexec_fn=limit)
    assert done.returncode == 1
    assert done.stderr == (
        "error: cannot write digits: File too large\n"
        "hint: free some space or choose a place you can write to; nothing was left behind\n"
    )
    assert list(work.iterdir()) == []


SLOW = """
import sys, time
from ptscaffold.project import apply, guard, journal
def slowly(*arguments, **options):
    guard.stage_file(*arguments, **options)
    print("wrote", file=sys.stderr, flush=True)
    time.sleep(0.1)
apply.stage_file = journal.stage_file = slowly
from ptscaffold.cli.app import main
main()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals are of another kind there")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("into", [False, True])
def test_a_signal_half_way_leaves_nothing(
    installed: Path, work: Path, number: signal.Signals, into: bool
) -> None:
    arguments = [*VISION, *(["--into", "."] if into else [])]
    child = subprocess.Popen(
        [sys.executable, "-c", SLOW, *arguments],
        cwd=work,
        env={**ENVIRONMENT, "PYTHONPATH": str(installed)},
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        # These tests may themselves run under nohup, whose children are deaf to SIGHUP.
        preexec_fn=lambda: signal.signal(number, signal.SIG_DFL),
    )
    assert child.stderr is not None
    for _ in range(3):
        assert child.stderr.readline() == "wrote\n"
    child.send_signal(number)
    rest = child.communicate(timeout=30)[1]
    assert child.returncode == 130
    assert rest.splitlines()[-1] == "interrupted"
    assert list(work.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="pipes break in another way there")
def test_a_reader_that_leaves_early_is_no_traceback(installed: Path, work: Path) -> None:
    child = subprocess.Popen(
        [sys.executable, "-m", "ptscaffold", "list"],
        cwd=work,
        env={**ENVIRONMENT, "PYTHONPATH": str(installed)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    assert child.stderr is not None
    child.stdout.close()
    assert child.stderr.read() == ""
    child.stderr.close()
    assert child.wait(30) == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_full_disk_behind_stdout_is_said(unbuffered: str, installed: Path, work: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "ptscaffold", "list"],
            cwd=work,
            env={**ENVIRONMENT, "PYTHONPATH": str(installed), "PYTHONUNBUFFERED": unbuffered},
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr.startswith("error: cannot print: No space left on device\n")


@pytest.mark.skipif(sys.platform == "win32", reason="there is no pseudo-terminal there")
@pytest.mark.parametrize(
    ("arguments", "environment", "typed", "expected"),
    [
        (["new"], {}, "\n\n\n\n", "vision-plain"),
        (["new"], {}, "text\nlightning\ndocker\nreviews\n", "reviews"),
        (["new"], {}, "txt\ntext\nplain\nserve\nnone\ntorch\n../x\nmine\n", "mine"),
        (["new", "digits", "--domain", "text"], {}, "plain\n\n", "digits"),
        (["new", "--domain", "text", "--style", "plain"], {}, "", "text-plain"),
        (["new"], {"CI": "true"}, "", None),
        (["new", "--no-input"], {}, "", None),
    ],
)
def test_a_terminal_is_asked_what_is_missing(
    installed: Path,
    work: Path,
    arguments: list[str],
    environment: dict[str, str],
    typed: str,
    expected: str | None,
) -> None:
    import pty

    ours, theirs = pty.openpty()
    child = subprocess.Popen(
        [sys.executable, "-m", "ptscaffold", *arguments],
        cwd=work,
        env={
            **ENVIRONMENT,
            "PYTHONPATH": str(installed),
            "PYTHONDONTWRITEBYTECODE": "1",
            **environment,
        },
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=theirs,
        text=True,
    )
    os.close(theirs)
    os.write(ours, typed.encode())
    out = child.communicate(timeout=30)[0]
    talk = _drain(ours)
    if expected is None:
        assert child.returncode == 2
        assert "--domain is missing" in talk
        return
    assert child.returncode == 0
    assert out == f"{expected}\n"
    assert f"Created {expected}/" in talk
    assert talk.count("]: ") == typed.count("\n")


@pytest.mark.skipif(sys.platform == "win32", reason="there is no pseudo-terminal there")
def test_the_end_of_input_at_a_question_is_an_interrupt(installed: Path, work: Path) -> None:
    import pty

    ours, theirs = pty.openpty()
    child = subprocess.Popen(
        [sys.executable, "-m", "ptscaffold", "new"],
        cwd=work,
        env={**ENVIRONMENT, "PYTHONPATH": str(installed)},
        stdin=theirs,
        stderr=theirs,
        stdout=subprocess.DEVNULL,
    )
    os.close(theirs)
    time.sleep(0.1)
    os.write(ours, b"\x04")
    assert child.wait(30) == 130
    assert "Domain (--domain) [vision]: " in _drain(ours)
    assert list(work.iterdir()) == []


def _drain(descriptor: int) -> str:
    """What a terminal has been sent; reading past its end is an error on Linux."""
    chunks = []
    try:
        while chunk := os.read(descriptor, 4096):
            chunks.append(chunk)
    except OSError:
        pass
    os.close(descriptor)
    return b"".join(chunks).decode().replace("\r\n", "\n")


def test_every_error_says_what_to_do() -> None:
    kinds = [errors.PtscaffoldError, *errors.PtscaffoldError.__subclasses__()]
    named = {name for name, value in vars(errors).items() if isinstance(value, type)}
    assert {kind.__name__ for kind in kinds} <= named
    for kind in kinds:
        error = kind("a problem")
        assert error.hint
        assert error.exit_code in (1, 2, 3)
        assert kind.__name__ in (errors.__doc__ or "")


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_are_in_nobody_s_way(installed: Path, work: Path, closed: str) -> None:
    command = f"{sys.executable} -m ptscaffold {' '.join(VISION)} {closed}"
    environment = {**ENVIRONMENT, "PYTHONPATH": str(installed)}
    done = subprocess.run(command, shell=True, cwd=work, env=environment, check=False)
    assert done.returncode == 0
    assert (work / "digits/pyproject.toml").is_file()


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (VISION, 2, "error: the working folder is not there any more\nhint: cd elsewhere\n"),
        (("list",), 0, ""),
    ],
)
def test_a_working_folder_that_is_gone_is_said_where_it_is_needed(
    installed: Path, work: Path, words: tuple[str, ...], code: int, said: str
) -> None:
    (gone := work / "gone").mkdir()
    command = f"cd {gone} && rmdir {gone} && {sys.executable} -m ptscaffold {' '.join(words)}"
    environment = {**ENVIRONMENT, "PYTHONPATH": str(installed), "PYTHONSAFEPATH": "1"}
    done = subprocess.run(
        command, shell=True, env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (code, said)


def test_a_tilde_is_one_s_home(installed: Path, work: Path, tmp_path: Path) -> None:
    (tmp_path / "home/old").mkdir(parents=True)
    flags = ["--into=~/old", *VISION[2:], "--no-input"]
    environment = {**ENVIRONMENT, "HOME": str(tmp_path / "home"), "PYTHONPATH": str(installed)}
    command = [sys.executable, "-m", "ptscaffold", "new", *flags]
    done = subprocess.run(command, cwd=work, env=environment, check=False)
    assert done.returncode == 0
    assert (tmp_path / "home/old/pyproject.toml").is_file()
    assert list(work.iterdir()) == []
