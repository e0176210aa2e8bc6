"""Rows of benchmarks/simulators.py run; their numbers are not judged, but for what needs no quiet machine."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent


def only(row, **environment):
    command = [sys.executable, str(ROOT / "benchmarks" / "simulators.py"), "--quick", "--json", "--only", row]
    known = os.environ | {"PYTHONPATH": str(ROOT)} | environment
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=known)
    return json.loads(done.stdout)["rows"]


def test_a_row_of_parity_is_measured():
    (row,) = only("parity neuron hh52")
    assert row["holds"]
    assert 0 < row["value"] < 0.1


def test_without_jaxley_its_rows_say_so(tmp_path):
    """A path entry that hides the package, whether it is installed or not."""
    (tmp_path / "sitecustomize.py").write_text(
        "import importlib.util as util\nfind = util.find_spec\n"
        "util.find_spec = lambda name, *rest: None if name == 'jaxley' else find(name, *rest)\n"
    )
    rows = only("batched to Jaxley", PYTHONPATH=f"{tmp_path}{os.pathsep}{ROOT}")
    assert [row["value"] for row in rows] == [None]
    assert rows[0]["detail"] == "Jaxley is not installed; pip install 'hhfit[jaxley]'"
    assert not rows[0]["holds"]


def test_coreneuron_is_measured_beside_neuron():
    (speed,) = only("coreneuron pospischil")
    if speed["value"] is None:
        assert "CoreNEURON cannot be built" in speed["detail"]
        return
    assert speed["unit"] == "ratio to neuron"
    assert 0.2 < speed["value"] < 5


@pytest.mark.slow
def test_coreneuron_gives_the_traces_of_neuron_for_every_model():
    rows = only("parity coreneuron")
    assert [row["name"] for row in rows if not row["holds"]] == []
    assert len(rows) == 9
