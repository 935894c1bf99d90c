"""Projects made, installed and used by their command lines, each in its own environment."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Final

from ptscaffold.layers import Catalogue

CATALOGUE: Final = Catalogue()
CELLS: Final = [
    f"{domain}-{style}"
    for domain, style in product(
        *[[layer.name for layer in CATALOGUE.choices(kind)] for kind in ("domains", "styles")]
    )
]
# Whatever tries to reach the network after the installation fails at once.
OFFLINE: Final = {
    "UV_OFFLINE": "1",
    "HF_HUB_OFFLINE": "1",
    **dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), "http://127.0.0.1:9"),
    "NO_PROXY": "localhost,127.0.0.1",
}


@dataclass(frozen=True)
class Done:
    """A command that has ended."""

    command: str
    code: int
    stdout: str
    stderr: str
    seconds: float

    def __str__(self) -> str:
        return f"$ {self.command}\nexit {self.code}\n{self.stdout}\n{self.stderr}"


@dataclass
class Project:
    """A generated project: the lines that `new` printed, and all commands run in it."""

    folder: Path
    said: str
    steps: list[str]
    done: dict[str, Done] = field(default_factory=dict)
    first_metrics: str = ""

    @property
    def package(self) -> str:
        return self.folder.name.replace("-", "_")

    def run(self, command: str, **env: str) -> Done:
        """Run one command line in the project, as a person would type it."""
        began = time.monotonic()
        ended = subprocess.run(
            ["bash", "-c", command],
            cwd=self.folder,
            env={**environment(), **env},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=600,
        )
        seconds = time.monotonic() - began
        done = Done(command, ended.returncode, ended.stdout, ended.stderr, seconds)
        self.done[command] = done
        return done

    def serve(self, command: str) -> Done:
        """Start a server, read its start page, and end it."""
        began = time.monotonic()
        log = self.folder / ".server.log"
        with log.open("w") as file:
            server = subprocess.Popen(
                ["bash", "-c", f"exec {command}"],
                cwd=self.folder,
                env=environment() | OFFLINE,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
            )
        try:
            page = wait_for_page(log, server)
        finally:
            server.terminate()
            server.wait()
        done = Done(command, 0, page, log.read_text(), time.monotonic() - began)
        self.done[command] = done
        return done


def wait_for_page(log: Path, server: subprocess.Popen[bytes]) -> str:
    """Give the start page of the server whose log names its address."""
    for _ in range(120):
        if found := re.search(r"http://localhost:\d+/", log.read_text()):
            address = found.group().replace("localhost", "127.0.0.1")
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            with opener.open(address, timeout=30) as response:
                return str(response.read().decode())
        if server.poll() is not None:
            break
        time.sleep(0.5)
    raise AssertionError(f"no page: {log.read_text()}")


def environment() -> dict[str, str]:
    """The environment of a person's shell, with the tools of this one on the path."""
    tools = str(Path(sys.executable).parent)
    kept = {k: v for k, v in os.environ.items() if k not in ("VIRTUAL_ENV", "PYTHONPATH", "CI")}
    return {**kept, "PATH": os.pathsep.join([tools, kept["PATH"]])}


def make(cell: str, folder: Path) -> Project:
    """Run `ptscaffold new` without a terminal and read what it prints."""
    domain, style = cell.split("-")
    made = subprocess.run(
        ["ptscaffold", "new", "--domain", domain, "--style", style],
        cwd=folder,
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert made.returncode == 0, made.stderr
    after = made.stderr.partition("Next:")[2]
    steps = [line.strip() for line in after.splitlines() if line.strip()]
    assert steps[0] == f"cd {cell}"
    return Project(folder / cell, made.stderr, steps[1:])


def readme_commands(project: Project) -> list[str]:
    """The lines of the README's shell blocks."""
    text = (project.folder / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```bash\n(.*?)```", text, re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line.strip()]


def follow_readme(project: Project) -> None:
    """Run what the README says and `new` did not, in the order of the README."""
    for command in readme_commands(project):
        if command not in project.done:
            project.run(command, OMP_NUM_THREADS="1", **OFFLINE)
