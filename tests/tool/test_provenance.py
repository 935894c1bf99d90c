"""A `.ptscaffold.toml` that is damaged is named with what is wrong about it."""

from __future__ import annotations

from pathlib import Path

import pytest

from ptscaffold.errors import PtscaffoldError
from ptscaffold.project.record import read_record

GOOD = 'tool-version = "1"\ntemplate-version = "1"\n[answers]\nfeatures = []\n[files]\n'


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[", "Invalid initial character"),
        ("", "tool-version is missing"),
        (GOOD.replace("template-version", "x"), "template-version is missing"),
        (GOOD.replace("features = []", ""), "features is missing"),
        (GOOD.replace("features = []", "features = 1"), "features must hold texts"),
        (GOOD + "x = 1\n", "files must hold texts"),
        ("locked = [1]\n" + GOOD, "locked must hold texts"),
        (GOOD + '[packs.acme]\nsource = "x"\n', "version is missing"),
        (GOOD + '[packs.acme]\nsource = "x"\nversion = 1\n', "packs must hold texts"),
        (GOOD + "[packs]\nacme = 1\n", "not subscriptable"),
        ("answers = 1\n" + GOOD.partition("[")[0] + "files = 1\n", "not iterable"),
    ],
)
def test_a_damaged_record_is_named(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / ".ptscaffold.toml").write_text(text)
    with pytest.raises(PtscaffoldError) as caught:
        read_record(tmp_path)
    assert str(caught.value).startswith(f"cannot read {tmp_path / '.ptscaffold.toml'}: ")
    assert reason in str(caught.value)
    assert "version control" in caught.value.hint


def test_a_record_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(PtscaffoldError, match="No such file"):
        read_record(tmp_path)
