"""`ptscaffold test` on layers whose projects train in no time, with a stand-in for uv."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest
from tool.conftest import Ran, Run, list_tree
from tool.stand_in import write_stand_ins

import ptscaffold
from ptscaffold.errors import UsageError
from ptscaffold.layers.catalogue import Catalogue
from ptscaffold.trial.checks import CHECKS, needed, steps_of
from ptscaffold.trial.children import LEFT_OUT, Children, Outcome, Stopped, environment
from ptscaffold.trial.matrix import Cell, choose_cells
from ptscaffold.trial.run import Manner, try_cells

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the stand-ins are shell scripts")

WHICH = shutil.which
ALL = ["new", "install", "prepare", "train", "evaluate", "tensorboard", "own-data", "predict"]
ALL += ["resume", "processes", "readme", "tests", "lint", "types", "format", "interrupt"]

UNKNOWN_CHECK = f"unknown check 'trian' for --only ({', '.join(CHECKS)}). Did you mean 'train'?"


@pytest.fixture
def layers_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root, tools = write_stand_ins(tmp_path)
    monkeypatch.setenv("PATH", str(tools), prepend=os.pathsep)
    monkeypatch.setenv("UV_SYNC", "0")
    return root


@pytest.fixture
def temporary(tmp_path: Path, work: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary folders are made; and a uv that is found."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    monkeypatch.setattr("shutil.which", WHICH)
    return folder


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_a_cell_that_works(run: Run, temporary: Path) -> None:
    ran = run("test", "--feature", "extra", "--jobs", "1")
    assert ran.code == 0, ran.err
    steps = [line for line in ran.err.splitlines() if line.startswith("texts-loop+extra  ")]
    assert [line.split()[:3] for line in steps] == [
        ["texts-loop+extra", check, "ok"]
        for check in [*ALL[:3], "readme", *ALL[3:]]  # what `new` says of the feature comes first
    ]
    assert re.fullmatch(
        r"texts-loop\+extra  evaluate     ok +\d+\.\d s  accuracy 0\.9500", steps[5]
    )
    assert re.fullmatch(r"17 of 17 checks passed in 1 cell, \d+ s", ran.err.splitlines()[-1])
    assert ran.out.splitlines()[0].split()[0] == "cell"
    row = ran.out.splitlines()[1].split()
    assert row[:6] == ["texts-loop+extra", "17", "0", "0", "accuracy", "0.9500"]
    assert ran.tree == []
    assert list_tree(temporary) == []


def test_the_matrix_in_parallel_as_json(run: Run, temporary: Path) -> None:
    ran = run("test", "--json", "--jobs", "2", "--only", "train", "--only", "tests")
    assert ran.code == 0, ran.err
    data = json.loads(ran.out)
    assert [cell["name"] for cell in data["cells"]] == ["texts-loop", "texts-loop+extra"]
    assert data["ok"] is True
    assert data["score"] == 1
    assert data["logs"] is None
    for cell in data["cells"]:
        assert [check["name"] for check in cell["checks"]] == ["new", "install", "train", "tests"]
        for check in cell["checks"]:
            assert check["ok"] is True
            assert check["log"] is None
            assert check["seconds"] >= 0
            assert check["reason"] == ""
        assert cell["checks"][2]["command"] == "uv run python -m texts_loop.train"
    assert [cell["checks"][0]["command"] for cell in data["cells"]] == [
        "ptscaffold new --domain texts --style loop",
        "ptscaffold new --domain texts --style loop --feature extra",
    ]
    assert list_tree(temporary) == []


def test_what_is_kept(run: Run, temporary: Path) -> None:
    ran = run("test", "--shard", "1/2", "--keep", "--json")
    assert ran.code == 0, ran.err
    data = json.loads(ran.out)
    logs = Path(data["logs"])
    assert ran.err.splitlines()[-1].endswith(f"; logs: {logs}")
    assert sorted(path.name for path in logs.iterdir()) == ["texts-loop"]
    checks = {check["name"]: check for check in data["cells"][0]["checks"]}
    assert Path(checks["predict"]["log"]).read_text() == (
        '$ uv run python -m texts_loop.predict \\\n    mine.txt\n{"input": "mine"}\nexit code 0\n'
    )
    assert "threads, CI=\n" in Path(checks["readme"]["log"]).read_text()
    assert "<title>" not in Path(checks["tensorboard"]["log"]).read_text()
    assert checks["interrupt"]["command"] == (
        "uv run python -m texts_loop.train --resume runs/interrupted"
    )
    project = logs.parent / "projects/texts-loop/texts-loop"
    assert (project / "runs/interrupted/metrics.jsonl").read_text().count("\n") == 3
    assert not list(logs.rglob("*.out"))


def failing(run: Run, temporary: Path, *arguments: str) -> tuple[dict[str, dict[str, object]], Ran]:
    """Run a trial of one cell that fails; give its checks, once the logs are there."""
    ran = run("test", "--shard", "1/2", "--json", *arguments)
    assert ran.code == 1, ran.err
    data = json.loads(ran.out)
    assert data["ok"] is False
    assert 0 <= data["score"] < 1
    assert [path.name for path in Path(data["logs"]).parent.iterdir()] == ["logs"]
    checks = {check["name"]: check for check in data["cells"][0]["checks"]}
    for check in checks.values():
        if check["ok"] is False:
            assert Path(str(check["log"])).is_file()
            assert f"log: {check['log']}\n" in ran.err
            assert f"texts-loop {check['name']} failed: {check['reason']}\n" in ran.err
            assert f"  $ {check['command']}\n" in ran.err
    return checks, ran


@pytest.mark.parametrize(
    ("file", "old", "new", "check", "reason"),
    [
        ("base/README.md.jinja", "uv run mypy", "echo bad; false", "readme", "exit code 1"),
        ("domains/texts/src/__package__/evaluate.py", "0.95", "0.5", "evaluate",
         "accuracy 0.5000 is below the floor 0.9"),
        ("domains/texts/layer.toml", "floor", "ceiling", "evaluate",
         "accuracy 0.9500 is above the ceiling 0.9"),
        ("domains/texts/src/__package__/evaluate.py", "accuracy", "mae", "evaluate",
         "the last line of its output does not begin as in `accuracy 0.9556`"),
        ("domains/texts/layer.toml", "[test]", '[test]\nmetric = "iou"', "evaluate",
         "the last line of its output does not begin as in `iou 0.9556`"),
        ("domains/texts/src/__package__/evaluate.py", "print(", "(", "evaluate",
         "the last line of its output does not begin as in `accuracy 0.9556`"),
        ("domains/texts/src/__package__/evaluate.py", "print(", "exit(", "evaluate", "exit code 1"),
        ("domains/texts/src/__package__/predict.py", "'{", "'no{", "predict",
         "line 1 of its output is no JSON object"),
        ("domains/texts/src/__package__/predict.py", "'{", "'[]' or '{", "predict",
         "line 1 of its output is no JSON object"),
        ("domains/texts/src/__package__/predict.py", "print(", "(", "predict",
         "it printed no predictions"),
        ("domains/texts/layer.toml", '"open', '"openn', "prepare", "exit code 1"),
        ("styles/loop/src/__package__/train.py", "import json", "import json; 'interrupted' in "
         "' '.join(__import__('sys').argv) and exit(7)\nimport json", "interrupt",
         "after SIGTERM exit code 7"),
        ("styles/loop/src/__package__/train.py", "import json", "import json; '--resume' in "
         "' '.join(__import__('sys').argv) and exit(7)\nimport json", "interrupt", "exit code 7"),
        ("styles/loop/src/__package__/train.py", "len(before) + 1,", "1,", "interrupt",
         "3 epochs in settings.json, but its metrics are of [1, 1, 2, 3]"),
        ("styles/loop/src/__package__/train.py", 'print("trained"',
         '(run / "settings.json").unlink()\nprint("trained"', "interrupt",
         "no epochs in runs/interrupted/settings.json"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_found(
    run: Run, layers_root: Path, temporary: Path, file: str, old: str, new: str, check: str,
    reason: str,
) -> None:  # fmt: skip
    edit(layers_root / file, old, new)
    checks, ran = failing(run, temporary, "--only", check)
    assert checks[check]["ok"] is False
    assert checks[check]["reason"] == reason
    assert f"{check:<11}  FAIL" in ran.err


@pytest.mark.parametrize("name", ["metrics.csv", "history.csv"])
def test_metrics_in_a_table_have_rows_without_validation(
    run: Run, layers_root: Path, temporary: Path, name: str
) -> None:
    train = layers_root / "styles/loop/src/__package__/train.py"
    edit(train, "metrics.jsonl", name)
    edit(train, "rows.read_text().splitlines()", "rows.read_text().splitlines()[1::2]")
    edit(
        train, "for epoch in", 'before or rows.write_text("epoch,lr,val/accuracy\\n")\nfor epoch in'
    )
    edit(train, 'json.dumps(row) + "\\n"', 'f"{epoch},0.1,\\n{epoch},,0.9\\n"')
    ran = run("test", "--shard", "1/2", "--json", "--only", "interrupt", "--only", "train")
    assert ran.code == 0, ran.err
    edit(train, "len(before) + 1,", "1,")
    checks, _ = failing(run, temporary, "--only", "interrupt")
    wrong = "3 epochs in settings.json, but its metrics are of [1, 1, 2, 3]"
    assert checks["interrupt"]["reason"] == wrong


def test_the_last_lines_of_a_failure_are_shown(
    run: Run, layers_root: Path, temporary: Path
) -> None:
    edit(layers_root / "base/README.md.jinja", "uv run mypy", "seq 100; seq 3 >&2; exit 9")
    checks, ran = failing(run, temporary, "--only", "readme")
    assert (
        "  | 89\n  | 90\n" in ran.err.replace("  | 1\n  | 2\n  | 3\n", "") or "  | 99\n" in ran.err
    )
    assert "  | 80\n" not in ran.err
    assert "  | exit code 9\n" in ran.err
    assert Path(str(checks["readme"]["log"])).read_text().startswith("$ seq 100")


def test_without_an_installation_nothing_else_is_tried(
    run: Run, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_SYNC", "2")
    checks, ran = failing(run, temporary, "--junit", "report.xml")
    assert checks["install"]["ok"] is False
    later = ALL[ALL.index("prepare") :]
    assert {name: (checks[name]["ok"], checks[name]["reason"]) for name in later} == dict.fromkeys(
        later, (None, "install failed")
    )
    assert ran.tree == ["report.xml"]
    (suite,) = ElementTree.parse("report.xml").getroot()
    assert (suite.get("failures"), suite.get("skipped")) == ("1", str(len(later)))


@pytest.mark.parametrize(
    ("server", "reason"),
    [
        ("import sys; sys.exit(3)", "it did not say where it listens"),
        ("print('http://localhost:1/', flush=True); import time; time.sleep(60)", "no page at"),
        (None, "the page at"),
    ],
)
def test_a_server_has_to_serve(
    run: Run, layers_root: Path, temporary: Path, server: str | None, reason: str
) -> None:
    script = layers_root.parent / "tools/server.py"
    text = script.read_text()
    script.write_text(server or text.replace("<title>TensorBoard</title>", ""))
    checks, _ = failing(run, temporary, "--only", "tensorboard")
    assert str(checks["tensorboard"]["reason"]).startswith(reason)


def test_a_broken_template_is_a_failure_of_its_cells(
    run: Run, layers_root: Path, temporary: Path
) -> None:
    (layers_root / "features/extra/broken.txt.jinja").write_text("{{ nothing }}")
    ran = run("test", "--only", "new")
    assert ran.code == 1
    assert "1 of 2 checks passed in 2 cells" in ran.err
    assert "\n  $ ptscaffold new --domain texts --style loop --feature extra\n" in ran.err
    assert "texts-loop+extra new failed: features/extra/broken.txt.jinja:1: 'nothing' is undef" in (
        ran.err
    )


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('"0.90"', '"much"', "floor in [test] is no number: 'much'"),
        (
            "floor",
            "flor",
            "unknown key 'flor' for [test] (prepare, metric, floor, ceiling, seconds).",
        ),
    ],
)
def test_a_wrong_table_is_told(
    run: Run, layers_root: Path, temporary: Path, old: str, new: str, problem: str
) -> None:
    edit(layers_root / "domains/texts/layer.toml", old, new)
    checks, _ = failing(run, temporary, "--only", "new")
    manifest = layers_root / "domains/texts/layer.toml"
    assert str(checks["new"]["reason"]).startswith(f"{manifest}: {problem}")


def test_the_table_changes_no_project(layers_root: Path, run: Run, work: Path) -> None:
    assert run("new", "--domain", "texts", "--style", "loop").code == 0
    first = {path: path.read_bytes() for path in work.rglob("*") if path.is_file()}
    shutil.rmtree("texts-loop")
    manifest = layers_root / "domains/texts/layer.toml"
    manifest.write_text(manifest.read_text().partition("[test]")[0])
    assert run("new", "--domain", "texts", "--style", "loop").code == 0
    assert first == {path: path.read_bytes() for path in work.rglob("*") if path.is_file()}


def test_a_readme_without_commands(run: Run, layers_root: Path, temporary: Path) -> None:
    """Neither a floor nor files of a user's own: installed and formatted is all there is."""
    (layers_root / "base/README.md.jinja").write_text("# {{ name }}\n")
    edit(layers_root / "domains/texts/layer.toml", "[test]\n", "[test]\n#")
    edit(layers_root / "domains/texts/layer.toml", "prepare", "#")
    ran = run("test", "--shard", "1/2", "--json")
    assert ran.code == 0, ran.err
    checks = json.loads(ran.out)["cells"][0]["checks"]
    # `new` prints a training run, so there is one to interrupt
    assert [check["name"] for check in checks] == [
        *("new", "install", "train", "tensorboard", "format", "interrupt")
    ]


