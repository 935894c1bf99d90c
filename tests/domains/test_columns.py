"""What the columns of a table, and the files beside it, are taken for."""

from __future__ import annotations

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
    rows = pd.DataFrame({"input": "", "target": [["a"]] * 9, "split": ["train"] * 8 + ["val"]})
    with pytest.raises(SystemExit, match="needs two labels"):
        task.fit("multilabel", rows)


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
