"""The site in a browser: every page in both themes without a word in the console; search finds."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest
from docs.test_site import WORDS, site

__all__ = ["site"]  # a fixture

BROWSERS = map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))
BROWSER = next(filter(None, BROWSERS), "")
PAGES = sorted(path.stem for path in (Path(__file__).parents[2] / "docs").glob("*.md"))
# What each theme is called by a browser, and by the page that it shows.
THEMES = {"light": ("1", "default"), "dark": ("0", "slate")}
WAIT = "wait.png"  # a picture that is long in coming: so long a browser has a page that loads

pytestmark = [
    pytest.mark.nightly,
    pytest.mark.skipif(not BROWSER or sys.platform == "win32", reason="there is no Chromium"),
]


class Handler(SimpleHTTPRequestHandler):
    missing: ClassVar[list[str]] = []

    def log_message(self, *_: object) -> None:
        pass

    def send_error(self, code: int, *_: object) -> None:
        if self.path.endswith(WAIT):
            time.sleep(3)
        else:
            self.missing.append(self.path)
        super().send_error(code)


@pytest.fixture(scope="module")
def address(site: Path) -> Iterator[str]:
    page = (site / "index.html").read_text(encoding="utf-8")
    searched = page.replace("</body>", f"<img src={WAIT}></body>")
    (site / "searched.html").write_text(searched, encoding="utf-8")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(site)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def opened(url: str, profile: Path, theme: str = "1") -> tuple[str, list[str]]:
    """A page as a browser has it when all is loaded; what its console says, what is missing."""
    Handler.missing.clear()
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--dump-dom"]
    flags += ["--enable-logging=stderr", f"--user-data-dir={profile}"]
    flags += [f"--blink-settings=preferredColorScheme={theme}"]
    done = subprocess.run([BROWSER, *flags, url], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    said = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    return done.stdout, [*said, *Handler.missing]


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("page", PAGES)
def test_a_page_opens_without_an_error(address: str, tmp_path: Path, page: str, theme: str) -> None:
    setting, scheme = THEMES[theme]
    place = "" if page == "index" else f"{page}/"
    text, wrong = opened(f"{address}/{place}", tmp_path, setting)
    assert wrong == []
    assert re.search(rf'<body[^>]* data-md-color-scheme="{scheme}"', text)


@pytest.mark.parametrize("word", WORDS.split())
def test_search_finds(address: str, tmp_path: Path, word: str) -> None:
    text, wrong = opened(f"{address}/searched.html?q={word}", tmp_path)
    assert wrong == []
    assert text.count('class="md-search-result__item"') >= 1


def test_an_error_would_be_seen(address: str, site: Path, tmp_path: Path) -> None:
    (site / "broken.html").write_text("<script>nothing.at.all()</script><img src=none.png>")
    _, wrong = opened(f"{address}/broken.html", tmp_path)
    assert any("nothing is not defined" in line for line in wrong)
    assert "/none.png" in wrong
