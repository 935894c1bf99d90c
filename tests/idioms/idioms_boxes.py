"""fastai's ways with boxes: what is predicted is shown as what was drawn."""

import json
from dataclasses import replace
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import pytest
from fastai.vision.all import Image, Learner, get_image_files, load_learner
from project.config import Config
from project.data import make_spec, make_table
from project.dls import make_dls, make_learner
from project.task import Task
from project.train import train

matplotlib.use("agg")


@pytest.fixture(scope="module")
def learn(tmp_path_factory: pytest.TempPathFactory) -> Learner:
    place = tmp_path_factory.mktemp("boxes")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        train(Config(epochs=12, run_dir=Path("run")))
        learn = load_learner("run/export.pkl")
    learn.path = place
    return learn


def test_test_dl_takes_files(learn: Learner) -> None:
    files = get_image_files(learn.path / "data/sample/images")[:4]
    assert len(learn.get_preds(dl=learn.dls.test_dl(files))[0]) == 4


def test_show_results(learn: Learner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(learn.path)
    config = Config(dry_run=True)
    table = make_table(config)
    spec = make_spec(config, table)
    task = Task.fit(config.task, table)
    dls = make_dls(table, task, spec, replace(config, batch_size=8))
    fresh = make_learner(dls, task, spec)
    fresh.model.load_state_dict(learn.model.state_dict())
    fresh.show_results(max_n=4)
    axes = plt.gcf().axes
    assert len(axes) == 4
    assert sum(len(axis.patches) for axis in axes) >= 4  # of drawn and found boxes


@pytest.mark.parametrize("kind", [str, Path, Image.open])
def test_predict_gives_what_was_drawn(learn: Learner, kind: type) -> None:
    sample = learn.path / "data/sample"
    drawn = json.loads((sample / "annotations.json").read_text())
    names = {each["id"]: each["name"] for each in drawn["categories"]}
    right = 0
    for image in drawn["images"][:5]:
        decoded, _, _ = learn.predict(kind(sample / "images" / image["file_name"]))
        boxes, labels = decoded
        for each in (a for a in drawn["annotations"] if a["image_id"] == image["id"]):
            x, y, width, height = each["bbox"]
            true = [x, y, x + width, y + height]
            pairs = zip(boxes.tolist(), labels, strict=True)
            right += any(
                label == names[each["category_id"]]
                and max(abs(a - b) for a, b in zip(box, true, strict=True)) < 8
                for box, label in pairs
            )
    assert right >= 4
