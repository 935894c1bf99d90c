"""Which projects `ptscaffold test` makes, and how: combinations of layers, shards of them, copies.

Every combination has one value of each factor: the domain, the style, and each feature on or off.
"""

from __future__ import annotations

import random
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from pathlib import Path
from typing import Final, NamedTuple, TypeAlias

from ptscaffold.errors import (
    LayerError,
    PtscaffoldError,
    UsageError,
    raised_as,
    shell_command,
    unknown,
)
from ptscaffold.layers.catalogue import Catalogue, Pack
from ptscaffold.layers.manifest import KINDS, MANIFEST, Layer
from ptscaffold.project.new import Request, create
from ptscaffold.project.record import RECORD, read_record
from ptscaffold.render.answers import chosen, problems_of
from ptscaffold.render.given import Given

# How many factors at a time take all their values together; None is all of them.
MATRICES: Final = {"minimal": 1, "pairwise": 2, "all": None}

# A value for each factor; a feature that is off is "".
Row: TypeAlias = tuple[str, ...]

# Beyond so many, `all` is refused; `minimal` and `pairwise` choose among a part of more than FEW.
MOST: Final = 4_000_000
FEW: Final = 5_000

# What a copy of a project does without, at its top and anywhere in it.
_TOP: Final = (".venv", "runs", ".git")
_CACHES: Final = ("__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache")
_KEYS: Final = ("prepare", "metric", "floor", "ceiling", "seconds")


@dataclass(frozen=True)
class Cell:
    """One project to make: the names of its layers, features in order."""

    domain: str
    style: str
    features: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return "+".join([f"{self.domain}-{self.style}", *self.features])

    def command(self, packs: Sequence[Pack] = ()) -> str:
        """What makes this project by hand."""
        words = ["ptscaffold", "new", "--domain", self.domain, "--style", self.style]
        words += [word for feature in self.features for word in ("--feature", feature)]
        words += [word for pack in packs for word in ("--pack", pack.source)]
        return shell_command(words)


def choose_cells(
    matrix: str = "minimal",
    *,
    domains: Sequence[str] = (),
    styles: Sequence[str] = (),
    features: Sequence[str] = (),
    shard: str | None = None,
    also: Sequence[str] = (),
    catalogue: Catalogue | None = None,
) -> list[Cell]:
    """The cells of a matrix, the same ones in the same order for the same layers.

    `domains` and `styles` restrict the choice; `features` are in every cell, and no other then.
    A `shard` I/N is every N-th cell from the I-th on: together the shards are all cells.
    UsageError for names that there are not, and when the layers asked for exclude each other; it
    tells what `also` is wrong with the same command.
    """
    catalogue = catalogue or Catalogue()
    given = {"domains": domains, "styles": styles, "features": features}
    known = {kind: [layer.name for layer in catalogue.choices(kind)] for kind in KINDS}
    problems = [*also]
    problems += [
        unknown(what, name, f"--{what}", known[kind])
        for kind, what in KINDS.items()
        for name in given[kind]
        if name not in known[kind]
    ]
    if matrix not in MATRICES:
        problems.append(unknown("matrix", matrix, "--matrix", MATRICES))
    part = re.fullmatch(r"(\d{1,6})/(\d{1,6})", "1/1" if shard is None else shard)
    if not part or not 1 <= int(part[1]) <= int(part[2]):
        problems.append(f"--shard {shard!r} is not of the form I/N, with I from 1 to N")
    if problems or not part:
        raise UsageError(*problems, hint="see ptscaffold list, and ptscaffold test --help")
    two = [
        [name for name in known[kind] if name in (given[kind] or known[kind])]
        for kind in ("domains", "styles")
    ]
    free = [] if features else known["features"]
    strength = MATRICES[matrix]
    rows = list(_combine(two, free, everything=strength is None))
    cells = [
        Cell(row[0], row[1], tuple(sorted({*(features or filter(None, row[2:]))}))) for row in rows
    ]
    wrong = [problems_of(Given(vars(cell)), catalogue) for cell in cells]
    if all(wrong):
        raise UsageError(*(wrong[0] if wrong else ["no domain has a style to go with"]))
    for name in (*domains, *styles):
        own = [r for cell, r in zip(cells, wrong, strict=True) if name in (cell.domain, cell.style)]
        if all(own):  # it would be left out
            raise UsageError(*own[0])
    valid = [index for index, reasons in enumerate(wrong) if not reasons]
    if strength is not None:
        picked = _cover([rows[index] for index in valid], strength)
        valid = [valid[index] for index in sorted(picked)]
    return [cells[index] for index in valid][int(part[1]) - 1 :: int(part[2])]


