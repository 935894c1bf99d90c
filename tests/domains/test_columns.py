"""What the columns of a table, and the files beside it, are taken for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from domains.assemble import assemble


@pytest.mark.parametrize(
    ("rows", "task", "inputs", "targets"),
    [
        ("filename,text,label\na.txt,good,1\nb.txt,bad,0\n", "classification", "good bad", "1 0"),
        ("text,a,b\nx,TRUE,0\ny,false,1\n", "multilabel", "x y", [["a"], ["b"]]),
    ],
)
def test_texts_are_taken_and_labels_of_any_spelling(
    rows: str, task: Any, inputs: str, targets: Any, tmp_path: Path
) -> None:
    package = assemble("spelled", "base", "domains/text", "styles/plain")
    (file := tmp_path / "a.csv").write_text(rows)
    columns = "text:a,b" if task == "multilabel" else None
    config = package("config").Config(data=file, task=task, columns=columns)
    table = package("table").read(file, config, ())
    assert list(table["input"]) == inputs.split()
    assert list(table["target"]) == (targets.split() if isinstance(targets, str) else targets)


@pytest.mark.parametrize(
    ("cell", "labels"),
    [
        (3, ["3"]),
        (3.0, ["3"]),
        (float("nan"), []),
        (None, []),
        (pd.NA, []),
        (np.int64(3), ["3"]),
        (["b", 1], ["b", "1"]),
    ],
)
def test_labels_may_be_numbers(cell: Any, labels: list[str], tmp_path: Path) -> None:
    package = assemble("numbered", "base", "domains/text", "styles/plain")
    frame = pd.DataFrame({"text": ["x"], "labels": pd.Series([cell], dtype=object)})
    config = package("config").Config(task="multilabel")
    assert list(package("table").from_frame(frame, config, (), tmp_path)["target"]) == [labels]


def test_what_is_no_answer_is_no_label(tmp_path: Path) -> None:
    package = assemble("counted", "base", "domains/text", "styles/plain")
    frame = pd.DataFrame({"text": ["x"], "a": [2], "b": [1]})
    config = package("config").Config(task="multilabel", columns="text:a,b")
    with pytest.raises(SystemExit, match="a label is 1 or 0, true or false, not 2"):
        package("table").from_frame(frame, config, (), tmp_path)
    task = package("task").Task
    with pytest.raises(SystemExit, match="c is no label of this model: a, b"):
        task("multilabel", ["a", "b"]).encode(["a", "c"])


def test_copies_that_a_notebook_keeps_are_not_read(tmp_path: Path) -> None:
    package = assemble("checkpoints", "base", "domains/text", "styles/plain")
    for folder in (".", ".ipynb_checkpoints"):
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / "a.csv").write_text(f"text,label\nx,{folder}\n")
    table = package("table").read(tmp_path, package("config").Config(), ())
    assert list(table["target"]) == ["."]


def test_equal_examples_of_given_splits_are_said(capsys: pytest.CaptureFixture[str]) -> None:
    package = assemble("leaking", "base", "domains/text", "styles/plain")
    rows = [(f"text {n % 12}", "ab"[n % 2], "train" if n < 12 else "test") for n in range(16)]
    table = pd.DataFrame(rows, columns=["input", "target", "split"])
    package("table").divide(table, package("config").Config())
    assert "4 of the given val and test are in train too\n" in capsys.readouterr().out


def test_a_split_stands_at_the_end_of_a_file_s_name(tmp_path: Path) -> None:
    package = assemble("at_end", "base", "domains/text", "styles/plain")
    for name in ("reviews_train", "reviews-test", "notes"):
        (tmp_path / f"{name}.csv").write_text("text,label\nx,a\n")
    table = package("table").read(tmp_path, package("config").Config(), ())
    assert list(table["split"]) == ["test", "train"]


def test_splits_with_other_names_are_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    package = assemble("named_else", "base", "domains/text", "styles/plain")
    frame = pd.DataFrame({"text": ["x", "y"], "label": ["a", "b"], "split": ["learn", "exam"]})
    package("table").from_frame(frame, package("config").Config(), (), tmp_path)
    assert "its splits exam, learn are no train, val and test\n" in capsys.readouterr().out


@pytest.mark.parametrize(("header", "classes"), [("file,label", "ab"), ("file,size", "xy")])
def test_a_table_beside_folders_says_what_is_in_them(
    header: str, classes: str, tmp_path: Path
) -> None:
    package = assemble("beside", "base", "domains/text", "styles/plain")
    rows = []
    for number in range(8):
        path = tmp_path / "xy"[number % 2] / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        path.touch()
        rows.append(f"{path.relative_to(tmp_path)},{'ab'[number // 4]}")
    (tmp_path / "labels.csv").write_text("\n".join([header, *rows]))
    table = package("table").read(tmp_path, package("config").Config(), {".png"})
    assert sorted(set(table["target"])) == [*classes]
    assert len(table) == 8


def test_rows_of_a_few_categories_are_no_copies(tmp_path: Path) -> None:
    package = assemble("few_categories", "base", "domains/tabular", "styles/plain")
    lines = [f"{'ab'[n % 2]},{'xy'[n % 3 % 2]},{'up' if n % 7 < 3 else 'down'}" for n in range(200)]
    (tmp_path / "a.csv").write_text("\n".join(["one,two,label", *lines]))
    config = package("config").Config(data=tmp_path / "a.csv")
    table = package("data").make_table(config)
    assert dict(table["split"].value_counts()) == {"train": 140, "val": 30, "test": 30}


def test_rows_without_a_column_of_the_model_are_said(capsys: pytest.CaptureFixture[str]) -> None:
    package = assemble("other_columns", "base", "domains/tabular", "styles/plain")
    data, config = package("data"), package("config").Config()
    rows = [{"a": n % 7, "b": n % 11, "label": "ab"[n % 2]} for n in range(40)]
    table = data.take_rows(pd.DataFrame(rows), config, None, Path("a.csv"), "train")
    spec = data.make_spec(config, table)
    data.preload([{"a": 1, "other": 2}], spec)
    assert "the table lacks the columns b\n" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="the table has none of the columns a, b"):
        data.preload([{"A": 1, "B": 2}], spec)


@pytest.mark.parametrize("cell", ["red;even", '["red", "even"]', "['red', 'even']"])
def test_a_cell_may_hold_a_list_of_labels(cell: str) -> None:
    package = assemble("listed", "base", "domains/text", "styles/plain")
    read = package("table").read_target
    assert read([cell], "multilabel", ["labels"], Path("a.csv")) == ["red", "even"]


def test_a_column_may_hold_the_bytes_of_files() -> None:
    package = assemble("bytes", "base", "domains/vision", "styles/plain")
    frame = pd.DataFrame({"image": [b"an image"], "label": ["a"]})
    config = package("config").Config()
    table = package("table").from_frame(frame, config, {".png"}, Path("a.parquet"))
    assert list(table["input"]) == [{"bytes": b"an image", "path": None}]


@pytest.mark.parametrize("cell", ["", None, b""])
def test_a_path_that_is_missing_is_said(cell: str | bytes | None) -> None:
    package = assemble("no_path", "base", "domains/vision", "styles/plain")
    frame = pd.DataFrame({"image": [cell], "label": ["a"]})
    config = package("config").Config()
    with pytest.raises(SystemExit, match=r"a\.csv: .*is missing"):
        package("table").from_frame(frame, config, {".png"}, Path("a.csv"))


def test_folders_behind_links_are_read(tmp_path: Path) -> None:
    package = assemble("linked", "base", "domains/text", "styles/plain")
    (tmp_path / "there").mkdir()
    (tmp_path / "there/a.csv").write_text("text,label\nx,a\n")
    (tmp_path / "here").mkdir()
    (tmp_path / "here/link").symlink_to(tmp_path / "there")
    table = package("table").read(tmp_path / "here", package("config").Config(), ())
    assert list(table["input"]) == ["x"]


def test_what_no_test_example_is_of_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    package = assemble("rare", "base", "domains/text", "styles/plain")
    rows = [(f"text {n}", "rare" if n < 3 else "often", "") for n in range(60)]
    table = pd.DataFrame(rows, columns=["input", "target", "split"])
    package("table").divide(table, package("config").Config())
    assert capsys.readouterr().out.endswith("no example to test rare\n")


def test_a_run_whose_data_has_changed_is_not_resumed(tmp_path: Path) -> None:
    package = assemble("changed", "base", "domains/text", "styles/plain")
    run, config = package("run"), package("config").Config(run_dir=tmp_path / "x")
    run.start_run(config, examples=10, task={"names": ["a", "b"]})
    again = replace(config, resume=str(tmp_path / "x"))
    before = (tmp_path / "x/settings.json").read_text()
    for changed in ({"examples": 11}, {"task": {"names": ["b", "a"]}}):
        with pytest.raises(SystemExit, match="has changed since"):
            run.start_run(again, **changed)
    assert (tmp_path / "x/settings.json").read_text() == before
    run.start_run(again, examples=10, task={"names": ["a", "b"]})
