"""Every notebook runs from top to bottom on a small budget."""

import os
from pathlib import Path

import nbclient
import nbformat
import pytest

from hhfit import reproduce

NOTEBOOKS = sorted((Path(__file__).resolve().parent.parent / "notebooks").glob("*.ipynb"))
PAPERS = [path for path in NOTEBOOKS if any(paper in path.stem for paper in reproduce.PAPERS)]
LONG = ("02_your_own_channel", "03_your_own_features", "04_on_a_cluster", "05_reading_the_report")
"""Whole fits of what other tests cover: with them the default suite takes over ten minutes."""
QUICK = [path for path in NOTEBOOKS if (path not in PAPERS and path.stem not in LONG) or path.stem.endswith("2017_1b")]
SLOW = [pytest.param(path, id=path.stem, marks=pytest.mark.slow) for path in NOTEBOOKS if path not in QUICK]


@pytest.mark.parametrize("path", [*(pytest.param(path, id=path.stem) for path in QUICK), *SLOW])
def test_notebook_runs(path, tmp_path, monkeypatch):
    monkeypatch.setenv("HHFIT_QUICK", "1")
    monkeypatch.setenv("HHFIT_RUNS", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(path.parent.parent))
    notebook = nbformat.read(path, as_version=4)
    if "HHFIT_RECORDINGS" in str(notebook) and "HHFIT_RECORDINGS" not in os.environ:
        pytest.skip("no real recordings; set HHFIT_RECORDINGS to their folder")
    nbclient.NotebookClient(notebook, timeout=1200 if path in PAPERS else 240, kernel_name="python3").execute(
        cwd=str(tmp_path)
    )
    assert any("report:" in str(cell.get("outputs", "")) for cell in notebook.cells)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_is_committed_without_outputs(path):
    cells = nbformat.read(path, as_version=4).cells
    assert all(not cell.outputs for cell in cells if cell.cell_type == "code")


def test_every_figure_has_its_notebook():
    figures = {f"{paper}_{figure}" for paper, titles in reproduce.PAPERS.items() for figure in titles}
    assert {path.stem.split("_", 1)[1] for path in PAPERS} == figures
