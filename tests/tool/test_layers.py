"""Manifests are read strictly, the catalogue is what stands in the folder."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ptscaffold.errors import LayerError
from ptscaffold.layers.catalogue import Catalogue, templates_root
from ptscaffold.layers.manifest import read_layer
from ptscaffold.render.answers import complete, select_layers
from ptscaffold.render.given import Given


def test_the_catalogue_follows_the_order_that_manifests_ask_for(catalogue: Catalogue) -> None:
    assert catalogue.paths() == [
        "base",
        "domains/vision",
        "domains/text",
        "styles/plain",
        "styles/lightning",
        "features/docker",
        "features/serve",
    ]


def test_a_layer_holds_what_its_manifest_says(catalogue: Catalogue) -> None:
    layer = catalogue.layer("features/serve")
    assert layer.name == "serve"
    assert layer.label == "Serve"
    assert layer.requires == ("features/docker",)
    assert layer.conflicts == ("styles/lightning",)
    assert catalogue.layer("base").dev_dependencies == ("pytest>=8",)
    assert catalogue.layer("domains/text").readme == {"data": "Texts.\n"}


def test_hidden_folders_are_no_layers(layers_root: Path) -> None:
    (layers_root / "domains/__pycache__").mkdir()
    (layers_root / "domains/.cache").mkdir()
    assert Catalogue(layers_root).names("domains") == {"vision", "text"}


GOOD = 'label = "X"\nhelp = "x"\n'


@pytest.mark.parametrize(
    ("manifest", "problem"),
    [
        (GOOD + "dependancies = []", "unknown key 'dependancies'"),
        (GOOD + "dependancies = []", "Did you mean 'dependencies'?"),
        ('label = "X"', "'help' is missing"),
        (GOOD + 'dependencies = "torch"', "'dependencies' must be a list of strings"),
        (GOOD + "dependencies = [1]", "'dependencies' must be a list of strings"),
        (GOOD + 'conflicts = ["serve"]', "'conflicts' has 'serve', which is not the path of a"),
        (GOOD + 'requires = ["base/x"]', "'requires' has 'base/x', which is not the path of a"),
        (GOOD + "readme = 1", "'readme' must be a table of strings"),
        (GOOD + "[readme]\ndata = 1", "'readme' must be a table of strings"),
        (
            GOOD + "[answers]\na = 'x'\nb = 1",
            "'answers' must be a table of strings, and 'b' is none",
        ),
        (GOOD + "order = true", "'order' must be a whole number"),
        ('label = 1\nhelp = "x"', "'label' must be a string"),
        ("label = ", "Invalid value"),
        (b"\xff", "can't decode"),
    ],
)
def test_a_wrong_manifest_names_its_file(
    tmp_path: Path, manifest: str | bytes, problem: str
) -> None:
    path = tmp_path / "layer.toml"
    path.write_bytes(manifest if isinstance(manifest, bytes) else manifest.encode())
    with pytest.raises(LayerError) as caught:
        read_layer(tmp_path, "domains/x")
    assert str(caught.value).startswith(f"{path}: ")
    assert problem in str(caught.value)


def test_what_the_readme_needs_is_asked_for_before_anything_is_rendered(tmp_path: Path) -> None:
    shutil.copytree(templates_root(), tmp_path / "templates")
    for path, lost in (
        ("domains/vision", ("predict", "data", "floor")),
        ("styles/plain", ("gpu",)),
    ):
        manifest = tmp_path / "templates" / path / "layer.toml"
        text = manifest.read_text()
        for key in lost:
            assert f"\n{key} = " in text
            text = text.replace(f"\n{key} = ", f"\n{key}s = ")
        manifest.write_text(text)
    catalogue = Catalogue(tmp_path / "templates")
    answers = complete(Given({"domain": "vision", "style": "plain"}), catalogue)
    with pytest.raises(LayerError) as caught:
        select_layers(answers, catalogue)
    vision, plain = (
        tmp_path / "templates" / path / "layer.toml" for path in ("domains/vision", "styles/plain")
    )
    assert caught.value.problems == tuple(
        f"{manifest}: {what}, which the templates of base need"
        for manifest, what in (
            (vision, "[readme] has no 'data'"),
            (vision, "[readme] has no 'predict'"),
            (vision, "[test] has no 'floor' or 'ceiling'"),
            (plain, "[readme] has no 'gpu'"),
        )
    )


def test_every_problem_of_a_manifest_is_listed(tmp_path: Path) -> None:
    (tmp_path / "layer.toml").write_text('labell = "x"\norder = "1"\n')
    with pytest.raises(LayerError) as caught:
        read_layer(tmp_path, "domains/Bad Name")
    assert len(caught.value.problems) == 5


def test_a_folder_without_a_manifest_is_an_error(layers_root: Path) -> None:
    (layers_root / "domains/audio").mkdir()
    with pytest.raises(LayerError, match=r"layer domains/audio has no layer\.toml"):
        Catalogue(layers_root).choices("domains")


def test_a_folder_without_layers_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(LayerError, match="no layers in"):
        Catalogue(tmp_path)


def test_built_in_layers_stand_in_the_package_or_beside_its_sources(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = tmp_path / "clone/src/ptscaffold/layers/catalogue.py"
    module.parent.mkdir(parents=True)
    monkeypatch.setattr("ptscaffold.layers.catalogue.__file__", str(module))
    assert templates_root() == tmp_path / "clone/templates"
    (module.parents[1] / "templates").mkdir()
    assert templates_root() == module.parents[1] / "templates"
