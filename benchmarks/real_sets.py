"""Real sets of some 500 and 5,000 examples, made by a script of what Debian's packages hold.

    python benchmarks/real_sets.py FOLDER [--sets letters ...] [--sizes 500 5000]

* `letters` (vision): digits and letters, the small ones where their shape differs, drawn with the
  fonts of `FONT_PACKAGES` as if photographed: off the middle, of many sizes and colours, slightly
  turned, uneven light, blur, noise, PNG of about 64 pixels. A font package is in one split only.
* `glyphs` (segmentation): digits, capitals and small letters with the same fonts, several of them
  in a scene, and masks that tell these three apart.
* `scenes` (detection): such scenes, and a box around each that shows well, as YOLO has them.
* `sections` (text): descriptions of Debian's packages, short one and first lines of the long one,
  by ten of its sections, as unequal as they are. A source package is in one split only.
* `descriptions` (language-model): whole descriptions of Debian's packages. A source package is in
  one split only.
* `changes` (tagging): entries of Debian's changelogs, and which words are a person, a version or a
  bug; a person is whoever has signed any of them. A source package is in one split only.
* `words` (audio): twenty words spoken by espeak-ng in many voices, accents, speeds and pitches, in
  rooms and noise, WAV. A voice is in one split only.
* `speech` (speech-recognition): what one says to a house, spoken by espeak-ng as `words` are, and
  its text. Neither a voice nor a sentence is in two splits.
* `packages` (tabular): sizes, counts, and parts of the names of Debian's packages, by the same
  sections; many categories, some of them rare. One package of a source.

They need Debian with `apt-get install espeak-ng` and `FONT_PACKAGES`, which

    apt-get install --no-install-recommends espeak-ng $(python benchmarks/real_sets.py --fonts)

installs; the descriptions come from the package lists, into a folder of their own, with no package
installed. Files follow from the seed and the packages' versions, whatever the order they are made
in; the training examples of a small set are the first of a large one. A set is made in whole or not
at all, and kept: a second call takes what is there.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from real_changes import PACKAGES, read_changelogs, write_changes
from real_glyphs import write_glyphs, write_scenes
from real_letters import FONT_PACKAGES, find_fonts, write_letters
from real_speech import write_speech
from real_words import write_words

SPLITS = ("train", "val", "test")
SIZES = {500: (500, 200, 500), 5000: (5000, 500, 500)}  # of train, val and test
SECTIONS: tuple[str, ...] = (
    "admin",
    "devel",
    "games",
    "graphics",
    "net",
    "science",
    "sound",
    "text",
    "utils",
)
SECTIONS += ("x11",)
LARGEST = 700  # descriptions of a section
LINES = 3  # of the long description
SHORTEST = 20  # characters

Rows = list[tuple[str, str, str]]  # text, label, split
Fields = dict[str, str]  # of a package


class Package(NamedTuple):
    name: str
    source: str
    section: str
    text: str


class RealSet(NamedTuple):
    domain: str
    data: str  # what of the folder `--data` names; "" is the folder
    write: Callable[[Path, Sequence[int], int], None]  # folder, sizes of the splits, seed


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?", help="where the sets are kept")
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--sizes", nargs="+", type=int, choices=SIZES, default=list(SIZES))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--fonts", action="store_true", help="print the packages of fonts")
    options = parser.parse_args()
    if options.fonts:
        print(*FONT_PACKAGES)
        return 0
    if options.folder is None:
        parser.error("name a folder")
    for name in options.sets:
        for size in options.sizes:
            print(prepare(name, size, options.folder, options.seed), flush=True)
    return 0


def prepare(name: str, size: int, folder: Path, seed: int = 0) -> Path:
    """Make a set in `folder/NAME-SIZE` unless it is there; give what `--data` takes."""
    made = SETS[name]
    return keep(folder / f"{name}-{size}", made, SIZES[size], seed) / made.data


def keep(target: Path, made: RealSet, sizes: Sequence[int], seed: int) -> Path:
    """Write a set, all of it or nothing, unless the same is there."""
    recipe = json.dumps({"sizes": list(sizes), "seed": seed})
    record = target / "recipe.json"
    if record.exists():
        if record.read_text(encoding="utf-8") != recipe:
            raise SystemExit(f"{target} was made in another way. Remove it, or name another folder")
        return target
    part = target.with_name(f"{target.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    made.write(part, sizes, seed)
    (part / record.name).write_text(recipe, encoding="utf-8")
    part.rename(target)
    return target


def draw(write: Callable[..., None], folder: Path, sizes: Sequence[int], seed: int) -> None:
    write(folder, find_fonts(), dict(zip(SPLITS, sizes, strict=True)), seed)


def speak_words(folder: Path, sizes: Sequence[int], seed: int) -> None:
    write_words(folder, dict(zip(SPLITS, sizes, strict=True)), seed)


def speak_sentences(folder: Path, sizes: Sequence[int], seed: int) -> None:
    write_speech(folder, dict(zip(SPLITS, sizes, strict=True)), seed)


def write_entries(folder: Path, sizes: Sequence[int], seed: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        flags = apt_flags(Path(name))
        list_packages(Path(name))
        run("apt-get", *flags, "-qq", "download", *PACKAGES, where=name)
        changelogs = read_changelogs(Path(name))
    write_changes(folder, changelogs, dict(zip(SPLITS, sizes, strict=True)), seed)


def write_sections(folder: Path, sizes: Sequence[int], seed: int) -> None:
    lists = folder / "lists"
    rows = choose_sections(read_packages(lists), sizes, seed)
    shutil.rmtree(lists)
    write_rows(folder / "texts.csv", rows)


def write_descriptions(folder: Path, sizes: Sequence[int], seed: int) -> None:
    lists = folder / "lists"
    found = {each.source: each.text for each in sorted(read_packages(lists, whole), reverse=True)}
    shutil.rmtree(lists)
    texts = sorted({text for text in found.values() if len(text) >= SHORTEST})
    random.Random(seed).shuffle(texts)
    write_rows(folder / "descriptions.csv", divide([(text, "") for text in texts], sizes))


def write_packages(folder: Path, sizes: Sequence[int], seed: int) -> None:
    """Write what tells of a package besides its words: numbers, dates, and parts of names."""
    lists = folder / "lists"
    found = choose_packages(paragraphs(list_packages(lists)), seed)
    shutil.rmtree(lists)
    rows = divide([(json.dumps(describe_package(each)), each["Section"]) for each in found], sizes)
    frame = [{**json.loads(row), "label": label, "split": split} for row, label, split in rows]
    with (folder / "packages.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, frame[0])
        writer.writeheader()
        writer.writerows(frame)


def choose_packages(found: Iterable[Fields], seed: int) -> list[Fields]:
    """Choose one package of each source, at most LARGEST of a section, by chance."""
    of_source: dict[str, Fields] = {}
    for fields in sorted(found, key=lambda each: each["Package"]):
        if fields.get("Section") in SECTIONS:
            of_source.setdefault(fields.get("Source", fields["Package"]).split()[0], fields)
    shuffled = list(of_source.values())
    random.Random(seed).shuffle(shuffled)
    taken = Counter[str]()
    chosen = []
    for fields in shuffled:
        taken[fields["Section"]] += 1
        if taken[fields["Section"]] <= LARGEST:
            chosen.append(fields)
    random.Random(seed).shuffle(chosen)
    return chosen


def describe_package(fields: Fields) -> dict[str, str | int]:
    """Give the columns of a package."""
    name = fields["Package"].split("-")
    counted = ("Depends", "Recommends", "Suggests", "Provides", "Conflicts", "Replaces")
    return {
        "begins": name[0],
        "ends": name[-1],
        "installed_kb": fields.get("Installed-Size", ""),
        "bytes": fields["Size"],
        "architecture": fields["Architecture"],
        "priority": fields.get("Priority", ""),
        "multi_arch": fields.get("Multi-Arch", ""),
        "maintainer": fields["Maintainer"].partition(" <")[0],
        "homepage": urlsplit(fields.get("Homepage", "")).hostname or "",
        **{key.lower(): len(fields[key].split(",")) if key in fields else 0 for key in counted},
    }


def write_rows(path: Path, rows: Rows) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label", "split"])
        writer.writerows(rows)


def read_packages(lists: Path, how: Callable[[str], str] | None = None) -> list[Package]:
    """Fetch Debian's lists with the English descriptions; give the packages of the sections."""
    found = parse_packages(list_packages(lists))
    names = sorted({package.name for package in found if package.section in SECTIONS})
    shown = run("apt-cache", *apt_flags(lists), "show", "--no-all-versions", *names)
    return parse_packages(shown, how)


