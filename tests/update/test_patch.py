"""A patch of ours does with `git apply` what it says; counts are those of its lines."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ptscaffold.layers.content import Content
from ptscaffold.project.git import Delta, make_patch, stat

CASES = {
    "added": (None, Content(b"a\nb\n", 0o644), (2, 0)),
    "added, executable": (None, Content(b"a\n", 0o755), (1, 0)),
    "deleted": (Content(b"a\nb\n", 0o644), None, (0, 2)),
    "changed": (Content(b"a\nb\nc\n", 0o644), Content(b"a\nB\nc\nd\n", 0o644), (2, 1)),
    "mode": (Content(b"a\n", 0o644), Content(b"a\n", 0o755), (0, 0)),
    "no line end": (Content(b"a", 0o644), Content(b"b", 0o644), (1, 1)),
    "binary": (Content(b"\0a", 0o644), Content(b"\0b" * 90, 0o644), None),
    "binary, added": (None, Content(b"\0", 0o644), None),
    "binary, the same": (Content(b"\0", 0o644), Content(b"\0", 0o755), None),
    "its line endings": (Content(b"a\r\nb\r\n", 0o644), Content(b"a\nb\n", 0o644), (2, 2)),
    "not UTF-8": (Content(b"\xff\n", 0o644), Content(b"\xfe\n", 0o644), (1, 1)),
}


def write(folder: Path, content: Content | None) -> None:
    if content is not None:
        (folder / "x").write_bytes(content.data)
        (folder / "x").chmod(content.mode)


def applied(before: Content | None, after: Content | None) -> Content | None:
    """What `git apply` makes of the patch between the two."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(folder, before)
        done = subprocess.run(
            ["git", "apply", "--whitespace=nowarn"],
            cwd=folder,
            input=make_patch([Delta("x", before, after)]),
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        if not (folder / "x").exists():
            return None
        mode = 0o755 if (folder / "x").stat().st_mode & 0o100 else 0o644
        return Content((folder / "x").read_bytes(), mode)


@pytest.mark.parametrize("name", CASES)
def test_git_applies_a_patch_and_the_lines_are_counted(name: str) -> None:
    before, after, counts = CASES[name]
    assert applied(before, after) == after
    assert stat([Delta("x", before, after)]) == {"x": counts}


@pytest.mark.parametrize("name", CASES)
def test_the_settings_of_a_person_have_no_say(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, after, counts = CASES[name]
    deltas = [Delta("x", before, after)]
    expected = make_patch(deltas)
    (tmp_path / "git").mkdir()
    (tmp_path / "git/attributes").write_text("* text=auto eol=lf\n* -diff\n")
    (tmp_path / "git/config").write_text(
        "[diff]\ncontext = 0\nnoprefix = true\nexternal = false\n[core]\nautocrlf = input\n"
        "[color]\nui = always\n"
    )
    (tmp_path / "temporary/.git").mkdir(parents=True)
    (tmp_path / "temporary/.gitattributes").write_text("* -diff\n")
    subprocess.run(["git", "init", "--quiet", tmp_path / "temporary"], check=True)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    assert make_patch(deltas) == expected
    assert stat(deltas) == {"x": counts}


@settings(max_examples=40, deadline=None)
@given(*[st.binary(max_size=30) | st.text("ab\n\r", max_size=12).map(str.encode)] * 2)
def test_git_applies_any_patch(old: bytes, new: bytes) -> None:
    if old != new:
        before, after = Content(old, 0o644), Content(new, 0o644)
        assert applied(before, after) == after
