"""The quick version of benchmarks/inference.py runs; its numbers are not judged."""

import json
import os
import subprocess
import sys
from pathlib import Path

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
