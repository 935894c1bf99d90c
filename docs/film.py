"""Take the film of README.md again: a project is made and trained in a terminal, then TensorBoard.

    make pictures

A shell runs the commands in a terminal of its own, and what it shows is kept with its time. In the
film no command lasts longer than four seconds. Needs Chromium.
"""

from __future__ import annotations

import html
import os
import pty
import re
import select
import struct
import tempfile
import time
from fcntl import ioctl
from pathlib import Path
from termios import TIOCSWINSZ
from typing import Any

import pyte
from pictures import DOCS, PAGE, environment, shoot, tensorboard
from PIL import Image

ROWS, COLUMNS = 26, 100
SIZE = 880, 20 * ROWS + 36
SCALE = 1.0
KEY, LONGEST, HOLD, LAST, FRAME = 0.04, 4.0, 1.2, 4.0, 0.3  # seconds of the film
VIEW = 1250  # pixels of TensorBoard
FILM = DOCS / "film.webp"
COMMANDS = (
    "ptscaffold new digits --domain vision --style lightning",
    "cd digits",
    "uv sync --quiet",
    "uv run python -m digits.train",
)
BOARD = "uv run tensorboard --logdir runs"
VIEWS = ("scalars&tagFilter=^(train|val)/&_smoothingWeight=0", "images&tagFilter=.")

Chunks = list[tuple[float, str]]  # what a terminal was sent, and when


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="ptscaffold-film-") as name:
        folder = Path(name)
        save(frames_of(screens_of(record(folder)), folder))


def frames_of(screens: list[tuple[str, float]], folder: Path) -> list[tuple[Image.Image, float]]:
    """The screens as pictures, then TensorBoard's of the project that they have made."""
    shot, frames = folder / "frame.png", []
    for text, seconds in screens:
        page = folder / "frame.html"
        shown = re.sub(r"^\$ (.*)$", r"<i>$</i> <b>\1</b>", html.escape(text), flags=re.M)
        page.write_text(PAGE.format(width=SIZE[0], height=SIZE[1], text=shown), encoding="utf-8")
        shoot(page.as_uri(), SIZE, SCALE, folder, shot)
        frames.append((Image.open(shot).convert("RGBA"), seconds))
    size = frames[0][0].size
    wide = VIEW, round(VIEW * size[1] / size[0])
    with tensorboard(folder / "digits", folder / "digits/.venv/bin/tensorboard") as address:
        for view in VIEWS:
            shoot(f"{address}#{view}", wide, size[0] / VIEW, folder, shot)
            frames.append((Image.open(shot).convert("RGBA").resize(size), LAST))
    return frames


def save(frames: list[tuple[Image.Image, float]]) -> None:
    first, *others = (image for image, _ in frames)
    times = [round(1000 * seconds) for _, seconds in frames]
    how: dict[str, Any] = {"lossless": True, "quality": 100, "method": 6, "minimize_size": True}
    first.save(FILM, save_all=True, append_images=others, duration=times, loop=0, **how)
    size = FILM.stat().st_size / 1000
    print(f"{FILM.name}: {len(frames)} frames, {sum(times) / 1000:.0f} s, {size:.0f} kB")


def record(folder: Path) -> list[tuple[Chunks, float]]:
    """Type the commands into a shell; give what it shows in parts, and the seconds of each."""
    process, terminal = pty.fork()
    if process == 0:
        os.chdir(folder)
        env = {**environment(), "PS1": "$ ", "TERM": "xterm", "NO_COLOR": "1"}
        os.execvpe("bash", ["bash", "--norc", "--noprofile", "-i"], env)
    ioctl(terminal, TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    parts = [(read(terminal, r"\$ $"), 0.0)]
    for command in (*COMMANDS, BOARD):
        for key in command:
            os.write(terminal, key.encode())
            parts.append((read(terminal, re.escape(key) + "$"), KEY))
        os.write(terminal, b"\n")
        chunks = read(terminal, r"localhost:\d+/.*\n" if command == BOARD else r"\$ $")
        took = chunks[-1][0] - chunks[0][0]
        parts += [(chunks, min(took, LONGEST)), ([], HOLD)]
    os.write(terminal, b"\x03")
    read(terminal, r"\$ $")
    os.write(terminal, b"exit\n")
    os.waitpid(process, 0)
    return parts


def read(terminal: int, until: str) -> Chunks:
    """What comes until it ends with a pattern."""
    chunks, text, end = [], "", time.monotonic() + 300
    while time.monotonic() < end:
        if select.select([terminal], [], [], 0.05)[0]:
            chunk = os.read(terminal, 65536).decode(errors="replace")
            chunks.append((time.monotonic(), chunk))
            text = re.sub(r"\x1b\[\?2004[hl]", "", text + chunk)[-2000:]
        elif re.search(until, text):
            return chunks
    raise SystemExit(f"there is no {until!r} at the end of {text[-200:]!r}")


def screens_of(parts: list[tuple[Chunks, float]]) -> list[tuple[str, float]]:
    """What the terminal showed, one after the other, and for how many seconds of the film."""
    screen = pyte.Screen(COLUMNS, ROWS)
    stream = pyte.Stream(screen)
    found: list[tuple[str, float]] = []
    waited = 0.0

    def show(seconds: float) -> None:
        nonlocal waited
        waited += seconds
        if waited >= FRAME:
            found.append(("\n".join(line.rstrip() for line in screen.display), waited))
            waited = 0.0

    for chunks, seconds in parts:
        for (began, chunk), (ended, _) in zip(chunks, [*chunks[1:], *chunks[-1:]], strict=True):
            stream.feed(chunk)
            took = chunks[-1][0] - chunks[0][0]
            show((ended - began) * seconds / took if took else seconds)
        if not chunks:
            show(seconds)
    return found


if __name__ == "__main__":
    main()
