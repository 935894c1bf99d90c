"""Every feature in every cell, alone and together with the others, and what its files say."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from fnmatch import fnmatch
from functools import cache
from itertools import combinations, product
from pathlib import Path
from typing import Any

import pytest
import yaml
from fitting import fitting

from ptscaffold import __version__
from ptscaffold.cli import app as cli
from ptscaffold.layers.catalogue import Catalogue
from ptscaffold.layers.content import Tree
from ptscaffold.render.answers import complete, select_layers
from ptscaffold.render.given import gather
from ptscaffold.render.renderer import Renderer

ROOT = Path(__file__).parents[2]
CATALOGUE, RENDERER = Catalogue(), Renderer()
CELLS = sorted(product(CATALOGUE.names("domains"), CATALOGUE.names("styles")))
FEATURES = sorted(CATALOGUE.names("features"))
SIZES = (1, 2, len(FEATURES) - 1, len(FEATURES))  # some layers exclude another
SUBSETS = [subset for size in SIZES for subset in combinations(FEATURES, size)]
FILES = {
    "ci": {".github/workflows/ci.yml"},
    "devcontainer": {
        ".devcontainer/devcontainer.json",
        ".vscode/launch.json",
        ".vscode/settings.json",
        ".vscode/tasks.json",
    },
    "docker": {".dockerignore", "Dockerfile"},
    "explain": {
        "src/my_own_net/attribution.py",
        "src/my_own_net/explain.py",
        "tests/test_attribution.py",
        "tests/test_explain.py",
    },
    "export": {
        "src/my_own_net/export.py",
        "src/my_own_net/exported.py",
        "src/my_own_net/predict_onnx.py",
        "tests/test_export.py",
        "tests/test_predict_onnx.py",
    },
    "fsdp": {"src/my_own_net/sharding.py", "tests/test_sharded.py"},
    "hpo": {"src/my_own_net/tune.py", "tests/test_tune.py"},
    "mlflow": {"src/my_own_net/train_mlflow.py", "tests/test_mlflow.py"},
    "multinode": {"scripts/node.sh"},
    "notebook": {"explore.ipynb", "tests/test_notebook.py"},
    "precommit": {".pre-commit-config.yaml"},
    "profile": {"src/my_own_net/profiling.py", "tests/test_profiling.py"},
    "serve": {
        "src/my_own_net/endpoint.py",
        "src/my_own_net/page/index.html",
        "src/my_own_net/page/inputs.js",
        "src/my_own_net/serve.py",
        "tests/test_endpoint.py",
        "tests/test_serve.py",
    },
    "slurm": {"scripts/train.sbatch"},
    "wandb": {"src/my_own_net/train_wandb.py", "tests/test_wandb.py"},
}
OF_STYLES = {
    ("fsdp", "plain"): {"src/my_own_net/train_sharded.py"},
    ("fsdp", "lightning"): {"src/my_own_net/fit_sharded.py"},
}
TOGETHER = {("export", "serve"): {"tests/test_serve_exported.py"}}


@cache
def render(domain: str, style: str, *features: str, name: str = "My-Own.Net") -> Tree:
    flags = {"domain": domain, "style": style, "features": features, "name": name}
    answers = complete(gather(flags, (), None), CATALOGUE)
    return RENDERER.render(answers, select_layers(answers, CATALOGUE), __version__)


def overridden(features: tuple[str, ...]) -> set[str]:
    paths = (CATALOGUE.layer(f"features/{feature}").overrides for feature in features)
    return {path.replace("__package__", "my_own_net") for group in paths for path in group}


def needs(feature: str) -> bool:
    layer = CATALOGUE.layer(f"features/{feature}")
    return bool(layer.dependencies or layer.dev_dependencies or layer.pyproject)


def text(path: str) -> str:
    """A file of one project that has every feature."""
    return render("vision", "plain", *FEATURES)[path].data.decode()


def test_every_feature_has_its_row_here_and_in_the_readme(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert set(FILES) == set(FEATURES)
    assert cli.run(["list"]) == 0
    listed = capsys.readouterr().out.partition("features (--feature)\n")[2]
    readme = (ROOT / "README.md").read_text()
    for feature in CATALOGUE.choices("features"):
        excluded = "; not with fastai" if "styles/fastai" in feature.conflicts else ""
        assert re.search(rf"^  {feature.name} +{re.escape(feature.help + excluded)}$", listed, re.M)
        assert f"| `{feature.name}` | {feature.help} |" in readme


def test_a_notebook_begins_with_the_weights_that_it_is_given() -> None:
    notebook = json.loads(render("text", "fastai", "notebook")["explore.ipynb"].data)
    [train] = ["".join(c["source"]) for c in notebook["cells"] if c.get("id") == "train"]
    assert "make_learner(dls, task, spec, config.pretrained)" in train


@pytest.mark.parametrize("features", SUBSETS, ids="-".join)
def test_features_add_their_files_and_change_the_readme(features: tuple[str, ...]) -> None:
    for domain, style in CELLS:
        if not set(features) <= set(fitting(CATALOGUE, domain, style)):
            continue
        bare, tree = render(domain, style), render(domain, style, *features)
        added = {path: tree[path] for path in tree.keys() - bare.keys()}
        expected = [FILES[f] | OF_STYLES.get((f, style), set()) for f in features]
        expected += [files for pair, files in TOGETHER.items() if set(pair) <= set(features)]
        assert set(added) == set().union(*expected)
        changed = {path for path in bare if tree[path] != bare[path]}
        assert changed - {"pyproject.toml"} - overridden(features) == {"README.md"}
        assert ("pyproject.toml" in changed) == any(needs(feature) for feature in features)
        for path, file in added.items():
            content = file.data.decode()
            assert file.mode == 0o644
            assert "ptscaffold" not in content.lower(), path
            assert "\r" not in content, path
            assert content.endswith("\n"), path
            assert not content.endswith("\n\n"), path
            assert not re.search(r"\{\{ (?!github|matrix)|\{%|[ \t]+$|my-own", content, re.M), path


def test_the_readme_says_how_to_use_each_feature() -> None:
    bare = render("vision", "plain")["README.md"].data.decode()
    for features in SUBSETS:
        readme = render("vision", "plain", *features)["README.md"].data.decode()
        assert "\n\n\n" not in readme
        assert "ptscaffold" not in readme
        assert set(bare.splitlines()) <= set(readme.splitlines())
        for feature in features:
            for file in FILES[feature]:
                assert Path(file).name in readme or file.startswith("tests/"), file
    # Tests of the projects execute the bash blocks, where there is neither Docker nor SLURM.
    added = set(blocks(readme, "bash")) - set(blocks(bare, "bash"))
    command = r"(\w+=\w+ )?uv run python -m my_own_net\."
    assert not [block for block in added if not re.match(command, block)]
    for block in blocks(readme, "sh"):
        check_shell(block)


def blocks(readme: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", readme, re.S | re.M)


def check_shell(script: str, shell: str = "sh") -> None:
    done = subprocess.run([shell, "-n"], input=script, capture_output=True, text=True)
    assert done.returncode == 0, f"{done.stderr}\n{script}"


def instructions() -> Iterator[tuple[str, str]]:
    """The instructions of the Dockerfile with their arguments, on one line each."""
    lines = [line for line in text("Dockerfile").splitlines() if not line.startswith("#")]
    for line in re.sub(r"\\\n\s*", "", "\n".join(lines)).splitlines():
        if line.strip():
            word, _, rest = line.partition(" ")
            yield word, rest


def test_the_dockerfile_is_in_order() -> None:
    found = list(instructions())
    words = [word for word, _ in found]
    known = {"ARG", "COPY", "ENTRYPOINT", "ENV", "FROM", "RUN", "USER", "VOLUME", "WORKDIR"}
    assert set(words) <= known
    assert words[0] == "FROM"
    assert text("Dockerfile").startswith("# syntax=docker/dockerfile:1\n")
    copies = [rest for word, rest in found if word == "COPY"]
    assert copies == ["pyproject.toml uv.loc[k] ./", "README.md ./", "src src"]
    runs = [place for place, word in enumerate(words) if word == "RUN"]
    # Dependencies, then the source, then the project; what runs is not root
    places = [found.index(("COPY", copy)) for copy in copies]
    assert places[0] < runs[0] < places[1] < places[2] < runs[1]
    assert words.index("USER") > runs[-1]
    assert found[words.index("USER")][1] not in ("root", "0")
    assert found[-1] == ("ENTRYPOINT", '["python", "-m", "my_own_net.train"]')
    stages = [rest.split()[-1] for word, rest in found if word == "FROM"]
    assert "root" not in stages
    for _, rest in (found[place] for place in runs):
        mounts, command = re.findall(r"--mount=(\S+)", rest), re.sub(r"--mount=\S+ *", "", rest)
        for source in re.findall(r"from=(\w+)", " ".join(mounts)):
            assert source in stages
        if "uv pip" in command:
            assert "type=cache,target=/root/.cache/uv" in mounts
        check_shell(command)


def test_uv_takes_the_commands_of_the_dockerfile_and_the_workflow() -> None:
    called = "\n".join([*(rest for _, rest in instructions()), *workflow_commands()])
    for command in ("uv pip install", "uv export"):
        usage = subprocess.run([*command.split(), "--help"], capture_output=True, text=True).stdout
        for arguments in re.findall(rf"{command} ([^&;\n]*)", called):
            for flag in re.findall(r"(?<!\S)--?[a-z][a-z-]*", arguments):
                assert re.search(rf"(?<!\S){flag}\b", usage), f"{command} {flag}"
    assert "--torch-backend" in called


def test_the_image_takes_no_cuda_of_the_lock() -> None:
    """The PyTorch of a lock has the libraries of one CUDA, each with its version."""
    [script] = re.findall(r"sed -i -E '([^']+)'", text("Dockerfile"))
    names = ["cuda-toolkit==13.2", "nvidia-cublas==13.4", "torch==2.15.0", "triton==3.8"]
    command = ["sed", "-E", script]
    done = subprocess.run(command, input="\n".join(names), capture_output=True, text=True)
    assert done.stdout.split() == ["torch==2.15.0"]


@pytest.mark.parametrize(
    ("path", "kept"),
    [
        ("pyproject.toml", True),
        ("uv.lock", True),
        ("README.md", True),
        ("src", True),
        ("src/my_own_net/__pycache__", False),
        ("runs", False),
        ("data", False),
        (".venv", False),
        (".git", False),
        ("tests", False),
        (".env", False),
    ],
)
def test_the_image_holds_what_it_needs_and_nothing_else(path: str, kept: bool) -> None:
    ignored = False
    for line in text(".dockerignore").splitlines():
        pattern = line.removeprefix("!").removeprefix("**/")
        if line and not line.startswith("#") and fnmatch(Path(path).name, pattern):
            ignored = not line.startswith("!")
    assert ignored is not kept


def workflow() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(text(".github/workflows/ci.yml"))
    return loaded


def workflow_commands() -> list[str]:
    (job,) = workflow()["jobs"].values()
    return [step["run"] for step in job["steps"] if "run" in step]


def test_the_workflow_is_narrow() -> None:
    loaded = workflow()
    (job,) = loaded["jobs"].values()
    assert loaded["permissions"] == {"contents": "read"}
    assert loaded["concurrency"]["cancel-in-progress"] is True
    assert loaded["concurrency"]["group"] == "${{ github.workflow }}-${{ github.ref }}"
    assert job["timeout-minutes"] <= 30
    assert job["env"]["UV_TORCH_BACKEND"] == "cpu"
    assert job["strategy"]["matrix"]["python"][0] == "3.11"
    uses = [step["uses"].partition("@") for step in job["steps"] if "uses" in step]
    assert [action for action, _, _ in uses] == ["actions/checkout", "astral-sh/setup-uv"]
    assert all(re.fullmatch(r"v\d+", version) for _, _, version in uses)


def test_the_workflow_runs_what_the_project_has() -> None:
    tree, commands = render("vision", "plain", "ci"), workflow_commands()
    assert commands[-1] == "uv run python -m my_own_net.train --dry-run"
    assert "src/my_own_net/train.py" in tree
    required = tree["pyproject.toml"].data.decode()
    for command in commands[2:-1]:
        tool = command.removeprefix("uv run ").split()[0]
        assert f'"{tool}>=' in required, command
    for check in ("uv run ruff check", "uv run ruff format --check", "uv run mypy"):
        assert check in commands
    assert "uv run pytest" in commands
    # `uv run` would replace the CPU build by the one of PyPI
    (job,) = workflow()["jobs"].values()
    assert job["env"]["UV_NO_SYNC"] == "1"


def test_the_editor_starts_what_the_project_has() -> None:
    tree = render("vision", "plain", "devcontainer")
    files = {Path(path).name: json.loads(tree[path].data) for path in FILES["devcontainer"]}
    for start in files["launch.json"]["configurations"]:
        assert f"src/{start['module'].replace('.', '/')}.py" in tree
    [task] = files["tasks.json"]["tasks"]
    [port] = files["devcontainer.json"]["forwardPorts"]
    assert task["command"] == f"uv run tensorboard --logdir runs --port {port}"


@pytest.mark.nightly  # mypy from nothing takes half a minute
def test_a_commit_is_checked_with_the_project_s_tools(tmp_path: Path) -> None:
    for path, file in render("text", "plain", "precommit").items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(file.data)
    hooks = tmp_path / ".pre-commit-config.yaml"
    hooks.write_text(hooks.read_text().replace("uv run --no-sync", "env"))  # of these tests
    (tmp_path / "model.pt").touch()
    (tmp_path / "src/ugly.py").write_text("import os\nx = [ 1 ]\n")
    for command in ("git init --quiet", "git add --all"):
        subprocess.run(command.split(), cwd=tmp_path, check=True)
    run = ["pre-commit", "run", "--all-files"]
    done = subprocess.run(run, cwd=tmp_path, capture_output=True, text=True)
    results = dict(re.findall(r"^(\S[^.\n]*)\.{3,}(\w+)$", done.stdout, re.M))
    expected = {"ruff check": "Failed", "ruff format": "Failed", "mypy": "Passed"}
    assert results == expected | {"no checkpoint, no archive": "Failed"}
    assert (tmp_path / "src/ugly.py").read_text() == "x = [1]\n"


def test_the_batch_script_is_a_script() -> None:
    script = text("scripts/train.sbatch")
    check_shell(script, "bash")
    head, _, body = script.partition("\n\n")
    options = re.findall(r"^#SBATCH --([a-z-]+)", head, re.M)
    assert head.startswith("#!/bin/bash\n")
    assert "#SBATCH" not in body
    assert {"job-name", "nodes", "time", "signal", "requeue", "open-mode"} <= set(options)
    assert "--resume auto" in body
