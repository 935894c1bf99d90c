"""The archive of released templates: it only grows, stays small, and is opened late."""

from __future__ import annotations

import subprocess
import sys
from itertools import product
from pathlib import Path

import pytest
from update.trees import NOTES_PATH, lab, put, text

import ptscaffold
from ptscaffold.errors import PtscaffoldError
from ptscaffold.layers import history
from ptscaffold.layers.files import digest_of_tree, tree_under
from ptscaffold.layers.history import ARCHIVE, History
from ptscaffold.project.state import render
from ptscaffold.render.given import Given

# A line for every release, written when it is made: the version and the digest of its templates.
RELEASED = Path(__file__).with_name("released.txt")


def compare(root: Path, version: str, released: str) -> list[str]:
    """What is not as it was released."""
    digests = dict(line.split() for line in released.splitlines())
    archive = History(root, version)
    wrong = [
        f"{name}: other templates"
        for name, digest in digests.items()
        if name in archive.releases() and digest_of_tree(archive.tree(name)) != digest
    ]
    wrong += [f"{name}: in one list only" for name in digests.keys() ^ set(archive.releases())]
    if version in digests and digest_of_tree(tree_under(root)) != digests[version]:
        wrong.append(f"{version}: the checkout has other templates than its release")
    return sorted(wrong)


def test_no_release_was_altered() -> None:
    built_in = History()
    assert compare(built_in.root, built_in.version, RELEASED.read_text()) == []


def test_an_altered_release_is_found(tmp_path: Path) -> None:
    made = lab(tmp_path).change("2.0", {NOTES_PATH: text({2: "second\n"})})
    made.history.add()
    root = made.history.root
    tree = made.history.tree
    lines = [f"{version} {digest_of_tree(tree(version))}\n" for version in ("1.0", "2.0")]
    assert compare(root, "2.0", "".join(lines)) == []
    assert compare(root, "2.0", lines[0]) == ["2.0: in one list only"]
    assert compare(root, "2.0", f"1.0 {'0' * 64}\n{lines[1]}") == ["1.0: other templates"]
    put(root, {NOTES_PATH: text({2: "third\n"})})
    assert compare(root, "3.0", "".join(lines)) == []
    assert compare(root, "2.0", "".join(lines)) == [
        "2.0: the checkout has other templates than its release"
    ]


def test_adding_again_changes_nothing(tmp_path: Path) -> None:
    made = lab(tmp_path)
    archive = made.history.root / ARCHIVE
    archive.unlink()
    assert made.history.add()
    content = archive.read_bytes()
    assert not made.history.add()
    assert not History(made.history.root, "1.0").add()
    assert archive.read_bytes() == content


@pytest.mark.parametrize("path", [NOTES_PATH, "base/layer.toml", "styles/b/new.py"])
def test_a_release_cannot_be_added_with_another_tree(tmp_path: Path, path: str) -> None:
    made = lab(tmp_path)
    made.history.add()
    content = (made.history.root / ARCHIVE).read_bytes()
    put(made.history.root, {path: 'label = "other"\nhelp = "other"\n'})
    for archive in (made.history, History(made.history.root, "1.0")):
        with pytest.raises(PtscaffoldError, match=r"version 1\.0 is released and cannot change"):
            archive.add()
    assert (made.history.root / ARCHIVE).read_bytes() == content


def test_a_release_comes_back_byte_for_byte(tmp_path: Path) -> None:
    made = lab(tmp_path)
    put(made.history.root, {"base/crlf.txt": "a\r\nb", "base/latin.txt": b"\xe4\n"})
    before = tree_under(made.history.root)
    archive = History(made.history.root, "1.5")
    archive.add()
    put(made.history.root, {NOTES_PATH: None})
    assert archive.tree("1.5") == before
    later = History(made.history.root, "2.0")
    with later.catalogue("1.5") as catalogue:
        assert tree_under(catalogue.root) == before
        place = catalogue.root
    assert not place.exists()


@pytest.mark.parametrize(
    "damage",
    [lambda data: data[:-20], lambda data: b"", lambda data: b"no xz", lambda data: data[:9]],
    ids=["truncated", "empty", "something else", "header only"],
)
def test_a_damaged_archive_is_said(tmp_path: Path, damage: object) -> None:
    assert callable(damage)
    made = lab(tmp_path)
    archive = made.history.root / ARCHIVE
    archive.write_bytes(damage(archive.read_bytes()))
    with pytest.raises(PtscaffoldError, match="cannot read") as caught:
        History(made.history.root, "2.0").releases()
    assert caught.value.hint == "reinstall ptscaffold"


@pytest.mark.parametrize("content", ["[]", "{}", '{"files": {}}'])
def test_an_archive_of_another_form_is_said(tmp_path: Path, content: str) -> None:
    made = lab(tmp_path)
    (made.history.root / ARCHIVE).write_bytes(history.lzma.compress(content.encode()))
    with pytest.raises(PtscaffoldError, match="cannot read"):
        History(made.history.root, "2.0").releases()


@pytest.mark.parametrize(
    "arguments", [["--help"], ["new", "toy", "--domain", "vision", "--style", "plain", "--dry-run"]]
)
def test_making_a_project_does_not_open_it(tmp_path: Path, arguments: list[str]) -> None:
    code = (
        "import sys; from ptscaffold.cli import app; app.run(sys.argv[1:]); "
        "unwanted = {'project.git', 'layers.history', 'project.merge', 'project.update'}; "
        "unwanted |= {'export.template', 'export.formats', 'trial.run'}; "
        "print({f'ptscaffold.{name}' for name in unwanted} & sys.modules.keys())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=tmp_path,
        env={"PYTHONPATH": str(Path(ptscaffold.__file__).parents[1])},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "set()"


def test_fifty_releases_stay_small(tmp_path: Path) -> None:
    made = lab(tmp_path)
    root = made.history.root
    files = {f"base/part{n}.py": text({n + 1: f"part {n}\n"}, 200) for n in range(40)}
    put(root, files)
    (root / ARCHIVE).unlink()
    sizes = []
    for number in range(50):
        name = f"base/part{number % 40}.py"
        put(root, {name: files[name] + f"# release {number}\n"})
        History(root, f"1.{number}").add()
        sizes.append((root / ARCHIVE).stat().st_size)
    assert len(History(root, "2").releases()) == 50
    assert sizes[-1] < 40_000
    assert (sizes[-1] - sizes[0]) / 49 < 700
    unpacked = len(history.lzma.decompress((root / ARCHIVE).read_bytes()))
    assert unpacked < 1_000_000


@pytest.mark.parametrize("version", History().releases())
def test_every_release_can_still_be_rendered(version: str) -> None:
    with History().catalogue(version) as catalogue:
        for domain, style in product(catalogue.names("domains"), catalogue.names("styles")):
            features = tuple(
                feature.name
                for feature in catalogue.choices("features")
                if f"styles/{style}" not in feature.conflicts
            )
            given = Given({"domain": domain, "style": style, "features": features})
            assert "README.md" in render(given, version, catalogue).tree
