"""All commands on one project, in a process that somebody watches: TEMPLATES VERSION PROJECT."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

from ptscaffold.cli import app, console
from ptscaffold.layers.catalogue import Catalogue
from ptscaffold.layers.history import History
from ptscaffold.project import new, show, update

PROJECT = "PROJECT"
ANSWERS = ("--domain", "x", "--style", "a")
COMMANDS = {
    "check": ["check", PROJECT],
    "diff": ["diff", PROJECT],
    "show": ["show", PROJECT],
    "update": ["update", PROJECT],
    "dry run": ["update", PROJECT, "--dry-run"],
    "continue": ["update", PROJECT, "--continue"],
    "abort": ["update", PROJECT, "--abort"],
    "add": ["add", "f", "--project", PROJECT],
    "remove": ["remove", "f", "--project", PROJECT],
    "new": ["new", "toy", "--into", PROJECT, *ANSWERS],
}


def main(templates: str, version: str, project: str) -> None:
    update.History = show.History = lambda: History(Path(templates), version)  # type: ignore[misc, assignment]
    new.Catalogue = lambda **_: Catalogue(Path(templates))  # type: ignore[misc, assignment]
    console.as_keyboard_interrupt = lambda: None
    signal.alarm(60)  # whoever waits for the other end of a pipe waits for ever
    forced = {"forced": ["update", PROJECT, "--force"], "undone": ["update", PROJECT, "--abort"]}
    for name, words in {**COMMANDS, **forced}.items():
        code = app.run([project if word == PROJECT else word for word in words])
        print(f"{name} {code}", flush=True)
        assert code in range(4)


if __name__ == "__main__":
    main(*sys.argv[1:])
