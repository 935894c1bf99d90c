"""What the documents say agrees with the code, the manifests and the results of the benchmarks."""

from __future__ import annotations

import ast
import re
import textwrap
from collections import Counter
from dataclasses import fields
from itertools import product
from math import prod
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from fitting import fitting
from mutation.table import CASES
from PIL import Image

from ptscaffold import __version__, errors
from ptscaffold.cli import app as cli
from ptscaffold.layers.catalogue import Catalogue
from ptscaffold.layers.history import History
from ptscaffold.layers.manifest import KINDS, Layer
from ptscaffold.trial.checks import CHECKS
from ptscaffold.trial.matrix import MATRICES, choose_cells

ROOT = Path(__file__).parents[2]
DOCUMENTS = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"]
DOCUMENTS += ["benchmarks/README.md", *(f"docs/{p.name}" for p in (ROOT / "docs").glob("*.md"))]


def read(document: str) -> str:
    return (ROOT / document).read_text(encoding="utf-8")


def section(document: str, title: str) -> str:
    return read(document).partition(f"## {title}\n")[2].partition("\n## ")[0]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lead_somewhere(document: str) -> None:
    text = read(document)
    targets = re.findall(r"\]\(([^)]+)\)", text) + re.findall(r'src(?:set)?="([^"]+)"', text)
    for target in targets:
        if target.startswith("https://"):
            continue
        path, _, heading = target.partition("#")
        place = (ROOT / document).parent / path if path else ROOT / document
        assert place.exists(), target
        if heading:
            headings = re.findall(r"^#+ (.*)$", place.read_text(encoding="utf-8"), re.M)
            assert heading in [title.lower().replace(" ", "-") for title in headings], target


def test_the_pictures_are_there_and_small() -> None:
    readme = read("README.md")
    for name, largest in (("tensorboard.png", 300_000), ("film.webp", 400_000)):
        assert re.search(rf'src="docs/{name}"[^>]* alt="[^"]+"', readme)
        picture = ROOT / "docs" / name
        assert picture.stat().st_size < largest
        with Image.open(picture) as image:
            assert image.width > 800
            assert name == "tensorboard.png" or getattr(image, "n_frames", 1) > 20


def test_the_readme_lists_every_cell() -> None:
    catalogue, table = Catalogue(), section("README.md", "The projects")
    rows = [line for line in table.splitlines() if line.startswith("|")]
    styles = catalogue.choices("styles")
    assert [f"`--style {style.name}`" for style in styles] == cells(rows[0])[1:]
    assert [style.help for style in styles] == cells(rows[2])[1:]
    for domain, row in zip(catalogue.choices("domains"), rows[3:], strict=True):
        first, *projects = cells(row)
        assert first == f"`--domain {domain.name}`: {domain.help}"
        assert projects == [f"`{domain.name}-{style.name}`" for style in styles]


def cells(row: str) -> list[str]:
    return [cell.strip() for cell in row.strip("|").split("|")]


def test_the_readme_is_short() -> None:
    assert len(read("README.md").splitlines()) <= 150


def is_part(code: str, file: Path) -> bool:
    """Whether lines stand in a file one after the other, further right perhaps."""
    lines, count = file.read_text(encoding="utf-8").splitlines(), len(code.splitlines())
    parts = (textwrap.dedent("\n".join(lines[i : i + count])) for i in range(len(lines)))
    return code.rstrip() in parts


def test_the_code_in_the_readme_is_that_of_the_templates() -> None:
    found = re.findall(
        r"^```python\n# (\S+) of --style (\w+)\n(.*?)^```", read("README.md"), re.S | re.M
    )
    assert {style for _, style, _ in found} == set(Catalogue().names("styles"))
    for name, style, code in found:
        file = ROOT / "templates/styles" / style / "src/__package__" / name
        assert is_part(code, file), f"{name} of {style} has changed"


def test_the_styles_side_by_side_are_those_of_the_templates() -> None:
    text = read("docs/styles.md")
    found = re.findall(r'^```python title="(.*?)"\n(.*?)^```', text, re.S | re.M)
    assert len(found) == text.count("```python") > 8
    for name, code in found:
        places = (ROOT / "templates").glob(f"*/*/src/__package__/{name}")
        assert any(is_part(code, file) for file in places), f"no {name} has\n{code}"


