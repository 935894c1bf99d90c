"""The real sets: they follow from the seed, are whole or absent, and their splits share nothing."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import matplotlib
import numpy as np
import pytest
import soundfile
from PIL import Image

Script = Callable[[str], ModuleType]

DEJAVU = Path(matplotlib.get_data_path()) / "fonts/ttf"
FONTS = {
    name: [DEJAVU / f"{name}.ttf", DEJAVU / f"{name}-Bold.ttf"]
    for name in ("DejaVuSans", "DejaVuSansMono", "DejaVuSerif")
}
PARAGRAPHS = """\
Package: b-data
Source: b (1.0)
Section: games
Description-en: Levels of b
 Not the first of its source.

Package: b
Section: games
Tag: role::program,
 game::arcade
Description-en: A game of marbles
 One rolls them
 over a board, which
 tilts, past holes.
 Four lines are too many.
 .
 Another paragraph.
Homepage: none

Package: c
Section: libs
Description: The only line
"""


def contents(folder: Path) -> dict[str, bytes]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_scenes_of_glyphs_follow_from_the_seed_and_masks_hold_all_kinds(
    script: Script, tmp_path: Path
) -> None:
    glyphs = script("real_glyphs")
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        glyphs.write_glyphs(tmp_path / name, FONTS, {"train": 6, "val": 2, "test": 2}, seed)
    first, second, other = (
        [path.read_bytes() for path in sorted((tmp_path / name).rglob("*.png"))] for name in "abc"
    )
    assert first == second != other
    masks = [np.asarray(Image.open(p)) for p in (tmp_path / "a/train/masks").iterdir()]
    assert set(np.unique(np.stack(masks))) == set(range(len(glyphs.KINDS) + 1))


def test_pictures_follow_from_the_seed(script: Script, tmp_path: Path) -> None:
    letters = script("real_letters")
    letters.write_letters(tmp_path / "a", FONTS, {"train": 50, "val": 5, "test": 5}, 0)
    letters.write_letters(tmp_path / "b", FONTS, {"train": 10, "val": 5, "test": 5}, 0)
    letters.write_letters(tmp_path / "c", FONTS, {"train": 10, "val": 5, "test": 5}, 1)
    large, small, other = (contents(tmp_path / name) for name in "abc")
    assert len(large) == 60
    assert small.items() < large.items()  # the small set is the beginning of the large one
    assert not set(other.values()) & set(large.values())
    assert len(set(large.values())) == 60
    assert {path.name for path in (tmp_path / "a/train").iterdir()} == {
        letters.label(each) for each in letters.CHARACTERS
    }
    assert len({name.lower() for name in map(letters.label, letters.CHARACTERS)}) == 45


def test_a_character_is_dark_on_light_and_inside(script: Script) -> None:
    letters = script("real_letters")
    rng = np.random.default_rng(0)
    for character in letters.CHARACTERS:
        image = letters.photograph(character, FONTS["DejaVuSerif"][1], rng)
        grey = np.asarray(image.convert("L"), np.float64)
        assert 48 <= image.height <= 80
        edge = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
        assert np.percentile(grey, 2) < 0.85 * np.median(edge)
        ink = np.asarray(letters.place(Image.new("L", (300, 9), 255), 60, 50, rng))
        assert ink.shape == (50, 60)
        assert ink.max() <= 1 + 1e-9


def test_groups_are_in_one_split(script: Script) -> None:
    letters, words = script("real_letters"), script("real_words")
    for names in (letters.FONT_PACKAGES, ["a", "b", "c"]):
        parts = letters.divide_groups(names, 0)
        assert sorted(name for part in parts.values() for name in part) == sorted(names)
        assert all(parts.values())
    voices = words.divide_voices(0)
    assert sorted(v for part in voices.values() for v in part) == sorted(words.VARIANTS)
    of_person = [{v for v in part if v.startswith(("iven", "whisper"))} for part in voices.values()]
    assert {len(part) for part in of_person} <= {0, 2, 4, 6}


def test_a_set_is_whole_or_absent(script: Script, tmp_path: Path) -> None:
    sets = script("real_sets")
    calls = []

    def write(folder: Path, sizes: list[int], seed: int) -> None:
        (folder / "file").write_text("x", encoding="utf-8")
        calls.append(seed)
        if len(calls) == 1:
            raise OSError("no space")

    made = sets.RealSet("vision", "", write)
    with pytest.raises(OSError, match="no space"):
        sets.keep(tmp_path / "set", made, (1, 1, 1), 0)
    assert not (tmp_path / "set").exists()
    for _ in range(2):
        assert sets.keep(tmp_path / "set", made, (1, 1, 1), 0) == tmp_path / "set"
    assert calls == [0, 0]
    assert [path.name for path in tmp_path.iterdir()] == ["set"]
    with pytest.raises(SystemExit, match="in another way"):
        sets.keep(tmp_path / "set", made, (1, 1, 1), 1)


def test_descriptions_are_read(script: Script) -> None:
    sets = script("real_sets")
    found = {package.name: package for package in sets.parse_packages(PARAGRAPHS)}
    text = "A game of marbles. One rolls them over a board, which tilts, past holes."
    assert found["b"] == ("b", "b", "games", text)
    assert found["b-data"].source == "b"
    assert found["c"].text == "The only line"


CHANGELOG = """\
{name} (1.2-1) unstable; urgency=low

  [ Ada Li ]
  * New upstream version {name} 1.2.3-rc1, thanks to Bo van Gol <bo@example.org>
    and others. (Closes: #123456)
  * Too short.

 -- Bo van Gol <bo@example.org>  Mon, 01 Jan 2024 00:00:00 +0000
 -- Debian {name} Maintainers <{name}@example.org>  Sun, 31 Dec 2023 00:00:00 +0000
"""


def test_people_versions_and_bugs_of_changelogs(script: Script, tmp_path: Path) -> None:
    changes = script("real_changes")
    changelogs = {name: CHANGELOG.format(name=name) for name in "abcdefghij"}
    changes.write_changes(tmp_path, changelogs, {"train": 6, "val": 2, "test": 2}, 0)
    rows = [json.loads(line) for line in (tmp_path / "changes.jsonl").read_text().splitlines()]
    assert Counter(row["split"] for row in rows) == {"train": 6, "val": 2, "test": 2}
    assert len({row["tokens"][3] for row in rows}) == 10  # of ten packages
    named = [p for p in zip(rows[0]["tokens"], rows[0]["tags"], strict=True) if p[1] != "O"]
    people = [("Bo", "B-person"), ("van", "I-person"), ("Gol", "I-person")]
    assert named == [("1.2.3-rc1", "B-version"), *people, ("#", "B-bug"), ("123456", "I-bug")]
    with pytest.raises(SystemExit, match="entries for test, and 3 are needed"):
        changes.write_changes(tmp_path, changelogs, {"train": 6, "val": 2, "test": 3}, 0)


def test_no_source_is_in_two_splits(script: Script) -> None:
    sets = script("real_sets")
    packages = [
        sets.Package(
            f"p{n}{end}", f"p{n}", sets.SECTIONS[n % 10], f"a long description of {n}{end}"
        )
        for n in range(900)
        for end in ("", "-data")
    ]
    packages.append(sets.Package("copy", "copy", "admin", "a long description of 0"))
    small = sets.choose_sections(packages, (20, 10, 30), 0)
    large = sets.choose_sections(packages[::-1], (200, 30, 30), 0)
    assert set(small) < set(large)
    texts = [text for text, _, _ in large]
    assert len(texts) == len(set(texts)) == 260
    assert not any(text.endswith("-data") for text in texts)
    with pytest.raises(SystemExit, match="are needed"):
        sets.choose_sections(packages[:800], (200, 30, 30), 0)


def test_a_package_is_told_by_its_columns(script: Script) -> None:
    sets = script("real_sets")
    shown = """\
Package: b-data
Source: b (1.0)
Section: games
Maintainer: The team <team@example.org>
Architecture: all
Size: 10
Depends: a, c (>= 2)
Homepage: https://example.org/b

Package: b
Section: games
"""
    data, _ = sets.paragraphs(shown)
    told = sets.describe_package(data)
    assert (told["begins"], told["ends"], told["depends"], told["suggests"]) == ("b", "data", 2, 0)
    assert (told["maintainer"], told["homepage"]) == ("The team", "example.org")
    assert (told["bytes"], told["installed_kb"]) == ("10", "")
    assert not set(told) & {"section", "source", "package"}

    many = [{"Package": f"p{n}", "Section": "games"} for n in range(sets.LARGEST + 9)]
    (chosen,) = sets.choose_packages([*sets.paragraphs(shown), {"Package": "x"}], 0)
    assert chosen["Package"] == "b"  # one of a source, none of a section that is not asked for
    assert len(sets.choose_packages(many, 0)) == sets.LARGEST
    assert sets.choose_packages(many, 0) == sets.choose_packages(many[::-1], 0)


@pytest.fixture
def espeak(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put a program in the place of espeak-ng that says a tone to every word."""
    folder = tmp_path / "bin"
    folder.mkdir()
    tone = np.sin(np.arange(8000) / 5) * (np.arange(8000) > 2000)
    soundfile.write(folder / "tone.wav", tone, 16000, subtype="PCM_16")
    program = folder / "espeak-ng"
    program.write_text(f'#!/bin/sh\necho "$@" >> {folder}/said\ncat {folder}/tone.wav\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)
    return folder


def test_words_are_spoken_and_recorded(script: Script, espeak: Path, tmp_path: Path) -> None:
    words = script("real_words")
    words.write_words(tmp_path / "a", {"train": 20, "val": 2, "test": 2}, 0)
    words.write_words(tmp_path / "b", {"train": 3, "val": 2, "test": 2}, 0)
    assert contents(tmp_path / "b").items() < contents(tmp_path / "a").items()
    paths = sorted((tmp_path / "a").rglob("*.wav"))
    assert {path.parent.name for path in paths} == set(words.WORDS)
    for path in paths:
        sound, rate = soundfile.read(path)
        assert rate == 16000
        assert 6000 < len(sound) < 6000 + 0.8 * 16000
        assert 0.05 < np.abs(sound).max() < 1
    said = (espeak / "said").read_text(encoding="utf-8").splitlines()
    voices = [line.split()[1].split("+")[1] for line in said[:24]]
    assert not set(voices[:20]) & set(voices[20:])


def test_docstrings_of_a_module_are_in_one_split(
    script: Script, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for package in ("onepackage", "twopackage"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").touch()
        for number in range(12):
            what = f"of module {number} of {package} does."
            code = "".join(
                f'def f{n}():\n    """Tell what function {n} {what}\n\n    More."""\n'
                f'def _g{n}():\n    """Tell what is private {n} {what}"""\n'
                for n in range(10)
            )
            (tmp_path / package / f"m{number}.py").write_text(code, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    rows = script("other_sets").choose_docstrings(("onepackage", "twopackage"), (40, 10, 10), 0)
    assert len(rows) == len({text for text, _, _ in rows}) == 60
    assert all("function" in text and text.endswith(f"{label} does.") for text, label, _ in rows)
    split_of = {" ".join(text.split()[4:9]): split for text, _, split in rows}
    assert all(split_of[" ".join(text.split()[4:9])] == split for text, _, split in rows)


def test_digits_are_all_different(script: Script, tmp_path: Path) -> None:
    script("other_sets").write_digits(tmp_path, (40, 10, 10), 0)
    found = contents(tmp_path)
    assert len(found) == len({Path(name).name for name in found}) == 60
    with Image.open(next(tmp_path.rglob("*.png"))) as image:
        assert (image.size, image.mode) == ((8, 8), "L")


def test_a_description_is_told_whole(script: Script) -> None:
    sets = script("real_sets")
    (_, marbles, _) = sets.parse_packages(PARAGRAPHS, sets.whole)
    assert marbles.text.splitlines()[-2:] == ["", "Another paragraph."]
    assert marbles.text.startswith("A game of marbles\nOne rolls them\n")
