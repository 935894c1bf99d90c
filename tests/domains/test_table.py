"""Every layout that data comes in becomes the same table: rows of input, target and split."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from domains.assemble import assemble

SUFFIXES = {".png", ".txt"}
TEXTS = [f"text {i},{'good' if i % 2 else 'bad'}" for i in range(40)]


def read(
    data: Path, task: str = "classification", suffixes: Iterable[str] = SUFFIXES, **flags: Any
) -> pd.DataFrame:
    module = assemble("table_in_place", "base", "domains/text")
    config = module("config").Config(task=task, **flags)
    rows = module("table").read(data, config, suffixes)
    table: pd.DataFrame = module("table").divide(rows, config, os.path.exists if suffixes else None)
    module("task").Task.fit(task, table)
    return table


def read_lines(
    path: Path, lines: Iterable[str], task: str = "classification", **options: Any
) -> pd.DataFrame:
    """Write a table of texts and read it."""
    path.write_bytes("\n".join(lines).encode(options.pop("encoding", "utf-8")))
    return read(path, task, suffixes=(), **options)


def make_folders(root: Path, count: int = 20, classes: Iterable[str] = ("cat", "dog")) -> Path:
    for name in classes:
        (root / name).mkdir(parents=True, exist_ok=True)
        for i in range(count):
            (root / name / f"{i}.png").write_text(f"{root.name} {name} {i}")
    return root


def counts(table: pd.DataFrame) -> dict[str, int]:
    return dict(table["split"].value_counts())


def test_folders_are_divided_alike_and_the_same_for_a_seed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = read(make_folders(tmp_path))
    assert capsys.readouterr().out == "2 classes: cat 20, dog 20; train 28, val 6, test 6\n"
    assert table.groupby(["split", "target"]).size().unstack().nunique(axis=1).eq(1).all()
    assert table.equals(read(tmp_path))
    assert not table.equals(read(tmp_path, seed=1))


def test_the_content_decides_on_the_split(tmp_path: Path) -> None:
    """In another order and in another process the same, and few change sides as data grows."""
    lines = [f"text number {i},{'good' if i % 3 else 'bad'}" for i in range(150)]
    splits = [
        read_lines(tmp_path / "a.csv", ["text,label", *given]).set_index("input")["split"]
        for given in (lines[:120], sorted(lines[:120], reverse=True), lines)
    ]
    before, again, grown = splits
    assert before.sort_index().equals(again.sort_index())
    assert before[[f"text number {n}" for n in range(4)]].tolist() == [
        "test",
        "train",
        "val",
        "val",
    ]
    assert (grown[before.index] != before).sum() <= 6
    tested = grown[before.index][grown == "test"].index
    assert (before[tested] == "train").sum() <= 2


def test_equal_files_are_in_one_split(tmp_path: Path) -> None:
    for path in make_folders(tmp_path).rglob("*.png"):
        path.write_text(f"{path.parent.name} {int(path.stem) // 2}")
    table = read(tmp_path)
    content = table["input"].map(lambda path: Path(path).read_text())
    assert set(counts(table)) == {"train", "val", "test"}
    assert (table.groupby(content)["split"].nunique() == 1).all()


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("train", "val", "test"), {"train": 20, "val": 20, "test": 20}),
        (("Training", "Validation"), {"train": 20, "val": 20}),
        (("train", "test"), {"train": 16, "val": 4, "test": 20}),
    ],
)
def test_folders_of_splits_are_taken(
    names: Iterable[str], expected: dict[str, int], tmp_path: Path
) -> None:
    for name in names:
        make_folders(tmp_path / name, count=10)
    found = counts(read(tmp_path))
    assert found == pytest.approx(expected, abs=2)
    assert found.get("test") == expected.get("test")


@pytest.mark.parametrize("names", [("fold1", "fold2"), ("train", "holdout")])
def test_splits_of_other_names_are_no_classes(names: Iterable[str], tmp_path: Path) -> None:
    for name in names:
        make_folders(tmp_path / name)
    with pytest.raises(SystemExit, match="splits or classes"):
        read(tmp_path)


def test_what_is_no_example_is_left_out_and_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_folders(tmp_path)
    for name in ("cat/.ipynb_checkpoints/1.png", "@eaDir/1.png", "__MACOSX/cat/1.png"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).touch()
    for name in ("cat/a.heic", "cat/b.heic", "top.png"):
        (tmp_path / name).touch()
    assert len(read(tmp_path)) == 40
    told = capsys.readouterr().out.splitlines()[0]
    assert told.startswith(f"left out in {tmp_path}: 2 .heic")


def test_a_table_of_paths(tmp_path: Path) -> None:
    make_folders(tmp_path)
    rows = [
        "image,label",
        *(f"{name}/{i}.png,{name}" for name in ("cat", "dog") for i in range(20)),
    ]
    path = tmp_path / "photos.csv"
    path.write_text("\n".join(rows))
    assert len(read(path)) == 40
    path.write_text("\n".join([*rows, "none.png,cat"]))
    with pytest.raises(SystemExit, match=r"none.png' is missing"):
        read(path)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_a_table_in_any_encoding(encoding: str, tmp_path: Path) -> None:
    table = read_lines(tmp_path / "x.csv", ["text,label", *TEXTS], encoding=encoding)
    assert len(table) == 40
    assert set(table["target"]) == {"good", "bad"}


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("x.csv", ["text;label", *(line.replace(",", ";") for line in TEXTS)]),
        ("x.csv", ["text|label", *(line.replace(",", "|") for line in TEXTS)]),
        ("x.tsv", ["text\tlabel", *('"stray ' + line.replace(",", "\t") for line in TEXTS)]),
        ("x.jsonl", [json.dumps({"text": f"a\u2028{i}", "label": i % 2}) for i in range(40)]),
        ("x.csv", ["kind,words", *(",".join(line.split(",")[::-1]) for line in TEXTS)]),
    ],
    ids=["semicolons", "bars", "tabs", "json", "columns"],
)
def test_tables_of_texts(name: str, lines: list[str], tmp_path: Path) -> None:
    columns = "words:kind" if "kind" in lines[0] else None
    table = read_lines(tmp_path / name, lines, columns=columns)
    assert len(table) == 40
    assert table["target"].nunique() == 2


def test_a_table_of_any_name_is_found_in_an_archive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with zipfile.ZipFile("reviews.zip", "w") as archive:
        archive.writestr("reviews.csv", "\n".join(["text,label", *TEXTS]))
        archive.writestr("__MACOSX/._reviews.csv", b"\0")
    assert len(read(Path("reviews.zip"), suffixes=())) == 40


def test_a_table_that_is_not_utf_8_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"cannot read .*x.csv: 'utf-8' codec"):
        read_lines(tmp_path / "x.csv", ["text,label", *TEXTS], encoding="utf-16")


def test_columns_that_cannot_be_told_are_asked_for(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"columns foo, bar: say --columns INPUT:TARGET"):
        read_lines(tmp_path / "x.csv", ["foo,bar", *TEXTS])


def test_a_label_comes_before_another_column_that_could_be_one(tmp_path: Path) -> None:
    lines = ["text,class,label", *(f"say {i},{i % 3},{'ab'[i % 2]}" for i in range(20))]
    assert set(read_lines(tmp_path / "x.csv", lines)["target"]) == {"a", "b"}


def test_a_comma_that_is_not_quoted_is_an_error(tmp_path: Path) -> None:
    first, later = ["hello, world,good", *TEXTS], [*TEXTS, "hello, world,good"]
    with pytest.raises(SystemExit, match=r"more cells than columns: use quotes"):
        read_lines(tmp_path / "x.csv", ["text,label", *first])
    with pytest.raises(SystemExit, match=r"Expected 2 fields in line \d+, saw 3"):
        read_lines(tmp_path / "x.csv", ["text,label", *later])


def test_labels_are_what_was_written(tmp_path: Path) -> None:
    labels = ["1", "1.0", "2", "nan", "N/A"]
    lines = ["text,label", *(f"text {i},{labels[i % 5]}" for i in range(50))]
    assert set(read_lines(tmp_path / "x.csv", lines)["target"]) == {"1", "2", "nan", "N/A"}


def test_several_labels(tmp_path: Path) -> None:
    lines = ["text,labels", *(f"text {i},{'a;b' if i % 2 else 'c'}" for i in range(50))]
    assert read_lines(tmp_path / "x.csv", lines, "multilabel")["target"][1] == ["a", "b"]
    lines = [
        json.dumps({"text": f"text {i}", "tags": ["a", "b"] if i % 2 else None}) for i in range(50)
    ]
    table = read_lines(tmp_path / "x.jsonl", lines, "multilabel")
    assert list(table["target"][:2]) == [[], ["a", "b"]]
    lines = ["text,a,b", *(f"text {i},1,{i % 2}" for i in range(50))]
    table = read_lines(tmp_path / "x.csv", lines, "multilabel", columns="text:a,b")
    assert list(table["target"][:2]) == [["a"], ["a", "b"]]


def test_numbers(tmp_path: Path) -> None:
    lines = ["text,a,b", *(f"text {i},1.5,{i % 2}" for i in range(50))]
    table = read_lines(tmp_path / "x.csv", lines, "regression", columns="text:a,b")
    assert table["target"][1] == [1.5, 1.0]
    with pytest.raises(SystemExit, match="regression needs numbers, not \\['text 0'\\]"):
        read_lines(tmp_path / "x.csv", lines, "regression", columns="a:text")


def test_what_is_no_table_of_classes_is_told(tmp_path: Path) -> None:
    """An empty table, several columns of classes, a class of its own for nearly every example."""
    for lines in ([], ["text,label"]):
        with pytest.raises(SystemExit, match=r"x.csv has no rows|No columns to parse"):
            read_lines(tmp_path / "x.csv", lines)
    lines = ["text,a,b", *(f"text {i},{i},{i % 2}" for i in range(50))]
    with pytest.raises(SystemExit, match="not text:a,b: say --columns"):
        read_lines(tmp_path / "x.csv", lines, columns="text:a,b")
    with pytest.raises(SystemExit, match=r"50 classes in 50 examples: is it"):
        read_lines(tmp_path / "x.csv", lines, columns="text:a")


def test_a_regression_needs_two_examples_to_validate(tmp_path: Path) -> None:
    """Of one there is no r2."""
    lines = ["text,label,split", *(f"text {i},{i % 2},train" for i in range(4)), "a text,1,val"]
    assert counts(read_lines(tmp_path / "x.csv", lines)) == {"train": 4, "val": 1}
    with pytest.raises(SystemExit, match="too few examples to train and to validate"):
        read_lines(tmp_path / "x.csv", lines, "regression")


def test_a_comma_parts_decimals_where_semicolons_part_columns(tmp_path: Path) -> None:
    lines = ['"text, said";value', *(f"a, b {i};-1,{i}" for i in range(50))]
    table = read_lines(tmp_path / "x.csv", lines, "regression", columns="text, said:value")
    assert sorted(table["target"])[-2:] == [[-1.1], [-1.0]]
    assert {text[:4] for text in table["input"]} == {"a, b"}


def test_a_rare_label_counts_as_much_as_what_is_not_there(tmp_path: Path) -> None:
    lines = ["text,labels", *(f"text {i},{'a;b' if i % 5 else 'b'}" for i in range(100))]
    table = read_lines(tmp_path / "x.csv", lines, "multilabel")
    task = assemble("table_in_place", "base", "domains/text")("task").Task.fit("multilabel", table)
    assert task.mean == pytest.approx([0.8, 1.0], abs=0.05)
    targets = torch.stack([task.encode(target) for target in table["target"]])
    logits = torch.zeros(len(targets), 2, requires_grad=True)
    task.loss(logits, targets).backward()
    assert logits.grad is not None
    for_a, for_b = logits.grad.sum(dim=0).tolist()
    assert abs(for_a) < 0.02  # at a guess nothing draws it to either side
    assert for_b < 0  # a label that is always there is learned to be


def test_a_column_and_files_name_the_splits(tmp_path: Path) -> None:
    parts = ("train", "validation", "test")
    lines = [f"{line},{parts[i // 2 % 3]}" for i, line in enumerate(TEXTS)]
    table = read_lines(tmp_path / "x.csv", ["text,label,split", *lines])
    assert counts(table) == {"train": 14, "val": 14, "test": 12}
    spaced = [f"{line.replace(',', ', ')} " for line in ["text,label,split", *lines]]
    pd.testing.assert_frame_equal(read_lines(tmp_path / "x.csv", spaced), table)
    for part in parts[:2]:
        rows = {"text": [f"{part} {i}" for i in range(20)], "label": [i % 2 for i in range(20)]}
        folder = tmp_path / "hub/data"
        folder.mkdir(parents=True, exist_ok=True)
        pd.DataFrame(rows).to_parquet(folder / f"{part}-00000-of-00001.parquet")
    assert counts(read(tmp_path / "hub", suffixes=())) == {"train": 20, "val": 20}


def test_splits_are_named_by_folders_and_by_columns_of_any_case(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for part in ("train", "val"):
        names = [
            path.name for path in make_folders(tmp_path / part, classes=("all",)).rglob("*.png")
        ]
        rows = ["file_name,label", *(f"all/{name},{int(name[:-4]) % 2}" for name in names)]
        (tmp_path / part / "metadata.csv").write_text("\n".join(rows))
    assert counts(read(tmp_path)) == {"train": 20, "val": 20}
    splits = ("train", "val", "holdout")
    lines = [f"{line},{splits[i // 2 % 3]}" for i, line in enumerate(TEXTS)]
    table = read_lines(tmp_path / "x.csv", ["text,label,Split", *lines])
    assert counts(table) == {"train": 14, "val": 14}
    assert "left out 12 of a split that is neither" in capsys.readouterr().out


@pytest.mark.parametrize("value", ["nan", "null"])
def test_a_label_that_is_missing_is_an_error(value: str, tmp_path: Path) -> None:
    lines = [json.dumps({"text": f"text {i}", "label": i % 2}) for i in range(40)]
    lines.append('{"text": "x", "label": ' + ("NaN" if value == "nan" else "null") + "}")
    with pytest.raises(SystemExit, match="a row has no label"):
        read_lines(tmp_path / "x.jsonl", lines)


def test_two_archives_of_one_name_are_two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for folder, classes in {"a": ("cat", "dog"), "b": ("cow", "ant")}.items():
        with zipfile.ZipFile(f"{folder}.zip", "w") as archive:
            for path in make_folders(Path(folder), classes=classes).rglob("*.png"):
                archive.write(path)
        Path(f"{folder}.zip").rename("pets.zip")
        assert set(read(Path("pets.zip"))["target"]) == set(classes)


def test_an_archive_is_unpacked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with zipfile.ZipFile("pets.zip", "w") as archive:
        for path in make_folders(Path("pets")).rglob("*.png"):
            archive.write(path)
    first = read(Path("pets.zip"))
    assert len(first) == 40
    assert read(Path("pets.zip")).equals(first)


def test_what_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="nothing: no such file or folder"):
        read(tmp_path / "nothing")
    (tmp_path / "notes.pdf").touch()
    with pytest.raises(SystemExit, match=r"notes.pdf: give a folder, or a file of \.csv"):
        read(tmp_path / "notes.pdf")
    with pytest.raises(SystemExit, match=r"no folders of classes with \.png, \.txt"):
        read(tmp_path)
    make_folders(tmp_path / "train")
    make_folders(tmp_path / "val", classes=("cat", "dog", "cow"))
    with pytest.raises(SystemExit, match="no example to train cow"):
        read(tmp_path)


def test_a_table_may_have_one_column_of_long_texts(tmp_path: Path) -> None:
    read_rows = assemble("table_in_place", "base", "domains/text")("table").read_rows
    texts = ['two lines.\nThe second, "quoted"', "a\ttab", "long " * 50_000]
    pd.DataFrame({"text": texts}).to_csv(tmp_path / "x.csv", index=False)
    assert list(read_rows(tmp_path / "x.csv")["text"]) == texts
    (tmp_path / "x.tsv").write_text('text\nsaid "so\n')
    assert list(read_rows(tmp_path / "x.tsv")["text"]) == ['said "so']


def test_a_file_s_name_is_no_text(tmp_path: Path) -> None:
    rows = [f"{'good' if i % 2 else 'bad'}\t{i}.txt\ttext {i}" for i in range(40)]
    table = read_lines(tmp_path / "a.tsv", ["category\tfilename\tcontent", *rows])
    assert set(table["input"]) == {f"text {i}" for i in range(40)}
    with pytest.raises(SystemExit, match="say --columns"):
        read_lines(tmp_path / "b.csv", ["file,label", *TEXTS])


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("train_reviews.csv", {"train": 32, "val": 8, "test": 20}),
        ("reviews_train.csv", {"train": 32, "val": 8, "test": 20}),
    ],
)
def test_a_file_is_named_for_its_split(path: str, expected: dict[str, int], tmp_path: Path) -> None:
    (tmp_path / path).write_text("\n".join(["text,label", *TEXTS]))
    others = [f"another {text}" for text in TEXTS[:20]]
    (tmp_path / path.replace("train", "test")).write_text("\n".join(["text,label", *others]))
    assert counts(read(tmp_path, suffixes=())) == expected


@pytest.mark.parametrize("path", ["dev/photos.csv", "blood_test.csv"])
def test_one_table_is_divided_whatever_it_is_called(path: str, tmp_path: Path) -> None:
    (tmp_path / "dev").mkdir()
    table = read_lines(tmp_path / path, ["text,label", *TEXTS])
    assert counts(table) == {"train": 28, "val": 6, "test": 6}


def test_paths_name_the_splits(tmp_path: Path) -> None:
    for split, count in (("train", 40), ("test", 12)):
        make_folders(tmp_path / split, count, classes=["all"])
    rows = [
        f"{path.relative_to(tmp_path).as_posix()},{'ab'[int(path.stem) % 2]}"
        for path in tmp_path.rglob("*.png")
    ]
    (tmp_path / "metadata.csv").write_text("\n".join(["file_name,label", *rows]))
    assert counts(read(tmp_path)) == {"train": 32, "val": 8, "test": 12}


def test_a_label_may_be_a_list_of_one(tmp_path: Path) -> None:
    rows = [{"text": f"text {i}", "label": [("good", "bad")[i % 2]]} for i in range(40)]
    table = read_lines(tmp_path / "a.jsonl", map(json.dumps, rows))
    assert set(table["target"]) == {"good", "bad"}
    for labels, error in ([], "has no label"), (["good", "bad"], "multilabel"):
        with pytest.raises(SystemExit, match=error):
            read_lines(
                tmp_path / "b.jsonl", map(json.dumps, [*rows, {"text": "", "label": labels}])
            )
    frame = pd.DataFrame({"text": [str(i) for i in range(40)], "label": [0, 1] * 20})
    frame.loc[3, "label"] = None
    frame.astype({"label": "Int64"}).to_parquet(tmp_path / "c.parquet")
    with pytest.raises(SystemExit, match="has no label"):
        read(tmp_path / "c.parquet", suffixes=())


@pytest.mark.parametrize(
    ("cells", "numbers"),
    [
        (("1.921", "930", "24,5"), (1921, 930, 24.5)),
        (("-1.234.567,25", "1.5", "2.000"), (-1234567.25, 1.5, 2000)),
        (("1.921", "930", "24.5"), (1.921, 930, 24.5)),  # no comma: a dot parts decimals
    ],
)
def test_dots_part_thousands_where_commas_part_decimals(
    cells: tuple[str, ...], numbers: tuple[float, ...], tmp_path: Path
) -> None:
    lines = [f"text {i};{cells[i % 3]}" for i in range(42)]
    table = read_lines(tmp_path / "a.csv", ["text;value", *lines], task="regression")
    assert {target for (target,) in table["target"]} == set(numbers)


def test_a_test_without_labels_is_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "test.csv").write_text("id,text\n1,a\n2,b\n")
    with pytest.raises(SystemExit, match="say --columns"):
        read(tmp_path, suffixes=())
    (tmp_path / "train.csv").write_text("\n".join(["text,label", *TEXTS]))
    assert counts(read(tmp_path, suffixes=())) == {"train": 32, "val": 8}
    assert f"left out {tmp_path / 'test.csv'} has the columns id, text" in capsys.readouterr().out


def test_a_folder_around_all_is_no_class(tmp_path: Path) -> None:
    make_folders(tmp_path / "flowers/flowers")
    assert set(read(tmp_path)["target"]) == {"cat", "dog"}
    make_folders(tmp_path / "one", classes=["cat"])
    with pytest.raises(SystemExit, match="a second class"):
        read(tmp_path / "one")


@pytest.mark.parametrize(
    "name", ["{}", "{}.png", "train/{}.png", "/content/set/{}.png", r"C:\x\{}"]
)
def test_a_file_is_found_by_its_name_alone(name: str, tmp_path: Path) -> None:
    (tmp_path / "all").mkdir()
    for i in range(40):
        (tmp_path / f"all/img_{i}.png").write_text(str(i))
    rows = [f"{name.format(f'img_{i}')},{'cat' if i % 2 else 'dog'}" for i in range(40)]
    (tmp_path / "labels.csv").write_text("\n".join(["id,breed", *rows]))
    table = read(tmp_path / "labels.csv", columns="id:breed")
    assert {Path(path).read_text() for path in table["input"]} == set(map(str, range(40)))


def test_a_name_that_two_files_have_is_not_found(tmp_path: Path) -> None:
    make_folders(tmp_path)
    (tmp_path / "labels.csv").write_text("file,label\n3.png,cat\n")
    with pytest.raises(SystemExit, match=r"3\.png' is missing"):
        read(tmp_path / "labels.csv")


@pytest.mark.parametrize("whole", [True, False])
def test_json_of_rows_is_a_table_and_settings_are_none(whole: bool, tmp_path: Path) -> None:
    rows = [{"text": f"text {i}", "label": "good" if i % 2 else "bad"} for i in range(40)]
    text = json.dumps(rows, indent=1) if whole else "\n".join(map(json.dumps, rows))
    (tmp_path / "reviews.json").write_text(text)
    (tmp_path / "package.json").write_text(json.dumps({"name": "reviews"}, indent=1))
    assert len(read(tmp_path, suffixes=())) == 40


def test_columns_without_names_have_numbers(tmp_path: Path) -> None:
    lines = [f"{1 + i % 2},title {i},text {i}" for i in range(40)]
    table = read_lines(tmp_path / "train.csv", lines, columns="3:1")
    assert (len(table), set(table["target"])) == (40, {"1", "2"})
    assert set(table["input"]) == {f"text {i}" for i in range(40)}
    table = read_lines(tmp_path / "named.csv", ["3,2,1", *lines], columns="1:3")
    assert set(table["input"]) == {f"text {i}" for i in range(40)}


def test_what_parts_columns_is_in_every_line(tmp_path: Path) -> None:
    """As in LJSpeech: the first text has more commas than there are columns."""
    lines = [f'{i}|Well, no, "yes, or no.|{"good" if i % 2 else "bad"}' for i in range(40)]
    lines[1] = '1|"Text"|good'
    assert len(read_lines(tmp_path / "a.csv", lines, columns="1:3")) == 40


def test_which_column_is_learned_is_said_where_several_could_be(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [f"text {i},{i % 3},{'good' if i % 2 else 'bad'}" for i in range(40)]
    read_lines(tmp_path / "a.csv", ["text,class,label", *lines])
    assert "of the columns class, label it is label that is learned" in capsys.readouterr().out