@pytest.fixture
def project(run: Run, work: Path, temporary: Path) -> Path:
    made = run("new", "mine", "--domain", "texts", "--style", "loop", "--feature", "extra")
    assert made.code == 0, made.err
    for path in (".venv/x", "runs/old/metrics.jsonl", ".git/HEAD", "src/mine/__pycache__/x.pyc"):
        (work / "mine" / path).parent.mkdir(parents=True, exist_ok=True)
        (work / "mine" / path).touch()
    (work / "mine/src/mine/runs").mkdir()
    (work / "mine/src/mine/runs/kept.txt").touch()
    return work / "mine"


def test_a_project_is_tried_in_a_copy(run: Run, project: Path, temporary: Path) -> None:
    edit(project / "README.md", "uv run mypy", "ls -A . src/mine/runs; cat edited.txt")
    (project / "edited.txt").write_text("edited\n")
    before = {path: path.stat().st_mtime_ns for path in [project, *project.rglob("*")]}
    ran = run("test", "mine", "--keep", "--json")
    assert ran.code == 0, ran.err
    assert {path: path.stat().st_mtime_ns for path in [project, *project.rglob("*")]} == before
    data = json.loads(ran.out)
    assert [cell["name"] for cell in data["cells"]] == ["mine"]
    checks = data["cells"][0]["checks"]
    assert [check["name"] for check in checks][:3] == ["install", "prepare", "train"]
    listed = Path(checks[-3]["log"]).read_text()
    assert "kept.txt" in listed
    assert "edited\n" in listed
    assert ".venv" not in listed
    assert ".git\n" not in listed
    edit(project / "README.md", "cat edited.txt", "false")
    assert run("test", "mine", "--only", "readme").code == 1


