"""The notebook runs from top to bottom, and is kept without outputs."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).parents[1] / "explore.ipynb"


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of Jupyter and its event loops
def test_every_cell_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    cells = {cell.id: cell for cell in notebook.cells if cell.cell_type == "code"}
    assert not any(cell.outputs for cell in cells.values())
    # The sample, where it has other data by now
    cells["table"].source = "config = Config(epochs=1)\ntable = make_table(config)"
    NotebookClient(notebook, timeout=300, kernel_name="python3").execute()
    assert cells["predict"].outputs
