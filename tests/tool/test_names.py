"""What a project may be called."""

from __future__ import annotations

import keyword
import sys
from pathlib import PurePath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ptscaffold.layers.names import LONGEST, check_name, package_name, split_path, suggest


@pytest.mark.parametrize(
    ("name", "package"),
    [
        ("digits", "digits"),
        ("My-Project.v2", "my_project_v2"),
        ("a--b__c..d", "a_b_c_d"),
        ("vision-lightning", "vision_lightning"),
    ],
)
def test_good_names_become_packages(name: str, package: str) -> None:
    assert check_name(name) is None
    assert package_name(name) == package
    assert package.isidentifier()


@pytest.mark.parametrize(
    ("name", "reason", "suggestion"),
    [
        ("class", "'class' is a Python keyword", "my-class"),
        ("None", "'none' is a Python keyword", "my-None"),
        ("3d-net", "a Python package cannot start with '3'", "my-3d-net"),
        ("_net", "a Python package cannot start with '_'", "net"),
        ("torch", "the package would hide the installed library 'torch'", "my-torch"),
        ("Lightning", "the package would hide the installed library 'lightning'", "my-Lightning"),
        ("tensorboard", "the package would hide the installed library", "my-tensorboard"),
        ("json", "the package would hide Python's own module 'json'", "my-json"),
        ("test", "'test' is a folder of every project", "my-test"),
        ("data", "'data' is a folder of every project", "my-data"),
        ("größe", "only ASCII letters, digits", "groe"),
        ("数字", "only ASCII letters, digits", "project"),
        ("my net", "it holds a space", "my-net"),
        ("net!", "'!' is not allowed", "net"),
        ("a/b", "'/' is not allowed", "a-b"),
        ("net.", "it ends with '.'", "net"),
        ("net-", "it ends with '-'", "net"),
        ("", "it is empty", "project"),
        ("con", "Windows reserves 'con'", "my-con"),
        ("NUL.net", "Windows reserves 'NUL'", "NUL-net"),
        ("aux", "Windows reserves 'aux'", "my-aux"),
        ("x" * 300, "it has 300 characters, 40 are allowed", "x" * 37),
    ],
)
def test_bad_names_are_refused_with_a_better_one(name: str, reason: str, suggestion: str) -> None:
    problem = check_name(name)
    assert problem is not None
    assert reason in problem
    assert problem.endswith(f"Try {suggestion!r}")
    assert len(problem) < 250


def test_dependencies_of_the_layers_are_refused_too() -> None:
    assert check_name("einsteinnet", {"einsteinnet"}) is not None
    assert suggest("einsteinnet", {"einsteinnet"}) == "my-einsteinnet"
    assert suggest("einsteinnet", {"einsteinnet", "my_einsteinnet"}) == "my-einsteinnetx"


@given(st.text(max_size=400))
def test_every_suggestion_is_accepted(name: str) -> None:
    assert check_name(suggest(name)) is None


@given(st.text(max_size=80))
def test_an_accepted_name_is_an_importable_package(name: str) -> None:
    if check_name(name) is None:
        package = package_name(name)
        assert package.isidentifier()
        assert package.isascii()
        assert not keyword.iskeyword(package)
        assert package not in sys.stdlib_module_names
        assert len(name) <= LONGEST


@pytest.mark.parametrize("given", ["digits", "./digits", "work/digits", "digits/"])
def test_a_path_may_lead_downwards(given: str) -> None:
    path, problem = split_path(given)
    assert problem is None
    assert path.name == "digits"


def test_an_absolute_path_is_for_who_typed_it() -> None:
    assert split_path("/tmp/x", typed=True) == (PurePath("/tmp/x"), None)
    assert "leads out" in (split_path("/tmp/../x", typed=True)[1] or "")
    assert "is a folder" in (split_path("/", typed=True)[1] or "")


@pytest.mark.parametrize(
    ("given", "advice"),
    [
        ("../x", "leads out of this folder. Use --into ../x or cd there first"),
        ("a/../b", "leads out of this folder"),
        ("/tmp/x", "is an absolute path, not a name. Use --into /tmp/x or cd there first"),
        (".", "is a folder, not a name. Use --into ."),
        ("..", "leads out of this folder"),
    ],
)
def test_a_path_that_leads_elsewhere_is_refused_with_advice(given: str, advice: str) -> None:
    assert advice in (split_path(given)[1] or "")
