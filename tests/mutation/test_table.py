"""The table of faults fits the templates: every edit applies, and what comes out is Python."""

from __future__ import annotations

from collections import Counter
from functools import cache

import pytest
from mutation.table import CASES, Case

from ptscaffold import __version__
from ptscaffold.layers.catalogue import Catalogue
from ptscaffold.render.answers import complete, select_layers
from ptscaffold.render.given import gather
from ptscaffold.render.renderer import Renderer


@cache
def render(domain: str, style: str) -> dict[str, str]:
    """The files of a project by path, those of its package by name."""
    catalogue = Catalogue()
    chosen = complete(gather({"domain": domain, "style": style}, (), None), catalogue)
    tree = Renderer().render(chosen, select_layers(chosen, catalogue), __version__)
    package = f"src/{domain}_{style}/".replace("-", "_")
    return {path.removeprefix(package): file.data.decode() for path, file in tree.items()}


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.cell}-{case.name}")
def test_a_fault_applies(case: Case) -> None:
    files = render(case.domain, case.style)
    changed = case.apply(files)
    assert all(source != files[file] for file, source in changed.items())


def test_the_table_is_as_large_as_promised() -> None:
    assert len({(case.name, case.cell) for case in CASES}) == len(CASES)
    counts = Counter(case.cell for case in CASES)
    assert all(counts[f"vision-{style}"] == 8 for style in Catalogue().names("styles"))
    others = set(Catalogue().names("domains")) - {"vision"}
    assert all(counts[f"{domain}-plain"] == 3 for domain in others)


def test_an_edit_that_does_not_fit_is_an_error() -> None:
    case = CASES[0]
    files = render(case.domain, case.style)
    with pytest.raises(ValueError, match="0 times, not once"):
        case.apply(files | {edit.file: "" for edit in case.edits})
    with pytest.raises(ValueError, match="2 times, not once"):
        case.apply(files | {edit.file: files[edit.file] * 2 for edit in case.edits})
