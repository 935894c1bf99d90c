"""What the documentation of Lightning, fastai and transformers says works in a project as it says.

The idioms stand in `idioms_STYLE.py`, of boxes in `idioms_boxes.py`: tests of a package called
`project`, which is generated here.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ptscaffold.project.new import Request, create

CELLS = [("vision", "lightning"), ("text", "lightning"), ("vision", "fastai")]
CELLS += [("text", "fastai"), ("audio", "fastai"), ("tabular", "lightning"), ("tabular", "fastai")]
CELLS += [("detection", "fastai"), ("vision", "trainer"), ("text", "trainer"), ("audio", "trainer")]


@pytest.mark.nightly
@pytest.mark.parametrize(("domain", "style"), CELLS, ids=["-".join(cell) for cell in CELLS])
def test_every_idiom_works(domain: str, style: str, tmp_path: Path) -> None:
    create(Request(name=str(tmp_path / "project"), domain=domain, style=style))
    kind = "boxes" if domain == "detection" else style
    idioms = Path(__file__).with_name(f"idioms_{kind}.py")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "default"]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "project/src")}
    done = subprocess.run(
        [*command, "--rootdir", str(tmp_path), str(idioms)],
        cwd=tmp_path,
        env=environment | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