def test_a_project_without_a_readme(run: Run, project: Path, temporary: Path) -> None:
    (project / "README.md").unlink()
    ran = run("test", "mine", "--json")
    assert ran.code == 0, ran.err
    names = [check["name"] for check in json.loads(ran.out)["cells"][0]["checks"]]
    assert names == ["install", "prepare", "format"]


@pytest.mark.parametrize(
    ("arguments", "problems", "hint"),
    [
        (["--matrix", "pairs", "--only", "trian", "--shard", "0/1", "--domain", "text",
          "--junit", "no/where.xml"], [
            UNKNOWN_CHECK,
            "--junit 'no/where.xml': there is no folder 'no'",
            "unknown domain 'text' for --domain (texts). Did you mean 'texts'?",
            "unknown matrix 'pairs' for --matrix (minimal, pairwise, all). "
            "Did you mean 'pairwise'?",
            "--shard '0/1' is not of the form I/N, with I from 1 to N",
        ], "see ptscaffold list, and ptscaffold test --help"),
        (["mine", "--domain", "texts", "--only", "trian"], [
            UNKNOWN_CHECK,
            "PROJECT goes with --pack, --only, --keep, --json and --junit alone: it is one cell",
        ], "see ptscaffold test --help"),
        (["mine", "--only", "new"],
         ["--only new makes projects; one that is there goes with other checks"],
         "see ptscaffold --help"),
        (["--jobs", "0"], ["invalid value for '--jobs': 0 is not in the range x>=1"],
         "see ptscaffold test --help"),
        (["--job", "1"], ["unknown option '--job' for ptscaffold test (--domain, --style, "
         "--feature, --pack, --matrix, --shard, --jobs, --only, --keep, --junit, "
         "--no-input, --json, --debug, --help). Did you mean '--jobs'?"],
         "see ptscaffold test --help"),
    ],
)  # fmt: skip
def test_wrong_usage(
    run: Run, project: Path, temporary: Path, arguments: list[str], problems: list[str], hint: str
) -> None:
    before = list_tree(project.parent)
    ran = run("test", *arguments)
    assert ran.code == 2
    assert ran.out == ""
    assert ran.err == "".join(f"error: {problem}\n" for problem in problems) + f"hint: {hint}\n"
    assert ran.tree == before
    assert list_tree(temporary) == []


