"""The code of a project is formatted with the shortest and the longest name that it may have."""

from __future__ import annotations

import subprocess
from itertools import product
from pathlib import Path

import pytest
from cells.harness import with_features

from ptscaffold.layers.catalogue import Catalogue
from ptscaffold.project.new import Request, create

LAYERS = Catalogue()
CELLS = list(product(sorted(LAYERS.names("domains")), sorted(LAYERS.names("styles"))))


@pytest.mark.parametrize(("domain", "style"), CELLS)
def test_any_name_leaves_the_code_formatted(
    domain: str, style: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    features = with_features(domain, style).features
    for name in ("a", "a" * 40):
        create(Request(name=name, domain=domain, style=style, features=features))
        for command in (["check"], ["format", "--check"]):
            done = subprocess.run(
                ["ruff", *command], cwd=name, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, done.stdout
