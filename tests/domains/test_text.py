"""The text layer: what its sample asks of a model, and what its model and tokenizer promise."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from markdown import markdown
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from ptscaffold.create import Request, create


@pytest.fixture(scope="module", autouse=True)
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A generated text project that can be imported."""
    folder = tmp_path_factory.mktemp("text")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        create(Request(name="texts", domain="text", style="plain"))
        patch.syspath_prepend(folder / "texts" / "src")
        yield folder


def load(module: str) -> ModuleType:
    return importlib.import_module(f"texts.{module}")


@pytest.fixture(scope="module")
def config(project: Path) -> Any:
    return load("config").Config(device="cpu", num_workers=0)


@pytest.fixture(scope="module")
def datasets(config: Any) -> Any:
    return load("data").make_datasets(config)


def test_words_alone_do_not_tell_the_classes_of_the_sample_apart(datasets: Any) -> None:
    tokenizer = load("tokenizer").load_tokenizer(datasets.state["tokenizer"])
    ids, labels = {}, {}
    for name in ("train", "val"):
        split = getattr(datasets, name)
        ids[name] = [split[i][0].tolist() for i in range(len(split))]
        labels[name] = split.labels
    words = {name: [tokenizer.decode(row) for row in rows] for name, rows in ids.items()}
    longest = max(len(row) for rows in ids.values() for row in rows)
    padded = {
        name: [row + [0] * (longest - len(row)) for row in rows] for name, rows in ids.items()
    }

    bag = make_pipeline(CountVectorizer(), LogisticRegression(max_iter=2000))
    raw = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    for model, inputs in ((bag, words), (raw, padded)):
        model.fit(inputs["train"], labels["train"])
        accuracy = model.score(inputs["val"], labels["val"])
        print(f"{model.steps[0][0]}: {accuracy:.3f}")
        assert accuracy < 0.6


def test_a_tokenizer_is_the_same_in_every_process(project: Path, datasets: Any) -> None:
    code = (
        "import sys; sys.path.insert(0, 'texts/src')\n"
        "from texts.config import Config\nfrom texts.data import make_datasets\n"
        "print(make_datasets(Config()).state['tokenizer'], end='')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=project, capture_output=True, text=True, check=True
    )
    assert done.stdout == datasets.state["tokenizer"]


def test_the_model_traces_compiles_and_gives_float32(config: Any) -> None:
    torch.manual_seed(0)
    model = load("model").make_model(config, 4).eval()
    torch.nn.init.normal_(model.head.weight)
    short, long = (torch.randint(1, 400, (3, length)) for length in (5, 40))
    long[1, 7:] = 0

    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        traced = torch.jit.trace(model, short[:1])
    assert not [w for w in told if issubclass(w.category, torch.jit.TracerWarning)]
    torch.testing.assert_close(traced(long), model(long), rtol=0, atol=1e-5)

    compiled = torch.compile(model, fullgraph=True, backend="eager")
    for input_ids in (short, long, long[:, :17]):
        torch.testing.assert_close(compiled(input_ids), model(input_ids), rtol=0, atol=1e-5)

    with torch.autocast("cpu", torch.bfloat16):
        logits = model(long)
    assert logits.dtype == torch.float32
    assert (logits.argmax(1) == model(long).argmax(1)).all()


def test_long_texts_cost_padding_only_beside_long_texts() -> None:
    lengths = [1 + (i * i) % 251 for i in range(1000)]
    batches = load("data").BucketedBatches(lengths, 32, shuffle=True, seed=0)
    order = batches.order(0)
    assert len(order) == len(batches) == 31
    slots = sum(32 * max(lengths[i] for i in batch) for batch in order)
    assert sum(lengths[i] for batch in order for i in batch) / slots > 0.9
    small = load("data").BucketedBatches(lengths[:5], 32, shuffle=True, seed=0)
    assert [sorted(batch) for batch in small.order(3)] == [[0, 1, 2, 3, 4]]


def test_tensorboard_shows_any_text_as_it_is(config: Any, datasets: Any) -> None:
    shown: list[str] = []

    class Writer:
        def add_text(self, tag: str, text: str, step: int) -> None:
            assert (tag, step) == ("predictions/texts", 3)
            shown.append(text)

    text = "a | b *c* <script>x</script> [d](e) `f` _g_ \\ &amp;"
    tokenizer = load("tokenizer").load_tokenizer(datasets.state["tokenizer"])
    ids = torch.tensor([tokenizer.encode(text).ids + [0] * 9])
    logits = torch.tensor([[0.0, 4.0, 0.0, 0.0]])
    log = load("preview").log_predictions
    log(Writer(), ids, torch.tensor([2]), logits, ["a", "b", "c|d", "e"], 3, config, datasets.state)
    html = markdown(shown[0], extensions=["tables"])  # as TensorBoard does
    cells = re.findall(r"<td>(.*?)</td>", html, re.DOTALL)
    plain = [re.sub(r"&#(\d+);", lambda found: chr(int(found[1])), cell) for cell in cells]
    assert [cell.strip() for cell in plain] == [text, "c|d", "b (wrong)", "95%"]


def test_parquet_is_an_extra_that_predict_needs_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    path = tmp_path / "rows.parquet"
    path.touch()
    (row,) = load("predict").read_inputs([path], "text")
    assert "uv sync --extra parquet" in row.problem
