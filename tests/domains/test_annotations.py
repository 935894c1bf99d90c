"""What people keep beside images, masks and boxes, with the blemishes that it has."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from domains.assemble import assemble
from PIL import ExifTags, Image, ImageOps

CAT, DOG = {"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}
DOMAINS = ["detection", "segmentation"]
SIZES = [(80, 40), (40, 80)]


def write_image(path: Path, shade: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (40, 40), (shade, shade, shade)).save(path)
    return path


def write_coco(
    path: Path, images: list[str], kinds: list[Any], more: Any = (), bom: str = ""
) -> None:
    """One square in each image, of the kinds in turn."""
    path.parent.mkdir(parents=True, exist_ok=True)
    square = {"bbox": [5, 5, 10, 10], "segmentation": [[5, 5, 15, 5, 15, 15, 5, 15]]}
    content = {
        "categories": kinds,
        "images": [
            {"id": n, "file_name": name, "width": 40, "height": 40} for n, name in enumerate(images)
        ],
        "annotations": [
            {"image_id": n, "category_id": kinds[n % len(kinds)]["id"], **square}
            for n in range(len(images))
        ]
        + [square | each for each in more],
    }
    path.write_text(bom + json.dumps(content), encoding="utf-8")


def read(domain: str, root: Path) -> pd.DataFrame:
    package = assemble(f"{domain}_annotations", "base", f"domains/{domain}", "styles/plain")
    module = package("boxes" if domain == "detection" else "masks")
    found = module.find_coco(sorted(root.rglob("*.json")))
    table: pd.DataFrame = module.read_coco(found, root)
    return table


def classes(table: pd.DataFrame) -> list[list[str]]:
    if "classes" not in table.attrs:
        return [[box[0] for box in target["boxes"]] for target in table["target"]]
    names = table.attrs["classes"]
    return [[names[number] for number, _ in target["polygons"]] for target in table["target"]]


@pytest.mark.parametrize("domain", DOMAINS)
def test_every_file_of_coco_may_number_its_classes_anew(domain: str, tmp_path: Path) -> None:
    for name in ("a.png", "b.png", "c.png"):
        write_image(tmp_path / name)
    write_coco(tmp_path / "train.json", ["a.png", "b.png"], [CAT, DOG])
    write_coco(tmp_path / "val.json", ["c.png"], [{"id": 1, "name": "dog"}])
    table = read(domain, tmp_path)
    assert classes(table) == [["cat"], ["dog"], ["dog"]]
    assert list(table["split"]) == ["train", "train", "val"]


@pytest.mark.parametrize("domain", DOMAINS)
@pytest.mark.parametrize("file", ["{}/_annotations.coco.json", "annotations/instances_{}.json"])
def test_equal_names_in_two_splits_are_two_images(domain: str, file: str, tmp_path: Path) -> None:
    for part in ("train", "valid"):
        write_image(tmp_path / part / "0.png")
        write_coco(tmp_path / file.format(part), ["0.png"], [CAT])
    table = read(domain, tmp_path)
    folders = [Path(path).parent.name for path in table["input"]]
    assert dict(zip(table["split"], folders, strict=True)) == {"train": "train", "val": "valid"}


@pytest.mark.parametrize("domain", DOMAINS)
def test_annotations_of_nothing_are_left_out_and_counted(
    domain: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_image(tmp_path / "a.png")
    more: list[dict[str, Any]] = [
        {"image_id": 999, "category_id": 1},
        {"image_id": 0, "category_id": 8},
    ]
    more += [{"image_id": 0, "category_id": 1, "bbox": [], "segmentation": None}]
    more += [{"image_id": 0, "category_id": 1, "bbox": [], "segmentation": [[5, 5]]}]
    more += [{"image_id": 0, "category_id": 1, "bbox": [], "segmentation": []}]
    more += [{"image_id": 0, "segments_info": []}]
    write_coco(tmp_path / "all.json", ["a.png"], [CAT], more, bom="\ufeff")
    assert classes(read(domain, tmp_path)) == [["cat"]]
    assert "left out 6 annotations" in capsys.readouterr().out


def test_boxes_of_voc_are_of_the_images_of_their_split(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    boxes = assemble("voc", "base", "domains/detection", "styles/plain")("boxes")
    corners = "<xmin>1</xmin><ymin>1</ymin><xmax>9</xmax><ymax>9</ymax>"
    for part in ("train", "val"):
        write_image(tmp_path / part / "JPEGImages/0.jpg")
        file = tmp_path / part / "Annotations/0.xml"
        file.parent.mkdir()
        file.write_text(f"<a><object><name>cat</name><bndbox>{corners}</bndbox></object></a>")
    write_image(tmp_path / "train/JPEGImages/1.jpg")
    files = sorted(tmp_path.rglob("*.xml"))
    table = boxes.read_voc(files, tmp_path, {".jpg"})
    assert "left out 1 images without an .xml" in capsys.readouterr().out
    assert [Path(path).parts[-3] for path in table["input"]] == list(table["split"])
    with pytest.raises(SystemExit, match=r"no image has the name of an \.xml"):
        boxes.read_voc(files, tmp_path, {".png"})


@pytest.mark.parametrize("orientation", range(1, 9))
def test_boxes_on_what_a_camera_has_turned_are_no_boxes_on_what_is_seen(
    orientation: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    package = assemble("turned", "base", "domains/detection", "styles/plain")
    image, exif = Image.new("L", (80, 40)), Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    image.save(tmp_path / "a.png", exif=exif)
    rows = [(str(tmp_path / "a.png"), size, [("cat", 8, 4, 24, 12)], "") for size in SIZES]
    found = package("boxes").make_rows(rows)["target"].map(lambda target: tuple(target["size"]))
    seen = ImageOps.exif_transpose(Image.open(tmp_path / "a.png")).size
    assert list(found) == [seen]
    assert "left out 1 images whose boxes are of them on their side" in capsys.readouterr().out


@pytest.mark.parametrize("cells", ["4,8,16,32", ".1,.2,.4,.8"])
def test_a_table_of_boxes_has_pixels_or_fractions(cells: str, tmp_path: Path) -> None:
    package = assemble("table_of_boxes", "base", "domains/detection", "styles/plain")
    write_image(tmp_path / "a.png")
    (tmp_path / "boxes.csv").write_text(f"image,class,xmin,ymin,xmax,ymax\na.png,cat,{cells}\n")
    config = package("config").Config(data=tmp_path / "boxes.csv")
    boxes, table = package("boxes"), package("table")
    [target] = table.read(tmp_path / "boxes.csv", config, {".png"}, boxes.from_columns)["target"]
    [[name, *corners]] = target["boxes"]
    assert name == "cat"
    assert [c / s for c, s in zip(corners, 2 * target["size"], strict=True)] == [0.1, 0.2, 0.4, 0.8]


@pytest.mark.parametrize(
    ("line", "box"),
    [
        ("0 .5 .5 .2 .2", (0.4, 0.4, 0.6, 0.6)),
        ("0 .5 .5 .2 .2 .91", (0.4, 0.4, 0.6, 0.6)),  # with a confidence
        ("0 .1 .1 .3 .1 .3 .4", (0.1, 0.1, 0.3, 0.4)),  # around a polygon
        ("0 .5 .5 .2 .2 .5 .5 2 .4 .4 2", None),  # of a pose
        ("0 .5 .5 .2 .2 .5 .5 .4", None),
    ],
)
def test_lines_of_yolo(line: str, box: tuple[float, ...] | None, tmp_path: Path) -> None:
    boxes = assemble("yolo", "base", "domains/detection", "styles/plain")("boxes")
    write_image(tmp_path / "a.png")
    (tmp_path / "a.txt").write_text(line)
    if box is None:
        with pytest.raises(SystemExit, match="is no class and box"):
            boxes.read_yolo(tmp_path, {".png"})
    else:
        [[found]] = [target["boxes"] for target in boxes.read_yolo(tmp_path, {".png"})["target"]]
        assert found[1:] == pytest.approx(box)


def test_images_without_a_file_of_labels_are_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    boxes = assemble("yolo", "base", "domains/detection", "styles/plain")("boxes")
    for name in ("a.png", "b.png"):
        write_image(tmp_path / name)
    (tmp_path / "a.txt").write_text("1 .5 .5 .2 .2")
    (tmp_path / "obj.names").write_text("cat\ndog\n")
    targets = boxes.read_yolo(tmp_path, {".png"})["target"]
    assert [[name for name, *_ in target["boxes"]] for target in targets] == [["dog"], []]
    assert "1 images have no file of labels" in capsys.readouterr().out


def test_a_class_that_only_other_splits_have_ends_no_run(
    capsys: pytest.CaptureFixture[str],
) -> None:
    task = assemble("rare", "base", "domains/detection", "styles/plain")("task").Task
    box = {"size": [1, 1]}
    rows = [("train", "cat"), ("val", "cat"), ("test", "dog")]
    targets = [box | {"boxes": [[name, 0, 0, 1, 1]]} for _, name in rows]
    table = pd.DataFrame({"target": targets, "split": [split for split, _ in rows]})
    assert task.fit("detection", table).names == ["cat", "dog"]
    assert "no example to train dog" in capsys.readouterr().out


def test_blue_in_a_mask_is_a_class_and_an_unknown_number_no_agreement(tmp_path: Path) -> None:
    package = assemble("blue", "base", "domains/segmentation", "styles/plain")
    pixels = np.zeros((8, 8, 3), dtype=np.uint8)
    pixels[:3, :3], pixels[5:, 5:] = (0, 0, 255), (255, 0, 0)
    Image.fromarray(pixels).save(tmp_path / "mask.png")
    mask = str(tmp_path / "mask.png")
    table = pd.DataFrame({"target": [mask, mask], "split": ["train", "val"]})
    task = package("task").Task.fit("segmentation", table)
    assert task.names == ["#000000", "#0000ff", "#ff0000"]
    assert torch.bincount(task.classes(mask).flatten().long()).tolist() == [46, 9, 9]
    Image.new("L", (8, 8), 3).save(tmp_path / "other.png")
    with pytest.raises(
        SystemExit, match=r"^3 is no class of this model: #000000, #0000ff, #ff0000$"
    ):
        task.classes(str(tmp_path / "other.png"))


def test_scans_with_dark_borders_are_different_images(tmp_path: Path) -> None:
    content_key = assemble("keys", "base", "domains/vision")("table").content_key
    keys = []
    for shade in (10, 20, 10):
        pixels = np.zeros((512, 512), dtype=np.uint8)
        pixels[150:350, 150:350] = shade
        path = tmp_path / f"{len(keys)}.tiff"
        Image.fromarray(pixels).save(path)
        keys.append(content_key(str(path)))
    assert keys[0] == keys[2] != keys[1]


def test_words_with_tags_have_many_forms(tmp_path: Path) -> None:
    words = assemble("words", "base", "domains/tagging", "styles/plain")("words")
    assert words.to_iob2(["B-PER", "M-PER", "E-PER", "S-LOC"]) == [
        "B-PER",
        "I-PER",
        "I-PER",
        "B-LOC",
    ]
    for mark in ("\t", " "):
        given = [mark.join((word, "_", "_", tag)) for word, tag in (("Ada", "B-PER"), ("#", "O"))]
        lines = ["# id 7\tdomain=en", *["# id = 7"] * (mark == "\t"), *given, ""]
        (tmp_path / "x.conll").write_text("\n".join(lines * 2))
        pairs = [pair for pair in words.read_lines(tmp_path / "x.conll", None) if pair]
        assert pairs == [("Ada", "B-PER"), ("#", "O")] * 2
    word = "1\tAda\tAda\tPROPN\t_\t_\t0\troot\t_\t_"
    lines = [word, "", "# text = as many parts as has a word", word, ""]
    (tmp_path / "x.conllu").write_text("\n".join(lines))
    pairs = [pair for pair in words.read_lines(tmp_path / "x.conllu", None) if pair]
    assert pairs == [("Ada", "PROPN")] * 2


def test_a_mask_of_jpeg_is_black_and_white(tmp_path: Path) -> None:
    masks = assemble("blurred", "base", "domains/segmentation", "styles/plain")("masks")
    drawn = Image.new("L", (40, 40))
    drawn.paste(255, (13, 7, 29, 31))
    drawn.save(tmp_path / "a.jpg", quality=50)
    drawn.save(tmp_path / "a.png")
    assert len(np.unique(np.asarray(Image.open(tmp_path / "a.jpg")))) > 2
    assert (masks.read_mask(tmp_path / "a.jpg") == masks.read_mask(tmp_path / "a.png")).all()


def test_tables_of_roboflow_stand_in_folders_of_splits(tmp_path: Path) -> None:
    package = assemble("roboflow", "base", "domains/detection", "styles/plain")
    for number, split in enumerate(("train", "valid", "test")):
        write_image(tmp_path / split / "a.jpg", number)
        lines = ["filename,width,height,class,xmin,ymin,xmax,ymax", "a.jpg,40,40,cat,5,5,15,15"]
        (tmp_path / split / "_annotations.csv").write_text("\n".join(lines))
    table = package("data").make_table(package("config").Config(data=tmp_path))
    assert set(table["split"]) == {"train", "val", "test"}
    assert classes(table) == [["cat"]] * 3


def test_polygons_of_images_that_do_not_say_their_size(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png")
    write_coco(tmp_path / "all.json", ["a.png"], [CAT])
    content = json.loads((tmp_path / "all.json").read_text())
    content["images"] = [{"id": 0, "file_name": "a.png"}]
    (tmp_path / "all.json").write_text(json.dumps(content))
    [target] = read("segmentation", tmp_path)["target"]
    assert target["size"] == [40, 40]
