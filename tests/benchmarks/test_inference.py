"""The quick version of benchmarks/inference.py runs; its numbers are not judged."""

import json
import os
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parent.parent.parent


def quick(*more):
    command = [sys.executable, str(ROOT / "benchmarks" / "inference.py"), "--quick", "--json", *more]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout)


@pytest.mark.slow
def test_every_row_is_measured():
    found = quick()
    assert found["benchmark"] == "inference"
    assert not {row["name"]: row["detail"] for row in found["rows"] if row["value"] is None}


def test_one_row_is_measured():
    (row,) = quick("--only", "half invalid snpe_b")["rows"]
    assert 0 <= row["value"] <= 1
    assert row["unit"] == "TV"


@pytest.mark.parametrize(("shift", "stretch", "good"), [(0.0, 1.0, True), (0.2, 1.0, False), (0.0, 0.85, False)])
def test_moments_are_told_apart(shift, stretch, good):
    benchmark = runpy.run_path(str(ROOT / "benchmarks" / "inference.py"))
    rng = np.random.default_rng(0)
    exact, other = rng.uniform(size=(4000, 3)), rng.uniform(size=(4000, 3))
    found = benchmark["moments_off"](0.5 + stretch * (other - 0.5) + shift * exact.std(axis=0), exact)
    assert (found <= 5) == good
