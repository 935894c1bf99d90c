"""A pytest fixture for teams that test their own layers. It needs pytest-cookies:

def test_it_lints(scaffold):
    project = scaffold(domain="vision", style="plain", packs=["."])
    project.run("ruff check")
"""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest


@dataclass(frozen=True)
class Baked:
    """A project that was made for a test: its folder and every answer that it was made from."""

    path: Path
    answers: dict[str, Any]

    def run(
        self, command: str, *, check: bool = True, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a command line in the project; unless `check` is false, the test fails if it does.

        There is no shell: words are split as a shell does, nothing else. `environment` is added to
        that of the tests, from which an active virtual environment is left out.
        """
        inherited = {key: value for key, value in os.environ.items() if key != "VIRTUAL_ENV"}
        done = subprocess.run(
            shlex.split(command),
            cwd=self.path,
            env={**inherited, **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if check and done.returncode:
            pytest.fail(
                f"{command} ended with {done.returncode} in {self.path}\n{done.stdout}{done.stderr}"
            )
        return done


@pytest.fixture
def scaffold(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Baked]:
    """Make projects: `scaffold(domain=..., style=..., features=[...], packs=[...], name=...)`.

    Further arguments are answers. The choice is exported and baked by pytest-cookies, so it is
    cookiecutter that makes the project, of the same files that `ptscaffold new` makes. A wrong
    choice raises the UsageError of the command.
    """
    try:
        cookies = request.getfixturevalue("cookies")
    except pytest.FixtureLookupError:
        pytest.fail("the fixture scaffold needs pytest-cookies: pip install 'ptscaffold[test]'")

    def make(
        *, domain: str, style: str, features: list[str] | None = None, **options: Any
    ) -> Baked:
        from ptscaffold.export.template import export_template
        from ptscaffold.project.new import Request

        packs = tuple(str(pack) for pack in options.pop("packs", ()))
        chosen = Request(
            name=options.pop("name", None),
            domain=domain,
            style=style,
            features=tuple(features or ()),
            sets=tuple(f"{key}={value}" for key, value in options.items()),
            packs=packs,
            engine="cookiecutter",
        )
        template = tmp_path_factory.mktemp("template") / "template"
        made = export_template(chosen, template)
        answers = made.plan.answers.as_dict()
        asked = {key: answers[key] for key in made.exported.asks}
        baked = cookies.bake(extra_context=asked, template=str(template))
        if baked.exception is not None:
            raise baked.exception
        return Baked(Path(baked.project_path), answers)

    return make
