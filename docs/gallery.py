"""Take the pictures of gallery.md again: what TensorBoard shows of first runs.

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

SIZE = 1300, 1100
PANEL = 306  # pixels on the left: the settings of a tab
SCALARS = "scalars&_smoothingWeight=0&tagFilter="
DOMAINS = ("vision", "text", "audio")


@dataclass(frozen=True)
class View:
    """A tab of TensorBoard, or what a filter leaves of it: a part of the page in pixels."""

    name: str
    domain: str
    tab: str
    height: int
    left: int = PANEL
    right: int = SIZE[0]


VIEWS = (
    View("curves", "vision", f"{SCALARS}^(train|val|lr|grad)", 1040, right=1060),
    View("images", "vision", "images&tagFilter=.", 745),
    View("texts", "text", "text", 760),
    View("sounds", "audio", "audio", 540),
    View("spectrograms", "audio", "images&tagFilter=spec", 420),
    View("precision_recall", "vision", "pr_curves", 1020, right=1060),
)


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="ptscaffold-gallery-") as name:
        for domain in DOMAINS:
            draw(domain, Path(name))


def draw(domain: str, folder: Path) -> None:
    """Train a project of a domain and take its pictures."""
    project = folder / domain
    run(f"ptscaffold new {domain} --domain {domain} --style plain --no-input", folder)
    train = f"{sys.executable} -m {domain}.train --device cpu --run-dir runs/first"
    run(f"PYTHONPATH=src {train}", project)
    with tensorboard(project, Path(sys.executable).with_name("tensorboard")) as address:
        for view in VIEWS:
            if view.domain == domain:
                shot, picture = folder / "view.png", DOCS / "gallery" / f"{view.name}.png"
                shoot(f"{address}#{view.tab}", SIZE, 1, folder, shot)
                with Image.open(shot) as image:
                    kept = image.convert("RGB").crop((view.left, 0, view.right, view.height))
                shrink(kept, picture)
                print(f"{picture.name}: {picture.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
