"""Merging text: whose line endings win, and what is said when git does not do it."""

from __future__ import annotations

from pathlib import Path

import pytest
from update.trees import Lab, lab, put, text

from ptscaffold.errors import PtscaffoldError
from ptscaffold.layers.content import is_crlf, with_endings_of
from ptscaffold.layers.history import History
from ptscaffold.project.git import MARKERS, merge_text


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
    result, found = merge_text(yours, old, new, "template")
    assert found == conflicts
    if merged is not None:
        assert result == merged
    else:
        assert all(marker.encode() in result for marker in MARKERS)


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


LF = text()
CRLF = LF.replace("\n", "\r\n")
FEW = LF.replace("line 4\n", "line 4\r\n").replace("line 7\n", "line 7\r\n")


def ninth(content: str) -> str:
    """The same with a change of the template in it."""
    return content.replace("line 9", "theirs")


ENDINGS: dict[str, tuple[str, str, str, str]] = {
    # the template before and after, the project before and after
    "the template turns to those of Windows": (LF, CRLF, LF, CRLF),
    "and changes a line": (LF, ninth(CRLF), LF, ninth(CRLF)),
    "and back": (CRLF, LF, CRLF, LF),
    "not what was edited": (LF, CRLF, text({2: "mine\n"}), text({2: "mine\n"})),
    "a checkout of Windows has them already": (LF, CRLF, CRLF, CRLF),
    "a checkout of Windows keeps its own": (LF, ninth(LF), CRLF, ninth(CRLF)),
    "mixed in the template": (FEW, ninth(FEW), FEW, ninth(FEW)),
    "mixed by an editor": (LF, ninth(LF), FEW, ninth(FEW)),
    "mixed by an editor and dropped": (LF, "", FEW, FEW),
}


@pytest.mark.parametrize("name", ENDINGS)
def test_line_endings_of_both_sides_arrive(tmp_path: Path, name: str) -> None:
    old, new, yours, after = ENDINGS[name]
    made = lab(tmp_path)
    put(made.history.root, {"base/ends.txt": old})
    made = Lab(History(made.history.root, "1.1"), made.project).make()
    made = made.change("2.0", {"base/ends.txt": new or None})
    put(made.project, {"ends.txt": yours})
    assert not made.update().wants_you
    assert (made.project / "ends.txt").read_bytes() == after.encode()
    assert made.update().changes == ()