def test_every_matrix_and_check_is_told() -> None:
    text = section("docs/teams.md", "Test your templates")
    assert re.findall(r"`(\w+)`: every", text) == list(MATRICES)
    minimal, pairwise = choose_cells("minimal"), choose_cells("pairwise")
    assert re.search(rf"`minimal`: [^;|]*, {len(minimal)} projects", text)
    assert re.search(rf"`pairwise`: [^;|]*, {len(pairwise)} projects", text)
    assert len({(cell.domain, cell.style) for cell in pairwise}) == 45
    assert len(pairwise) <= 48
    first = [cells(row)[0] for row in text.splitlines() if row.startswith("|")]
    named = re.findall(r"`([a-z][a-z-]+)`", "\n".join(first))
    assert sorted(named) == sorted(CHECKS)


def test_the_error_is_the_one_that_comes(
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = read("docs/troubleshooting.md")
    (example,) = re.findall(r"^```text\n\$ ptscaffold (.*?)\n(.*?)^```", text, re.S | re.M)
    assert cli.run(example[0].split()) == 2
    assert capsys.readouterr().err == example[1]


def test_the_test_of_a_pack_is_that_of_the_example() -> None:
    (example,) = re.findall(r"^```python\n(.*?)^```", read("docs/teams.md"), re.S | re.M)
    assert example == read("docs/example-pack/test_pack.py")


def test_every_message_is_one_that_comes() -> None:
    """The parts of a message between what stands for names and numbers are in one module."""
    templates = (ROOT / "templates").rglob
    files = [*(ROOT / "src").rglob("*.py"), *templates("*.py"), *templates("*.py.jinja")]
    modules = [re.sub(r'"\s*\n\s*f?"', "", path.read_text(encoding="utf-8")) for path in files]
    messages = re.findall(r"^\| `(.*?)` \| ", read("docs/troubleshooting.md"), re.M)
    assert len(messages) > 20
    for message in messages:
        parts = [part for part in message.split("…") if part]
        assert any(all(part in text for part in parts) for text in modules), message


def errors_of(file: Path) -> set[str]:
    """What is said where a file raises an error, with … for names and numbers."""
    kinds = {kind for kind in vars(errors) if kind.endswith("Error")} | {"SystemExit", "raised_as"}
    found = set()
    for call in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(call, ast.Call) and getattr(call.func, "id", "") in kinds:
            for text in call.args:
                both = (text.body, text.orelse) if isinstance(text, ast.IfExp) else (text,)
                found |= set(map(said, both))
    return {text for text in found if len(re.findall(r"[a-z]{2,}", text)) > 1}


def said(text: ast.expr) -> str:
    if isinstance(text, ast.JoinedStr):
        return "".join(map(said, text.values))
    return str(text.value) if isinstance(text, ast.Constant) else "…"


def test_every_error_is_told(tmp_path: Path) -> None:
    """Those whose words stand where they are raised, of the tool and of projects."""
    catalogue = Catalogue()
    for domain, style in product(catalogue.names("domains"), catalogue.choices("styles")):
        words = ["new", str(tmp_path / f"{domain}-{style.name}"), "--domain", domain]
        for feature in fitting(catalogue, domain, style.name):
            words += ["--feature", feature]
        assert cli.run([*words, "--style", style.name]) == 0
    files = [*(ROOT / "src").rglob("*.py"), *tmp_path.glob("*/src/*/*.py")]
    raised = {text for file in files for text in errors_of(file)} - {"error: …\nhint: …"}
    rows = re.findall(r"^\| `(.*?)` \| ", read("docs/troubleshooting.md"), re.M)
    told = [re.compile(".*".join(map(re.escape, row.split("…"))), re.DOTALL) for row in rows]
    assert len(raised) > 100
    assert [text for text in sorted(raised) if not any(row.search(text) for row in told)] == []


@pytest.mark.parametrize("document", ["README.md", "docs/design.md"])
def test_every_figure_was_measured(document: str) -> None:
    results = ("commands", "update")
    measured = [line for name in results for line in read(f"benchmarks/{name}.md").splitlines()]
    rows = [
        line for line in read(document).splitlines() if line.endswith(("| met |", "| missed |"))
    ]
    assert len(rows) >= 4
    missing = [row for row in rows if row not in measured]
    assert not missing, f"copy the rows of benchmarks/*.md to {document}"


def test_contributing_names_every_key_of_a_manifest() -> None:
    table = section("CONTRIBUTING.md", "How a project is made")
    for spec in fields(Layer):
        if spec.name not in ("path", "folder", "readme", "pyproject", "test"):
            assert f"`{spec.name.replace('_', '-')}`" in table, spec.name
    catalogue = Catalogue()
    for layer in map(catalogue.layer, catalogue.paths()):
        for key in (*layer.readme, *layer.pyproject, *layer.test):
            assert f"`{key}`" in table, f"{layer.path} {key}"
    for kind in ("domains", "styles"):
        assert kind in KINDS
        for layer in catalogue.choices(kind):
            package = layer.folder / "src" / "__package__"
            needed = {
                "domains": ("config", "data", "model", "predict", "sample"),
                "styles": ("train", "evaluate"),
            }
            for module in needed[kind]:
                assert f"`{module}.py`" in table
                assert (package / f"{module}.py").is_file(), layer.path


def test_the_readme_counts_the_faults_of_the_mutation_run() -> None:
    faults = Counter(case.cell for case in CASES)
    (told,) = re.findall(r"`make mutate` puts (\d+) faults", read("README.md"))
    for style in Catalogue().names("styles"):
        assert faults[f"vision-{style}"] == int(told)


def test_the_version_is_in_the_changelog() -> None:
    dated = rf"^## \[{re.escape(__version__)}\] - \d{{4}}-\d\d-\d\d$"
    released = __version__ in History().releases()
    heading = dated if released else rf"{dated}|^## \[Unreleased\]$"
    assert re.search(heading, read("CHANGELOG.md"), re.M)
    assert "MIT License" in read("LICENSE")
    assert yaml.safe_load(read("CITATION.cff"))["version"] == __version__


def test_an_issue_brings_what_doctor_says() -> None:
    form = yaml.safe_load(read(".github/ISSUE_TEMPLATE/problem.yml"))
    asked = {field["attributes"]["label"]: field for field in form["body"]}
    assert asked["ptscaffold doctor --json"]["validations"]["required"]


def workflow(name: str) -> Any:
    return yaml.safe_load(read(f".github/workflows/{name}"))


@pytest.mark.parametrize("name", ["ci.yml", "nightly.yml", "docs.yml", "release.yml"])
def test_workflows_call_targets_that_exist(name: str) -> None:
    makefile = read("Makefile")
    called = set()
    for job in workflow(name)["jobs"].values():
        assert {"runs-on", "steps"} <= job.keys()
        for step in job["steps"]:
            called |= set(re.findall(r"\bmake ([a-z][a-z-]*)", step.get("run", "")))
    for target in called:
        assert re.search(rf"^{target}:", makefile, re.M), target
    needed = {"ci.yml": {"test"}, "docs.yml": {"docs"}, "release.yml": {"test-wheel"}}
    assert called >= needed.get(name, {"test", "test-lowest", "demo"})


@pytest.mark.parametrize("name", ["ci.yml", "nightly.yml"])
def test_workflows_try_every_cell_of_their_matrix(name: str) -> None:
    job = workflow(name)["jobs"]["templates"]
    (command,) = [
        line.strip().partition("ptscaffold test ")[2]
        for step in job["steps"]
        for line in step.get("run", "").splitlines()
        if "ptscaffold test " in line
    ]
    words = re.sub(r"\$\{\{.*?\}\}", "1", command).replace("$shard", "1").split()
    group: Any = typer.main.get_command(cli.app)
    known = {flag for parameter in group.commands["test"].params for flag in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= known
    assert words[words.index("--matrix") + 1] == "pairwise"
    if "--shard" in words:
        part, _, parts = words[words.index("--shard") + 1].partition("/")
        machines = prod(len(values) for values in job["strategy"]["matrix"].values())
        assert (part, int(parts)) == ("1", machines)
    assert job["strategy"]["fail-fast"] is False


def test_the_nightly_run_reports_every_job() -> None:
    jobs = workflow("nightly.yml")["jobs"]
    assert sorted(jobs["report"]["needs"]) == sorted(set(jobs) - {"report"})
    matrix = jobs["templates"]["strategy"]["matrix"]
    assert matrix == {
        "system": ["ubuntu-latest", "macos-latest", "windows-latest"],
        "python": ["3.11", "3.12", "3.13", "3.14"],
        "releases": ["highest"],
        "include": [
            {"system": system, "python": "3.11", "releases": "lowest-direct"}
            for system in ("macos-latest", "windows-latest")
        ],
    }


def test_what_is_said_of_fine_tuning_was_measured() -> None:
    measured = {}
    for line in (ROOT / "benchmarks/real_data.md").read_text().splitlines():
        cells = [cell.strip() for cell in line.split("|")[1:-1]]
        if "plain" in cells and cells[5]:  # tables have no pretrained networks
            name, linear, _, scratch, _, pretrained, *_ = cells
            measured[name] = [linear, scratch.split()[0], pretrained.split()[0]]
    told = re.findall(r"^\| (\w+-500) \| (.*) \|$", (ROOT / "docs/fine-tune.md").read_text(), re.M)
    assert {name: row.split(" | ") for name, row in told} == measured