def test_what_is_no_project(run: Run, project: Path, temporary: Path) -> None:
    ran = run("test", "mine/src")
    assert ran.code == 2
    assert ran.err.splitlines()[0].endswith("is no ptscaffold project: it has no .ptscaffold.toml")
    assert ran.err.splitlines()[1] == f"hint: the project is {project.resolve()}"
    record = project / ".ptscaffold.toml"
    edit(record, 'domain = "texts"', 'domain = "text"')
    ran = run("test", "mine")
    assert ran.code == 2
    assert ran.err.startswith("error: unknown domain 'text' for mine/.ptscaffold.toml (texts). Did")
    edit(record, 'domain = "text"', 'domain = "texts"')
    edit(record, 'style = "loop"', 'style = "gone"')  # only a layer less: what it says of testing
    assert run("test", "mine", "--only", "tests").code == 0


def test_a_project_that_cannot_be_copied(
    run: Run, project: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_arguments: object, **_options: object) -> None:
        raise OSError("no space")

    monkeypatch.setattr("shutil.copytree", refuse)
    ran = run("test", "mine")
    assert ran.code == 1
    assert "mine new failed: cannot copy mine: no space\n" in ran.err


def test_uv_is_needed(run: Run, layers_root: Path) -> None:
    ran = run("test")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == (
        "error: ptscaffold test makes the environments of projects by uv, which is not on PATH\n"
        "hint: python -m pip install uv; or give --only new, which needs none\n"
    )
    assert run("test", "--only", "new").code == 0


