"""Precedence, defaults, and every complaint at once."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ptscaffold.errors import UsageError
from ptscaffold.layers.catalogue import Catalogue
from ptscaffold.render.answers import Answers, complete, select_layers
from ptscaffold.render.given import gather


def problems(catalogue: Catalogue, *sets: str, file: Path | None = None, **flags: object) -> list:
    with pytest.raises(UsageError) as caught:
        complete(gather(flags, sets, file), catalogue)
    return list(caught.value.problems)


def test_flag_beats_set_beats_file_beats_default(catalogue: Catalogue, tmp_path: Path) -> None:
    file = tmp_path / "answers.toml"
    file.write_text(
        'domain = "text"\nstyle = "lightning"\nname = "from-file"\ndescription = "from file"\n'
    )
    sets = ["style=plain", "name=from-set"]
    answers = complete(gather({"name": "from-flag", "domain": None}, sets, file), catalogue)
    assert answers == Answers(
        name="from-flag", description="from file", domain="text", style="plain"
    )


def test_defaults_come_from_the_layers(catalogue: Catalogue) -> None:
    answers = complete(gather({"domain": "vision", "style": "lightning"}, (), None), catalogue)
    assert answers.name == "vision-lightning"
    assert answers.package == "vision_lightning"
    assert answers.description == "Image classification (Lightning)"
    assert answers.features == ()


def test_features_are_sorted_and_listed_once(catalogue: Catalogue) -> None:
    given = gather({"domain": "vision", "style": "plain"}, ["features=serve, docker,serve"], None)
    answers = complete(given, catalogue)
    assert answers.features == ("docker", "serve")
    assert [layer.path for layer in select_layers(answers, catalogue)] == [
        "base",
        "domains/vision",
        "styles/plain",
        "features/docker",
        "features/serve",
    ]


def test_an_answers_file_may_be_json_with_a_byte_order_mark(
    catalogue: Catalogue, tmp_path: Path
) -> None:
    file = tmp_path / "answers.json"
    text = '{"domain": "text", "style": "plain", "features": ["docker"]}'
    file.write_text(text, encoding="utf-8-sig")
    assert complete(gather({}, (), file), catalogue).features == ("docker",)


def test_everything_wrong_is_listed_at_once(catalogue: Catalogue) -> None:
    found = problems(
        catalogue, "nam=x", "oops", domain="visoin", style="plane", name="torch", features=("dock",)
    )
    assert found == [
        "--set 'oops' is not of the form key=value",
        "unknown answer 'nam' for --set (domain, style, features, name, description). "
        "Did you mean 'name'?",
        "unknown domain 'visoin' for --domain (vision, text). Did you mean 'vision'?",
        "unknown style 'plane' for --style (plain, lightning). Did you mean 'plain'?",
        "'torch' cannot be a project name: the package would hide the installed library 'torch'. "
        "Try 'my-torch'",
        "unknown feature 'dock' for --feature (docker, serve). Did you mean 'docker'?",
    ]


def test_everything_missing_is_listed_at_once(catalogue: Catalogue) -> None:
    assert problems(catalogue) == [
        "--domain is missing (vision, text)",
        "--style is missing (plain, lightning)",
    ]


def test_a_required_layer_that_there_is_not(layers_root: Path) -> None:
    manifest = layers_root / "features/docker/layer.toml"
    manifest.write_text(f'requires = ["features/sevre"]\n{manifest.read_text()}')
    flags = {"domain": "text", "style": "plain", "features": ("docker",)}
    assert problems(Catalogue(layers_root), **flags) == [
        "features/docker requires features/sevre: unknown feature 'sevre' (docker, serve)."
        " Did you mean 'serve'?"
    ]


@pytest.mark.parametrize(
    ("sets", "flags", "problem"),
    [
        (["style=plain", "style=plain"], {}, "--set style is given twice"),
        (["description=a\x1bb"], {}, "description holds a control character"),
        (["description=\udcff"], {}, "description is not valid UTF-8 text"),
        (["domain="], {}, "unknown domain '' for --domain (vision, text)"),
        ([], {"features": ("serve",)}, "features/serve requires features/docker: add --feature"),
        (
            [],
            {"features": ("serve", "docker"), "style": "lightning"},
            "features/serve does not go with styles/lightning: leave out one of them",
        ),
    ],
)
def test_bad_answers(
    catalogue: Catalogue, sets: list[str], flags: dict[str, object], problem: str
) -> None:
    assert any(problem in found for found in problems(catalogue, *sets, **flags))


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("a.toml", "domain = ", "cannot read the answers file"),
        ("a.json", "{", "cannot read the answers file"),
        ("a.json", "[]", "holds no table of answers"),
        ("a.toml", "domains = 'x'", "unknown answer 'domains' in"),
        ("a.toml", "domain = 3", "domain must be text, not 3"),
        ("a.toml", "name = 'x'\ndomain = ['vision']", "domain must be text, not ['vision']"),
        ("a.toml", "features = 'docker'", "features must be a list of names, not 'docker'"),
        ("a.toml", "features = [1]", "features must be a list of names, not [1]"),
    ],
)
def test_bad_answers_files(
    catalogue: Catalogue, tmp_path: Path, name: str, text: str, problem: str
) -> None:
    file = tmp_path / name
    file.write_text(text)
    assert any(problem in found for found in problems(catalogue, file=file))


def test_unreadable_answers_files(catalogue: Catalogue, tmp_path: Path) -> None:
    (tmp_path / "latin.toml").write_bytes(b"name = '\xe4'")
    assert "not UTF-8 text" in problems(catalogue, file=tmp_path / "latin.toml")[0]
    assert "No such file" in problems(catalogue, file=tmp_path / "absent.toml")[0]
    assert "directory" in problems(catalogue, file=tmp_path)[0]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=st.dictionaries(st.text(max_size=12), st.text(max_size=40), max_size=5))
def test_any_set_gives_answers_or_a_usage_error(
    catalogue: Catalogue, values: dict[str, str]
) -> None:
    sets = [f"{key}={value}" for key, value in values.items()]
    given = gather({"domain": "text", "style": "plain"}, sets, None)
    with contextlib.suppress(UsageError):
        answers = complete(given, catalogue)
        assert answers.description == values.get(
            "description", "Text classification (plain PyTorch)"
        )
