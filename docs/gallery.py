"""Take the pictures of gallery.md again: what TensorBoard shows of runs with `--log full`.

    make pictures

A project of every domain is made in a temporary folder and trained on its sample. Needs Chromium.
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from pictures import DOCS, run, shoot, shrink, tensorboard
from PIL import Image

SIZE = 1300, 900
PANEL = 306  # pixels on the left: the settings of a tab
DOMAINS = ("vision", "text", "audio")


@dataclass(frozen=True)
class View:
    """A tab of TensorBoard, or what a filter leaves of it, down to a height in pixels."""

    name: str
    domain: str
    tab: str
    height: int = SIZE[1]
    panel: int = PANEL
    gpu: bool = False


VIEWS = (
    View("curves", "vision", "scalars&tagFilter=^(train|val|lr|grad)&_smoothingWeight=0", 800),
    View("speed", "vision", "scalars&tagFilter=^(ex|data|memory)&_smoothingWeight=0", 480),
    View("images", "vision", "images&tagFilter=."),
    View("texts", "text", "text", 760),
    View("sounds", "audio", "audio", 540),
    View("spectrograms", "audio", "images&tagFilter=spec", 420),
    View("precision_recall", "text", "pr_curves", 600),
    View("histograms", "vision", "histograms", 700),
    View("projector", "vision", "projector", panel=0, gpu=True),
)


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="ptscaffold-gallery-") as name:
        for domain in DOMAINS:
            draw(domain, Path(name))


def draw(domain: str, folder: Path) -> None:
    """Train a project of a domain and take its pictures."""
    project = folder / domain
    run(f"ptscaffold new {domain} --domain {domain} --style plain --no-input", folder)
    train = f"{sys.executable} -m {domain}.train --device cpu --log full --run-dir runs/first"
    run(f"PYTHONPATH=src {train}", project)
    with tensorboard(project, Path(sys.executable).with_name("tensorboard")) as address:
        for view in VIEWS:
            if view.domain == domain:
                shot, picture = folder / "view.png", DOCS / "gallery" / f"{view.name}.png"
                shoot(f"{address}#{view.tab}", SIZE, 1, folder, shot, gpu=view.gpu)
                with Image.open(shot) as image:
                    kept = image.convert("RGB").crop((view.panel, 0, SIZE[0], view.height))
                shrink(kept, picture)
                print(f"{picture.name}: {picture.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
