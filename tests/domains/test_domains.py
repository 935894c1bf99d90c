"""A domain is a folder, a style too: what does not depend on them has no part for one of them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BRANCH = r"\b{0} (==|!=|(not )?in [(\[{{]) ?|\}}\[{0}\]|\.get\({0}\b"


def branches(folder: Path, what: str = "domain") -> set[str]:
    """What of a folder has a part for one domain, or for one style."""
    return naming(folder, re.compile(BRANCH.format(what)))


def naming(folder: Path, pattern: re.Pattern[str]) -> set[str]:
    files = [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc"]
    found = [path for path in files if pattern.search(path.read_text(encoding="utf-8"))]
    return {path.relative_to(folder).parts[0] for path in found}


@pytest.mark.parametrize(
    "folder", ["templates/base", "templates/styles", "templates/features", "src/ptscaffold"]
)
def test_what_is_no_domain_has_no_part_for_one(folder: str) -> None:
    assert branches(ROOT / folder) == set()


@pytest.mark.parametrize("folder", ["templates/base", "templates/domains", "src/ptscaffold"])
def test_base_domains_and_the_tool_have_no_part_for_a_style(folder: str) -> None:
    assert branches(ROOT / folder, "style") == set()


@pytest.mark.parametrize("name", [r"\baccelerate\b", r"styles/trainer|[\"']trainer[\"']"])
def test_no_other_layer_knows_a_style_that_joined_later(name: str) -> None:
    """What it does not go with stands in its own manifest."""
    for folder in ("base", "domains", "features"):
        assert naming(ROOT / "templates" / folder, re.compile(name)) == set()