def _combine(two: list[list[str]], free: list[str], *, everything: bool) -> Iterator[Row]:
    """Combinations of a domain, a style, and each free feature off or on: every one, if few.

    Else, for each domain and style, the features one and two at a time, all but so many, and sets
    by chance, the same ones for the same features: any two of them are on, and off, together.
    """
    count = len(two[0]) * len(two[1]) * 2 ** len(free)
    if everything and count > MOST:
        raise UsageError(
            f"{len(free)} features make {count} combinations, at most {MOST} can be looked through",
            hint="name the features to test by --feature",
        )
    if everything or count <= FEW:
        yield from product(*two, *[("", name) for name in free])
        return
    chance = random.Random(0)
    sizes = (0, 1, 2, len(free) - 2, len(free) - 1, len(free))
    sets = {frozenset(chosen) for size in sizes for chosen in combinations(free, size)}
    sets |= {frozenset(name for name in free if chance.random() < 0.5) for _ in range(100)}
    columns = sorted([name if name in chosen else "" for name in free] for chosen in sets)
    for (domain, style), row in product(product(*two), columns):
        yield (domain, style, *row)


def _cover(rows: list[Row], strength: int) -> list[int]:
    """The numbers of rows that together hold all that any rows hold, `strength` values at a time.

    Greedy: each time the first of the rows that add most. Sets of values are bits of a number, so
    that thousands of rows are no matter.
    """
    bits: dict[tuple[tuple[int, str], ...], int] = {}
    held = [
        sum(
            1 << bits.setdefault(group, len(bits))
            for group in combinations(enumerate(row), strength)
        )
        for row in rows
    ]
    missing = (1 << len(bits)) - 1
    picked = []
    while missing:
        best = max(range(len(rows)), key=lambda number: (held[number] & missing).bit_count())
        picked.append(best)
        missing &= ~held[best]
    return picked


@dataclass(frozen=True)
class Made:
    """A project that stands; `printed` are the steps that `new` ends with, inside of it."""

    folder: Path
    layers: tuple[Layer, ...]
    printed: tuple[str, ...] = ()


class Maker(NamedTuple):
    """Makes a project in a folder; `command` is what makes it by hand, nothing of a copy."""

    command: str
    make: Callable[[Path], Made]


def new_project(cell: Cell, catalogue: Catalogue, place: Path) -> Made:
    """Make the project of a cell, as `new` does."""
    into = place / f"{cell.domain}-{cell.style}"
    request = Request(domain=cell.domain, style=cell.style, features=cell.features, into=into)
    done = create(request, catalogue=catalogue)
    _, *printed = done.next_steps  # without the cd
    return Made(done.plan.directory, done.plan.layers, tuple(printed))


def copy_of(project: Path, layers: tuple[Layer, ...], place: Path) -> Made:
    """Copy a project, without what its commands make themselves."""
    top, folder = str(project), place / project.resolve().name

    def left_behind(below: str, names: list[str]) -> set[str]:
        return {name for name in names if name in _CACHES or (below == top and name in _TOP)}

    with raised_as(PtscaffoldError, f"cannot copy {project}: "):  # shutil.Error is one of these
        shutil.copytree(top, folder, symlinks=True, ignore=left_behind)
    return Made(folder, layers)


def layers_of(project: Path, catalogue: Catalogue) -> tuple[Layer, ...]:
    """The layers that a project's record names, as far as there still are such."""
    answers = read_record(project).answers
    domain = str(answers.get("domain"))
    if domain not in catalogue.names("domains"):
        known = [layer.name for layer in catalogue.choices("domains")]
        raise UsageError(unknown("domain", domain, f"{project / RECORD}", known))
    return tuple(chosen(answers, catalogue))


def write_scripts(layers: Sequence[Layer], place: Path) -> list[str]:
    """Write what prepares the files of a user's own, beside the project; give the commands."""
    commands = []
    for layer in layers:
        for key in layer.test:
            if key not in _KEYS:
                problem = unknown("key", key, "[test]", _KEYS)
                raise LayerError(f"{layer.folder / MANIFEST}: {problem}")
        if "prepare" in layer.test:
            script = place / f"prepare-{layer.path.replace('/', '-')}.py"
            script.write_text(layer.test["prepare"], encoding="utf-8")
            commands.append(f"uv run python ../{script.name}")
    return commands
