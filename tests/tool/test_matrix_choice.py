"""The cells of `ptscaffold test`: every value, every pair, every shard, nothing that clashes."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ptscaffold.errors import UsageError
from ptscaffold.layers.catalogue import Catalogue
from ptscaffold.render.answers import problems_of
from ptscaffold.render.given import Given
from ptscaffold.trial import matrix as module
from ptscaffold.trial.matrix import MATRICES, Cell, choose_cells

FEATURES = ("fa", "fb", "fc", "fd")


@st.composite
def catalogues(draw: st.DrawFn) -> dict[str, str]:
    """The manifests of a catalogue of some size; features require and exclude what comes."""
    layers = {f"domains/d{i}": "" for i in range(draw(st.integers(1, 3)))}
    layers |= {f"styles/s{i}": "" for i in range(draw(st.integers(1, 3)))}
    features = [f"features/{name}" for name in FEATURES[: draw(st.integers(0, 4))]]
    for feature in features:
        others = st.lists(st.sampled_from(sorted({*layers, *features} - {feature})), max_size=2)
        conflicts = draw(others)
        requires = [path for path in draw(others) if path not in conflicts]
        layers[feature] = f"requires = {requires}\nconflicts = {conflicts}\n"
    return layers


def write(root: Path, layers: dict[str, str]) -> Catalogue:
    for path, more in {"base": "", **layers}.items():
        folder = root / path
        folder.mkdir(parents=True)
        (folder / "layer.toml").write_text(f'label = "x"\nhelp = "x"\n{more}')
    return Catalogue(root)


def values(cell: Cell, catalogue: Catalogue) -> list[tuple[str, str | bool]]:
    features = [(name, name in cell.features) for name in sorted(catalogue.names("features"))]
    return [("domain", cell.domain), ("style", cell.style), *features]


def groups(cells: list[Cell], catalogue: Catalogue, strength: int) -> set[object]:
    return {g for cell in cells for g in combinations(values(cell, catalogue), strength)}


@settings(max_examples=30)
@given(catalogues(), st.integers(1, 5))
def test_what_any_cell_has_a_matrix_has(layers: dict[str, str], parts: int) -> None:
    with TemporaryDirectory() as folder:
        check_matrices(write(Path(folder), layers), parts)


def check_matrices(catalogue: Catalogue, parts: int) -> None:
    every = choose_cells("all", catalogue=catalogue)
    assert len(set(every)) == len(every)
    for cell in every:
        answers = {"domain": cell.domain, "style": cell.style, "features": cell.features}
        assert problems_of(Given(answers), catalogue) == []
    for matrix, strength in (("minimal", 1), ("pairwise", 2)):
        cells = choose_cells(matrix, catalogue=catalogue)
        assert set(cells) <= set(every)
        assert len(set(cells)) == len(cells)
        assert groups(cells, catalogue, strength) == groups(every, catalogue, strength)
    assert cells == choose_cells("pairwise", catalogue=Catalogue(catalogue.root))
    shards = [
        choose_cells("pairwise", shard=f"{i}/{parts}", catalogue=catalogue)
        for i in range(1, parts + 1)
    ]
    assert sorted(c.name for shard in shards for c in shard) == sorted(c.name for c in cells)
    assert max(map(len, shards)) - min(map(len, shards)) <= 1


def test_all_is_every_combination_that_new_accepts(catalogue: Catalogue) -> None:
    """`serve` requires docker and does not go with Lightning."""
    names = {cell.name for cell in choose_cells("all", catalogue=catalogue)}
    plain = {f"{d}-plain{f}" for d in ("vision", "text") for f in ("", "+docker", "+docker+serve")}
    assert names == plain | {
        f"{d}-lightning{f}" for d in ("vision", "text") for f in ("", "+docker")
    }


def test_the_built_in_layers() -> None:
    assert len(choose_cells()) == 9


@pytest.mark.nightly  # of hundreds of thousands
def test_the_built_in_pairs_are_those_of_all() -> None:
    every = Catalogue()
    assert groups(choose_cells("pairwise"), every, 2) == groups(choose_cells("all"), every, 2)


def test_a_choice_restricts_the_matrix(catalogue: Catalogue) -> None:
    def names(**chosen: list[str]) -> list[str]:
        return [cell.name for cell in choose_cells("all", catalogue=catalogue, **chosen)]

    assert names(domains=["text"], styles=["lightning"]) == [
        "text-lightning",
        "text-lightning+docker",
    ]
    assert names(domains=["vision"], features=["serve", "docker"]) == ["vision-plain+docker+serve"]
    assert len(names(domains=["text", "vision", "text"], features=["docker"])) == 4


def test_a_choice_that_clashes_says_why(catalogue: Catalogue) -> None:
    with pytest.raises(UsageError, match="features/serve requires features/docker: add --feature"):
        choose_cells(features=["serve"], catalogue=catalogue)
    with pytest.raises(UsageError, match="does not go with styles/lightning"):
        choose_cells(styles=["lightning"], features=["serve", "docker"], catalogue=catalogue)


def test_all_that_is_wrong_is_said_at_once(catalogue: Catalogue) -> None:
    with pytest.raises(UsageError) as caught:
        choose_cells(
            "pairs",
            domains=["vison"],
            styles=["plane"],
            features=["dockr"],
            shard="3/2",
            also=["one more"],
            catalogue=catalogue,
        )
    assert caught.value.problems == (
        "one more",
        "unknown domain 'vison' for --domain (vision, text). Did you mean 'vision'?",
        "unknown style 'plane' for --style (plain, lightning). Did you mean 'plain'?",
        "unknown feature 'dockr' for --feature (docker, serve). Did you mean 'docker'?",
        "unknown matrix 'pairs' for --matrix (minimal, pairwise, all). Did you mean 'pairwise'?",
        "--shard '3/2' is not of the form I/N, with I from 1 to N",
    )


@pytest.mark.parametrize("shard", ["", "1", "0/2", "1/0", "a/b", "1/2/3", "-1/2", "²/3"])
def test_a_shard_has_one_form(catalogue: Catalogue, shard: str) -> None:
    with pytest.raises(UsageError, match="is not of the form I/N"):
        choose_cells(shard=shard, catalogue=catalogue)


def test_too_many_combinations_are_refused(
    catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST", 15)
    with pytest.raises(UsageError, match="2 features make 16 combinations"):
        choose_cells("all", catalogue=catalogue)
    assert choose_cells(catalogue=catalogue)
    assert choose_cells(features=["docker"], catalogue=catalogue)


def test_without_a_style_there_is_nothing_to_test(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no domain has a style"):
        choose_cells(catalogue=write(tmp_path / "layers", {"domains/d": ""}))
    assert set(MATRICES) == {"minimal", "pairwise", "all"}


def test_what_is_asked_for_is_not_left_out() -> None:
    """Of two domains that are named, one does not go with the feature."""
    named = {"domains": ("vision", "segmentation"), "features": ("explain",)}
    with pytest.raises(UsageError, match="domains/segmentation does not go with features/explain"):
        choose_cells(**named)  # type: ignore[arg-type]
    assert {cell.domain for cell in choose_cells(features=("explain",))} >= {"vision", "text"}
