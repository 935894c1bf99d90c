"""The task of every domain: a loss that is a mean over examples, a metric that it is chosen by."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from domains.assemble import assemble

from ptscaffold.layers.catalogue import Catalogue
from ptscaffold.layers.manifest import goal_of

# A guess costs what all ways to write a text do, or what a box does that is not there.
OF_OTHERS = {"detection": (4, (84,)), "speech-recognition": (0, (64,))}


@pytest.mark.parametrize("domain", sorted(Catalogue().names("domains")))
def test_a_loss_is_the_mean_of_those_of_the_examples(
    domain: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    package = assemble(f"{domain}_loss", "base", f"domains/{domain}", "styles/plain")
    config, data = package("config").Config(), package("data")
    table = data.make_table(config)
    task = package("task").Task.fit(config.task, table)
    transform = data.make_transform(data.make_spec(config, table))
    rows = zip(table["input"][:8], map(task.encode, table["target"]), strict=False)
    targets = torch.stack([task.pair(transform, *row)[1] for row in rows])
    more, shape = OF_OTHERS.get(domain, (0, targets.shape[1:]))
    torch.manual_seed(0)
    logits = torch.randn(8, len(task.names) + more, *shape)
    alone = [task.loss(logits[n : n + 1], targets[n : n + 1]) for n in range(8)]
    torch.testing.assert_close(task.loss(logits, targets), torch.stack(alone).mean())
    if domain not in OF_OTHERS:
        guess = task.loss(torch.zeros_like(logits), targets)
        assert guess.item() == pytest.approx(math.log(len(task.names)), abs=0.01)


def test_what_most_examples_have_of_a_label_is_not_learned_by_heart() -> None:
    task = assemble("smoothed", "base", "domains/text")("task").Task
    rare, frequent = (task("multilabel", ["a"], [share]) for share in (0.05, 0.95))
    logits = torch.linspace(-12, 12, 1001)[:, None]

    def best(of: Any, target: float) -> float:
        losses = [of.loss(row[None], torch.tensor([[target]])) for row in logits]
        return float(logits[int(torch.stack(losses).argmin())].sigmoid())

    assert best(rare, 0.0) == pytest.approx(1 / 6, abs=0.01)
    assert best(frequent, 1.0) == pytest.approx(5 / 6, abs=0.01)
    assert (
        best(rare, 1.0) == pytest.approx(1 - best(frequent, 0.0)) == pytest.approx(0.99, abs=0.01)
    )


def test_an_example_without_labels_has_a_title() -> None:
    task = assemble("unlabelled", "base", "domains/text")("task").Task("multilabel", ["a", "b"])
    titles = [task.describe(torch.zeros(2), torch.tensor(true)) for true in ([0, 0], [1, 1])]
    assert titles == [("none (is none)", True), ("none (is a, b)", False)]


@pytest.mark.parametrize(
    ("mean", "std"), [(0.0, 1.0), (0.0, 1e-9), (0.0, 1e12), (1e6, 1.0), (-1e-6, 1e-8)]
)
def test_numbers_of_any_unit_are_learned_and_measured(mean: float, std: float) -> None:
    task_of = assemble("units", "base", "domains/text")("task").Task
    torch.manual_seed(0)
    unit = torch.randn(400)
    numbers = [[float(value)] for value in unit.double() * std + mean]
    table = pd.DataFrame({"input": "", "target": numbers, "split": ["train"] * 300 + ["val"] * 100})
    task = task_of.fit("regression", table)
    targets = torch.stack([task.encode(target) for target in table["target"]])
    assert task.loss(torch.zeros(400, 1), targets).item() == pytest.approx(1, abs=0.2)
    found = task.metrics()(task.scores(unit[:, None] + 0.5 * torch.randn(400, 1)), targets)
    assert found["r2"].item() == pytest.approx(0.75, abs=0.07)
    noise = task.metrics()(task.scores(torch.randn(400, 1)), targets)
    assert noise["r2"].item() < 0


def test_numbers_that_are_all_the_same_are_no_division_by_zero() -> None:
    task_of = assemble("constant", "base", "domains/text")("task").Task
    table = pd.DataFrame({"input": "", "target": [[0.1]] * 9, "split": ["train"] * 7 + ["val"] * 2})
    task = task_of.fit("regression", table)
    targets = torch.stack([task.encode(target) for target in table["target"]])
    assert task.loss(torch.zeros(9, 1), targets).item() < 1e-6


@pytest.mark.parametrize("domain", sorted(Catalogue().names("domains")))
def test_a_search_knows_what_is_better_before_there_is_data(domain: str) -> None:
    package = assemble(f"{domain}_asked", "base", f"domains/{domain}", "styles/plain")
    goal = goal_of([Catalogue().layer(f"domains/{domain}")])
    assert goal is not None
    metric, mode = package("task").Task(package("config").Config().task, []).monitor
    assert (metric, mode) == (goal.metric, "max" if goal.kind == "floor" else "min")


@pytest.mark.parametrize("labels", [["red"], ["0", "1"], []])
def test_one_label_is_no_task_of_labels(labels: list[str]) -> None:
    fit = assemble("one_label", "base", "domains/text")("task").Task.fit
    splits = ["train", "train", "val", "val"]
    rows = [{"target": labels[n % 2 : n % 2 + 1], "split": s} for n, s in enumerate(splits)]
    with pytest.raises(SystemExit, match="name two or more"):
        fit("multilabel", pd.DataFrame(rows))
