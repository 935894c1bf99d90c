"""Three more real sets, of 1,000 examples, that no default is tuned on.

    python benchmarks/other_sets.py FOLDER [--sets digits docstrings languages]

A default that is chosen by looking at `real_sets.py` is tried on these, which are unlike them:

* `digits` (vision): the handwritten digits that scikit-learn ships, PNG of 8 pixels, where there is
  no detail to see and to turn or flip one makes another of it.
* `docstrings` (text): first paragraphs of docstrings by the package they are from, of ten packages
  of this environment; short, half English and half code. A module is in one split only.
* `languages` (audio): numbers spoken by espeak-ng in ten languages, of one to four seconds; what
  counts is which sounds there are, not their order. A voice is in one split only.
"""

from __future__ import annotations

import argparse
import ast
import random
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from PIL import Image
from real_sets import SPLITS, RealSet, Rows, keep, write_rows
from real_words import divide_voices, record, speak, write
from sklearn.datasets import load_digits

SIZES = (1000, 250, 250)  # of train, val and test
PACKAGES: tuple[str, ...] = (
    "matplotlib",
    "networkx",
    "numpy",
    "pandas",
    "scipy",
    "sklearn",
    "sympy",
    "torch",
)
PACKAGES += ("torchvision", "transformers")
LANGUAGES = ("cs", "de", "es", "fr", "hu", "it", "nl", "pl", "sv", "tr")
SHORTEST = 40  # characters
LONGEST = 400


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="where the sets are kept")
    parser.add_argument("--sets", nargs="+", choices=OTHER_SETS, default=list(OTHER_SETS))
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    for name in options.sets:
        print(prepare_other(name, options.folder, options.seed), flush=True)
    return 0


def prepare_other(name: str, folder: Path, seed: int = 0) -> Path:
    """Make a set in `folder/NAME` unless it is there; give what `--data` takes."""
    made = OTHER_SETS[name]
    return keep(folder / name, made, SIZES, seed) / made.data


def write_digits(folder: Path, sizes: Sequence[int], seed: int) -> None:
    """Write `folder/{train,val,test}/DIGIT/*.png`, divided at random."""
    digits = load_digits()
    order = [*range(len(digits.target))]
    random.Random(seed).shuffle(order)
    for split, number in zip(SPLITS, sizes, strict=True):
        for _ in range(number):
            index = order.pop()
            path = folder / split / str(digits.target[index]) / f"{index:05}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            pixels = (digits.images[index] * 255 / 16).round().astype(np.uint8)
            Image.fromarray(pixels).save(path)


def write_docstrings(folder: Path, sizes: Sequence[int], seed: int) -> None:
    """Write docstrings as `texts.csv`."""
    write_rows(folder / "texts.csv", choose_docstrings(PACKAGES, sizes, seed))


def choose_docstrings(packages: Sequence[str], sizes: Sequence[int], seed: int) -> Rows:
    """Take as many docstrings of every package, from modules of one split only, no text twice."""
    draw = random.Random(seed)
    known: set[str] = set()
    rows: Rows = []
    for package in packages:
        modules = find_modules(package)
        draw.shuffle(modules)
        of_modules = iter(modules)
        for split, number in zip(SPLITS, sizes, strict=True):
            texts: list[str] = []
            while len(texts) < number // len(packages):
                path = next(of_modules, None)
                if path is None:
                    raise SystemExit(f"{package} has too few docstrings")
                texts += [text for text in dict.fromkeys(docstrings(path)) if text not in known][:8]
                known.update(texts)
            rows += [(text, package, split) for text in texts[: number // len(packages)]]
    draw.shuffle(rows)
    return rows


def find_modules(package: str) -> list[Path]:
    """Find the modules of an installed package without importing it."""
    found = find_spec(package)
    if found is None or not found.submodule_search_locations:
        raise SystemExit(f"{package} is not installed")
    root = Path(found.submodule_search_locations[0])
    return sorted(path for path in root.rglob("*.py") if "test" not in str(path.relative_to(root)))


def docstrings(path: Path) -> Iterator[str]:
    """Give first paragraphs of the docstrings of public functions and classes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of escapes in strings of others
        tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            text = " ".join((ast.get_docstring(node) or "").split("\n\n")[0].split())
            if SHORTEST <= len(text) <= LONGEST:
                yield text


def write_languages(folder: Path, sizes: Sequence[int], seed: int) -> None:
    """Write `folder/{train,val,test}/LANGUAGE/*.wav`."""
    voices = divide_voices(seed)
    for place, (split, number) in enumerate(zip(SPLITS, sizes, strict=True)):
        for index in range(number):
            rng = np.random.default_rng([seed, place, index])
            language = LANGUAGES[index % len(LANGUAGES)]
            said = str(rng.integers(100, 10_000))
            sound, rate = speak(said, f"{language}+{rng.choice(voices[split])}", rng)
            path = folder / split / language / f"{index:05}.wav"
            write(path, record(sound, rate, rng), rate)


OTHER_SETS: Mapping[str, RealSet] = {
    "digits": RealSet("vision", "", write_digits),
    "docstrings": RealSet("text", "texts.csv", write_docstrings),
    "languages": RealSet("audio", "", write_languages),
}

if __name__ == "__main__":
    sys.exit(main())