def test_an_empty_shard_is_no_failure(run: Run, temporary: Path) -> None:
    ran = run("test", "--shard", "9/9")
    assert ran.code == 0
    assert ran.err == "0 of 0 checks passed in 0 cells, 0 s\n"
    assert run("test", "--shard", "9/9", "--json").out.count('"score": 1.0') == 1


def test_a_report_that_cannot_be_written(run: Run, temporary: Path, work: Path) -> None:
    (work / "folder").mkdir()
    assert run("test", "--only", "new", "--junit", "folder").err.startswith(
        "error: --junit 'folder' is a folder: give a file\n"
    )
    ran = run("test", "--only", "new", "--junit", "/dev/full")
    assert ran.code == 1
    assert ran.err.splitlines()[-2:] == [
        "error: cannot write /dev/full: No space left on device",
        "hint: choose another file for --junit",
    ]


def test_a_command_that_takes_too_long(layers_root: Path, temporary: Path) -> None:
    edit(layers_root / "base/README.md.jinja", "uv run mypy", "sleep 60 & sleep 60")
    slow = "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(60)\n"
    edit(layers_root / "domains/texts/src/__package__/evaluate.py", "print", f"{slow}print")
    trial = try_cells(
        [Cell("texts", "loop")],
        Manner(only=["readme", "train"], limit=1),
        catalogue=Catalogue(layers_root),
    )
    reasons = [outcome.reason for outcome in trial.cells[0].outcomes if outcome.reason]
    assert reasons == ["not finished after 1 s"]
    assert trial.logs is not None
    (log,) = [o.log for o in trial.cells[0].outcomes if o.reason]
    assert log is not None
    assert log.read_text().endswith("stopped after 1 s\n")