def list_packages(lists: Path) -> str:
    """Fetch Debian's lists; give all packages as paragraphs."""
    for name in ("lists/partial", "cache/archives/partial"):
        (lists / name).mkdir(parents=True)
    run("apt-get", *apt_flags(lists), "-qq", "update")
    return run("apt-cache", *apt_flags(lists), "dumpavail")


def apt_flags(lists: Path) -> list[str]:
    settings = {
        "Dir::State::lists": lists / "lists",
        "Dir::Cache": lists / "cache",
        "Acquire::Languages": "en",
    }
    return [part for key, value in settings.items() for part in ("-o", f"{key}={value}")]


def run(*command: str, where: str | None = None) -> str:
    try:
        done = subprocess.run(command, cwd=where, capture_output=True, text=True, check=True)
    except FileNotFoundError:
        raise SystemExit(f"There is no {command[0]}; this set is made on Debian") from None
    except subprocess.CalledProcessError as error:
        raise SystemExit(f"{' '.join(command[:8])} failed:\n{error.stderr}") from None
    return done.stdout


def parse_packages(content: str, how: Callable[[str], str] | None = None) -> list[Package]:
    packages = []
    for fields in paragraphs(content):
        text = (how or describe)(fields.get("Description-en") or fields.get("Description", ""))
        source = fields.get("Source", fields["Package"]).split()[0]
        packages.append(Package(fields["Package"], source, fields.get("Section", ""), text))
    return packages


