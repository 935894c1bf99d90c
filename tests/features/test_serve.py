"""The page of the feature `serve`, in a browser without a window."""

from __future__ import annotations

import base64
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ptscaffold.project.new import Request, create

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
BROWSER = next(filter(None, map(shutil.which, BROWSERS)), None)
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--no-proxy-server"]
FLAGS += ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]

# What a person does, as a script at the end of the page.
DROP = """
fetch("data:image/png;base64,CONTENT").then((answer) => answer.blob()).then((content) => {
  const data = new DataTransfer();
  data.items.add(new File([content], "photo.png", { type: "image/png" }));
  document.dispatchEvent(new DragEvent("drop", { dataTransfer: data }));
});
"""
# How many values of the page's picture are not those of the image: a mask or boxes lie over it.
LOOK = """
const image = Object.assign(new Image(), { src: "data:image/png;base64,CONTENT" });
setInterval(() => {
  const canvas = find("canvas"), { width, height } = canvas;
  if (canvas.hidden) return;
  const other = Object.assign(document.createElement("canvas"), { width, height });
  other.getContext("2d").drawImage(image, 0, 0, width, height);
  const [one, two] = [canvas, other].map(
    (each) => each.getContext("2d").getImageData(0, 0, width, height).data
  );
  document.title = one.filter((value, place) => Math.abs(value - two[place]) > 9).length;
}, 200);
"""
TYPE = 'find("textarea").value = "The soup was cold."; find("form").requestSubmit();'
NAMES = "Marlo moved from Galden to Kelsen last week."
FILL = """
const fill = setInterval(() => {
  if (!find("select")) return;
  clearInterval(fill);
  find("[name=light]").value = "9.5";
  find("[name=species]").value = "fern";
  find("form").requestSubmit();
}, 50);
"""
# The browser's clock jumps from timer to timer, and stands while a request is under way.
RECORD = """
const until = async (done) => { while (!done()) await fetch("health"); };
const record = async (requests) => {
  button.click();
  await until(() => button.textContent === "Stop");
  await until(() => requests-- < 1);
  button.click();
  await until(() => button.textContent === "Record");
};
record(0).then(() => { document.title = find("[role=status]").textContent; record(300); });
"""
pytestmark = [
    pytest.mark.nightly,
    pytest.mark.skipif(BROWSER is None, reason="there is no browser"),
]


def python(name: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", f"served.{name}", *arguments]


@contextmanager
def served(project: Path) -> Iterator[str]:
    """Serve what was trained for an epoch; the address is given once the server is warm."""
    env = {**os.environ, "PYTHONPATH": "src", "PORT": "0"}
    train = python("train", "--epochs", "1", "--num-workers", "0")
    subprocess.run(train, cwd=project, env=env, check=True, capture_output=True)
    with subprocess.Popen(
        python("serve"), cwd=project, env=env, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stderr
            lines = (re.search(r"http://\S+", line) for line in process.stderr)
            yield next(found[0] for found in lines if found)
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.stderr
            process.stderr.read()
    assert process.returncode == 0


def visit(address: str, project: Path, script: str) -> str:
    """Do what a script does on the page, and give the page as it is then."""
    with (project / "src/served/page/index.html").open("a") as page:
        page.write(f"<script>{script}</script>")
    assert BROWSER
    profile = f"--user-data-dir={project.parent / 'profile'}"
    command = [BROWSER, *FLAGS, profile, "--virtual-time-budget=15000", "--dump-dom", address]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    return done.stdout


def dropped(project: Path, look: str = "") -> str:
    """Drop an image of the sample on the page."""
    image = min((project / "data").rglob("*.png")).read_bytes()
    return (DROP + look).replace("CONTENT", base64.b64encode(image).decode())


@pytest.mark.parametrize(
    ("domain", "query"), [("segmentation", ""), ("detection", "?threshold=0.001")]
)
def test_the_page_draws_what_is_found(
    domain: str, query: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    create(Request(name="served", domain=domain, style="plain", features=("serve",)))
    project = tmp_path / "served"
    with served(project) as address:
        page = visit(address + query, project, dropped(project, LOOK))
    (changed,) = re.findall(r"<title>(\d+)</title>", page)
    assert int(changed) > 100
    assert re.search(r'<td>([^<]+)</td><td><meter value="([^"]+)"', page)


def test_the_page_marks_what_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    create(Request(name="served", domain="tagging", style="plain", features=("serve",)))
    project = tmp_path / "served"
    with served(project) as address:
        page = visit(address, project, TYPE.replace("The soup was cold.", NAMES))
    found = re.search(r'<p id="found">(.*?)</p>', page, re.DOTALL)
    assert found
    assert "<mark>" in found[1]
    text = re.sub(r" \w+</mark>", "", found[1])
    assert "".join(re.sub("<.*?>", "", text).split()) == "".join(NAMES.split())


@pytest.mark.parametrize("domain", ["vision", "text", "audio", "tabular"])
def test_the_page_shows_the_scores(
    domain: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    create(Request(name="served", domain=domain, style="plain", features=("serve",)))
    project = tmp_path / "served"
    with served(project) as address:
        scripts = {"text": TYPE, "audio": RECORD, "tabular": FILL}
        page = visit(address, project, scripts.get(domain) or dropped(project))
    if domain == "audio":
        assert "<title>Not recorded: " in page, "nothing had been heard yet"
    status = re.search(r'role="status">([^<]+)<', page)
    bars = re.findall(r'<td>([^<]+)</td><td><meter value="([^"]+)"', page)
    assert status
    assert len(bars) > 2
    assert status[1] == bars[0][0]
    assert sum(float(value) for _, value in bars) == pytest.approx(1, abs=1e-3)
