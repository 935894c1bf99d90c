import pytest


@pytest.mark.parametrize("style", ["plain", "lightning", "fastai"])
def test_projects_have_hooks_and_lint(scaffold, style):
    project = scaffold(domain="vision", style=style, features=["hooks"], packs=["."])
    assert project.answers["ruff_version"] == "0.14.0"
    assert "rev: v0.14.0" in (project.path / ".pre-commit-config.yaml").read_text()
    project.run("ruff check")
    project.run("ruff format --check")
