"""Merging text: whose line endings win, and what is said when git does not do it."""

from __future__ import annotations

from pathlib import Path

import pytest

from ptscaffold.errors import PtscaffoldError
from ptscaffold.layers.content import is_crlf, with_endings_of
from ptscaffold.project.lines import MARKERS, merge_text


@pytest.mark.parametrize(
    ("yours", "old", "new", "merged", "conflicts"),
    [
        (b"a\nb\nc\nd\n", b"a\nb\nc\n", b"A\nb\nc\n", b"A\nb\nc\nd\n", 0),
        (b"a\r\nb\r\nc\r\nd\r\n", b"a\nb\nc\n", b"A\nb\nc\n", b"A\r\nb\r\nc\r\nd\r\n", 0),
        (b"a\nb\r\nc\n", b"a\nb\r\nc\n", b"A\nb\r\nc\n", b"A\nb\r\nc\n", 0),
        (b"a\nb\r\nc\n", b"a\nb\nc\n", b"a\nB\nc\n", None, 1),
        (b"x\n", b"a\n", b"y\n", None, 1),
    ],
)
def test_both_sides_are_kept_with_the_endings_that_are_yours(
    yours: bytes, old: bytes, new: bytes, merged: bytes | None, conflicts: int
) -> None:
    text, found = merge_text(yours, old, new, "template")
    assert found == conflicts
    if merged is not None:
        assert text == merged
    else:
        assert all(marker.encode() in text for marker in MARKERS)


@pytest.mark.parametrize(
    ("model", "data", "result"),
    [
        (b"x\r\n", b"a\nb\r\n", b"a\r\nb\r\n"),
        (b"x\n", b"a\r\n", b"a\r\n"),
        (b"x\r\ny\n", b"a\n", b"a\n"),
        (b"x\r\n", b"\0\n", b"\0\n"),
    ],
)
def test_endings_follow_a_file_that_has_those_of_windows_alone(
    model: bytes, data: bytes, result: bytes
) -> None:
    assert with_endings_of(model, data) == result
    assert not is_crlf(b"\0\r\n")


def test_without_git_the_way_out_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PtscaffoldError, match="cannot run git") as caught:
        merge_text(b"a", b"b", b"c", "template")
    assert "install git" in caught.value.hint


def test_what_git_cannot_merge_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    git = tmp_path / "git"
    git.write_text("#!/bin/sh\necho disk is on fire >&2\nexit 255\n")
    git.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    with pytest.raises(PtscaffoldError, match="git merge-file failed: disk is on fire"):
        merge_text(b"a", b"b", b"c", "template")