def test_a_run_that_does_not_stop(
    layers_root: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ptscaffold.trial.children.PATIENCE", 0.2)
    monkeypatch.setattr("ptscaffold.trial.checks.PATIENCE", 0.2)
    deaf = (
        "\nif 'runs/interrupted' in sys.argv: signal.signal(15, signal.SIG_IGN); time.sleep(60)\n"
    )
    edit(layers_root / "styles/loop/src/__package__/train.py", "\nflags", f"{deaf}\nflags")
    trial = try_cells(
        [Cell("texts", "loop")],
        Manner(only=["interrupt"], limit=1),
        catalogue=Catalogue(layers_root),
    )
    assert trial.cells[0].outcomes[-1].check == "interrupt"
    assert trial.cells[0].outcomes[-1].reason.startswith("after SIGTERM not finished after")


def test_cells_as_a_library_call(layers_root: Path, temporary: Path) -> None:
    catalogue = Catalogue(layers_root)
    said: list[str] = []
    manner = Manner(
        only=["train", "tensorboard"],
        report=lambda name, outcome: said.append(f"{name} {outcome.check}"),
    )
    trial = try_cells(choose_cells(catalogue=catalogue), manner, catalogue=catalogue)
    assert trial.ok
    by_check = {outcome.check: outcome for outcome in trial.cells[0].outcomes}
    assert by_check["train"].stdout == "trained\n"
    assert by_check["train"].stderr == ""
    assert [row["epoch"] for row in by_check["train"].metrics] == [1, 2]
    assert "TensorBoard" in by_check["tensorboard"].stdout
    assert len(said) == sum(len(cell.outcomes) for cell in trial.cells)


def alive(word: str) -> bool:
    listed = subprocess.run(["ps", "-eww", "-o", "args"], capture_output=True, text=True).stdout
    return any(word in line and "ps -eww" not in line for line in listed.splitlines())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_leaves_nothing(
    layers_root: Path, tmp_path: Path, work: Path, number: signal.Signals
) -> None:
    word = f"sleep 7{os.getpid()}{int(number)}"
    edit(
        layers_root / "base/README.md.jinja",
        "uv run mypy",
        f"trap '' TERM; ({word}) & {word}; {word}",
    )
    site, temporary = tmp_path / "site", tmp_path / "temporary"
    shutil.copytree(
        Path(ptscaffold.__file__).parent,
        site / "ptscaffold",
        ignore=shutil.ignore_patterns("__pycache__", "templates"),
    )
    shutil.copytree(layers_root, site / "ptscaffold/templates")
    temporary.mkdir()
    child = subprocess.Popen(
        [sys.executable, "-m", "ptscaffold", "test", "--only", "readme", "--jobs", "2"],
        cwd=work,
        env={**os.environ, "PYTHONPATH": str(site), "TMPDIR": str(temporary)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(
            number, signal.SIG_DFL if number != 2 else signal.default_int_handler
        ),
    )
    until(lambda: alive(word))
    child.send_signal(number)
    out, err = child.communicate(timeout=60)
    assert child.returncode == 130, err
    assert out == ""
    assert err.splitlines()[-1] == "interrupted"
    assert list_tree(temporary) == []
    assert list_tree(work) == []
    until(lambda: not alive(word))


def until(true: Callable[[], bool]) -> None:
    for _ in range(200):
        if true():
            return
        time.sleep(0.1)
    raise AssertionError("it has not come")


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_whatever_ends_a_trial_early_leaves_nothing(
    layers_root: Path, temporary: Path, error: type[BaseException]
) -> None:
    def report(_name: str, outcome: Outcome) -> None:
        if outcome.check == "train":
            raise error

    catalogue = Catalogue(layers_root)
    cells = choose_cells("all", catalogue=catalogue)
    with pytest.raises(error):
        try_cells(cells, Manner(jobs=1, report=report), catalogue=catalogue)
    assert list_tree(temporary) == []


def test_children_are_ended_together_and_start_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ptscaffold.trial.children.PATIENCE", 0.5)
    children = Children()
    deaf = tmp_path / "deaf.py"
    deaf.write_text("import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(60)")
    ended: list[str] = []

    def run(number: int) -> None:
        try:
            command = f"{sys.executable} {deaf} {number}"
            children.run(command, tmp_path, {**os.environ}, tmp_path / f"{number}.log")
        except Stopped:
            ended.append("stopped")

    threads = [threading.Thread(target=run, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    until(lambda: alive(f"{deaf} 0") and alive(f"{deaf} 1"))
    children.stop()
    for thread in threads:
        thread.join(30)
    assert ended == ["stopped", "stopped"]
    with pytest.raises(Stopped):
        children.run("true", tmp_path, {}, tmp_path / "3.log")


def test_the_environment_is_a_newcomers(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("VIRTUAL_ENV", "PYTHONPATH", "CI", "UV_PROJECT_ENVIRONMENT", "https_proxy"):
        monkeypatch.setenv(name, "x")
    online, offline = environment(3, offline=False), environment(3, offline=True)
    assert set(online) == set(os.environ) - {*LEFT_OUT} | {"OMP_NUM_THREADS"}
    assert online["OMP_NUM_THREADS"] == "3"
    assert "https_proxy" not in offline
    assert offline["HTTPS_PROXY"] == "http://127.0.0.1:9"
    assert offline["UV_OFFLINE"] == "1"


def test_checks_by_name() -> None:
    assert needed([]) == set(CHECKS)
    assert needed(["new"]) == {"new"}
    assert needed(["serve"]) == {"new", "install", "train", "serve"}
    assert needed(["predict"]) == {"new", "install", "prepare", "train", "predict"}
    with pytest.raises(UsageError, match="unknown check 'tests '"):
        needed(["tests "])


def test_commands_are_known_by_what_they_run() -> None:
    readme = """
```bash
uv run ruff format --check
uv run python -m x.train --data-dir d
uv run python -m x.train --data=d
uv run python -m x.serve
```
"""
    steps = [(step.check, step.command.split()[-1]) for step in steps_of(readme)]
    assert steps == [
        ("install", "sync"),
        ("format", "--check"),
        ("train", "d"),
        ("own-data", "--data=d"),
        ("serve", "x.serve"),
        ("interrupt", "d"),
    ]
