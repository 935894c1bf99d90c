"""What `[test]` of a domain prepares is what the README of its projects speaks of."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from ptscaffold.layers.catalogue import Catalogue
from ptscaffold.layers.manifest import Layer, goal_of

DOMAINS = Catalogue().choices("domains")


@pytest.mark.parametrize("layer", DOMAINS, ids=lambda layer: layer.name)
def test_the_files_of_the_readme_are_there(layer: Layer, tmp_path: Path) -> None:
    goal, worst = goal_of([layer]), {"accuracy": 0.9, "iou": 0.85, "f1": 0.9, "wer": 0.1}
    worst |= {"bits_per_byte": 0.10, "map": 0.55}
    assert goal is not None
    assert replace(goal, bound=worst[goal.metric]).met(goal.bound)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", layer.test["prepare"]],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    trained = re.findall(r"\.train --data (\S+)", layer.readme["data"])
    (predicted,) = re.findall(r"\.predict (.+)", layer.readme["predict"])
    own = [word for word in [*trained, *predicted.split()] if re.fullmatch(r"[a-z_.]+", word)]
    named = {word for word in own if "_" in word or "." in word}
    assert len(named) >= 1
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(named)