def paragraphs(content: str) -> Iterator[Fields]:
    """Read packages as apt-cache prints them."""
    for paragraph in content.split("\n\n"):
        fields: Fields = {}
        key = ""
        for line in paragraph.splitlines():
            if line.startswith(" "):
                fields[key] += "\n" + line.strip()
            elif ":" in line:
                key, _, value = line.partition(":")
                fields[key] = value.strip()
        if "Package" in fields:
            yield fields


def describe(description: str) -> str:
    """Give the short description and the first lines of the long one's first paragraph."""
    short, *long = description.splitlines()
    end = long.index(".") if "." in long else len(long)
    return " ".join([f"{short}.", *long[: min(end, LINES)]]) if long else short


def whole(description: str) -> str:
    """Give all of a description; a full stop stands for an empty line."""
    return "".join("\n" if line == "." else f"{line}\n" for line in description.splitlines())


def choose_sections(packages: Sequence[Package], sizes: Sequence[int], seed: int) -> Rows:
    """Choose descriptions of different sources and give each a split."""
    of_source: dict[str, Package] = {}
    for package in sorted(packages, key=lambda each: (len(each.name), each.name)):
        if package.section in SECTIONS and len(package.text) >= SHORTEST:
            of_source.setdefault(package.source, package)
    left = {package.text: package for package in of_source.values()}
    shuffled = sorted(left.values())
    random.Random(seed).shuffle(shuffled)
    taken = dict.fromkeys(SECTIONS, 0)
    chosen = []
    for package in shuffled:
        taken[package.section] += 1
        if taken[package.section] <= LARGEST:
            chosen.append(package)
    random.Random(seed).shuffle(chosen)  # the first would hold too few of what ran out
    return divide([(package.text, package.section) for package in chosen], sizes)


def divide(examples: Sequence[tuple[str, str]], sizes: Sequence[int]) -> Rows:
    """Give the first to test, so that a small set and a large one share it, then to validation."""
    train, val, test = sizes
    most = max(largest[1] for largest in SIZES.values())
    places = {"test": (0, test), "val": (test, val), "train": (test + most, train)}
    if len(examples) < test + most + train:
        raise SystemExit(f"{len(examples)} texts, and {test + most + train} are needed")
    return [
        (*example, split)
        for split in SPLITS
        for example in examples[places[split][0] : sum(places[split])]
    ]


SETS: Mapping[str, RealSet] = {
    "packages": RealSet("tabular", "packages.csv", write_packages),
    "letters": RealSet("vision", "", partial(draw, write_letters)),
    "glyphs": RealSet("segmentation", "", partial(draw, write_glyphs)),
    "scenes": RealSet("detection", "", partial(draw, write_scenes)),
    "descriptions": RealSet("language-model", "descriptions.csv", write_descriptions),
    "sections": RealSet("text", "texts.csv", write_sections),
    "changes": RealSet("tagging", "changes.jsonl", write_entries),
    "words": RealSet("audio", "", speak_words),
    "speech": RealSet("speech-recognition", "", speak_sentences),
}

if __name__ == "__main__":
    sys.exit(main())
