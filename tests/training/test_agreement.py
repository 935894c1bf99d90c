"""The three styles do the same: the first steps are equal, whoever runs the loop."""

from __future__ import annotations

from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from training.conftest import Package

from ptscaffold.create import Request, create

STYLES = ("plain", "lightning", "fastai")


def scalars(run_dir: Path, tag: str) -> list[tuple[int, float]]:
    events = EventAccumulator(str(run_dir)).Reload()
    return [(event.step, event.value) for event in events.Scalars(tag)]


@pytest.mark.nightly  # a project's own tests compare each style with a short loop
@pytest.mark.parametrize("domain", ["vision", "text", "audio"])
def test_the_first_steps_are_equal(
    domain: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    curves = {}
    for style in STYLES:
        create(Request(domain=domain, style=style))
        source = tmp_path / f"{domain}-{style}" / "src"
        package = Package(f"{domain}_{style}", source, tmp_path)
        package.run("--dry-run", "--device", "cpu", "--log-every", "1", "--run-dir", style)
        tags = ("train/loss", "train/accuracy", "lr", "grad_norm", "val/loss", "val/accuracy")
        curves[style] = {tag: scalars(tmp_path / style, tag) for tag in tags}
    for style in STYLES[1:]:
        for tag, curve in curves["plain"].items():
            other = curves[style][tag]
            assert [step for step, _ in other] == [step for step, _ in curve], (style, tag)
            values = [value for _, value in other]
            assert values == pytest.approx([v for _, v in curve], abs=1e-4), (style, tag)
