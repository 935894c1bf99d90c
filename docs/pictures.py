"""Take the pictures of README.md again, from a project as the templates make it today.

    make pictures

A vision project in Lightning is made in a temporary folder, installed and trained on its sample.
What the commands print becomes terminal.png; what TensorBoard shows of the run, its side panels
cut off, becomes tensorboard.png. Needs Chromium.
"""

from __future__ import annotations

import html
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image

DOCS = Path(__file__).parent
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
NEW = "ptscaffold new vision-lightning --domain vision --style lightning"
TRAIN = "uv run python -m vision_lightning.train"

PAGE = """\
<!doctype html><meta charset="utf-8"><style>
body {{ margin: 0; }}
pre {{
  margin: 0; padding: 18px 24px; border-radius: 8px; width: {width}px; height: {height}px;
  box-sizing: border-box; background: #16202c; color: #cfd8e3;
  font: 14px/20px "DejaVu Sans Mono", Menlo, monospace;
}}
b {{ color: #ffffff; }}
i {{ color: #6fbf73; font-style: normal; }}
</style><pre>{text}</pre>
"""


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="ptscaffold-pictures-") as name:
        folder = Path(name)
        project = folder / "vision-lightning"
        said = [(NEW, run(NEW, folder))]
        run("uv sync --quiet", project)
        said.append(("cd vision-lightning && uv sync --quiet", ""))
        said.append((TRAIN, shorten(run(TRAIN, project))))
        draw_terminal(said, folder, DOCS / "terminal.png")
        with tensorboard(project, project / ".venv/bin/tensorboard") as address:
            draw_tensorboard(address, folder, DOCS / "tensorboard.png")
    for picture in sorted(DOCS.glob("*.png")):
        print(f"{picture.name}: {picture.stat().st_size / 1000:.0f} kB")


def run(command: str, folder: Path) -> str:
    """Run a command without a terminal and give what it prints, both streams in their order."""
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode:
        raise SystemExit(f"{command} failed:\n{done.stdout}")
    return done.stdout


def shorten(output: str) -> str:
    """Leave out the table of the model, which Lightning prints between settings and epochs."""
    settings, epochs = output.index("GPU available"), output.index("epoch 1/")
    return f"{output[:settings]}...\n{output[epochs:]}"


def environment() -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if key != "VIRTUAL_ENV"}
    return {**kept, "PATH": os.pathsep.join([str(Path(sys.executable).parent), kept["PATH"]])}


def draw_terminal(said: list[tuple[str, str]], folder: Path, picture: Path) -> None:
    """Draw commands and what they print the way a terminal shows them."""
    lines, longest = [], 0
    for command, output in said:
        # `new` names the folder on stdout when that is no terminal
        shown = [line for line in output.splitlines() if line != "vision-lightning"]
        longest = max(longest, *map(len, [f"$ {command}", *shown]))
        lines.append(f"<i>$</i> <b>{html.escape(command)}</b>")
        lines += map(html.escape, shown)
    width, height = round(longest * 8.43) + 50, 20 * len(lines) + 36
    page = folder / "terminal.html"
    text = "\n".join(lines)
    page.write_text(PAGE.format(width=width, height=height, text=text), encoding="utf-8")
    shoot(page.as_uri(), (width, height), 2, folder, picture)
    shrink(Image.open(picture), picture)


def draw_tensorboard(address: str, folder: Path, picture: Path) -> None:
    """Put two views side by side: the curves, and the pictures of the validation split."""
    views = {"scalars&tagFilter=^(train|val)/&_smoothingWeight=0": 700, "images&tagFilter=.": 740}
    halves = []
    for view, width in views.items():
        shot = folder / "view.png"
        shoot(f"{address}#{view}", (1100, 760), 1.5, folder, shot)
        with Image.open(shot) as image:
            halves.append(cut(image.convert("RGB"), width))
    gap = 24
    width = sum(half.width for half in halves) + gap
    both = Image.new("RGB", (width, halves[0].height), "white")
    both.paste(halves[0], (0, 0))
    both.paste(halves[1], (halves[0].width + gap, 0))
    shrink(both, picture)


def cut(image: Image.Image, width: int) -> Image.Image:
    """Leave the side panel and the filter out: the head of the page above its cards."""
    scale = image.width / 1100
    left, top, right, bottom, head = (round(scale * n) for n in (292, 180, 292 + width, 738, 64))
    kept = Image.new("RGB", (right - left, head + bottom - top), "white")
    kept.paste(image.crop((0, 0, right - left, head)), (0, 0))
    kept.paste(image.crop((left, top, right, bottom)), (0, head))
    return kept


def shrink(image: Image.Image, picture: Path) -> None:
    """Save with a palette: a third of the size, and no difference to the eye."""
    # The corners of the terminal are transparent, which the better method cannot do
    method = Image.Quantize.FASTOCTREE if image.mode == "RGBA" else Image.Quantize.MEDIANCUT
    image.quantize(256, method=method, dither=Image.Dither.NONE).save(picture, optimize=True)


def shoot(url: str, size: tuple[int, int], scale: float, folder: Path, picture: Path) -> None:
    """Let a browser without a window take a picture of a page."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        raise SystemExit(f"no browser: install one of {', '.join(BROWSERS)}")
    profile = tempfile.mkdtemp(dir=folder)
    flags = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--hide-scrollbars",
        "--default-background-color=00000000",
        f"--user-data-dir={profile}",
        f"--window-size={size[0]},{size[1]}",
        f"--force-device-scale-factor={scale}",
        "--virtual-time-budget=25000",
        f"--screenshot={picture}",
    ]
    subprocess.run([browser, *flags, url], check=True, capture_output=True, timeout=180)


@contextmanager
def tensorboard(project: Path, program: Path) -> Iterator[str]:
    """Serve the runs of a project; the address is given once the pictures are loaded."""
    command = [str(program), "--logdir", "runs", "--port", "0"]
    log = project / "tensorboard.log"
    with log.open("w") as file:
        server = subprocess.Popen(command, cwd=project, stdout=file, stderr=file)
    try:
        address = wait_for(lambda: find_address(log), server)
        wait_for(lambda: "confusion" in read(f"{address}data/plugin/images/tags"), server)
        yield address
    finally:
        server.terminate()
        server.wait()


def find_address(log: Path) -> str:
    found = re.search(r"http://(?:localhost|127.0.0.1):(\d+)", log.read_text())
    return f"http://127.0.0.1:{found[1]}/" if found else ""


def read(url: str) -> str:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=30) as response:
        return str(response.read().decode())


def wait_for(condition: Callable[[], Any], server: subprocess.Popen[bytes]) -> Any:
    """Give the first true value of `condition`."""
    for _ in range(240):
        if value := condition():
            return value
        if server.poll() is not None:
            break
        time.sleep(0.5)
    raise SystemExit(f"{server.args} does not serve the run")


if __name__ == "__main__":
    main()
