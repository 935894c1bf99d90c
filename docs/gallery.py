"""Take the pictures of gallery.md again: what TensorBoard shows of first runs, and a served model.

    make pictures

A project of every domain is made in a temporary folder and trained on its sample. Needs Chromium.
"""

from __future__ import annotations

import base64
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from pictures import DOCS, find_address, run, shoot, shrink, tensorboard, wait_for
from PIL import Image

SIZE = 1300, 1100
PANEL = 306  # pixels on the left: the settings of a tab
SCALARS = "scalars&_smoothingWeight=0&tagFilter="
DOMAINS = ("vision", "text", "audio")
DROP = """<script>
fetch("data:image/png;base64,CONTENT").then((answer) => answer.blob()).then((content) => {
  const data = new DataTransfer();
  data.items.add(new File([content], "photo.png"));
  document.dispatchEvent(new DragEvent("drop", { dataTransfer: data }));
});
</script>"""


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
    View("images", "vision", "images&tagFilter=.", 705),
    View("texts", "text", "text", 760),
    View("sounds", "audio", "audio", 540),
    View("spectrograms", "audio", "images&tagFilter=spec", 420),
    View("precision_recall", "vision", "pr_curves", 1020, right=1060),
)


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="ptscaffold-gallery-") as name:
        for domain in DOMAINS:
            train(domain, Path(name))
            draw(domain, Path(name))
        draw_page("vision", "circle/*.png", "serve", Path(name))
        train("detection", Path(name))
        draw_page("detection", "images/0003.png", "serve_boxes", Path(name))


def train(domain: str, folder: Path) -> None:
    chosen = f"--domain {domain} --style plain --feature serve"
    run(f"ptscaffold new {domain} {chosen} --no-input", folder)
    command = f"{sys.executable} -m {domain}.train --device cpu --run-dir runs/first"
    run(f"PYTHONPATH=src {command}", folder / domain)


def draw(domain: str, folder: Path) -> None:
    """Take the pictures of a project of a domain."""
    project = folder / domain
    with tensorboard(project, Path(sys.executable).with_name("tensorboard")) as address:
        for view in VIEWS:
            if view.domain == domain:
                shot, picture = folder / "view.png", DOCS / "gallery" / f"{view.name}.png"
                shoot(f"{address}#{view.tab}", SIZE, 1, folder, shot)
                with Image.open(shot) as image:
                    kept = image.convert("RGB").crop((view.left, 0, view.right, view.height))
                shrink(kept, picture)
                print(f"{picture.name}: {picture.stat().st_size / 1000:.0f} kB")


def draw_page(domain: str, dropped: str, name: str, folder: Path) -> None:
    """Serve the trained project, drop an image on its page and take a picture of that."""
    project = folder / domain
    image = base64.b64encode(next((project / "data").rglob(dropped)).read_bytes()).decode()
    with (project / f"src/{domain}/page/index.html").open("a") as page:
        page.write(DROP.replace("CONTENT", image))
    log, env = folder / "serve.log", {**os.environ, "PYTHONPATH": "src", "PORT": "0"}
    with log.open("w") as file:
        command = [sys.executable, "-m", f"{domain}.serve"]
        server = subprocess.Popen(command, cwd=project, env=env, stderr=file)
    try:
        address = wait_for(lambda: find_address(log), server)
        shoot(address, (620, 740), 1, folder, folder / "page.png")
    finally:
        server.terminate()
        server.wait()
    with Image.open(folder / "page.png") as image:
        clear = image.convert("RGBA")
    white = Image.new("RGBA", clear.size, "white")  # the page has no ground of its own
    kept = Image.alpha_composite(white, clear).convert("RGB")
    shrink(kept, DOCS / "gallery" / f"{name}.png")


if __name__ == "__main__":
    main()
